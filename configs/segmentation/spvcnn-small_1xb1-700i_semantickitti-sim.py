# The small SPVCNN on simulated SemanticKITTI, on a CPU.
_base_ = ["../_base_/semantickitti_small_cpu.py", "../_base_/models/spvcnn_small.py"]
