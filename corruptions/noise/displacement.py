"""Shifting points, and saying truthfully which of them moved."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from corruptions.core import Corrupted, Scan, replace


def displace(scan: Scan, rows: NDArray[np.int64] | slice, shift_m: NDArray[np.float32]) -> Corrupted:
    """All points of ``scan``, those of ``rows`` shifted by ``shift_m`` (len(rows), 3) metres.

    A point is MOVED when its stored position differs; a shift below the resolution of float32 leaves it KEPT.
    """
    points = scan.points.copy()
    points[rows, :3] += shift_m
    moved = np.zeros(len(points), dtype=bool)
    for axis in range(3):
        moved[rows] |= points[rows, axis] != scan.points[rows, axis]
    return replace(scan, points, moved)


def choose_share(count: int, share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw ``round(share * count)`` distinct indices below ``count``, in no particular order."""
    return rng.choice(count, round(share * count), replace=False, shuffle=False)
