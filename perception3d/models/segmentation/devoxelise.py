"""Features of voxels at points between their centres, by trilinear interpolation."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.functional import embedding_bag


@dataclass(frozen=True)
class Corners:
    """For each point the occupied ones of the eight voxels whose centres surround it.

    Attributes:
        rows: int64 (P,) row of the voxel of each pair of point and voxel, the pairs of a point in succession.
        weights: float (P,), summing to 1 over the pairs of a point.
        starts: int64 (N,) first pair of each point.
        num_voxels: M.
    """

    rows: Tensor
    weights: Tensor
    starts: Tensor
    num_voxels: int

    @functools.cached_property
    def by_voxel(self) -> tuple[Tensor, Tensor, Tensor]:
        """The same pairs in order of voxels: point int64 (P,), weights (P,), first pair of each voxel int64 (M,)."""
        order = torch.argsort(self.rows, stable=True)
        pairs = torch.diff(self.starts, append=self.starts.new_tensor([len(self.rows)]))
        point = torch.repeat_interleave(torch.arange(len(pairs), device=pairs.device), pairs)
        counts = torch.bincount(self.rows, minlength=self.num_voxels)
        return point[order], self.weights[order], torch.cumsum(counts, 0) - counts


def surrounding_voxels(positions: Tensor, batch: Tensor, coords: Tensor, spatial_shape: list[int]) -> Corners:
    """Trilinear weights of the occupied voxels around each point (Tang et al., ECCV 2020, section 3.1).

    The value of a voxel sits at its centre. Empty voxels have no value: the weights of the others are scaled to sum to
    1. A point's own voxel must be occupied; its weight is 1 / 8 or more before scaling.

    Args:
        positions: (N, 3) in units of voxels: voxel i of an axis spans [i, i + 1).
        batch: int64 (N,) batch index.
        coords: int (M, 4) batch index and cell of the occupied voxels.
        spatial_shape: size of the voxel grid.
    """
    keys, order = torch.sort(_key(coords[:, 0].long(), coords[:, 1:].long().unbind(1), spatial_shape))
    base = torch.floor(positions - 0.5)
    upper_share = (positions - 0.5 - base).unbind(1)
    base_cell = base.long().unbind(1)
    rows, weights = [], []
    for corner in range(8):
        step = [corner >> axis & 1 for axis in (2, 1, 0)]
        cell = [low + up for low, up in zip(base_cell, step, strict=True)]
        x, y, z = (share if up else 1 - share for share, up in zip(upper_share, step, strict=True))
        row, found = _lookup(keys, _key(batch, cell, spatial_shape))
        for index, size in zip(cell, spatial_shape, strict=True):
            found &= (index >= 0) & (index < size)
        rows.append(order[row])
        weights.append(x * y * z * found)
    weight = torch.stack(weights, dim=1)
    weight = weight / weight.sum(dim=1, keepdim=True)
    kept = weight > 0
    pairs = kept.sum(dim=1)
    starts = torch.cumsum(pairs, 0) - pairs
    return Corners(torch.stack(rows, dim=1)[kept], weight[kept], starts, len(coords))


def rows_of_cells(batch: Tensor, cells: Tensor, coords: Tensor, spatial_shape: list[int]) -> Tensor:
    """Row of ``coords`` (M, 4) of each cell (N, 3); all of them occupied."""
    keys, order = torch.sort(_key(coords[:, 0].long(), coords[:, 1:].long().unbind(1), spatial_shape))
    return order[_lookup(keys, _key(batch, cells.unbind(1), spatial_shape))[0]]


class Interpolate(Function):
    """Weighted sum of rows per point; the backward is the same sum over points per voxel.

    torch's own backward of ``embedding_bag`` scatters pair by pair on CPU, an order of magnitude slower.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, corners: Corners) -> Tensor:
        """Voxel features (M, C) -> point features (N, C)."""
        ctx.corners = corners
        weights = corners.weights.to(features.dtype)
        return embedding_bag(corners.rows, features, corners.starts, mode="sum", per_sample_weights=weights)

    @staticmethod
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor, None]:
        """Gradient of the voxel features."""
        point, weights, starts = ctx.corners.by_voxel
        weights = weights.to(grad_out.dtype)
        return embedding_bag(point, grad_out.contiguous(), starts, mode="sum", per_sample_weights=weights), None


def _key(batch: Tensor, cell: tuple[Tensor, ...] | list[Tensor], spatial_shape: list[int]) -> Tensor:
    return ((batch * spatial_shape[0] + cell[0]) * spatial_shape[1] + cell[1]) * spatial_shape[2] + cell[2]


def _lookup(sorted_keys: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
    position = torch.searchsorted(sorted_keys, keys).clamp_(max=len(sorted_keys) - 1)
    return position, sorted_keys[position] == keys
