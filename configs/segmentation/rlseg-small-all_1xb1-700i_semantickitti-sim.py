# RLSeg with all augmentations of the study-size model, as often as there.
_base_ = [
    "../_base_/semantickitti_small_cpu.py",
    "../_base_/models/minkunet_small.py",
    "../_base_/augmentations/rlseg.py",
]
model = dict(intensity_quantiles=True)
train_dataloader = dict(dataset=dict(pipeline=[*_base_.load_pipeline, *_base_.rlseg_augmentations, _base_.pack]))
custom_hooks = [dict(type="EMAHook", momentum=0.02, priority="ABOVE_NORMAL")]
