# RLSeg with Mix3D (Nekrasov et al., 3DV 2021): the union of two scans.
_base_ = ["rlseg-small_1xb1-700i_semantickitti-sim.py"]
steps = _base_.train_dataloader.dataset.pipeline
place = [step["type"] for step in steps].index("perception3d.SelectiveJitter")
mix = dict(type="perception3d.Mix3D", prob=0.15)
train_dataloader = dict(dataset=dict(pipeline=[*steps[:place], mix, *steps[place:]]))
