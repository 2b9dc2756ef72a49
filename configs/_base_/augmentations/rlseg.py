# RLSeg's augmentations of SemanticKITTI, one step each; those before Mix3D act on both of its scans.
# Held out: fog, snowfall, local distortion, global outliers and the beam patterns of SemanticKITTI-C are never trained
# on (perception3d/transforms/held_out.py).
rlseg_augmentations = [
    dict(
        type="perception3d.RandomCorruption",
        prob=0.3,
        choices=[
            dict(corruption="rain", rate_mm_per_h=[10.0, 200.0]),
            dict(corruption="wet_ground", water_height_mm=[0.1, 1.2]),
            dict(corruption="crosstalk", share=[0.005, 0.15], sigma_m=[1.0, 5.0]),
            dict(corruption="gaussian_noise", sigma_m=[0.0, 0.1]),
            dict(corruption="cutout", patches=[1, 10]),
        ],
    ),
    dict(type="perception3d.RandomBeams", prob=0.4, min_beams=16),
    dict(type="perception3d.RandomPointDrop", prob=0.3, max_share=0.5),
    dict(type="RandomFlip3D", sync_2d=False, flip_ratio_bev_horizontal=0.5, flip_ratio_bev_vertical=0.5),
    dict(
        type="GlobalRotScaleTrans",
        rot_range=[-0.78539816, 0.78539816],
        scale_ratio_range=[0.95, 1.05],
        translation_std=[0.1, 0.1, 0.1],
    ),
    dict(type="RandomJitterPoints", jitter_std=[0.01, 0.01, 0.01], clip_range=[-0.05, 0.05]),
    dict(type="perception3d.Mix3D", prob=0.3),
    dict(type="perception3d.SelectiveJitter", prob=0.3, max_sigma_m=0.15),
    dict(type="perception3d.RandomVisibility", prob=0.3, visibility_m=[6.0, 60.0]),
    dict(type="perception3d.NearClutter", prob=0.4, max_share=0.4),
]
