# nuScenes detection as CMT is trained on it: six cameras at 1600 x 640, LiDAR with ten sweeps, all augmentations.
#   python tools/create_data.py nuscenes --root-path data/nuscenes --version v1.0-trainval --gt-database
# For another folder give the tools --root-path. Version and split of the scores follow the info files.
data_root = "data/nuscenes"
info_root = "data/infos/nuscenes"
class_names = [
    *("car", "truck", "construction_vehicle", "bus", "trailer"),
    *("barrier", "motorcycle", "bicycle", "pedestrian", "traffic_cone"),
]
range_m = [-54.0, -54.0, -5.0, 54.0, 54.0, 3.0]
sensors = dict(use_lidar=True, use_camera=True)

# The pieces, for configs with fewer sensors or other image sizes
load_images = dict(type="perception3d.LoadMultiViewImages")
load_lidar = dict(type="perception3d.LoadLidarSweeps", sweeps_num=10)
load_boxes = dict(type="LoadAnnotations3D", with_bbox_3d=True, with_label_3d=True)
sample_objects = dict(
    type="perception3d.SampleObjects",
    database=f"{info_root}/nuscenes_dbinfos_train.pkl",
    classes=class_names,
    groups=dict(
        car=2,
        truck=3,
        construction_vehicle=7,
        bus=4,
        trailer=6,
        barrier=2,
        motorcycle=6,
        bicycle=6,
        pedestrian=2,
        traffic_cone=2,
    ),
)
# masked as published; blank=False takes the tokens away instead, and then DDP needs find_unused_parameters=True
mask_sensors = dict(type="perception3d.ModalMask", lidar_prob=0.25, cameras_prob=0.25, blank=True)
augment_bev = dict(
    type="perception3d.AugmentBEV",
    rotation_range_rad=(-0.785, 0.785),
    scale_range=(0.9, 1.1),
    translation_std_m=0.5,
    flip_y_prob=0.5,
    flip_x_prob=0.5,
)
points_in_range = dict(type="PointsRangeFilter", point_cloud_range=range_m)
boxes_in_range = dict(type="ObjectRangeFilter", point_cloud_range=range_m)
augment_images = dict(
    type="perception3d.ResizeCropFlipImages", size=(640, 1600), resize_range=(0.94, 1.25), flip_prob=0.5
)
crop_images = dict(type="perception3d.ResizeCropFlipImages", size=(640, 1600), resize_range=1.0)
pack = dict(type="perception3d.PackMultiModalInputs")
pack_inputs = dict(type="perception3d.PackMultiModalInputs", keys=["points", "img"])

train_pipeline = [
    *(load_images, load_lidar, load_boxes),
    *(sample_objects, mask_sensors, augment_bev),
    *(points_in_range, boxes_in_range, augment_images, pack),
]
test_pipeline = [load_images, load_lidar, crop_images, pack_inputs]

dataset = dict(
    type="perception3d.NuScenesDetDataset", data_root=data_root, metainfo=dict(classes=class_names), modality=sensors
)
train_dataloader = dict(
    batch_size=2,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(
        type="CBGSDataset",
        dataset=dict(
            **dataset,
            ann_file=f"{info_root}/nuscenes_infos_train.pkl",
            pipeline=train_pipeline,
            filter_empty_gt=False,  # the model trains on frames without objects
        ),
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(**dataset, ann_file=f"{info_root}/nuscenes_infos_val.pkl", pipeline=test_pipeline, test_mode=True),
)
test_dataloader = val_dataloader

val_evaluator = dict(
    type="perception3d.NuScenesDetMetric",
    data_root=data_root,
    ann_file=f"{info_root}/nuscenes_infos_val.pkl",
    modality=sensors,
)
test_evaluator = val_evaluator
