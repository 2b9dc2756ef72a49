"""Points into voxels of a fixed number of points, in torch operations, for any device.

mmcv's op does the same where it is compiled for the device; a build of mmcv without CUDA ops has none for CUDA tensors.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def hard_voxels(
    points: Tensor, voxel_size_m: Sequence[float], point_cloud_range: Sequence[float], max_points: int, max_voxels: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Voxels in the order of their first points, each with its first points, as mmcv's deterministic op has them.

    Args:
        points: float (N, C), x, y, z in metres first.
        voxel_size_m: edges along x, y, z.
        point_cloud_range: x_min, y_min, z_min, x_max, y_max, z_max in metres; points outside are left out.
        max_points: points kept in a voxel.
        max_voxels: voxels kept.

    Returns:
        Float (M, ``max_points``, C) points, zeros where a voxel has fewer; int32 (M, 3) cell along z, y, x; int32 (M,)
        number of points.
    """
    size, bounds = points.new_tensor(voxel_size_m), points.new_tensor(point_cloud_range)
    grid = torch.round((bounds[3:] - bounds[:3]) / size).long()
    cell = torch.floor((points[:, :3] - bounds[:3]) / size).long()
    inside = ((cell >= 0) & (cell < grid)).all(dim=1)
    points, cell = points[inside], cell[inside]
    key = (cell[:, 2] * grid[1] + cell[:, 1]) * grid[0] + cell[:, 0]
    first, voxel, counts = _groups(key)
    place = _place_in_group(voxel, counts)
    kept = (voxel < max_voxels) & (place < max_points)
    number = min(len(first), max_voxels)
    voxels = points.new_zeros(number, max_points, points.shape[1])
    voxels[voxel[kept], place[kept]] = points[kept]
    return voxels, cell[first[:number]].flip(1).int(), counts[:number].clamp(max=max_points).int()


def _groups(key: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Groups of equal keys in order of appearance: first row (M,), group of each row (N,), size (M,)."""
    unique, group = torch.unique(key, return_inverse=True)
    rows = torch.arange(len(key), device=key.device)
    first = rows.new_full((len(unique),), len(key)).scatter_reduce(0, group, rows, "amin")
    first, order = first.sort()
    appearance = torch.empty_like(order)
    appearance[order] = torch.arange(len(order), device=key.device)
    group = appearance[group]
    return first, group, torch.bincount(group, minlength=len(unique))


def _place_in_group(group: Tensor, counts: Tensor) -> Tensor:
    """Rows of the same group before each row (N,)."""
    order = group.argsort(stable=True)
    starts = counts.cumsum(0) - counts
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order), device=group.device) - starts[group[order]]
    return place
