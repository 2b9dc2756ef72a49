"""Weakest intensity that a LiDAR still returns, as a function of range, read off the ground of the scan itself.

Hahner et al., "LiDAR Snowfall Simulation for Robust 3D Object Detection", CVPR 2022: the weakest ground returns at each
range, corrected for incidence, lie on a line; a share of it is the noise floor.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from corruptions.core import INTENSITY, Scan
from corruptions.weather.ground_plane import find_ground
from corruptions.weather.receiver import ranges

# Ground nearer is the vehicle's surroundings at odd angles, further it is sparse; outside, the ends of the fit hold.
NEAREST_M, FARTHEST_M, BINS = 10.0, 70.0, 50
FEWEST_PER_BIN, FEWEST_BINS = 10, 5


def ground_noise_floor(scan: Scan, share: float, rng: np.random.Generator) -> NDArray[np.float64] | None:
    """Noise floor at the range of each point.

    Over flat ground the cosine of the incidence angle is height / range, so the floor is
    ``share * (a + b r) * height / r`` with the line a + b r through the per-bin minima of intensity / cosine.

    Args:
        scan: clear sweep; its ground is found by labels or by a plane fit.
        share: floor over the weakest ground returns; 0.7 in the paper.
        rng: draws the plane hypotheses.

    Returns:
        (N,) intensity on the scale of the scan, >= 0; or None when the scan shows too little ground for a fit.
    """
    ground = find_ground(scan, rng)
    if ground is None:
        return None
    range_m = ranges(scan)
    used = np.flatnonzero(ground.mask & (range_m > NEAREST_M) & (range_m < FARTHEST_M))
    height_m = abs(ground.plane.height_m)
    line = _line_below(range_m[used], scan.points[used, INTENSITY] * range_m[used] / max(height_m, 1e-3))
    if line is None:
        return None
    at_m = np.clip(range_m, NEAREST_M, FARTHEST_M)
    return share * np.maximum(line[0] * at_m + line[1], 0.0) * height_m / at_m


def _line_below(range_m: NDArray[np.float64], value: NDArray[np.float64]) -> tuple[float, float] | None:
    """Line (slope, offset) through the minima of ``value`` in bins of range; None with fewer than five filled bins."""
    edges = np.linspace(NEAREST_M, FARTHEST_M, BINS + 1)
    bins = np.searchsorted(edges, range_m, side="right") - 1
    lowest = np.full(BINS, np.inf)
    np.minimum.at(lowest, bins, value)
    filled = np.bincount(bins, minlength=BINS) >= FEWEST_PER_BIN
    if np.count_nonzero(filled) < FEWEST_BINS:
        return None
    middle, lowest = (edges[:-1] + edges[1:])[filled] / 2, lowest[filled]
    centred = middle - middle.mean()
    slope = (centred * lowest).sum() / np.square(centred).sum()
    return slope, lowest.mean() - slope * middle.mean()
