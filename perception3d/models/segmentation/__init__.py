"""LiDAR segmentation: partitions, encoders, sparse backbones, losses and the segmentor."""

from perception3d.models.segmentation.cylinder import AsymmetricUNet, PointEncoder
from perception3d.models.segmentation.lovasz import LovaszSoftmaxLoss
from perception3d.models.segmentation.partition import CylinderPartition, GridPartition
from perception3d.models.segmentation.segmentor import LidarSegmentor
from perception3d.models.segmentation.spvcnn import SPVCNN
from perception3d.models.segmentation.unet import SparseUNet

__all__ = [
    "SPVCNN",
    "AsymmetricUNet",
    "CylinderPartition",
    "GridPartition",
    "LidarSegmentor",
    "LovaszSoftmaxLoss",
    "PointEncoder",
    "SparseUNet",
]
