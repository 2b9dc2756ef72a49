"""Constants of the nuScenes detection benchmark (``detection_cvpr_2019`` of nuscenes-devkit)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from perception3d.conventions import NUSCENES_DETECTION_CLASSES

RECALL = np.linspace(0.0, 1.0, 101)
"""Operating points of every curve."""

TP_ERRORS = ("trans_err", "scale_err", "orient_err", "vel_err", "attr_err")
"""True-positive errors: m, 1 - IoU of aligned boxes, rad, m/s, 1 - accuracy."""

MEAN_ERROR_NAMES: Mapping[str, str] = dict(zip(TP_ERRORS, ("mATE", "mASE", "mAOE", "mAVE", "mAAE"), strict=True))

UNDEFINED_ERRORS: Mapping[str, tuple[str, ...]] = {
    "traffic_cone": ("orient_err", "vel_err", "attr_err"),
    "barrier": ("vel_err", "attr_err"),
}
"""Errors a class does not have: cones have no heading, and neither moves."""

HALF_TURN_CLASSES = ("barrier",)
"""Classes whose heading is known up to half a turn."""

BIKE_RACK_CLASSES = ("bicycle", "motorcycle")
"""Classes that are not scored inside an annotated bicycle rack."""


def _official_ranges() -> dict[str, float]:
    near, middle = ("traffic_cone", "barrier"), ("pedestrian", "motorcycle", "bicycle")
    return {name: 30.0 if name in near else 40.0 if name in middle else 50.0 for name in NUSCENES_DETECTION_CLASSES}


@dataclass(frozen=True)
class DetectionRules:
    """Numbers of the benchmark; the defaults are the official ones.

    Attributes:
        range_m: boxes at or beyond this distance from the ego vehicle in the ground plane are left out, by class.
        match_m: distances between centres in the ground plane below which a detection counts as found.
        error_match_m: the one of ``match_m`` whose matches give the true-positive errors.
        min_recall: curves are averaged above this recall.
        min_precision: precision below it counts as zero.
        map_weight: weight of mAP in the NDS, beside 1 for each error.
    """

    range_m: Mapping[str, float] = field(default_factory=_official_ranges)
    match_m: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
    error_match_m: float = 2.0
    min_recall: float = 0.1
    min_precision: float = 0.1
    map_weight: float = 5.0

    @property
    def error_column(self) -> int:
        """Position of ``error_match_m`` in ``match_m``."""
        return self.match_m.index(self.error_match_m)

    @property
    def first_point(self) -> int:
        """First operating point above ``min_recall``."""
        return round(100 * self.min_recall) + 1

    def ranges(self) -> NDArray[np.float64]:
        """(10,) ``range_m`` by label."""
        return np.array([self.range_m[name] for name in NUSCENES_DETECTION_CLASSES])
