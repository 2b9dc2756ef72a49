"""A small CMT on a small data set, as a config file that the tools and the inference functions take."""

from pathlib import Path

CONFIGS = Path(__file__).resolve().parents[1] / "configs"

TINY = """
_base_ = ["{configs}/cmt/cmt_r50_voxel0100_800x320_8xb4-cyclic-20e_nuscenes.py"]
load_from = None
model = dict(
    data_preprocessor=dict(voxel_layer=dict(voxel_size=[0.85, 0.85, 0.2])),
    img_backbone=dict(depth=18),
    img_neck=dict(in_channels=[256, 512], out_channels=32),
    grid_mask=None,
    pts_middle_encoder=dict(
        sparse_shape=[41, 128, 128],
        base_channels=4,
        output_channels=8,
        encoder_channels=((4, 4, 8), (8, 8, 8), (8, 8, 8), (8, 8)),
    ),
    pts_backbone=dict(in_channels=16, out_channels=[16, 16], layer_nums=[1, 1]),
    pts_neck=dict(in_channels=[16, 16], out_channels=[16, 16]),
    pts_bbox_head=dict(
        lidar_channels=32, embed_dims=32, num_queries=100, num_layers=2, num_heads=2, hidden_dims=32,
        box_coder=dict(max_num=30),
    ),
)
resize = dict(type="perception3d.ResizeCropFlipImages", size=(64, 128), resize_range={resize})
train_pipeline = [
    *(_base_.load_images, _base_.load_lidar, _base_.load_boxes, _base_.mask_sensors, _base_.augment_bev),
    *(_base_.points_in_range, _base_.boxes_in_range, resize, _base_.pack),
]
test_pipeline = [_base_.load_images, _base_.load_lidar, resize, _base_.pack_inputs]
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(_delete_=True, **_base_.train_dataloader.dataset.dataset),
)
train_dataloader["dataset"]["pipeline"] = train_pipeline
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=1, val_interval=1)
param_scheduler = []
custom_hooks = []
"""


def write_config(folder: Path, resize: float) -> Path:
    """The config, with images of 128 x 64 cut out of ones resized by a factor."""
    path = folder / "tiny.py"
    path.write_text(TINY.format(configs=CONFIGS, resize=resize))
    return path
