# RLSeg on simulated SemanticKITTI, on a CPU: one voxel representation, Mix3D, augmentations against what is not scored.
# Schedule and number of steps are those of its siblings.
_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/datasets/semantickitti_rlseg.py",
    "../_base_/models/minkunet_small.py",
    "../_base_/schedules/segmentation_adamw_cpu.py",
]
train_dataloader = dict(batch_size=1, num_workers=1, sampler=dict(_delete_=True, type="InfiniteSampler", shuffle=True))
val_dataloader = dict(num_workers=0, persistent_workers=False)
test_dataloader = val_dataloader

# checkpoints hold the averaged weights as state_dict, so tests and sweeps use them; those of the optimiser beside them
custom_hooks = [dict(type="EMAHook", momentum=0.02, priority="ABOVE_NORMAL")]
log_processor = dict(by_epoch=False)
default_hooks = dict(
    logger=dict(interval=20), checkpoint=dict(by_epoch=False, interval=100, save_best="mIoU_present", rule="greater")
)
