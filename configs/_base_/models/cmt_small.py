# CMT for minutes on a GPU: 0.2 m voxels, a BEV map of 128 x 128, three stages of half a ResNet-18 on images of
# 352 x 128 (tokens at stride 8), three decoder layers; 2.4 M parameters, 4.8 MB in half precision.
_base_ = ["cmt_tiny.py"]
model = dict(
    data_preprocessor=dict(voxel_layer=dict(voxel_size=[0.2, 0.2, 0.4], max_voxels=(60000, 60000))),
    img_backbone=dict(num_stages=3, strides=(1, 2, 2), dilations=(1, 1, 1), out_indices=(1, 2)),
    img_neck=dict(in_channels=[64, 128]),
    pts_middle_encoder=dict(sparse_shape=[21, 512, 512]),
    pts_backbone=dict(out_channels=[64, 96]),
    pts_neck=dict(in_channels=[64, 96]),
    pts_bbox_head=dict(num_queries=600, num_layers=3),
)
