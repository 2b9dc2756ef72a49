# RLSeg without random beams.
_base_ = ["rlseg-small_1xb1-700i_semantickitti-sim.py"]
without = ["perception3d.RandomBeams"]
steps = _base_.train_dataloader.dataset.pipeline
train_dataloader = dict(dataset=dict(pipeline=[step for step in steps if step["type"] not in without]))
