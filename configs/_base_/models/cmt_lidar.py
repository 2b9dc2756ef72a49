# CMT-L, LiDAR only, 0.075 m voxels; 16,769,492 parameters. Published: 62.14 mAP, 68.6 NDS.
# The task branches look at neighbouring queries (kernel 3), as published for this model alone.
_base_ = ["./cmt_v99.py"]
model = dict(
    img_backbone=None,
    img_neck=None,
    grid_mask=None,
    pts_bbox_head=dict(sensors=("lidar",), kernel_size=3),
)
