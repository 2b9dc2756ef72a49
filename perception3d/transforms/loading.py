"""Checked loading of LiDAR points and of their labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.datasets.transforms import LoadPointsFromFile
from numpy.typing import NDArray

from corruptions.core import InputError, unknown
from corruptions.files import read_labels, read_points
from perception3d.datasets.labels import SEMANTIC_BITS, to_train_ids
from perception3d.registry import TRANSFORMS

LABEL_TYPES: dict[str, type[np.integer]] = {"uint32": np.uint32, "uint8": np.uint8}


@TRANSFORMS.register_module()
class LoadLidarPoints(LoadPointsFromFile):
    """mmdet3d's ``LoadPointsFromFile`` for local float32 files, with every check of ``corruptions.files.read_points``.

    Sets ``points`` (``LiDARPoints``, float32 (N, len(use_dim))).

    Args:
        load_dim: values per point in the file: 4 SemanticKITTI, 5 nuScenes.
        use_dim: columns to keep, as their number or a list.
        norm_intensity: replace intensity by its tanh (Waymo's unbounded scale).

    Raises:
        InputError: for a missing, truncated or empty file, values that are not finite, or an info file that gives
            another number of values per point.
    """

    def __init__(self, load_dim: int = 4, use_dim: int | Sequence[int] = 4, norm_intensity: bool = False) -> None:
        super().__init__(
            coord_type="LIDAR",
            load_dim=load_dim,
            use_dim=use_dim if isinstance(use_dim, int) else list(use_dim),
            norm_intensity=norm_intensity,
        )

    def transform(self, results: dict) -> dict:
        """Load the points of ``results["lidar_points"]["lidar_path"]``."""
        listed = results["lidar_points"].get("num_pts_feats", self.load_dim)
        if listed != self.load_dim:
            raise InputError(
                f"{results['lidar_points']['lidar_path']}: the info file gives {listed} values per point, "
                f"LoadLidarPoints(load_dim={self.load_dim}); set load_dim={listed}"
            )
        return super().transform(results)

    def _load_points(self, pts_filename: str) -> NDArray[np.float32]:
        return read_points(pts_filename, self.load_dim)


@TRANSFORMS.register_module()
class LoadLidarLabels(BaseTransform):
    """Load one label per point and map it to train ids.

    Does the work of mmdet3d's ``LoadAnnotations3D(with_seg_3d=True)`` and ``PointSegClassMapping`` in one step, in
    which an unknown id is an error. Sets ``pts_semantic_mask`` (int64 (N,)) and, in test mode, the same array in
    ``eval_ann_info``, where the metric finds it.

    Args:
        dtype: type in the file: "uint32" with the instance id in the upper 16 bits (SemanticKITTI), or "uint8"
            (nuScenes-lidarseg).
        with_instances: also set ``pts_instance_mask`` (int64 (N,), 0 = none); needs uint32.

    Raises:
        InputError: for a missing file, another number of labels than points, or an unknown id.
    """

    def __init__(self, dtype: str = "uint32", with_instances: bool = False) -> None:
        if dtype not in LABEL_TYPES:
            raise InputError(unknown("label dtype", dtype, LABEL_TYPES))
        if with_instances and dtype != "uint32":
            raise InputError(f"with_instances: expected uint32 labels, which hold instance ids, found {dtype}")
        self.dtype = dtype
        self.with_instances = with_instances

    def transform(self, results: dict) -> dict:
        """Load the labels of ``results["pts_semantic_mask_path"]`` for ``results["points"]``."""
        if "pts_semantic_mask_path" not in results:
            raise InputError(
                f"{results['lidar_path']}: expected a label file in the info, found none; the test split has no "
                "labels, so leave LoadLidarLabels out of its pipeline"
            )
        if "points" not in results or "corruption" in results:
            raise InputError(
                "LoadLidarLabels: expected after LoadLidarPoints and before CorruptPoints; reorder the pipeline"
            )
        path = results["pts_semantic_mask_path"]
        raw = read_labels(path, len(results["points"]), LABEL_TYPES[self.dtype])
        semantic = raw & SEMANTIC_BITS if self.dtype == "uint32" else raw
        labels = {"pts_semantic_mask": to_train_ids(semantic, results["seg_label_mapping"], path)}
        if self.with_instances:
            labels["pts_instance_mask"] = (raw >> 16).astype(np.int64)
        results.update(labels)
        if "eval_ann_info" in results:
            results["eval_ann_info"].update(labels)
        return results

    def __repr__(self) -> str:
        return f"{type(self).__name__}(dtype={self.dtype!r}, with_instances={self.with_instances})"
