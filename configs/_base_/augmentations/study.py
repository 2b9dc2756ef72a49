# Augmentations in the recipe of the SemanticKITTI-C study: any rotation, four flips, scale, shift, up to 20 % of the
# points lost. Mix3D and the like are not part of it.
study_augmentations = [
    dict(type="perception3d.RandomPointDrop", prob=1.0, max_share=0.2),
    dict(type="RandomFlip3D", sync_2d=False, flip_ratio_bev_horizontal=0.5, flip_ratio_bev_vertical=0.5),
    dict(
        type="GlobalRotScaleTrans",
        rot_range=[-3.14159265, 3.14159265],
        scale_ratio_range=[0.95, 1.05],
        translation_std=[0.1, 0.1, 0.1],
    ),
]
