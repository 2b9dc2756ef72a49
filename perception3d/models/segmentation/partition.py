"""Partitions: points into the voxels that a sparse network works on."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from corruptions.core import InputError
from perception3d.registry import MODELS


@dataclass(frozen=True)
class Voxels:
    """Occupied voxels of a batch and the points in them.

    Attributes:
        point_features: float (N, C) features of the points of the concatenated batch.
        positions: float (N, 3) position of each point in units of voxels: voxel i of an axis spans [i, i + 1).
        coords: int32 (M, 4) batch index, then voxel index along the three axes of the partition.
        voxel_of_point: int64 (N,) row of ``coords`` for each point.
        spatial_shape: size of the voxel grid along the three axes.
        points_per_sample: number of points of each sample; they sum to N.
    """

    point_features: Tensor
    positions: Tensor
    coords: Tensor
    voxel_of_point: Tensor
    spatial_shape: list[int]
    points_per_sample: list[int]

    @property
    def batch_size(self) -> int:
        """Number of samples."""
        return len(self.points_per_sample)

    @functools.cached_property
    def features(self) -> Tensor:
        """Mean (M, C) of the point features in each voxel."""
        return mean_per_row(self.point_features, self.voxel_of_point, len(self.coords))


@MODELS.register_module()
class GridPartition:
    """Cubic voxels.

    Args:
        voxel_size_m: edge of a voxel in metres.
        point_cloud_range: x_min, y_min, z_min, x_max, y_max, z_max in metres, sensor frame. A point outside goes to the
            voxel at the border: every point gets a prediction, and one stray return cannot blow up the grid.
        multiple: each axis of the grid is padded to a multiple of this; 2 ** number of strided levels, because a
            strided convolution drops the last voxel of an odd axis.
        feature_scale: factor of each point feature (x, y, z, intensity, ...) before averaging, or None for the raw
            values. Raw x and y span tens of metres beside 0..1 of intensity, which short training does not overcome.
    """

    def __init__(
        self,
        voxel_size_m: float,
        point_cloud_range: Sequence[float],
        multiple: int = 16,
        feature_scale: Sequence[float] | None = None,
    ) -> None:
        if voxel_size_m <= 0:
            raise InputError(f"voxel_size_m: expected a size above 0 in metres, found {voxel_size_m}")
        if len(point_cloud_range) != 6 or any(
            low >= high for low, high in zip(point_cloud_range[:3], point_cloud_range[3:], strict=True)
        ):
            raise InputError(
                f"point_cloud_range: expected x_min, y_min, z_min, x_max, y_max, z_max, found {point_cloud_range}"
            )
        self.voxel_size_m = voxel_size_m
        self.point_cloud_range = list(point_cloud_range)
        self.multiple = multiple
        self.feature_scale = feature_scale

    def __call__(self, points: list[Tensor]) -> Voxels:
        """Voxels of a batch of clouds, each (N_i, C >= 3) with x, y, z first."""
        cloud, batch = concatenate(points)
        low, high = (cloud.new_tensor(bound) for bound in (self.point_cloud_range[:3], self.point_cloud_range[3:]))
        # the upper bound belongs to the last voxel, not to one beyond it
        inside = torch.minimum(torch.maximum(cloud[:, :3], low), high - 1e-3 * self.voxel_size_m)
        positions = (inside - low) / self.voxel_size_m
        first = _sample_minimum(torch.floor(positions), batch, len(points))
        positions -= first[batch]
        shape = [_round_up(int(size) + 1, self.multiple) for size in positions.amax(0).tolist()]
        features = cloud if self.feature_scale is None else cloud * cloud.new_tensor(self.feature_scale)
        return gather_voxels(features, batch, positions, shape, [len(sample) for sample in points])


@MODELS.register_module()
class CylinderPartition:
    """Voxels of a cylinder around the sensor: equal steps of range, azimuth and height (Zhu et al., CVPR 2021, 3.2).

    The features of a point are those of the paper's code: offset of its cylindrical coordinates from the centre of its
    voxel, its cylindrical coordinates (rho in metres, phi in radians, z in metres), x, y, and what the points carry
    beyond z.

    Args:
        grid_shape: number of voxels along rho, phi and z.
        rho_range_m: nearest and farthest horizontal distance. A point outside goes to the voxel at the border.
        z_range_m: lowest and highest z in the sensor frame, likewise.
    """

    def __init__(
        self,
        grid_shape: Sequence[int] = (480, 360, 32),
        rho_range_m: Sequence[float] = (0.0, 50.0),
        z_range_m: Sequence[float] = (-4.0, 2.0),
    ) -> None:
        if len(grid_shape) != 3 or min(grid_shape) < 1:
            raise InputError(f"grid_shape: expected three sizes (rho, phi, z) above 0, found {grid_shape}")
        for name, bounds in (("rho_range_m", rho_range_m), ("z_range_m", z_range_m)):
            if len(bounds) != 2 or bounds[0] >= bounds[1]:
                raise InputError(f"{name}: expected a lower and a higher bound in metres, found {bounds}")
        self.grid_shape = list(grid_shape)
        self.low = [rho_range_m[0], -math.pi, z_range_m[0]]
        self.high = [rho_range_m[1], math.pi, z_range_m[1]]

    def __call__(self, points: list[Tensor]) -> Voxels:
        """Voxels of a batch of clouds, each (N_i, C >= 3) with x, y, z first; point features (N, 5 + C)."""
        cloud, batch = concatenate(points)
        cylindrical = torch.stack(
            [torch.hypot(cloud[:, 0], cloud[:, 1]), torch.atan2(cloud[:, 1], cloud[:, 0]), cloud[:, 2]], dim=1
        )
        low, high = cloud.new_tensor(self.low), cloud.new_tensor(self.high)
        step = (high - low) / cloud.new_tensor(self.grid_shape)
        # the upper bound belongs to the last voxel, not to one beyond it
        last = cloud.new_tensor(self.grid_shape) - 1e-3
        positions = torch.minimum(((cylindrical - low) / step).clamp(min=0), last)
        offset = cylindrical - (low + (torch.floor(positions) + 0.5) * step)
        features = torch.cat([offset, cylindrical, cloud[:, :2], cloud[:, 3:]], dim=1)
        return gather_voxels(features, batch, positions, self.grid_shape, [len(sample) for sample in points])


def gather_voxels(
    point_features: Tensor, batch: Tensor, positions: Tensor, spatial_shape: list[int], points_per_sample: list[int]
) -> Voxels:
    """Group points by voxel.

    Args:
        point_features: (N, C).
        batch: int64 (N,) batch index.
        positions: (N, 3) position of each point in units of voxels, within the grid.
        spatial_shape: size of the grid.
        points_per_sample: number of points of each sample.
    """
    cells, size = torch.floor(positions).long(), batch.new_tensor(spatial_shape)
    key = ((batch * size[0] + cells[:, 0]) * size[1] + cells[:, 1]) * size[2] + cells[:, 2]
    unique, voxel_of_point = torch.unique(key, return_inverse=True)
    coords = torch.stack(
        [
            unique // (size[0] * size[1] * size[2]),
            unique // (size[1] * size[2]) % size[0],
            unique // size[2] % size[1],
            unique % size[2],
        ],
        dim=1,
    )
    return Voxels(point_features, positions, coords.int(), voxel_of_point, spatial_shape, points_per_sample)


def mean_per_row(values: Tensor, row_of_value: Tensor, num_rows: int) -> Tensor:
    """Mean (num_rows, C) of the ``values`` (N, C) that belong to each row; int64 (N,) rows, each at least once."""
    count = torch.bincount(row_of_value, minlength=num_rows)
    total = values.new_zeros(num_rows, values.shape[1]).index_add(0, row_of_value, values)
    return total / count[:, None].to(total.dtype)


def majority_labels(labels: Tensor, voxel_of_point: Tensor, num_voxels: int, ignore: int) -> Tensor:
    """Most frequent label of the points in each voxel; ``ignore`` only where all points are ignored.

    Args:
        labels: int64 (N,) train ids, ``ignore`` for points without a class.
        voxel_of_point: int64 (N,).
        num_voxels: M.
        ignore: ignored id; above every class id.

    Returns:
        int64 (M,).
    """
    votes = labels.new_zeros(num_voxels * ignore)
    scored = labels != ignore
    votes.index_add_(0, voxel_of_point[scored] * ignore + labels[scored], labels.new_ones(int(scored.sum())))
    most, winner = votes.view(num_voxels, ignore).max(dim=1)
    return torch.where(most > 0, winner, ignore)


def concatenate(points: list[Tensor]) -> tuple[Tensor, Tensor]:
    """One cloud (N, C) of a batch, and the batch index int64 (N,) of each point."""
    if any(len(sample) == 0 for sample in points):
        raise InputError("points: expected at least one point per sample, found an empty cloud in the batch")
    counts = torch.tensor([len(sample) for sample in points], device=points[0].device)
    return torch.cat(points), torch.repeat_interleave(torch.arange(len(points), device=points[0].device), counts)


def _sample_minimum(cells: Tensor, batch: Tensor, batch_size: int) -> Tensor:
    start = cells.new_full((batch_size, cells.shape[1]), torch.inf)
    return start.scatter_reduce_(0, batch[:, None].expand_as(cells), cells, "amin")


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
