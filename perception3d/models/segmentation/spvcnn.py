"""SPVCNN: the sparse U-Net with a point branch of full resolution (Tang et al., ECCV 2020), without torchsparse."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from corruptions.core import InputError
from perception3d.models.segmentation.blocks import RowNorm
from perception3d.models.segmentation.devoxelise import Corners, Interpolate, rows_of_cells, surrounding_voxels
from perception3d.models.segmentation.partition import Voxels, mean_per_row
from perception3d.models.segmentation.unet import SparseUNet, ascend, descend, sparse_tensor
from perception3d.models.sparse import SparseConvTensor
from perception3d.registry import MODELS


@MODELS.register_module()
class SPVCNN(SparseUNet):
    """Sparse U-Net and point branch, joined after the stem, the last down stage, and the second and last up stages.

    At each join the points take the voxel features at their place (trilinear) and add their own, transformed by one
    layer; but for the last join, the voxels go on with the mean over their points.

    Args:
        in_channels: features per voxel.
        channels: widths of the stem, the four down stages and the four up stages.
        blocks: residual blocks per stage.
        dropout: dropout rate of the voxel features after the second and the third join.
        cells_per_voxel: the branch follows one point, the centroid, in each cell of 1 / cells_per_voxel of a voxel's
            edge; its result holds for all points of the cell. None: all points. The paper's code follows one point per
            0.05 m voxel.
    """

    def __init__(
        self,
        in_channels: int = 4,
        channels: Sequence[int] = (32, 32, 64, 128, 256, 256, 128, 96, 96),
        blocks: int = 2,
        dropout: float = 0.3,
        cells_per_voxel: int | None = None,
    ) -> None:
        super().__init__(in_channels, channels, blocks)
        if cells_per_voxel is not None and cells_per_voxel < 1:
            raise InputError(f"cells_per_voxel: expected 1 or more, or None, found {cells_per_voxel}")
        widths = (channels[0], channels[4], channels[6], channels[8])
        self.point_layers = nn.ModuleList(
            nn.Sequential(nn.Linear(before, after), RowNorm(after), nn.ReLU())
            for before, after in zip(widths[:-1], widths[1:], strict=True)
        )
        self.dropout = nn.Dropout(dropout)
        self.cells_per_voxel = cells_per_voxel

    def forward(self, features: Tensor, voxels: Voxels) -> tuple[Tensor, Tensor]:
        """Features of the points of the branch.

        Args:
            features: (M, in_channels) of the occupied voxels.
            voxels: of the batch.

        Returns:
            (P, out_channels) of the P points of the branch, and the row of each point of the batch in it, int64 (N,).
        """
        branch, row_of_point = branch_points(voxels, self.cells_per_voxel)
        stem = self.stem(sparse_tensor(features, voxels))
        points = branch.from_voxels(stem)
        skips = descend(branch.to_voxels(points, stem), self.down)
        bottom = skips.pop()
        points = branch.from_voxels(bottom) + self.point_layers[0](points)
        middle = ascend(self._dropped(branch.to_voxels(points, bottom)), skips, self.up[:2])
        points = branch.from_voxels(middle) + self.point_layers[1](points)
        top = ascend(self._dropped(branch.to_voxels(points, middle)), skips, self.up[2:])
        return branch.from_voxels(top) + self.point_layers[2](points), row_of_point

    def _dropped(self, voxels: SparseConvTensor) -> SparseConvTensor:
        return voxels.replace_feature(self.dropout(voxels.features))


class PointBranch:
    """Points that exchange features with the levels of a sparse network.

    Args:
        positions: float (P, 3) in units of the finest voxels.
        batch: int64 (P,) batch index.
        spatial_shape: size of the finest grid; each axis is a multiple of the stride of every level.
    """

    def __init__(self, positions: Tensor, batch: Tensor, spatial_shape: list[int]) -> None:
        self.positions = positions
        self.batch = batch
        self.spatial_shape = spatial_shape
        self._corners: dict[int, Corners] = {}

    def from_voxels(self, voxels: SparseConvTensor) -> Tensor:
        """Features (P, C) at the points, interpolated between the centres of the voxels."""
        stride = self._stride(voxels)
        if stride not in self._corners:
            self._corners[stride] = surrounding_voxels(
                self.positions / stride, self.batch, voxels.indices, voxels.spatial_shape
            )
        return Interpolate.apply(voxels.features, self._corners[stride])

    def to_voxels(self, points: Tensor, voxels: SparseConvTensor) -> SparseConvTensor:
        """The voxels with the mean of the features (P, C) of the points in them."""
        cells = torch.floor(self.positions / self._stride(voxels)).long()
        rows = rows_of_cells(self.batch, cells, voxels.indices, voxels.spatial_shape)
        return voxels.replace_feature(mean_per_row(points, rows, len(voxels.features)))

    def _stride(self, voxels: SparseConvTensor) -> int:
        return self.spatial_shape[0] // voxels.spatial_shape[0]


def branch_points(voxels: Voxels, cells_per_voxel: int | None) -> tuple[PointBranch, Tensor]:
    """Points of the branch, and for each point of the batch the row of its point in the branch, int64 (N,)."""
    batch = voxels.coords[:, 0].long()[voxels.voxel_of_point]
    positions, row_of_point = voxels.positions, torch.arange(len(batch), device=batch.device)
    if cells_per_voxel is not None:
        x, y, z = ((positions - torch.floor(positions)) * cells_per_voxel).long().unbind(1)
        cell = ((voxels.voxel_of_point * cells_per_voxel + x) * cells_per_voxel + y) * cells_per_voxel + z
        cells, row_of_point = torch.unique(cell, return_inverse=True)
        batch = voxels.coords[:, 0].long()[cells // cells_per_voxel**3]
        positions = mean_per_row(positions, row_of_point, len(cells))
    return PointBranch(positions, batch, voxels.spatial_shape), row_of_point
