"""Maps made whole: holes interpolated, and edges moved to those of a picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_COARSEST_PX = 2
_SUBSAMPLING = 4


def interpolated(values: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Fill a map smoothly from its known pixels: pull-push (Gortler et al., The Lumigraph, SIGGRAPH 1996, section 3.4).

    Averages of what is known, at ever coarser steps, fill what the finer steps leave open.

    Args:
        values: float32 (H, W); unknown ones are not looked at.
        known: bool (H, W), at least one True.

    Returns:
        float32 (H, W); known pixels keep their values.
    """
    weight = known.astype(np.float32)
    sums = np.where(known, values, 0).astype(np.float32)
    pyramid = [(sums, weight)]
    while min(pyramid[-1][0].shape) > _COARSEST_PX:
        pyramid.append((cv2.pyrDown(pyramid[-1][0]), cv2.pyrDown(pyramid[-1][1])))
    total, count = pyramid[-1][0].sum(dtype=np.float64), pyramid[-1][1].sum(dtype=np.float64)
    filled = np.full_like(pyramid[-1][0], total / count)
    for sums, weight in reversed(pyramid):
        coarse = cv2.resize(filled, sums.shape[::-1], interpolation=cv2.INTER_LINEAR)
        share = np.minimum(weight, 1)
        filled = share * sums / np.maximum(weight, np.float32(1e-6)) + (1 - share) * coarse
    return np.where(known, values, filled).astype(np.float32)


def along_edges(
    values: NDArray[np.float32], guide: NDArray[np.float32], radius_px: int, contrast: float
) -> NDArray[np.float32]:
    """Smooth a map, but not across the edges of a picture: the guided filter (He, Sun and Tang, ECCV 2010).

    In each window the result is linear in the guide. Computed on every fourth pixel (He and Sun, Fast Guided Filter,
    arXiv 1505.00996).

    Args:
        values: float32 (H, W).
        guide: float32 (H, W) of the same scene, 0..1.
        radius_px: half the side of the windows.
        contrast: changes of the guide that are much smaller are smoothed over, much larger ones kept.

    Returns:
        float32 (H, W).
    """
    step = min(_SUBSAMPLING, max(1, radius_px // 2))
    small = tuple(max(1, side // step) for side in values.shape[::-1])
    v, g = (cv2.resize(one, small, interpolation=cv2.INTER_AREA) for one in (values, guide))
    side = 2 * max(1, radius_px // step) + 1

    def mean(one: NDArray[np.float32]) -> NDArray[np.float32]:
        return cv2.blur(one, (side, side), borderType=cv2.BORDER_REFLECT)

    mean_g, mean_v = mean(g), mean(v)
    slope = (mean(g * v) - mean_g * mean_v) / (mean(g * g) - mean_g**2 + np.float32(contrast**2))
    offset = mean_v - slope * mean_g
    slope, offset = (
        cv2.resize(mean(one), values.shape[::-1], interpolation=cv2.INTER_LINEAR) for one in (slope, offset)
    )
    return slope * guide + offset
