# The ResNet-50 model on the published grid, without what lies beyond 48.4 m ahead and left: for the published weights.
_base_ = ["./cmt_r50_voxel0100_800x320_8xb4-cyclic-20e_nuscenes.py"]
range_m = [-54.0, -54.0, -5.0, 54.0, 54.0, 3.0]
model = dict(
    data_preprocessor=dict(voxel_layer=dict(point_cloud_range=range_m)),
    pts_middle_encoder=dict(sparse_shape=[41, 1024, 1024]),
    pts_bbox_head=dict(point_cloud_range=range_m),
    crop_to_sparse_shape=True,
)
