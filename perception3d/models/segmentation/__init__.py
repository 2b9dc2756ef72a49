"""LiDAR segmentation: partitions, sparse backbones and the segmentor."""

from perception3d.models.segmentation.partition import GridPartition
from perception3d.models.segmentation.segmentor import LidarSegmentor
from perception3d.models.segmentation.unet import SparseUNet

__all__ = ["GridPartition", "LidarSegmentor", "SparseUNet"]
