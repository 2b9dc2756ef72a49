"""Which boxes are scored: class range, bicycle racks, and annotations without a single point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception3d.conventions import NUSCENES_DETECTION_CLASSES
from perception3d.metrics.nuscenes_detection.rules import BIKE_RACK_CLASSES, DetectionRules
from perception3d.submission.nuscenes_boxes import NuScenesBoxes

_IN_RACKS = [NUSCENES_DETECTION_CLASSES.index(name) for name in BIKE_RACK_CLASSES]


@dataclass(frozen=True)
class Racks:
    """Annotated bicycle racks (``static_object.bicycle_rack``) in the global frame.

    Attributes:
        sample: int64 (R,) keyframe, as in ``NuScenesBoxes``.
        center_m: float64 (R, 3).
        size_m: float64 (R, 3) width, length, height.
        rotation: float64 (R, 4) quaternion w, x, y, z.
    """

    sample: NDArray[np.int64]
    center_m: NDArray[np.float64]
    size_m: NDArray[np.float64]
    rotation: NDArray[np.float64]


def ego_distance_m(boxes: NuScenesBoxes, ego_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) distance in the ground plane of each box from the ego vehicle; ``ego_m`` (S, 3) is its place by sample."""
    offset = boxes.center_m[:, :2] - ego_m[boxes.sample, :2]
    return np.sqrt(offset[:, 0] ** 2 + offset[:, 1] ** 2)


def scored(
    boxes: NuScenesBoxes,
    ego_m: NDArray[np.float64],
    racks: Racks,
    rules: DetectionRules,
    num_points: NDArray[np.int64] | None = None,
) -> NDArray[np.bool_]:
    """Mask of the boxes that take part in the scores.

    Args:
        boxes: (N,) detections or annotations.
        ego_m: float64 (S, 3) position of the ego vehicle at each keyframe (of its LiDAR sweep), global frame.
        racks: bicycle racks of the same keyframes.
        rules: gives the range of each class.
        num_points: int (N,) LiDAR and radar points inside each annotation; detections have no such filter.
    """
    kept = ego_distance_m(boxes, ego_m) < rules.ranges()[boxes.label]
    if num_points is not None:
        kept &= num_points != 0
    candidates = np.flatnonzero(kept & np.isin(boxes.label, _IN_RACKS))
    kept[candidates[_inside(boxes.sample[candidates], boxes.center_m[candidates], racks)]] = False
    return kept


def _inside(sample: NDArray[np.int64], points_m: NDArray[np.float64], racks: Racks) -> NDArray[np.bool_]:
    """(N,) whether each point lies in a rack of its own keyframe, faces included."""
    inside = np.zeros(len(points_m), dtype=bool)
    order = np.argsort(sample, kind="stable")
    starts = np.searchsorted(sample[order], racks.sample, side="left")
    ends = np.searchsorted(sample[order], racks.sample, side="right")
    for rack, (start, end) in enumerate(zip(starts, ends, strict=True)):
        rows = order[start:end]
        local = (points_m[rows] - racks.center_m[rack]) @ rotation_matrix(racks.rotation[rack])
        width, length, height = racks.size_m[rack]
        inside[rows] |= (np.abs(local) <= np.array([length, width, height]) / 2).all(axis=1)
    return inside


def rotation_matrix(quaternion: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 3) rotation of a quaternion w, x, y, z of any length but 0."""
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
