# RLSeg's recipe with the small Cylinder3D in place of the small MinkowskiNet.
_base_ = [
    "../_base_/semantickitti_small_cpu.py",
    "../_base_/models/cylinder3d_small.py",
    "../_base_/augmentations/rlseg_small.py",
]
model = dict(intensity_quantiles=True)
train_dataloader = dict(dataset=dict(pipeline=[*_base_.load_pipeline, *_base_.rlseg_augmentations, _base_.pack]))
custom_hooks = [dict(type="EMAHook", momentum=0.02, priority="ABOVE_NORMAL")]
