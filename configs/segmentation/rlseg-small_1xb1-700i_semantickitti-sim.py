# RLSeg on simulated SemanticKITTI, on a CPU: quantiles of intensity, light augmentations, averaged weights. The network
# is the small MinkowskiNet's: in 700 steps the cylinder is behind it (rlseg-small-cylinder_...).
_base_ = [
    "../_base_/semantickitti_small_cpu.py",
    "../_base_/models/minkunet_small.py",
    "../_base_/augmentations/rlseg_small.py",
]
model = dict(intensity_quantiles=True)
train_dataloader = dict(dataset=dict(pipeline=[*_base_.load_pipeline, *_base_.rlseg_augmentations, _base_.pack]))
# checkpoints hold the averaged weights as state_dict, so tests and sweeps use them; those of the optimiser beside them
custom_hooks = [dict(type="EMAHook", momentum=0.02, priority="ABOVE_NORMAL")]
