# RLSeg with PolarMix (Xiao et al., NeurIPS 2022): sectors exchanged, instances pasted and turned.
_base_ = ["rlseg-small_1xb1-700i_semantickitti-sim.py"]
steps = _base_.train_dataloader.dataset.pipeline
place = [step["type"] for step in steps].index("perception3d.SelectiveJitter")
mix = dict(type="PolarMix", prob=0.15, instance_classes=[0, 1, 2, 3, 4, 5, 6, 7], pre_transform=steps[:place])
train_dataloader = dict(dataset=dict(pipeline=[*steps[:place], mix, *steps[place:]]))
