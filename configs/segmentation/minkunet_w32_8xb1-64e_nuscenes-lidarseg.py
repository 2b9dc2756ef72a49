# MinkowskiNet of the SemanticKITTI-C study on nuScenes-lidarseg: its optimiser and schedule, rotations up to 45
# degrees, no points lost, no class weights.
_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/datasets/nuscenes_lidarseg.py",
    "../_base_/models/minkunet.py",
    "../_base_/schedules/segmentation_sgd_64e.py",
]
model = dict(
    # 35 k points of 32 beams: coarser voxels; intensity 0..255 becomes 0..1
    partition=dict(voxel_size_m=0.1, feature_scale=(1.0, 1.0, 1.0, 1 / 255)),
    num_classes=16,
    ignore_index=16,
)
train_dataloader = dict(batch_size=1)
