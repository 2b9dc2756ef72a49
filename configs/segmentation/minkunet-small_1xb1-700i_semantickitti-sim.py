# The small MinkowskiNet on simulated SemanticKITTI, on a CPU: what the demo trains, about 5 minutes on two cores.
_base_ = ["../_base_/semantickitti_small_cpu.py", "../_base_/models/minkunet_small.py"]
