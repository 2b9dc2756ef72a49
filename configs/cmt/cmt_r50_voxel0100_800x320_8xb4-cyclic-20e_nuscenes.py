# CMT with ResNet-50 at half the image size; published: 67.9 mAP, 70.8 NDS on val, with a smaller grid (see the model).
_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/datasets/nuscenes_cmt.py",
    "../_base_/models/cmt_r50.py",
    "../_base_/schedules/cmt_adamw_cyclic_20e.py",
]
load_from = "checkpoints/nuim_r50.pth"

points_in_range = dict(type="PointsRangeFilter", point_cloud_range=_base_.point_cloud_range)
boxes_in_range = dict(type="ObjectRangeFilter", point_cloud_range=_base_.point_cloud_range)
augment_images = dict(
    type="perception3d.ResizeCropFlipImages", size=(320, 800), resize_range=(0.47, 0.625), flip_prob=0.5
)
crop_images = dict(type="perception3d.ResizeCropFlipImages", size=(320, 800), resize_range=0.5)
train_pipeline = [
    *(_base_.load_images, _base_.load_lidar, _base_.load_boxes),
    *(_base_.sample_objects, _base_.mask_sensors, _base_.augment_bev),
    *(points_in_range, boxes_in_range, augment_images, _base_.pack),
]
test_pipeline = [_base_.load_images, _base_.load_lidar, crop_images, _base_.pack_inputs]
train_dataloader = dict(batch_size=4, dataset=dict(dataset=dict(pipeline=train_pipeline)))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

optim_wrapper = dict(optimizer=dict(lr=1.4e-4))
param_scheduler = [
    dict(type="CosineAnnealingLR", eta_min_ratio=6, **_base_.rise),
    dict(type="CosineAnnealingLR", eta_min_ratio=1e-4, **_base_.fall),
    *_base_.momentum,
]
auto_scale_lr = dict(base_batch_size=32)
custom_hooks = [dict(type="perception3d.FadeObjectsHook", after_epochs=15)]
