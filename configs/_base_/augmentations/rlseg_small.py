# RLSeg's augmentations for a model that sees 700 scans: fewer, and less often. Everything more cost clean and corrupted
# scores alike on the 3 real validation scans that these numbers were chosen on (configs/segmentation/README.md).
# Held out as in rlseg.py.
rlseg_augmentations = [
    dict(type="perception3d.RandomBeams", prob=0.2, min_beams=16),
    dict(type="RandomFlip3D", sync_2d=False, flip_ratio_bev_horizontal=0.5, flip_ratio_bev_vertical=0.5),
    dict(
        type="GlobalRotScaleTrans",
        rot_range=[-0.78539816, 0.78539816],
        scale_ratio_range=[0.95, 1.05],
        translation_std=[0.1, 0.1, 0.1],
    ),
    dict(type="RandomJitterPoints", jitter_std=[0.01, 0.01, 0.01], clip_range=[-0.05, 0.05]),
    dict(type="perception3d.SelectiveJitter", prob=0.25, max_sigma_m=0.2),
    dict(type="perception3d.NearClutter", prob=0.2, max_share=0.4),
]
