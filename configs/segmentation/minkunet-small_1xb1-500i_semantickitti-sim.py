# The small MinkowskiNet on simulated SemanticKITTI, on a CPU: what the demo trains, about 4 minutes on two cores.
_base_ = ["minkunet-small_1xb1-500i_semantickitti-mini.py"]
