"""Partitions: points into the voxels that a sparse network works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from corruptions.core import InputError
from perception3d.registry import MODELS


@dataclass(frozen=True)
class Voxels:
    """Occupied voxels of a batch.

    Attributes:
        features: float (M, C) mean of the point features in each voxel.
        coords: int32 (M, 4) batch index, then voxel index along the three axes of the partition.
        voxel_of_point: int64 (N,) row of ``features`` for each point of the concatenated batch.
        spatial_shape: size of the voxel grid along the three axes.
        points_per_sample: number of points of each sample; they sum to N.
    """

    features: Tensor
    coords: Tensor
    voxel_of_point: Tensor
    spatial_shape: list[int]
    points_per_sample: list[int]

    @property
    def batch_size(self) -> int:
        """Number of samples."""
        return len(self.points_per_sample)


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
        cloud, batch = _concatenate(points)
        low, high = (cloud.new_tensor(bound) for bound in (self.point_cloud_range[:3], self.point_cloud_range[3:]))
        # the upper bound belongs to the last voxel, not to one beyond it
        inside = torch.minimum(torch.maximum(cloud[:, :3], low), high - 1e-3 * self.voxel_size_m)
        cells = torch.floor((inside - low) / self.voxel_size_m).long()
        cells -= _sample_minimum(cells, batch, len(points))[batch]
        shape = [_round_up(int(size), self.multiple) for size in (cells.amax(0) + 1).tolist()]
        features = cloud if self.feature_scale is None else cloud * cloud.new_tensor(self.feature_scale)
        return gather_voxels(features, batch, cells, shape, [len(sample) for sample in points])


def gather_voxels(
    features: Tensor, batch: Tensor, cells: Tensor, spatial_shape: list[int], points_per_sample: list[int]
) -> Voxels:
    """Group points by cell and average their features.

    Args:
        features: (N, C) features of the points.
        batch: int64 (N,) batch index.
        cells: int64 (N, 3) voxel index of each point.
        spatial_shape: size of the grid.
        points_per_sample: number of points of each sample.
    """
    size = cells.new_tensor(spatial_shape)
    key = ((batch * size[0] + cells[:, 0]) * size[1] + cells[:, 1]) * size[2] + cells[:, 2]
    unique, voxel_of_point, count = torch.unique(key, return_inverse=True, return_counts=True)
    mean = features.new_zeros(len(unique), features.shape[1]).index_add_(0, voxel_of_point, features)
    mean /= count[:, None]
    coords = torch.stack(
        [
            unique // (size[0] * size[1] * size[2]),
            unique // (size[1] * size[2]) % size[0],
            unique // size[2] % size[1],
            unique % size[2],
        ],
        dim=1,
    )
    return Voxels(mean, coords.int(), voxel_of_point, spatial_shape, points_per_sample)


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


def _concatenate(points: list[Tensor]) -> tuple[Tensor, Tensor]:
    if any(len(sample) == 0 for sample in points):
        raise InputError("points: expected at least one point per sample, found an empty cloud in the batch")
    counts = torch.tensor([len(sample) for sample in points], device=points[0].device)
    return torch.cat(points), torch.repeat_interleave(torch.arange(len(points), device=points[0].device), counts)


def _sample_minimum(cells: Tensor, batch: Tensor, batch_size: int) -> Tensor:
    start = cells.new_full((batch_size, cells.shape[1]), torch.iinfo(torch.int64).max)
    return start.scatter_reduce_(0, batch[:, None].expand_as(cells), cells, "amin")


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
