"""The Cross Modal Transformer detector (Yan et al., ICCV 2023) in the interface of mmdet3d's detectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmdet3d.models.detectors import Base3DDetector
from mmdet3d.registry import MODELS as MMDET3D_MODELS
from mmdet3d.structures import LiDARInstance3DBoxes
from mmengine.structures import InstanceData
from torch import Tensor

from corruptions.core import InputError
from perception3d.models.cmt.box_coder import Detections
from perception3d.models.cmt.cameras import Cameras
from perception3d.models.cmt.head import HeadOutputs
from perception3d.models.cmt.tokens import CameraFeatures, LidarFeatures, SensorFeatures
from perception3d.registry import MODELS

FEW_VOXELS = 16
"""A batch of fewer voxels is normalised with running statistics in training as well: the sparse encoder may leave one,
which has no variance."""


@MODELS.register_module()
class CMTDetector(Base3DDetector):
    """3D detection from LiDAR, cameras or both, with any of them missing in any sample.

    A sample without LiDAR has an empty point cloud (or none in range). A sample without some cameras has
    ``camera_present`` (V,) in its meta info, and their images and matrices are not read; a batch without cameras has no
    images. Missing sensors give no tokens; backbones run on what is there only. The published weights were trained on
    something else: constant images and a cloud of one voxel at the origin; feed these to them to repeat their figures.

    Distributed training on batches that may lack a sensor needs ``find_unused_parameters=True``.

    Args:
        pts_bbox_head: config of :class:`~perception3d.models.cmt.head.CMTHead`.
        img_backbone: config of the image backbone; None for a model without cameras.
        img_neck: config of the neck of the images; its first level is used.
        grid_mask: config of the augmentation of images, see ``GridMask``.
        pts_voxel_encoder: config of the voxel features; None for a model without LiDAR.
        pts_middle_encoder: config of the sparse encoder.
        pts_backbone: config of the BEV backbone.
        pts_neck: config of the BEV neck; its first level is used.
        crop_to_sparse_shape: allow a sparse encoder with fewer cells than the voxel grid, and leave out the voxels that
            do not fit. The published ResNet-50 config is like that (1080 cells, shape 1024): its encodings pretend
            that the map still spans the whole range. For its weights only.
        data_preprocessor: config of the data preprocessor, with voxelisation if there is LiDAR.
        init_cfg: initialisation config.

    Raises:
        InputError: for a head of other sensors than the model has branches for, LiDAR without voxelisation, and a
            voxel grid that the encoder does not hold, unless ``crop_to_sparse_shape``.
    """

    def __init__(
        self,
        pts_bbox_head: dict[str, Any],
        img_backbone: dict[str, Any] | None = None,
        img_neck: dict[str, Any] | None = None,
        grid_mask: dict[str, Any] | None = None,
        pts_voxel_encoder: dict[str, Any] | None = None,
        pts_middle_encoder: dict[str, Any] | None = None,
        pts_backbone: dict[str, Any] | None = None,
        pts_neck: dict[str, Any] | None = None,
        crop_to_sparse_shape: bool = False,
        data_preprocessor: dict[str, Any] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        parts = {
            "img_backbone": img_backbone,
            "img_neck": img_neck,
            "grid_mask": grid_mask,
            "pts_voxel_encoder": pts_voxel_encoder,
            "pts_middle_encoder": pts_middle_encoder,
            "pts_backbone": pts_backbone,
            "pts_neck": pts_neck,
            "pts_bbox_head": pts_bbox_head,
        }
        for name, cfg in parts.items():
            setattr(self, name, None if cfg is None else MMDET3D_MODELS.build(cfg))
        self.crop_to_sparse_shape = crop_to_sparse_shape
        self._check_sensors()
        self._check_grid()

    @property
    def with_lidar(self) -> bool:
        """Whether the model has a LiDAR branch."""
        return self.pts_middle_encoder is not None

    @property
    def with_cameras(self) -> bool:
        """Whether the model has an image branch."""
        return self.img_backbone is not None

    def extract_feat(self, batch_inputs: dict[str, Any], batch_data_samples: Sequence[Any]) -> SensorFeatures:
        """Features of the sensors that are there.

        Args:
            batch_inputs: ``imgs`` (B, V, 3, H, W) and ``voxels`` (``voxels``, ``num_points``, ``coors``) as the data
                preprocessor gives them; either may be missing.
            batch_data_samples: B samples with ``lidar2img`` in their meta info where there are images.
        """
        batch_size = len(batch_data_samples)
        lidar, camera = None, None
        if self.with_lidar and batch_inputs.get("voxels") is not None:
            lidar = self._lidar_features(batch_inputs["voxels"], batch_size)
        if self.with_cameras and batch_inputs.get("imgs") is not None:
            camera = self._camera_features(batch_inputs["imgs"], [sample.metainfo for sample in batch_data_samples])
        return SensorFeatures(batch_size, lidar, camera)

    def loss(self, batch_inputs_dict: dict[str, Any], batch_data_samples: list[Any]) -> dict[str, Tensor]:
        """Losses by name; see :meth:`CMTHead.loss`."""
        return self.pts_bbox_head.loss(self.extract_feat(batch_inputs_dict, batch_data_samples), batch_data_samples)

    def predict(self, batch_inputs_dict: dict[str, Any], batch_data_samples: list[Any]) -> list[Any]:
        """Data samples with ``pred_instances_3d``: ``bboxes_3d``, ``scores_3d``, ``labels_3d``, best first."""
        detections = self.pts_bbox_head.predict(self.extract_feat(batch_inputs_dict, batch_data_samples))
        return self.add_pred_to_datasample(batch_data_samples, [_instances(found) for found in detections])

    def _forward(self, batch_inputs_dict: dict[str, Any], batch_data_samples: list[Any]) -> HeadOutputs:
        """Raw outputs of the head."""
        return self.pts_bbox_head(self.extract_feat(batch_inputs_dict, batch_data_samples))

    def _camera_features(self, imgs: Tensor, metas: Sequence[dict[str, Any]]) -> CameraFeatures | None:
        if imgs.dim() != 5 or len(imgs) != len(metas):
            raise InputError(f"images: expected ({len(metas)}, cameras, 3, height, width), found {tuple(imgs.shape)}")
        height, width = imgs.shape[-2:]
        cameras = Cameras.from_metas(metas, imgs.shape[1], (height, width), imgs.device)
        if not cameras.present.any():
            return None
        images = imgs[cameras.present]
        if self.grid_mask is not None:
            images = self.grid_mask(images)
        return CameraFeatures(self.img_neck(self.img_backbone(images))[0], cameras)

    def _lidar_features(self, voxels: dict[str, Tensor], batch_size: int) -> LidarFeatures | None:
        coors = voxels["coors"]
        features = self.pts_voxel_encoder(voxels["voxels"], voxels["num_points"], coors)
        inside = (coors[:, 1:] < coors.new_tensor(self.pts_middle_encoder.sparse_shape)).all(dim=1)
        features, coors = features[inside], coors[inside]
        present = torch.bincount(coors[:, 0].long(), minlength=batch_size).cpu() > 0
        if not present.any():
            return None
        # number the samples that are there from 0: the others would be empty maps, and count in batch norm statistics
        renumbered = (present.cumsum(0) - 1).to(coors)[coors[:, 0].long()]
        coors = torch.cat([renumbered[:, None], coors[:, 1:]], dim=1)
        few = self.training and len(features) < FEW_VOXELS  # such as one sample, masked as published: one voxel
        if few:
            self.pts_middle_encoder.eval()
        bev = self.pts_middle_encoder(features, coors, int(present.sum()))
        if few:
            self.pts_middle_encoder.train()
        return LidarFeatures(self.pts_neck(self.pts_backbone(bev))[0], present)

    def _check_sensors(self) -> None:
        branches = [name for name, there in (("lidar", self.with_lidar), ("camera", self.with_cameras)) if there]
        if set(self.pts_bbox_head.sensors) != set(branches):
            raise InputError(
                f"CMTDetector: expected a head of the sensors that the model has branches for ({', '.join(branches)}), "
                f"found {', '.join(self.pts_bbox_head.sensors)}; change pts_bbox_head.sensors"
            )

    def _check_grid(self) -> None:
        if not self.with_lidar:
            return
        layer = getattr(self.data_preprocessor, "voxel_layer", None)
        if layer is None:
            raise InputError("CMTDetector: a LiDAR branch needs a data_preprocessor with voxel=True and a voxel_layer")
        grid, shape = list(layer.grid_shape)[::-1], list(self.pts_middle_encoder.sparse_shape)
        fits = grid[1:] == shape[1:] and grid[0] <= shape[0]
        if not fits and not self.crop_to_sparse_shape:
            raise InputError(
                f"CMTDetector: the voxel grid has (z, y, x) = {grid} cells, the sparse_shape of the encoder is "
                f"{shape}; expected equal y and x. For the published ResNet-50 weights set crop_to_sparse_shape=True"
            )


def _instances(found: Detections) -> InstanceData:
    boxes = LiDARInstance3DBoxes(found.boxes, box_dim=found.boxes.shape[1], origin=(0.5, 0.5, 0.5))
    return InstanceData(bboxes_3d=boxes, scores_3d=found.scores, labels_3d=found.labels)
