"""Points inside 3D boxes, and how many returns each object has left after a corruption."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from corruptions.core import Corrupted, InputError


def points_in_boxes(points: NDArray[np.floating], boxes: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which points lie in which box, faces included.

    Args:
        points: (N, C >= 3) x, y, z in metres.
        boxes: (B, 7) x, y, z of the centre, length (along the heading), width, height in metres, and yaw in radians,
            counter-clockwise from x; in the frame of the points.

    Returns:
        bool (B, N).

    Raises:
        InputError: for another number of columns.
    """
    if points.ndim != 2 or points.shape[1] < 3:
        raise InputError(f"points: expected (N, C >= 3), found {points.shape}")
    if boxes.ndim != 2 or boxes.shape[1] != 7:
        raise InputError(f"boxes: expected (B, 7) x, y, z, length, width, height, yaw, found {boxes.shape}")
    inside = np.zeros((len(boxes), len(points)), dtype=bool)
    x, y, z = points[:, :3].T.astype(np.float64)
    for row, (cx, cy, cz, length, width, height, yaw) in enumerate(boxes.astype(np.float64)):
        reach = np.hypot(length, width) / 2
        near = np.flatnonzero((np.abs(x - cx) <= reach) & (np.abs(y - cy) <= reach) & (np.abs(z - cz) <= height / 2))
        dx, dy = x[near] - cx, y[near] - cy
        along, across = dx * np.cos(yaw) + dy * np.sin(yaw), dy * np.cos(yaw) - dx * np.sin(yaw)
        inside[row, near] = (np.abs(along) <= length / 2) & (np.abs(across) <= width / 2)
    return inside


def points_left(points: NDArray[np.floating], corrupted: Corrupted, boxes: NDArray[np.floating]) -> NDArray[np.int64]:
    """Returns of each box before and after a corruption.

    After counts the box's own returns that are still inside it: not what drifted in from elsewhere, and not added
    points.

    Args:
        points: (N, C >= 3) the clean scan.
        corrupted: the corruption of that scan.
        boxes: (B, 7) as in :func:`points_in_boxes`.

    Returns:
        int64 (B, 2): points before, points after.
    """
    before = points_in_boxes(points, boxes)
    own = np.zeros((len(boxes), len(corrupted.source)), dtype=bool)
    has_source = corrupted.source >= 0
    own[:, has_source] = before[:, corrupted.source[has_source]]
    after = own & points_in_boxes(corrupted.points, boxes)
    return np.stack([before.sum(axis=1), after.sum(axis=1)], axis=1)
