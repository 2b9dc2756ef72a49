# CMT that learns the simulated world on one GPU in minutes; all sensors in every sample. The data: see
# ../_base_/datasets/nuscenes_sim_cmt.py, here with more scenes:
#   python tools/simulate.py nuscenes --out data/nuscenes-sim --preset train --scenes 300 --keyframes 4 \
#       --resolution 225x400 --workers 16
#   python tools/train.py configs/cmt/cmt-small_1xb16_nuscenes-sim.py
_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/datasets/nuscenes_sim_cmt.py",
    "../_base_/models/cmt_small.py",
    "../_base_/schedules/cmt_adamw_cpu.py",
]
max_iters = 4000
train_dataloader = dict(batch_size=16, num_workers=7)
val_dataloader = dict(num_workers=4)
test_dataloader = val_dataloader
param_scheduler = [dict(type="OneCycleLR", total_steps=max_iters, eta_max=1.5e-3, pct_start=0.15, by_epoch=False)]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
default_hooks = dict(
    logger=dict(type="LoggerHook", interval=50),
    checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=1000, max_keep_ckpts=1),
)
log_processor = dict(type="LogProcessor", window_size=50, by_epoch=False)
auto_scale_lr = dict(base_batch_size=16)
