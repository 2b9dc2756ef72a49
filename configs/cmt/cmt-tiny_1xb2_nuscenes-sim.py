# CMT small enough to learn something of the simulated world on a CPU: 1600 steps in 50 minutes of one core. All sensors
# in every sample. The data: see ../_base_/datasets/nuscenes_sim_cmt.py.
#   python tools/train.py configs/cmt/cmt-tiny_1xb2_nuscenes-sim.py
_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/datasets/nuscenes_sim_cmt.py",
    "../_base_/models/cmt_tiny.py",
    "../_base_/schedules/cmt_adamw_cpu.py",
]
default_hooks = dict(
    logger=dict(type="LoggerHook", interval=50),
    checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=400, max_keep_ckpts=1),
)
log_processor = dict(type="LogProcessor", window_size=50, by_epoch=False)
