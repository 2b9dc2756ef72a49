# The study's recipe: SGD 0.24, Nesterov momentum 0.9, weight decay 1e-4, 64 epochs of batch 8, cosine per step.
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.24, momentum=0.9, weight_decay=1e-4, nesterov=True),
)
param_scheduler = [dict(type="CosineAnnealingLR", T_max=64, by_epoch=True, convert_to_iter_based=True)]
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=64, val_interval=4)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
auto_scale_lr = dict(enable=False, base_batch_size=8)
