# The small Cylinder3D on simulated SemanticKITTI, on a CPU.
_base_ = ["../_base_/semantickitti_small_cpu.py", "../_base_/models/cylinder3d_small.py"]
