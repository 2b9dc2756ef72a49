# RLSeg with intensity as it is measured.
_base_ = ["rlseg-small_1xb1-700i_semantickitti-sim.py"]
model = dict(intensity_quantiles=False)
