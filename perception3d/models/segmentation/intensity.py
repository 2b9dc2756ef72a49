"""Intensity as its quantile among the returns of the same distance, which attenuation does not change.

Fog, rain, dirt and the range correction of another device multiply intensities by a factor of the distance
(Beer-Lambert law: exp(-2 alpha r)). The order of the intensities at one distance stays, whatever the factor is.
"""

from __future__ import annotations

import torch
from torch import Tensor

INTENSITY = 3


def with_intensity_quantiles(points: Tensor, num_bins: int = 32, near_m: float = 1.0, far_m: float = 80.0) -> Tensor:
    """Points with their intensity replaced.

    Args:
        points: float (N, C >= 4) x, y, z in metres, intensity of any scale, further columns.
        num_bins: distances that are compared with each other: intervals of equal ratio between ``near_m`` and
            ``far_m``; nearer and farther points belong to the first and last.
        near_m: end of the first interval.
        far_m: start of the last.

    Returns:
        (N, C): the share of the returns in the interval with a lower intensity, plus half the share of those with the
        same one; 0..1.
    """
    steps = torch.log(points[:, :3].norm(dim=1).clamp(min=near_m) / near_m)
    width = torch.log(points.new_tensor(far_m / near_m)) / num_bins
    interval = torch.floor(steps / width).clamp(max=num_bins - 1).long()
    # the rank among all intensities, so that interval and intensity make one whole number
    _, level = torch.unique(points[:, INTENSITY], return_inverse=True)
    key = interval * len(points) + level
    ordered = key.sort().values
    counts = torch.bincount(interval, minlength=num_bins)
    start = counts.cumsum(0) - counts
    lower = torch.searchsorted(ordered, key)
    not_above = torch.searchsorted(ordered, key, right=True)
    share = ((lower + not_above) / 2 - start[interval]) / counts[interval]
    out = points.clone()
    out[:, INTENSITY] = share.to(points.dtype)
    return out
