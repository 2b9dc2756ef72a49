# MinkowskiNet for a CPU: 0.2 m voxels, narrow, 1.1 M parameters.
_base_ = ["minkunet.py", "../class_weights_semantickitti.py"]
model = dict(
    partition=dict(voxel_size_m=0.2, feature_scale=(0.05, 0.05, 0.5, 2.0)),
    backbone=dict(channels=(16, 16, 32, 64, 64, 64, 32, 32, 32), blocks=1),
    loss_ce=dict(class_weight=_base_.sim_class_weight),
)
