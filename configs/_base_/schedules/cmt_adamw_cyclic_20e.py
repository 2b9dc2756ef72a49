# CMT's recipe: AdamW, 20 epochs; the learning rate rises to 8 times its base in 8 and falls to 1e-4 of it in 12, along
# cosines, step by step, while beta1 goes from 0.9 to 0.805 and back. Ratios, because parts have rates of their own.
# Mixed precision needs an accelerator; on a CPU: --cfg-options optim_wrapper.type=OptimWrapper
optim_wrapper = dict(
    type="AmpOptimWrapper",
    optimizer=dict(type="AdamW", lr=1e-4, weight_decay=0.01),
    paramwise_cfg=dict(custom_keys={"img_backbone": dict(lr_mult=0.01, decay_mult=5), "img_neck": dict(lr_mult=0.1)}),
    clip_grad=dict(max_norm=35, norm_type=2),
)
rise = dict(T_max=8, begin=0, end=8, by_epoch=True, convert_to_iter_based=True)
fall = dict(T_max=12, begin=8, end=20, by_epoch=True, convert_to_iter_based=True)
momentum = [
    dict(type="CosineAnnealingMomentum", eta_min_ratio=0.85 / 0.95, **rise),
    dict(type="CosineAnnealingMomentum", eta_min_ratio=1.0, **fall),
]
param_scheduler = [
    dict(type="CosineAnnealingLR", eta_min_ratio=8, **rise),
    dict(type="CosineAnnealingLR", eta_min_ratio=1e-4, **fall),
    *momentum,
]
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=20, val_interval=20)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
auto_scale_lr = dict(enable=False, base_batch_size=16)
