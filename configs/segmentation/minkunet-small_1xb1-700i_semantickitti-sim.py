# The small MinkowskiNet on simulated SemanticKITTI, on a CPU: what the demo trains, about 5 minutes on two cores.
_base_ = ["minkunet-small_1xb1-700i_semantickitti-mini.py"]
