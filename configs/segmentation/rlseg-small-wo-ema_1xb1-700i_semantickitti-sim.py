# RLSeg without the average of its weights.
_base_ = ["rlseg-small_1xb1-700i_semantickitti-sim.py"]
custom_hooks = []
