"""Boxes and LiDAR points drawn into camera images.

Pixel coordinates are those of mmdet3d: (0, 0) is the corner of the image, the centre of the first pixel (0.5, 0.5).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception3d.visualization.colours import box_colour
from perception3d.visualization.geometry import (
    EDGES,
    FRONT_EDGES,
    BoxSet,
    clip_segments,
    corners,
    project,
    project_segments,
)

_SHIFT = 4  # cv2 draws at 1/16 pixel
_FRONT = tuple(EDGES.index(edge) for edge in FRONT_EDGES)


def resize(
    image: NDArray[np.uint8], img_from_lidar: NDArray[np.floating], height: int
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """An image (H, W, 3) of another height, and its projection to match."""
    import cv2

    scale = height / image.shape[0]
    width = round(image.shape[1] * scale)
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized = cv2.resize(image, (width, height), interpolation=interpolation)
    scaling = np.diag([width / image.shape[1], scale, 1.0, 1.0])
    return np.asarray(resized, dtype=np.uint8), scaling @ img_from_lidar


def draw_boxes(
    image: NDArray[np.uint8], boxes: BoxSet, img_from_lidar: NDArray[np.floating], line_px: float = 1
) -> NDArray[np.uint8]:
    """Edges of boxes over an image; the front face is filled lightly.

    Annotations get thin lines, detections lines twice as thick with their score above.

    Args:
        image: RGB (H, W, 3), left as it is.
        boxes: M boxes.
        img_from_lidar: (4, 4) projection of this image.
        line_px: thickness of the lines of annotations.

    Returns:
        A new image.
    """
    import cv2

    out = image.copy()
    height, width = image.shape[:2]
    ends = corners(boxes.values)[:, np.array(EDGES)]
    pixels, ahead = project_segments(ends.reshape(-1, 2, 3), img_from_lidar)
    clipped, inside = clip_segments(pixels, width, height)
    clipped, inside = clipped.reshape(-1, 12, 2, 2), (ahead & inside).reshape(-1, 12)
    thickness = round(line_px * (1 if boxes.scores is None else 2))
    middle_m = np.linalg.norm(boxes.values[:, :3], axis=1)
    for row in np.argsort(-middle_m, kind="stable"):  # near boxes over far ones
        if not inside[row].any():
            continue
        colour = box_colour(boxes.names[row])
        faces = pixels.reshape(-1, 12, 2, 2)[row]
        if ahead.reshape(-1, 12)[row].all():
            _fill(out, faces[list(_FRONT), 0], colour)
        for (start, end), drawn in zip(_fixed(clipped[row]), inside[row], strict=True):
            if drawn:
                cv2.line(out, start, end, colour, thickness, cv2.LINE_AA, _SHIFT)
        if boxes.scores is not None:
            _write(out, f"{boxes.scores[row]:.2f}", clipped[row][inside[row]].reshape(-1, 2), colour)
    return out


def draw_points(
    image: NDArray[np.uint8],
    points: NDArray[np.floating],
    rgb: NDArray[np.uint8],
    img_from_lidar: NDArray[np.floating],
    radius_px: int = 1,
) -> NDArray[np.uint8]:
    """LiDAR points over an image, near ones over far ones.

    Args:
        image: RGB (H, W, 3), left as it is.
        points: (N, C >= 3) LiDAR frame, metres.
        rgb: (N, 3) colours.
        img_from_lidar: (4, 4) projection of this image.
        radius_px: half the side of the square of a point; 0 for single pixels.

    Returns:
        A new image.
    """
    out = image.copy()
    pixels, depth_m = project(points[:, :3], img_from_lidar)
    height, width = image.shape[:2]
    with np.errstate(invalid="ignore"):
        cells = np.floor(pixels)
        seen = ((cells >= 0) & (cells < [width, height])).all(axis=1)
    order = np.flatnonzero(seen)[np.argsort(-depth_m[seen], kind="stable")]
    column, row = cells[order].astype(np.intp).T
    steps = range(-radius_px, radius_px + 1)
    # One assignment per offset would let a far point hide a near one; numpy keeps the last of equal places.
    rows = np.stack([row + down for down in steps for _ in steps], axis=1).clip(0, height - 1)
    columns = np.stack([column + right for _ in steps for right in steps], axis=1).clip(0, width - 1)
    out[rows.ravel(), columns.ravel()] = np.repeat(rgb[order], rows.shape[1], axis=0)
    return out


def _fixed(pixels: NDArray[np.float64]) -> list[list[tuple[int, int]]]:
    """Pixels (S, 2, 2) in cv2's fixed point, which counts from pixel centres; what is not drawn may be NaN."""
    drawable = np.nan_to_num(pixels, nan=0.0, posinf=0.0, neginf=0.0).clip(-1e6, 1e6)
    whole = np.round((drawable - 0.5) * 2**_SHIFT).astype(int)
    return [[(int(x), int(y)) for x, y in segment] for segment in whole]


def _fill(image: NDArray[np.uint8], polygon: NDArray[np.float64], colour: tuple[int, int, int]) -> None:
    """Blend a convex polygon (K, 2) into the image, a quarter opaque; touches its bounding box alone."""
    import cv2

    height, width = image.shape[:2]
    low = np.floor(polygon.min(axis=0)).clip(0, [width, height]).astype(int)
    high = (np.ceil(polygon.max(axis=0)) + 1).clip(0, [width, height]).astype(int)
    if (high <= low).any():
        return
    part = image[low[1] : high[1], low[0] : high[0]]
    mask = np.zeros(part.shape[:2], np.uint8)
    corners_px = np.round((polygon - low - 0.5).clip(-1e5, 1e5) * 2**_SHIFT).astype(np.int32)
    cv2.fillConvexPoly(mask, corners_px, 255, cv2.LINE_AA, _SHIFT)
    weight = mask[..., None] / (4 * 255)
    part[:] = np.round(part * (1 - weight) + np.array(colour) * weight)


def _write(image: NDArray[np.uint8], text: str, outline: NDArray[np.float64], colour: tuple[int, int, int]) -> None:
    """Text above the highest point of an outline (K, 2), kept inside the image, white on the colour."""
    import cv2

    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.35, 1)
    top = outline[np.argmin(outline[:, 1])]
    x = int(np.clip(top[0] - width / 2, 1, max(1, image.shape[1] - width - 2)))
    y = int(np.clip(top[1] - 3, height + 2, image.shape[0] - 2))
    cv2.rectangle(image, (x - 1, y - height - 2), (x + width + 1, y + 2), colour, -1)
    cv2.putText(image, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.35, (255, 255, 255), 1, cv2.LINE_AA)
