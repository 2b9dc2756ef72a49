"""Metrics in scope "perception3d"; importing this package registers them."""

from perception3d.metrics.lidar_seg import LidarSegMetric

__all__ = ["LidarSegMetric"]
