"""The adapter from the corruption engine to a pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from numpy.typing import NDArray

import corruptions
from corruptions import catalog
from corruptions.core import ADDED, MOVED, Corrupted, InputError, Scan, level_text, unknown
from perception3d.registry import TRANSFORMS

LABEL_RULES = {"drop_moved": (MOVED, ADDED), "keep_moved": (ADDED,)}
OWN_RULE = "corruption"
NO_INSTANCE = 0


@TRANSFORMS.register_module()
class CorruptPoints(BaseTransform):
    """Corrupt ``points`` and bring the labels along; for the pipeline after the labels, before any augmentation.

    Each sample has its own random stream from (seed, corruption, level, sample id), so the result does not depend on
    the order of the samples or on the number of workers, and equals the exported file.

    Changes ``points``, ``pts_semantic_mask`` and ``pts_instance_mask`` where they exist, and the same keys in
    ``eval_ann_info``. Sets ``corruption`` ("fog heavy") and ``point_status`` (uint8 (M,) KEPT, MOVED or ADDED).

    Args:
        corruption: name in ``corruptions.catalog``.
        level: name of a level, or None with ``parameters``.
        seed: base seed of the sweep.
        parameters: physical values, alone or over those of the level, e.g. ``dict(alpha_per_m=0.037)``.
        fill: train id of points without a scored label: the data set's ignore id (19 after ``LoadLidarLabels``).
        label_rule: "drop_moved": moved and added points get ``fill``, so only untouched ones are scored
            (SemanticKITTI-C); "keep_moved": moved points keep their label; "corruption": the rule of the corruption
            itself, which drops moved points except where every point moves a little (motion blur, Gaussian and uniform
            noise).
        label_set: whose ids the loaded labels are (``corruptions.semantics``), for corruptions that need semantics.
        intensity_max: full scale of the intensity column: 1.0 SemanticKITTI, 255.0 nuScenes.
        sensor: LiDAR model in ``corruptions.sensors``.
        ring_dim: column that holds the laser index (4 in nuScenes); None to let the engine estimate it.

    Raises:
        InputError: for an unknown corruption, level or label rule, a sample without ``sample_id``, labels that do not
            fit the points, and as the engine does.
    """

    def __init__(
        self,
        corruption: str,
        level: str | None = None,
        seed: int = 0,
        parameters: Mapping[str, Any] | None = None,
        fill: int = 19,
        label_rule: str = OWN_RULE,
        label_set: str = "semantickitti_19",
        intensity_max: float = 1.0,
        sensor: str = "HDL-64E",
        ring_dim: int | None = None,
    ) -> None:
        if label_rule not in (OWN_RULE, *LABEL_RULES):
            raise InputError(unknown("label rule", label_rule, (OWN_RULE, *LABEL_RULES)))
        model = catalog.get(corruption)
        model.parameters(level, parameters or {})  # an unknown name fails here, not in a worker
        self.corruption = corruption
        self.level = level
        self.seed = seed
        self.parameters = dict(parameters or {})
        self.fill = fill
        self.drop = model.drop if label_rule == OWN_RULE else LABEL_RULES[label_rule]
        self.label_set = label_set
        self.intensity_max = intensity_max
        self.sensor = sensor
        self.ring_dim = ring_dim

    def transform(self, results: dict) -> dict:
        """Corrupt one sample."""
        if "sample_id" not in results:
            raise InputError(
                f"{results.get('lidar_path', 'sample')}: expected a sample_id (it seeds the random stream), found "
                "none; use a perception3d dataset, or info files of tools/create_data.py"
            )
        points = results["points"]
        corrupted = corruptions.corrupt(
            self._scan(points.tensor.numpy(), results),
            self.corruption,
            self.level,
            seed=self.seed,
            sample=results["sample_id"],
            **self.parameters,
        )
        self._carry(corrupted, len(points), results)
        if "eval_ann_info" in results:
            self._carry(corrupted, len(points), results["eval_ann_info"])
        results["points"] = points.new_point(corrupted.points)
        results["point_status"] = corrupted.status
        results["corruption"] = f"{self.corruption} {level_text(self.level, self.parameters)}"
        return results

    def _scan(self, points: NDArray[np.float32], results: Mapping[str, Any]) -> Scan:
        if self.ring_dim is not None and self.ring_dim >= points.shape[1]:
            raise InputError(
                f"ring_dim: expected a column in 0..{points.shape[1] - 1}, found {self.ring_dim}; load the ring column "
                "with LoadLidarPoints(use_dim=...), or leave ring_dim out"
            )
        return Scan(
            points,
            self.intensity_max,
            ring=None if self.ring_dim is None else points[:, self.ring_dim].astype(np.int32),
            labels=results.get("pts_semantic_mask"),
            label_set=self.label_set,
            sensor=self.sensor,
        )

    def _carry(self, corrupted: Corrupted, count: int, annotations: dict) -> None:
        for key, fill in (("pts_semantic_mask", self.fill), ("pts_instance_mask", NO_INSTANCE)):
            if key not in annotations:
                continue
            if len(annotations[key]) != count:
                raise InputError(
                    f"{key}: expected one value per point ({count}), found {len(annotations[key])}; put CorruptPoints "
                    "directly after LoadLidarLabels"
                )
            annotations[key] = corrupted.carry(annotations[key], fill, self.drop)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.corruption} {level_text(self.level, self.parameters)}, seed={self.seed})"
