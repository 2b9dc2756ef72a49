# Cylinder3D for a CPU: voxels of 0.21 m x 1.5 degrees x 0.25 m, narrow, 1.2 M parameters.
_base_ = ["cylinder3d.py", "../class_weights_semantickitti.py"]
model = dict(
    partition=dict(grid_shape=(240, 240, 24)),
    encoder=dict(channels=(32, 64), out_channels=16),
    backbone=dict(channels=(16, 16, 24, 48, 64), strides=((2, 2, 2), (2, 2, 2), (2, 2, 2), (2, 2, 1))),
    loss_ce=dict(class_weight=_base_.sim_class_weight),
)
