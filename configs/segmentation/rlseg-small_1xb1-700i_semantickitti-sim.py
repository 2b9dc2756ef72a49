# RLSeg on simulated SemanticKITTI, on a CPU: the small Cylinder3D, its data augmented against what is not scored.
_base_ = [
    "../_base_/semantickitti_small_cpu.py",
    "../_base_/models/cylinder3d_small.py",
    "../_base_/augmentations/rlseg.py",
]
train_dataloader = dict(dataset=dict(pipeline=[*_base_.load_pipeline, *_base_.rlseg_augmentations, _base_.pack]))
# checkpoints hold the averaged weights as state_dict, so tests and sweeps use them; those of the optimiser beside them
custom_hooks = [dict(type="EMAHook", momentum=0.02, priority="ABOVE_NORMAL")]
