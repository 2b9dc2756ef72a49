"""Where boxes and points appear in a camera image: corners, projection, clipping. Arrays alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError

NEAR_M = 0.1
"""Depth of the plane in front of a camera at which lines are cut: what lies behind has no place in the image."""

# Corners 0..3 run round the front face, 4..7 behind them in the same order; the ends 2, 3 and 6, 7 lie on the ground.
_SIGNS = np.array(
    [[1, 1, 1], [1, -1, 1], [1, -1, -1], [1, 1, -1], [-1, 1, 1], [-1, -1, 1], [-1, -1, -1], [-1, 1, -1]], dtype=float
)
FRONT_EDGES = ((0, 1), (1, 2), (2, 3), (3, 0))
EDGES = (*FRONT_EDGES, (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7))


@dataclass(frozen=True)
class BoxSet:
    """Boxes of one origin: annotations, or the detections of a model.

    Attributes:
        values: (M, 7) or (M, 9): centre of gravity x, y, z, length (along the heading), width, height in metres, yaw
            counter-clockwise from x in radians, and velocity x, y in m/s; LiDAR frame.
        names: class of each.
        scores: confidence of detections (M,), None for annotations.
    """

    values: NDArray[np.floating]
    names: tuple[str, ...]
    scores: NDArray[np.floating] | None = None

    def __post_init__(self) -> None:
        shape = self.values.shape
        if len(shape) != 2 or shape[1] not in (7, 9):
            raise InputError(f"boxes: expected (M, 7) or (M, 9) values, found {shape}")
        if len(self.names) != shape[0] or (self.scores is not None and len(self.scores) != shape[0]):
            scores = "" if self.scores is None else f" and {len(self.scores)} scores"
            raise InputError(f"boxes: expected {shape[0]} names and scores, found {len(self.names)} names{scores}")

    def __len__(self) -> int:
        return len(self.names)


def corners(boxes: NDArray[np.floating]) -> NDArray[np.float64]:
    """Corners (M, 8, 3) of boxes (M, >= 7) as :class:`BoxSet` has them; the front face first, see ``EDGES``."""
    values = np.asarray(boxes, dtype=np.float64)
    local = _SIGNS * values[:, None, 3:6] / 2
    cos, sin = np.cos(values[:, None, 6]), np.sin(values[:, None, 6])
    turned = np.stack([cos * local[..., 0] - sin * local[..., 1], sin * local[..., 0] + cos * local[..., 1]], axis=-1)
    return np.concatenate([turned, local[..., 2:]], axis=-1) + values[:, None, :3]


def homogeneous(points: NDArray[np.floating], img_from_lidar: NDArray[np.floating]) -> NDArray[np.float64]:
    """Points (..., 3) in a camera as (..., 3): column times depth, row times depth, depth in metres."""
    matrix = np.asarray(img_from_lidar, dtype=np.float64)
    return np.asarray(points, dtype=np.float64) @ matrix[:3, :3].T + matrix[:3, 3]


def project(
    points: NDArray[np.floating], img_from_lidar: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pixels (N, 2), column and row, and depths (N,) in metres of points (N, 3); pixels are NaN behind ``NEAR_M``."""
    seen = homogeneous(points, img_from_lidar)
    depth_m = seen[..., 2]
    pixels = np.full(seen.shape[:-1] + (2,), np.nan)
    ahead = depth_m >= NEAR_M
    pixels[ahead] = seen[ahead, :2] / depth_m[ahead, None]
    return pixels, depth_m


def project_segments(
    segments: NDArray[np.floating], img_from_lidar: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Line segments as a camera sees them, cut at ``NEAR_M``.

    Cutting comes before the division by depth: an end behind the camera would appear mirrored on the other side.

    Args:
        segments: (S, 2, 3) ends in metres.
        img_from_lidar: (4, 4).

    Returns:
        Pixels (S, 2, 2) and bool (S,) which segments are, at least in part, in front of the camera.
    """
    ends = homogeneous(segments, img_from_lidar)
    depth_m = ends[..., 2]
    ahead = depth_m >= NEAR_M
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (NEAR_M - depth_m[:, :1]) / (depth_m[:, 1:] - depth_m[:, :1])
        crossing = ends[:, 0] + share * (ends[:, 1] - ends[:, 0])
        ends = np.where(ahead[..., None], ends, crossing[:, None])
        pixels = ends[..., :2] / ends[..., 2:]
    kept = ahead.any(axis=1)
    pixels[~kept] = np.nan
    return pixels, kept


def clip_segments(
    pixels: NDArray[np.float64], width: int, height: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The parts of line segments (S, 2, 2) inside an image, and bool (S,) which have one (Liang and Barsky, 1984)."""
    start, step = pixels[:, 0], pixels[:, 1] - pixels[:, 0]
    enter, leave = np.zeros(len(pixels)), np.ones(len(pixels))
    with np.errstate(divide="ignore", invalid="ignore"):
        for axis, last in ((0, width), (1, height)):
            at_low, at_high = (0 - start[:, axis]) / step[:, axis], (last - start[:, axis]) / step[:, axis]
            parallel = step[:, axis] == 0
            outside = parallel & ((start[:, axis] < 0) | (start[:, axis] > last))
            enter = np.maximum(enter, np.where(parallel, 0, np.minimum(at_low, at_high)))
            leave = np.where(outside, -1, np.minimum(leave, np.where(parallel, 1, np.maximum(at_low, at_high))))
    kept = enter <= leave  # False for NaN: segments behind the camera
    shares = np.stack([enter, leave], axis=1)[..., None]
    return start[:, None] + shares * step[:, None], kept
