# Weights of the cross-entropy as in the study: (share of the most frequent class / share) ** (1/3).
# Shares of the simulated world:
sim_class_weight = [
    *(1.9, 4.6, 3.8, 2.5, 2.4, 3.2, 3.2, 3.3),
    *(1.0, 2.2, 1.5, 2.5, 1.4, 2.1, 1.3, 3.2, 1.5, 3.2, 3.1),
]
# Shares of 40 real training scans of 8 sequences; bicyclist does not occur there and gets the largest weight:
mini_class_weight = [
    *(2.2, 9.8, 14.2, 3.8, 4.1, 6.2, 14.2, 14.2),
    *(1.0, 2.7, 1.3, 2.7, 1.5, 1.9, 1.2, 3.5, 1.3, 3.7, 4.9),
]
# Shares of the whole training split, from the counts of points in the study's code base:
study_class_weight = [
    *(2.0, 11.4, 9.6, 5.7, 5.3, 9.5, 13.7, 18.2),
    *(1.3, 3.0, 1.4, 4.2, 1.3, 1.7, 1.0, 3.6, 1.5, 4.7, 7.4),
]
