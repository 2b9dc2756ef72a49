# RLSeg with LaserMix (Kong et al., CVPR 2023): bands of elevation exchanged.
_base_ = ["rlseg-small_1xb1-700i_semantickitti-sim.py"]
steps = _base_.train_dataloader.dataset.pipeline
place = [step["type"] for step in steps].index("perception3d.SelectiveJitter")
mix = dict(type="LaserMix", prob=0.15, num_areas=[3, 4, 5, 6], pitch_angles=[-25, 3], pre_transform=steps[:place])
train_dataloader = dict(dataset=dict(pipeline=[*steps[:place], mix, *steps[place:]]))
