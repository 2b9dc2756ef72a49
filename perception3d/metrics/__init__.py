"""Metrics in scope "perception3d"; importing this package registers them."""

from perception3d.metrics.lidar_seg import LidarSegMetric
from perception3d.metrics.nuscenes_det import NuScenesDetMetric

__all__ = ["LidarSegMetric", "NuScenesDetMetric"]
