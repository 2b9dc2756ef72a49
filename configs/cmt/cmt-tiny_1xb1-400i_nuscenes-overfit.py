# The small CMT learns one keyframe by heart, in minutes on a CPU: the quickest check that everything fits together. No
# augmentation, tested on the same keyframe.
#   python tools/create_data.py nuscenes --root-path data/nuscenes --version v1.0-mini
#   python tools/train.py configs/cmt/cmt-tiny_1xb1-400i_nuscenes-overfit.py
_base_ = ["./cmt-tiny_1xb2_nuscenes-sim.py"]
model = dict(pts_bbox_head=dict(num_queries=300))  # enough for one keyframe; 900 take more steps to settle
data_root = "data/nuscenes"
ann_file = "data/infos/nuscenes/nuscenes_infos_val.pkl"
tokens = ["b5989651183643369174912bc5641d3b"]  # scene-0916, the first
crop_images = dict(type="perception3d.ResizeCropFlipImages", size=(128, 352), resize_range=0.22)  # from 1600 x 900
learn = [_base_.load_images, _base_.load_lidar, _base_.load_boxes, _base_.boxes_in_range, crop_images, _base_.pack]
check = [_base_.load_images, _base_.load_lidar, _base_.drop_sensors, crop_images, _base_.pack_inputs]
train_dataloader = dict(
    batch_size=1, dataset=dict(data_root=data_root, ann_file=ann_file, tokens=tokens, pipeline=learn)
)
val_dataloader = dict(dataset=dict(data_root=data_root, ann_file=ann_file, tokens=tokens, pipeline=check))
test_dataloader = val_dataloader
val_evaluator = dict(data_root=data_root, ann_file=ann_file)
test_evaluator = val_evaluator
max_iters = 400
param_scheduler = [dict(type="OneCycleLR", total_steps=max_iters, eta_max=1e-3, pct_start=0.15, by_epoch=False)]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
