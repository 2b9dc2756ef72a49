# The small MinkowskiNet on simulated nuScenes-lidarseg, on a CPU.
_base_ = ["../_base_/nuscenes_lidarseg_small_cpu.py", "../_base_/models/minkunet_small.py"]
model = dict(
    partition=dict(feature_scale=(0.05, 0.05, 0.5, 2 / 255)),  # intensity 0..255
    num_classes=16,
    ignore_index=16,
    # (share of the most frequent class / share) ** (1/3) in the simulated world
    loss_ce=dict(
        class_weight=[2.9, 5.5, 2.6, 1.6, 4.5, 4.3, 3.9, 4.9, 2.8, 2.1, 1.0, 2.9, 1.7, 2.1, 1.3, 1.6],
    ),
)
