# RLSeg on a handful of real scans, on a CPU: 40 training scans of 8 sequences, 3 of sequence 08.
_base_ = ["rlseg-small_1xb1-700i_semantickitti-sim.py"]
model = dict(loss_ce=dict(class_weight=_base_.mini_class_weight))
