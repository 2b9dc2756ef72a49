# nuScenes-lidarseg's data, runtime and schedule for the small models on a CPU.
_base_ = ["default_runtime.py", "datasets/nuscenes_lidarseg.py", "schedules/segmentation_adamw_cpu.py"]
train_dataloader = dict(batch_size=1, num_workers=1, sampler=dict(_delete_=True, type="InfiniteSampler", shuffle=True))
val_dataloader = dict(num_workers=0, persistent_workers=False)
test_dataloader = val_dataloader

log_processor = dict(by_epoch=False)
default_hooks = dict(
    logger=dict(interval=20), checkpoint=dict(by_epoch=False, interval=100, save_best="mIoU_present", rule="greater")
)
