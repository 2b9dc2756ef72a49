# SPVCNN for a CPU: 0.2 m voxels, narrow, one point of the branch per voxel, 1.1 M parameters.
_base_ = ["minkunet_small.py"]
model = dict(backbone=dict(type="perception3d.SPVCNN", dropout=0.0, cells_per_voxel=1))
