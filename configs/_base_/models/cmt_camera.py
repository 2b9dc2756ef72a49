# CMT-C, cameras only, VoVNet-99, images of 1600 x 640; 78,156,100 parameters. Published: 40.6 mAP, 46.0 NDS.
_base_ = ["./cmt_v99.py"]
model = dict(
    data_preprocessor=dict(voxel=False, voxel_layer=None),
    grid_mask=None,
    pts_voxel_encoder=None,
    pts_middle_encoder=None,
    pts_backbone=None,
    pts_neck=None,
    pts_bbox_head=dict(sensors=("camera",)),
)
