"""Pipeline transforms in scope "perception3d"; importing this package registers them."""

from perception3d.transforms.corrupt import CorruptPoints
from perception3d.transforms.loading import LoadLidarLabels, LoadLidarPoints

__all__ = ["CorruptPoints", "LoadLidarLabels", "LoadLidarPoints"]
