"""Datasets in scope "perception3d"; importing this package registers them."""

from perception3d.datasets.corrupted import CorruptedSemanticKittiDataset
from perception3d.datasets.nuscenes import NuScenesDetDataset
from perception3d.datasets.nuscenes_lidarseg import NuScenesLidarsegDataset
from perception3d.datasets.semantickitti import SemanticKittiDataset

__all__ = ["CorruptedSemanticKittiDataset", "NuScenesDetDataset", "NuScenesLidarsegDataset", "SemanticKittiDataset"]
