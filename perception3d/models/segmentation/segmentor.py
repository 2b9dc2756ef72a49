"""LiDAR segmentor: partition, encoder, sparse backbone, linear head, in the interface of mmdet3d's segmentors."""

from __future__ import annotations

from typing import Any

import torch
from mmdet3d.models.segmentors import Base3DSegmentor
from torch import Tensor, nn

from perception3d.models.segmentation.intensity import with_intensity_quantiles
from perception3d.models.segmentation.partition import Voxels, majority_labels
from perception3d.registry import MODELS


@MODELS.register_module()
class LidarSegmentor(Base3DSegmentor):
    """Point-wise semantic segmentation of LiDAR scans by a sparse voxel network.

    Args:
        partition: config of a partition (``GridPartition``, ``CylinderPartition``).
        backbone: config of a network (``SparseUNet``, ``SPVCNN``, ``AsymmetricUNet``) from voxel features (M, C) and
            :class:`Voxels` to features (R, ``out_channels``) of R voxels or points and the row of each point in them.
        num_classes: number of classes; train ids 0 .. num_classes - 1.
        loss_ce: config of the cross-entropy loss over the R rows, or None for none.
        loss_lovasz: config of the Lovasz-softmax loss over the R rows (Berman et al., CVPR 2018), or None for none.
        encoder: config of a network from :class:`Voxels` to voxel features (``PointEncoder``); None: the mean of the
            point features in each voxel.
        ignore_index: train id that is not scored.
        dropout: dropout rate before the classifier.
        intensity_quantiles: take the intensity of a point as its quantile among the returns of the same distance
            (:func:`with_intensity_quantiles`), so that attenuation does not matter.
        data_preprocessor: config of the data preprocessor.
        init_cfg: initialisation config.
    """

    def __init__(
        self,
        partition: dict[str, Any],
        backbone: dict[str, Any],
        num_classes: int,
        loss_ce: dict[str, Any] | None,
        loss_lovasz: dict[str, Any] | None,
        encoder: dict[str, Any] | None = None,
        ignore_index: int = 19,
        dropout: float = 0.0,
        intensity_quantiles: bool = False,
        data_preprocessor: dict[str, Any] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.partition = MODELS.build(partition)
        self.encoder = None if encoder is None else MODELS.build(encoder)
        self.backbone = MODELS.build(backbone)
        self.decode_head = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.backbone.out_channels, num_classes))
        configs = {"loss_ce": loss_ce, "loss_lovasz": loss_lovasz}
        self.losses = nn.ModuleDict({name: MODELS.build(cfg) for name, cfg in configs.items() if cfg is not None})
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self.intensity_quantiles = intensity_quantiles

    def extract_feat(self, batch_inputs: dict[str, Any]) -> tuple[Tensor, Tensor, list[int]]:
        """Features (R, C), the row of each point of the batch in them, int64 (N,), and the points of each sample."""
        voxels = self.voxelise(batch_inputs["points"])
        return *self.embed(voxels), voxels.points_per_sample

    def voxelise(self, points: list[Tensor]) -> Voxels:
        """Voxels of a batch of clouds, each (N_i, C >= 4) x, y, z in metres, intensity."""
        if self.intensity_quantiles:
            points = [with_intensity_quantiles(cloud) for cloud in points]
        return self.partition(points)

    def embed(self, voxels: Voxels) -> tuple[Tensor, Tensor]:
        """Features (R, C) and the row of each point of the batch in them, int64 (N,)."""
        return self.backbone(voxels.features if self.encoder is None else self.encoder(voxels), voxels)

    def encode_decode(self, batch_inputs: dict[str, Any], batch_data_samples: list[Any]) -> list[Tensor]:
        """Logits (num_classes, N_i) of the points of each sample."""
        features, row_of_point, points_per_sample = self.extract_feat(batch_inputs)
        logits = self.decode_head(features)[row_of_point]
        return [part.T for part in logits.split(points_per_sample)]

    def loss(self, batch_inputs_dict: dict[str, Any], batch_data_samples: list[Any]) -> dict[str, Tensor]:
        """The losses over the voxels (or points of the branch), each with the majority label of its points."""
        features, row_of_point, _ = self.extract_feat(batch_inputs_dict)
        labels = torch.cat([sample.gt_pts_seg.pts_semantic_mask for sample in batch_data_samples]).long()
        targets = majority_labels(labels, row_of_point, len(features), self.ignore_index)
        logits = self.decode_head(features).float()
        return {name: loss(logits, targets, ignore_index=self.ignore_index) for name, loss in self.losses.items()}

    def predict(self, batch_inputs_dict: dict[str, Any], batch_data_samples: list[Any]) -> list[Any]:
        """Data samples with ``pred_pts_seg.pts_semantic_mask`` (N,) and ``pts_seg_logits`` (num_classes, N)."""
        return self.postprocess_result(self.encode_decode(batch_inputs_dict, batch_data_samples), batch_data_samples)

    def _forward(self, batch_inputs_dict: dict[str, Any], batch_data_samples: Any = None) -> Tensor:
        """Logits (R, num_classes) of the voxels or points of the branch."""
        return self.decode_head(self.extract_feat(batch_inputs_dict)[0])
