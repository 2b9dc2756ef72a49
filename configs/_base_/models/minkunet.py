# MinkowskiNet of the SemanticKITTI-C study: 0.05 m voxels, 21.7 M parameters.
model = dict(
    type="perception3d.LidarSegmentor",
    data_preprocessor=dict(type="Det3DDataPreprocessor"),
    partition=dict(
        type="perception3d.GridPartition", voxel_size_m=0.05, point_cloud_range=[-80.0, -80.0, -5.0, 80.0, 80.0, 3.0]
    ),
    backbone=dict(
        type="perception3d.SparseUNet", in_channels=4, channels=(32, 32, 64, 128, 256, 256, 128, 96, 96), blocks=2
    ),
    num_classes=19,
    ignore_index=19,
    loss_ce=dict(type="mmdet.CrossEntropyLoss", avg_non_ignore=True),
    loss_lovasz=dict(type="perception3d.LovaszSoftmaxLoss"),
)
