"""LiDAR segmentor: partition, sparse backbone, linear head, in the interface of mmdet3d's segmentors."""

from __future__ import annotations

from typing import Any

import torch
from mmdet3d.models.segmentors import Base3DSegmentor
from torch import Tensor, nn

from perception3d.models.segmentation.partition import Voxels, majority_labels
from perception3d.registry import MODELS


@MODELS.register_module()
class LidarSegmentor(Base3DSegmentor):
    """Point-wise semantic segmentation of LiDAR scans by a sparse voxel network.

    Args:
        partition: config of a partition (``GridPartition``).
        backbone: config of a network from :class:`Voxels` to voxel features, with ``out_channels``.
        num_classes: number of classes; train ids 0 .. num_classes - 1.
        loss_ce: config of the cross-entropy loss over voxels.
        loss_lovasz: config of the Lovasz-softmax loss over voxels (Berman et al., CVPR 2018).
        ignore_index: train id that is not scored.
        dropout: dropout rate before the classifier.
        data_preprocessor: config of the data preprocessor.
        init_cfg: initialisation config.
    """

    def __init__(
        self,
        partition: dict[str, Any],
        backbone: dict[str, Any],
        num_classes: int,
        loss_ce: dict[str, Any],
        loss_lovasz: dict[str, Any],
        ignore_index: int = 19,
        dropout: float = 0.0,
        data_preprocessor: dict[str, Any] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.partition = MODELS.build(partition)
        self.backbone = MODELS.build(backbone)
        self.decode_head = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.backbone.out_channels, num_classes))
        self.loss_ce = MODELS.build(loss_ce)
        self.loss_lovasz = MODELS.build(loss_lovasz)
        self.num_classes = num_classes
        self.ignore_index = ignore_index

    def extract_feat(self, batch_inputs: dict[str, Any]) -> tuple[Voxels, Tensor]:
        """Voxels of the batch and their features (M, C)."""
        voxels = self.partition(batch_inputs["points"])
        return voxels, self.backbone(voxels)

    def encode_decode(self, batch_inputs: dict[str, Any], batch_data_samples: list[Any]) -> list[Tensor]:
        """Logits (num_classes, N_i) of the points of each sample."""
        voxels, features = self.extract_feat(batch_inputs)
        logits = self.decode_head(features)[voxels.voxel_of_point]
        return [part.T for part in logits.split(voxels.points_per_sample)]

    def loss(self, batch_inputs_dict: dict[str, Any], batch_data_samples: list[Any]) -> dict[str, Tensor]:
        """Cross-entropy and Lovasz-softmax over the voxels, each with the majority label of its points."""
        voxels, features = self.extract_feat(batch_inputs_dict)
        labels = torch.cat([sample.gt_pts_seg.pts_semantic_mask for sample in batch_data_samples]).long()
        targets = majority_labels(labels, voxels.voxel_of_point, len(features), self.ignore_index)
        logits = self.decode_head(features).float()
        return {
            "loss_ce": self.loss_ce(logits, targets, ignore_index=self.ignore_index),
            "loss_lovasz": self.loss_lovasz(logits, targets, ignore_index=self.ignore_index),
        }

    def predict(self, batch_inputs_dict: dict[str, Any], batch_data_samples: list[Any]) -> list[Any]:
        """Data samples with ``pred_pts_seg.pts_semantic_mask`` (N,) and ``pts_seg_logits`` (num_classes, N)."""
        return self.postprocess_result(self.encode_decode(batch_inputs_dict, batch_data_samples), batch_data_samples)

    def _forward(self, batch_inputs_dict: dict[str, Any], batch_data_samples: Any = None) -> Tensor:
        """Voxel logits (M, num_classes)."""
        return self.decode_head(self.extract_feat(batch_inputs_dict)[1])
