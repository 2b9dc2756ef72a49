# SPVCNN (Tang et al., ECCV 2020) at the width of MinkowskiNet: 0.05 m voxels, 21.8 M parameters.
_base_ = ["minkunet.py"]
model = dict(backbone=dict(type="perception3d.SPVCNN", dropout=0.3))
