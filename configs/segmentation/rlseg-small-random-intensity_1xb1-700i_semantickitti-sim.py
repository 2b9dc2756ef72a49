# RLSeg with random intensity in place of its quantiles.
_base_ = ["rlseg-small-wo-quantiles_1xb1-700i_semantickitti-sim.py"]
steps = _base_.train_dataloader.dataset.pipeline
random_intensity = dict(type="perception3d.RandomIntensity", prob=0.35, gain=[0.02, 2.0])
train_dataloader = dict(dataset=dict(pipeline=[*steps[:-1], random_intensity, steps[-1]]))
