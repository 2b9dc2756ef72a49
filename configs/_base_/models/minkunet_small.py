# MinkowskiNet for a CPU: 0.2 m voxels, narrow, 1.1 M parameters.
_base_ = ["minkunet.py"]
model = dict(
    partition=dict(voxel_size_m=0.2, feature_scale=(0.05, 0.05, 0.5, 2.0)),
    backbone=dict(channels=(16, 16, 32, 64, 64, 64, 32, 32, 32), blocks=1),
    # (share of the most frequent class / share) ** (1/3), the study's weights, from the shares in the simulated world
    loss_ce=dict(
        class_weight=[
            *(1.9, 4.6, 3.8, 2.5, 2.4, 3.2, 3.2, 3.3),
            *(1.0, 2.2, 1.5, 2.5, 1.4, 2.1, 1.3, 3.2, 1.5, 3.2, 3.1),
        ]
    ),
)
