"""Robust 3D perception for autonomous driving, a plug-in for mmdet3d 1.4."""

__version__ = "0.1.0"
