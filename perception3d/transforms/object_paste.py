"""Where pasted objects fit, and how images look with them: collisions from above, hulls in cameras, depth order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from perception3d.visualization.geometry import NEAR_M, corners, homogeneous


@dataclass(frozen=True)
class Patch:
    """The image of an object.

    Attributes:
        image: uint8 (h, w, 3) BGR.
        part: what it shows of the hull of the box: left, top, right, bottom as fractions of the hull, (0, 0, 1, 1)
            where the camera saw all of it.
    """

    image: NDArray[np.uint8]
    part: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class Hulls:
    """Axis-aligned hulls of boxes in one camera.

    Attributes:
        rectangles: int (n, 4) left, top, right, bottom in pixels, right and bottom exclusive; may leave the image.
        depth_m: (n,) depth of the centres.
        seen: bool (n,) the whole box lies in front of the camera, and part of its hull in the image.
    """

    rectangles: NDArray[np.int64]
    depth_m: NDArray[np.float64]
    seen: NDArray[np.bool_]


def centred(boxes: NDArray[np.floating]) -> NDArray[np.float64]:
    """Boxes (n, >= 7) with the bottom centre first -> with the centre of gravity first."""
    result = np.array(boxes, dtype=np.float64)
    result[:, 2] += result[:, 5] / 2
    return result


def box_hulls(boxes: NDArray[np.floating], img_from_lidar: NDArray[np.floating], image_size: tuple[int, int]) -> Hulls:
    """Hulls of boxes (n, >= 7), centre of gravity first, in an image of (height, width)."""
    at_corners = homogeneous(corners(boxes), img_from_lidar)
    in_front = (at_corners[..., 2] > NEAR_M).all(axis=1)
    pixels = at_corners[..., :2] / np.where(in_front[:, None, None], at_corners[..., 2:], np.inf)
    # far outside, a hull would not fit an int; its part in the image is the same
    pixels = np.clip(pixels, -1e6, 1e6)
    low, high = np.floor(pixels.min(axis=1)), np.ceil(pixels.max(axis=1))
    depth_m = homogeneous(boxes[:, :3], img_from_lidar)[:, 2]
    inside = (high > 0).all(axis=1) & (low < [image_size[1], image_size[0]]).all(axis=1)
    return Hulls(np.concatenate([low, high], axis=1).astype(np.int64), depth_m, in_front & inside)


def overlap_from_above(first: NDArray[np.floating], second: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return bool (n, m): which boxes (n, >= 7) and (m, >= 7) overlap in the plane (separating axes)."""
    return ~(_separated(first, second) | _separated(second, first).T)


def _separated(first: NDArray[np.floating], second: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return bool (n, m): an edge of the first box has the second one on its other side."""
    plane = corners(second)[:, [2, 3, 6, 7], :2]
    offset = plane[None] - first[:, None, None, :2]  # (n, m, 4, 2)
    cos, sin = np.cos(first[:, 6])[:, None, None], np.sin(first[:, 6])[:, None, None]
    along = cos * offset[..., 0] + sin * offset[..., 1]
    across = cos * offset[..., 1] - sin * offset[..., 0]
    apart = [
        (values.min(axis=2) > half) | (values.max(axis=2) < -half)
        for values, half in ((along, first[:, 3:4] / 2), (across, first[:, 4:5] / 2))
    ]
    return apart[0] | apart[1]


def free_places(candidates: NDArray[np.floating], taken: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return bool (n,): candidates that overlap neither a taken box nor a candidate accepted before them."""
    accepted = ~overlap_from_above(candidates, taken).any(axis=1)
    mutual = overlap_from_above(candidates, candidates)
    for row in range(len(candidates)):
        accepted[row] &= not (mutual[row, :row] & accepted[:row]).any()
    return accepted


def clip_rectangles(rectangles: NDArray[np.int64], image_size: tuple[int, int]) -> NDArray[np.int64]:
    """The parts of rectangles (..., 4) left, top, right, bottom inside an image of (height, width)."""
    height, width = image_size
    return np.clip(rectangles, 0, [width, height, width, height])


def paste_patches(
    image: NDArray[np.uint8], hulls: Hulls, patches: Sequence[Patch | None], blend: float
) -> NDArray[np.uint8]:
    """The image with objects laid over it from far to near.

    Args:
        image: (H, W, 3), left as it is.
        hulls: of n objects, those of the scene and pasted ones.
        patches: n images, stretched over the hull of a pasted object; None for an object of the scene, which comes back
            as it was, over the farther ones.
        blend: weight of what is laid over.
    """
    result, size = image.copy(), (image.shape[0], image.shape[1])
    for row in np.argsort(-hulls.depth_m, kind="stable"):
        if not hulls.seen[row]:
            continue
        patch = patches[row]
        target = hulls.rectangles[row] if patch is None else _part_of(hulls.rectangles[row], patch.part)
        left, top, right, bottom = clip_rectangles(target, size)
        if left >= right or top >= bottom:
            continue
        over = image[top:bottom, left:right] if patch is None else _stretched(patch.image, target, size)
        under = result[top:bottom, left:right].astype(np.float32)
        result[top:bottom, left:right] = np.rint(blend * over + (1 - blend) * under)
    return result


def _part_of(rectangle: NDArray[np.int64], part: tuple[float, float, float, float]) -> NDArray[np.int64]:
    size = rectangle[2:] - rectangle[:2]
    return np.rint(np.tile(rectangle[:2], 2) + np.array(part) * np.tile(size, 2)).astype(np.int64)


def _stretched(
    image: NDArray[np.uint8], rectangle: NDArray[np.int64], image_size: tuple[int, int]
) -> NDArray[np.uint8]:
    """What lies inside an image of (height, width) of another one stretched over a rectangle."""
    # only that part is sampled: a hull that leaves the image may be a hundred times larger
    inside = clip_rectangles(rectangle, image_size)
    scale = np.array([image.shape[1], image.shape[0]]) / (rectangle[2:] - rectangle[:2])
    first = (inside[:2] - rectangle[:2] + 0.5) * scale - 0.5
    matrix = np.column_stack([np.diag(scale), first])
    return cv2.warpAffine(
        image,
        matrix,
        [int(length) for length in inside[2:] - inside[:2]],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
