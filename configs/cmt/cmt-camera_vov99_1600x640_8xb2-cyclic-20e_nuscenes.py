# CMT-C, cameras only; published: 40.6 mAP, 46.0 NDS on val. The published training rotated boxes and images in opposite
# directions (AugmentBEV's reverse_angle=True repeats it); here both turn together.
_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/datasets/nuscenes_cmt.py",
    "../_base_/models/cmt_camera.py",
    "../_base_/schedules/cmt_adamw_cyclic_20e.py",
]
load_from = "checkpoints/fcos3d_vovnet_imgbackbone-remapped.pth"
sensors = dict(use_lidar=False, use_camera=True)
augment_bev = dict(
    type="perception3d.AugmentBEV",
    rotation_range_rad=(-0.3925, 0.3925),
    scale_range=(0.95, 1.05),
    translation_std_m=0.0,
    flip_y_prob=0.0,
    flip_x_prob=0.0,
)
train_pipeline = [
    *(_base_.load_images, _base_.load_boxes, augment_bev),
    *(_base_.boxes_in_range, _base_.augment_images, _base_.pack),
]
test_pipeline = [_base_.load_images, _base_.crop_images, _base_.pack_inputs]
train_dataloader = dict(dataset=dict(dataset=dict(modality=sensors, pipeline=train_pipeline)))
val_dataloader = dict(dataset=dict(modality=sensors, pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(modality=sensors)
test_evaluator = val_evaluator
