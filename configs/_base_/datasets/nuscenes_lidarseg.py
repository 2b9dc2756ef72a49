# nuScenes-lidarseg, 16 classes. The infos come from
#   python tools/create_data.py nuscenes --root-path data/nuscenes
# For another folder give the tools --root-path. Intensity is 0..255 as in the files.
data_root = "data/nuscenes"
info_root = "data/infos/nuscenes"

load_pipeline = [
    dict(type="perception3d.LoadLidarPoints", load_dim=5, use_dim=4),
    dict(type="perception3d.LoadLidarLabels", dtype="uint8"),
]
pack = dict(
    type="Pack3DDetInputs",
    keys=["points", "pts_semantic_mask"],
    meta_keys=["lidar_path", "scene_name", "sample_id", "sample_data_token", "num_pts_feats"],
)
train_pipeline = [
    *load_pipeline,
    dict(type="RandomFlip3D", sync_2d=False, flip_ratio_bev_horizontal=0.5, flip_ratio_bev_vertical=0.5),
    dict(
        type="GlobalRotScaleTrans",
        rot_range=[-0.78539816, 0.78539816],
        scale_ratio_range=[0.95, 1.05],
        translation_std=[0.1, 0.1, 0.1],
    ),
    pack,
]
test_pipeline = [*load_pipeline, pack]

# 4 flips x 3 rotations; scores with it are always reported separately
tta_pipeline = [
    *load_pipeline,
    dict(
        type="TestTimeAug",
        transforms=[
            [
                dict(
                    type="RandomFlip3D",
                    sync_2d=False,
                    flip_ratio_bev_horizontal=horizontal,
                    flip_ratio_bev_vertical=vertical,
                )
                for horizontal in (0.0, 1.0)
                for vertical in (0.0, 1.0)
            ],
            [
                dict(
                    type="GlobalRotScaleTrans",
                    rot_range=[angle, angle],
                    scale_ratio_range=[1.0, 1.0],
                    translation_std=[0, 0, 0],
                )
                for angle in (-0.78539816, 0.0, 0.78539816)
            ],
            [pack],
        ],
    ),
]
tta_model = dict(type="Seg3DTTAModel")

dataset = dict(type="perception3d.NuScenesLidarsegDataset", data_root=data_root)
train_dataloader = dict(
    batch_size=2,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(**dataset, ann_file=f"{info_root}/nuscenes_infos_train.pkl", pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(**dataset, ann_file=f"{info_root}/nuscenes_infos_val.pkl", pipeline=test_pipeline, test_mode=True),
)
test_dataloader = val_dataloader

val_evaluator = dict(type="perception3d.LidarSegMetric")
test_evaluator = val_evaluator
