"""Where the ground is: by labels when the scan has them, else by a robust plane fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corruptions.core import Scan
from corruptions.semantics import members

# The fit looks at points a few metres out (nearer ones are the vehicle) and not so far that hills matter.
NEAREST_M, FARTHEST_M = 3.0, 30.0
LEAST_SENSOR_HEIGHT_M = 0.5
SAMPLE = 2000
HYPOTHESES = 100
MAX_TILT_COS = np.cos(np.radians(10.0))
INLIER_M = 0.15
# Half the thickness of the layer that counts as ground when there are no labels: ruts, camber and kerbs, not wheels.
LAYER_M = 0.2
# Fewer ground points than this carry neither a plane nor statistics.
FEWEST_POINTS = 100


@dataclass(frozen=True)
class Plane:
    """``normal . x + height_m = 0`` with unit normal pointing up; the sensor is ``height_m`` above it."""

    normal: NDArray[np.float64]
    height_m: float

    def distance_m(self, xyz: NDArray[np.floating]) -> NDArray[np.floating]:
        """(N,) signed height of ``xyz`` (N, 3) over the plane."""
        # einsum adds in one order; a matrix product may split a sum by the number of BLAS threads.
        return np.einsum("ni,i->n", xyz, self.normal.astype(xyz.dtype)) + xyz.dtype.type(self.height_m)


@dataclass(frozen=True)
class Ground:
    """The ground of a scan: bool (N,) mask of its points, and the plane that fits them."""

    mask: NDArray[np.bool_]
    plane: Plane


def find_ground(scan: Scan, rng: np.random.Generator) -> Ground | None:
    """Find the ground points and their plane.

    With labels the points of the ground classes, sloping as they may; without, the points within 0.2 m of the plane.

    Args:
        scan: sweep with the sensor at the origin and z up.
        rng: random generator of the plane search.

    Returns:
        The ground, or None when there are fewer than 100 ground points.
    """
    xyz = scan.points[:, :3]
    mask = None if scan.labels is None else members(scan.labels, scan.label_set, "ground")
    plane = fit_plane(xyz if mask is None else xyz[mask], rng)
    if plane is None:
        return None
    if mask is None:
        mask = np.abs(plane.distance_m(xyz)) < LAYER_M
    return Ground(mask, plane) if np.count_nonzero(mask) >= FEWEST_POINTS else None


def fit_plane(xyz: NDArray[np.floating], rng: np.random.Generator) -> Plane | None:
    """Fit the near-horizontal plane below the sensor that holds the most points.

    Random sample consensus (Fischler and Bolles 1981) over planes through three points that tilt less than 10 degrees,
    then two rounds of least squares on the points near the best.

    Args:
        xyz: (N, 3) points in metres, sensor at the origin, z up.
        rng: random generator.

    Returns:
        The plane, or None when fewer than 100 points can be ground or no plane tilts less than 10 degrees.
    """
    distance_sq = np.square(xyz[:, 0]) + np.square(xyz[:, 1])
    usable = (distance_sq > NEAREST_M**2) & (distance_sq < FARTHEST_M**2) & (xyz[:, 2] < -LEAST_SENSOR_HEIGHT_M)
    rows = np.flatnonzero(usable)
    if len(rows) < FEWEST_POINTS:
        return None
    sample = xyz[rng.choice(rows, min(SAMPLE, len(rows)), replace=False)].astype(np.float64)
    corners = sample[rng.integers(len(sample), size=(HYPOTHESES, 3))]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    flat = np.abs(normals[:, 2]) > MAX_TILT_COS * np.maximum(lengths, 1e-9)
    if not flat.any():
        return None
    normals = normals[flat] / (np.sign(normals[flat, 2]) * lengths[flat])[:, None]
    heights = -np.einsum("hi,hi->h", normals, corners[flat, 0])
    near = np.abs(np.einsum("ni,hi->nh", sample, normals) + heights) < INLIER_M
    best = int(np.argmax(np.count_nonzero(near, axis=0)))
    inliers = near[:, best]
    for _ in range(2):
        plane = _least_squares(sample[inliers])
        inliers = np.abs(plane.distance_m(sample)) < INLIER_M
    return plane


def _least_squares(xyz: NDArray[np.float64]) -> Plane:
    middle = xyz.mean(axis=0)
    centred = xyz - middle
    scatter = np.einsum("ni,nj->ij", centred, centred)
    # The small ridge keeps points on one line, which leave a slope open, level.
    slope = np.linalg.solve(scatter[:2, :2] + 1e-6 * len(xyz) * np.eye(2), scatter[:2, 2])
    length = np.sqrt(slope @ slope + 1)
    return Plane(np.array([-slope[0], -slope[1], 1.0]) / length, float((slope @ middle[:2] - middle[2]) / length))
