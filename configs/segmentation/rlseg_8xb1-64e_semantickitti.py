# RLSeg: Cylinder3D as in the SemanticKITTI-C study, quantiles of intensity, data augmented against what is not scored,
# weights averaged.
_base_ = ["cylinder3d_8xb1-64e_semantickitti.py", "../_base_/augmentations/rlseg.py"]
model = dict(intensity_quantiles=True)
train_dataloader = dict(dataset=dict(pipeline=[*_base_.load_pipeline, *_base_.rlseg_augmentations, _base_.pack]))
custom_hooks = [dict(type="EMAHook", momentum=0.001, priority="ABOVE_NORMAL")]
