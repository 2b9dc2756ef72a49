"""Spatial misalignment and temporal lag: the sweep is right, its place or its time is not.

These corrupt a sample (calibration, history) and not the points, so they act on what the data set's reader passes on:
the extrinsic matrix, and the choice of sweep.

Angles and lags: MultiCorrupt (Beemelmanns et al., IV 2024, arXiv 2402.11677; 1, 2, 3 degrees) and Dong et al. (CVPR
2023, arXiv 2303.11040, severities 1, 3, 5; 0.04, 0.12, 0.20 m and 2, 6, 10 frames). MultiCorrupt shifts some samples
and spares the rest at random, and Dong et al. add noise to the entries of the rotation matrix, which is then no
rotation. Here every sample gets a rigid error whose angle and length are those of the level, in a random direction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError, check_within


@dataclass(frozen=True)
class SpatialMisalignment:
    """A calibration error: a rotation of ``rotation_deg`` and a shift of ``translation_m``, in random directions."""

    rotation_deg: float
    translation_m: float

    def apply(self, lidar_to_ego: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.float64]:
        """The wrong extrinsic (4, 4); see :func:`misalign`."""
        return misalign(lidar_to_ego, rng, rotation_deg=self.rotation_deg, translation_m=self.translation_m)


@dataclass(frozen=True)
class TemporalLag:
    """A sensor that delivers the sweep of ``frames`` frames ago."""

    frames: int

    def delayed(self, frame: int, first: int = 0) -> int:
        """Frame to read in place of ``frame``; never before ``first``, the start of the sequence."""
        return max(frame - self.frames, first)


def misalign(
    lidar_to_ego: NDArray[np.floating], rng: np.random.Generator, *, rotation_deg: float, translation_m: float
) -> NDArray[np.float64]:
    """An extrinsic with a rigid error in the LiDAR frame: ``lidar_to_ego @ error``.

    Args:
        lidar_to_ego: (4, 4) rigid transform from the LiDAR to the ego frame.
        rng: random generator; draws the axis of the rotation and the direction of the shift, uniform on the sphere.
        rotation_deg: angle of the error.
        translation_m: length of the error.

    Returns:
        (4, 4) rigid transform; the input stays as it was.

    Raises:
        InputError: for another shape, or an angle or length out of range.
    """
    if np.shape(lidar_to_ego) != (4, 4):
        raise InputError(f"lidar_to_ego: expected a (4, 4) transform, found {np.shape(lidar_to_ego)}")
    check_within("rotation_deg", rotation_deg, 0, 180)
    check_within("translation_m", translation_m, 0, 1000)
    axis, direction = _unit_vectors(rng)
    error = np.eye(4)
    error[:3, :3] = _rotation(axis, np.radians(rotation_deg))
    error[:3, 3] = direction * translation_m
    return np.asarray(lidar_to_ego, dtype=np.float64) @ error


def _unit_vectors(rng: np.random.Generator) -> NDArray[np.float64]:
    """(2, 3) two directions, uniform on the sphere."""
    draws = rng.standard_normal((2, 3))
    return draws / np.linalg.norm(draws, axis=1, keepdims=True)


def _rotation(axis: NDArray[np.float64], angle_rad: float) -> NDArray[np.float64]:
    """(3, 3) rotation about a unit axis (Rodrigues)."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle_rad) * cross + (1 - np.cos(angle_rad)) * cross @ cross


SPATIAL_MISALIGNMENT: Mapping[str, SpatialMisalignment] = {
    "light": SpatialMisalignment(rotation_deg=1.0, translation_m=0.04),
    "moderate": SpatialMisalignment(rotation_deg=2.0, translation_m=0.12),
    "heavy": SpatialMisalignment(rotation_deg=3.0, translation_m=0.20),
}
TEMPORAL_LAG: Mapping[str, TemporalLag] = {
    "light": TemporalLag(frames=2),
    "moderate": TemporalLag(frames=6),
    "heavy": TemporalLag(frames=10),
}
SAMPLE_CORRUPTIONS: Mapping[str, Mapping[str, SpatialMisalignment | TemporalLag]] = {
    "spatial_misalignment": SPATIAL_MISALIGNMENT,
    "temporal_lag": TEMPORAL_LAG,
}
SOURCES: Mapping[str, str] = {
    "spatial_misalignment": "angles of MultiCorrupt, Beemelmanns et al., IV 2024; lengths of Dong et al., CVPR 2023",
    "temporal_lag": "Dong et al., CVPR 2023, arXiv 2303.11040, severities 1, 3, 5",
}
