# Cylinder3D (Zhu et al., CVPR 2021): 480 x 360 x 32 voxels within 50 m, 55.8 M parameters.
model = dict(
    type="perception3d.LidarSegmentor",
    data_preprocessor=dict(type="Det3DDataPreprocessor"),
    partition=dict(
        type="perception3d.CylinderPartition",
        grid_shape=(480, 360, 32),
        rho_range_m=(0.0, 50.0),
        z_range_m=(-4.0, 2.0),
    ),
    encoder=dict(type="perception3d.PointEncoder", in_channels=9, channels=(64, 128, 256, 256), out_channels=16),
    backbone=dict(type="perception3d.AsymmetricUNet", in_channels=16, channels=(32, 64, 128, 256, 512)),
    num_classes=19,
    ignore_index=19,
    loss_ce=dict(type="mmdet.CrossEntropyLoss", avg_non_ignore=True),
    loss_lovasz=dict(type="perception3d.LovaszSoftmaxLoss"),
)
