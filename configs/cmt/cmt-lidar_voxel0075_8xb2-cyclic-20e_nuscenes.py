# CMT-L, LiDAR only; published: 62.14 mAP, 68.6 NDS on val.
_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/datasets/nuscenes_cmt.py",
    "../_base_/models/cmt_lidar.py",
    "../_base_/schedules/cmt_adamw_cyclic_20e.py",
]
sensors = dict(use_lidar=True, use_camera=False)
sample_objects = dict(**_base_.sample_objects, with_images=False)
train_pipeline = [
    *(_base_.load_lidar, _base_.load_boxes, sample_objects, _base_.augment_bev),
    *(_base_.points_in_range, _base_.boxes_in_range, _base_.pack),
]
test_pipeline = [_base_.load_lidar, _base_.pack_inputs]
train_dataloader = dict(dataset=dict(dataset=dict(modality=sensors, pipeline=train_pipeline)))
val_dataloader = dict(dataset=dict(modality=sensors, pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(modality=sensors)
test_evaluator = val_evaluator

param_scheduler = [
    dict(type="CosineAnnealingLR", eta_min_ratio=6, **_base_.rise),
    dict(type="CosineAnnealingLR", eta_min_ratio=1e-4, **_base_.fall),
    *_base_.momentum,
]
custom_hooks = [dict(type="perception3d.FadeObjectsHook", after_epochs=15)]
