# The published ResNet-50 model as it was trained: range 54.0 m (1080 cells) on a sparse shape of 1024 cells. Voxels
# beyond x or y = 48.4 m are left out (the published code passes them on, out of shape), and the 128 x 128 BEV map is
# encoded as if it spanned the range: a token at x as if it lay at x + 0.0547 (x + 54). For the published weights only.
_base_ = ["./cmt_r50_voxel0100_800x320_8xb4-cyclic-20e_nuscenes.py"]
range_m = [-54.0, -54.0, -5.0, 54.0, 54.0, 3.0]
model = dict(
    data_preprocessor=dict(voxel_layer=dict(point_cloud_range=range_m)),
    pts_middle_encoder=dict(sparse_shape=[41, 1024, 1024]),
    pts_bbox_head=dict(point_cloud_range=range_m),
    crop_to_sparse_shape=True,
)
train_pipeline = [
    dict(step, point_cloud_range=range_m) if "point_cloud_range" in step else step for step in _base_.train_pipeline
]
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
