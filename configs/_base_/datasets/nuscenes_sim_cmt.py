# Simulated nuScenes for the small CMT: images of 352 x 128 out of 400 x 225, the keyframe's sweep and four before it.
#   python tools/simulate.py nuscenes --out data/nuscenes-sim --preset train --keyframes 3 --resolution 225x400 \
#       --workers 2
#   python tools/create_data.py nuscenes --root-path data/nuscenes-sim
# Tested without sensors: tools/test.py ... --cfg-options, and then
#   test_dataloader.dataset.pipeline.2.lidar=True, test_dataloader.dataset.pipeline.2.cameras=all, or
#   test_dataloader.dataset.pipeline.2.cameras="['CAM_FRONT']"
_base_ = ["./nuscenes_cmt.py"]
data_root = "data/nuscenes-sim"
info_root = "data/infos/nuscenes-sim"
model_range_m = [-51.2, -51.2, -5.0, 51.2, 51.2, 3.0]  # of the model cmt_tiny
load_lidar = dict(type="perception3d.LoadLidarSweeps", sweeps_num=4)
augment_bev = dict(
    type="perception3d.AugmentBEV",
    rotation_range_rad=(-0.785, 0.785),
    scale_range=(0.95, 1.05),
    translation_std_m=0.2,
    flip_y_prob=0.5,
    flip_x_prob=0.5,
)
points_in_range = dict(type="PointsRangeFilter", point_cloud_range=model_range_m)
boxes_in_range = dict(type="ObjectRangeFilter", point_cloud_range=model_range_m)
# from 400 x 225
augment_images = dict(
    type="perception3d.ResizeCropFlipImages", size=(128, 352), resize_range=(0.85, 0.95), flip_prob=0.5
)
crop_images = dict(type="perception3d.ResizeCropFlipImages", size=(128, 352), resize_range=0.88)

load = [_base_.load_images, load_lidar, _base_.load_boxes]
augment = [augment_bev, points_in_range, boxes_in_range, augment_images, _base_.pack]
train_pipeline = [*load, *augment]
drop_sensors = dict(type="perception3d.DropSensors", lidar=False, cameras=[])
test_pipeline = [_base_.load_images, load_lidar, drop_sensors, crop_images, _base_.pack_inputs]
train_dataloader = dict(
    _delete_=True,
    batch_size=2,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(
        **_base_.dataset | dict(data_root=data_root),
        ann_file=f"{info_root}/nuscenes_infos_train.pkl",
        pipeline=train_pipeline,
        filter_empty_gt=False,
    ),
)
val_dataloader = dict(
    num_workers=1,
    dataset=dict(data_root=data_root, ann_file=f"{info_root}/nuscenes_infos_val.pkl", pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(data_root=data_root, ann_file=f"{info_root}/nuscenes_infos_val.pkl")
test_evaluator = val_evaluator
