"""How far away each pixel's surface is: from the ground plane, or from a LiDAR sweep over it.

Distances are along the ray, in metres, as ``Views.depth_m`` wants them; the sky gets ``SKY_M``.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from corruptions.camera.smoothing import along_edges, interpolated
from corruptions.core import InputError, check_within

SKY_M = np.float32(1e5)
_GAP_RAD = np.radians(1.4)  # between rings of an HDL-32E
_EDGE_CONTRAST = 0.05  # of full scale: what counts as an edge of a thing
_NEAREST_M = 0.3  # nothing of interest is nearer to the camera, and the sweep's own vehicle is


def ground_plane(
    shape: tuple[int, int], img_from_cam: NDArray[np.floating], up_in_cam: NDArray[np.floating], height_m: float
) -> NDArray[np.float32]:
    """Distance of a flat ground, and sky above the horizon: ``height / -(ray . up)``.

    Args:
        shape: rows and columns of the image.
        img_from_cam: (3, 3) intrinsics of an undistorted pinhole camera.
        up_in_cam: (3,) upward direction in the camera's optical frame (x right, y down, z forward).
        height_m: of the camera above the ground.

    Returns:
        float32 ``shape``.

    Raises:
        InputError: for intrinsics that cannot be inverted, a zero direction or a camera below the ground.
    """
    check_within("height_m", height_m, 0.01, 1000)
    length = float(np.linalg.norm(up_in_cam))
    if np.shape(up_in_cam) != (3,) or not 0 < length < np.inf:
        raise InputError(f"up_in_cam: expected a direction (3,), found {np.asarray(up_in_cam).tolist()}")
    down = -_along_rays(shape, img_from_cam, np.asarray(up_in_cam) / length)
    return np.where(down > height_m / SKY_M, height_m / np.maximum(down, height_m / SKY_M), SKY_M).astype(np.float32)


def from_lidar(
    points: NDArray[np.floating],
    cam_from_lidar: NDArray[np.floating],
    img_from_cam: NDArray[np.floating],
    background_m: NDArray[np.floating],
    gap_px: int | None = None,
    image: NDArray[np.uint8] | None = None,
) -> NDArray[np.float32]:
    """Distance of the nearest LiDAR return in the image, and a background where none is near.

    A sweep is dense along its rings and sparse across them; pixels up to ``gap_px`` from a return take its distance.
    Wider holes with returns both above and below them are no view of the sky but glass, wet or black things: they are
    interpolated. Above the sensor's field of view things go on as its top rings saw them: walls and trees are taller
    than a LiDAR looks, and sky given the distance of the wall below it only gets a thinner veil of its own colour.
    Edges of things are off by up to half a ring's gap; with ``image`` they are moved to the edges of the image. Right
    for a veil, not for occlusion.

    Args:
        points: (N, >= 3) x, y, z in the LiDAR frame.
        cam_from_lidar: (4, 4) from the LiDAR to the camera's optical frame.
        img_from_cam: (3, 3) intrinsics.
        background_m: (H, W) distance elsewhere, such as :func:`ground_plane`.
        gap_px: how far a return reaches; by default 1.4 degrees, a ring's distance in an HDL-32E.
        image: uint8 (H, W, 3) of the camera, whose edges the result follows; none for no smoothing.

    Returns:
        float32 (H, W).

    Raises:
        InputError: for matrices of another shape or intrinsics that cannot be inverted.
    """
    if np.shape(cam_from_lidar) != (4, 4):
        raise InputError(f"cam_from_lidar: expected a (4, 4) transform, found {np.shape(cam_from_lidar)}")
    if gap_px is None:
        gap_px = max(1, round(float(img_from_cam[0, 0]) * np.tan(_GAP_RAD)))
    height, width = background_m.shape
    measured, elevation_rad = _nearest_returns(points, cam_from_lidar, img_from_cam, (height, width))
    known = np.isfinite(measured)
    if not known.any():
        return background_m.astype(np.float32)
    nearest, away_px = _nearest_known(known)
    near = away_px <= gap_px
    depth_m = np.where(near, measured[known][nearest], background_m).astype(np.float32)
    near = _fill_holes(depth_m, near)

    top_row, column = near.argmax(axis=0), np.arange(width)
    rings_end_rad = elevation_rad[known].max() - 2 * _GAP_RAD
    goes_on = near[top_row, column] & (elevation_rad[known][nearest[top_row, column]] > rings_end_rad)
    beside = _nearest_true(goes_on)
    # a slit of sky between two trees would stand out as a bar of veil
    goes_on = goes_on[beside] & (np.abs(beside - column) <= 4 * gap_px)
    above = goes_on & (np.arange(height)[:, None] < top_row[beside])
    depth_m = np.where(above & ~near, depth_m[top_row[beside], beside], depth_m)
    if image is None:
        return depth_m
    grey = image.astype(np.float32).mean(axis=2) / 255
    nearness = along_edges(1 / depth_m, grey, 2 * gap_px, _EDGE_CONTRAST)
    return 1 / np.clip(nearness, 1 / SKY_M, 1 / _NEAREST_M)


def _fill_holes(depth_m: NDArray[np.float32], near: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Interpolate, in place, what has returns both above and below it; where the distance is known then."""
    enclosed = ~near & np.logical_or.accumulate(near) & np.logical_or.accumulate(near[::-1])[::-1]
    if enclosed.any():
        depth_m[enclosed] = 1 / interpolated(1 / depth_m, near)[enclosed]
    return near | enclosed


def _nearest_true(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(N,) index of the true entry nearest to each; its own where none is true."""
    true = np.flatnonzero(flags)
    if not len(true):
        return np.arange(len(flags))
    right = np.clip(np.searchsorted(true, np.arange(len(flags))), 0, len(true) - 1)
    left = np.maximum(right - 1, 0)
    at = np.arange(len(flags))
    return np.where(np.abs(true[left] - at) < np.abs(true[right] - at), true[left], true[right])


def _along_rays(
    shape: tuple[int, int], img_from_cam: NDArray[np.floating], direction: NDArray[np.floating]
) -> NDArray[np.float32]:
    """(H, W) component along ``direction`` (3,) of the unit ray through each pixel centre, in the optical frame."""
    try:
        cam_from_img = np.linalg.inv(np.asarray(img_from_cam, np.float64).reshape(3, 3))
    except (np.linalg.LinAlgError, ValueError):
        raise InputError("img_from_cam: expected (3, 3) intrinsics that can be inverted") from None
    row, column = np.arange(shape[0], dtype=np.float32)[:, None], np.arange(shape[1], dtype=np.float32)
    # the ray's three components are linear in column and row: no (H, W, 3) array is needed
    x, y, z = (np.float32(a) * column + np.float32(b) * row + np.float32(c) for a, b, c in cam_from_img)
    ax, ay, az = np.asarray(direction, np.float32)
    return (ax * x + ay * y + az * z) / np.sqrt(x * x + y * y + z * z)


def _nearest_returns(
    points: NDArray[np.floating],
    cam_from_lidar: NDArray[np.floating],
    img_from_cam: NDArray[np.floating],
    shape: tuple[int, int],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(H, W) distance of the nearest return in each pixel, infinity where there is none, and its LiDAR elevation."""
    measured, elevation = np.full(shape, np.inf, np.float32), np.zeros(shape, np.float32)
    in_cam = points[:, :3].astype(np.float64) @ cam_from_lidar[:3, :3].T + cam_from_lidar[:3, 3]
    ahead = in_cam[:, 2] > _NEAREST_M
    in_cam, x, y, z = in_cam[ahead], *points[ahead, :3].T
    pixel = in_cam @ np.asarray(img_from_cam, np.float64).T
    column, row = np.rint(pixel[:, 0] / pixel[:, 2]).astype(int), np.rint(pixel[:, 1] / pixel[:, 2]).astype(int)
    inside = np.flatnonzero((column >= 0) & (column < shape[1]) & (row >= 0) & (row < shape[0]))
    distance_m = np.linalg.norm(in_cam[inside], axis=1)
    order = inside[np.argsort(-distance_m, kind="stable")]  # the nearest is written last
    measured[row[order], column[order]] = np.linalg.norm(in_cam[order], axis=1)
    elevation[row[order], column[order]] = np.arctan2(z[order], np.hypot(x[order], y[order]))
    return measured, elevation


def _nearest_known(known: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(H, W) index among the known pixels (in row order) of the one nearest to each, and its distance in pixels."""
    away_px, label = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    index_of_label = np.empty(int(label.max()) + 1, np.int64)
    index_of_label[label[known]] = np.arange(np.count_nonzero(known))
    return index_of_label[label], away_px
