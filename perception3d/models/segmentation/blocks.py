"""Blocks of the sparse networks: convolution with norm, residual, down and up stages."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from perception3d.models.sparse import SparseConv3d, SparseConvTensor, SparseInverseConv3d, SubMConv3d


class RowNorm(nn.BatchNorm1d):
    """Batch norm over the rows (M, C) that also trains on a single row, by the running statistics.

    A scan of one return, or one whose returns all share a voxel, has no variance to normalise by.
    """

    def forward(self, rows: Tensor) -> Tensor:
        """(M, C) -> (M, C)."""
        if self.training and len(rows) == 1:
            return nn.functional.batch_norm(
                rows, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(rows)


class ConvNorm(nn.Module):
    """Sparse convolution, batch norm, and ReLU unless ``activate`` is false."""

    def __init__(self, convolution: nn.Module, channels: int, activate: bool = True) -> None:
        super().__init__()
        self.conv = convolution
        self.norm = RowNorm(channels)
        self.activate = activate

    def forward(self, voxels: SparseConvTensor) -> SparseConvTensor:
        """Map the features of the voxels; strided and inverse convolutions change the voxels too."""
        out = self.conv(voxels)
        features = self.norm(out.features)
        return out.replace_feature(torch.relu(features) if self.activate else features)


class ResidualBlock(nn.Module):
    """x <- relu(shortcut(x) + norm(conv(relu(norm(conv(x)))))), 3x3x3 submanifold convolutions."""

    def __init__(self, channels_in: int, channels_out: int, level: int) -> None:
        super().__init__()
        self.first = ConvNorm(submanifold(channels_in, channels_out, level), channels_out)
        self.second = ConvNorm(submanifold(channels_out, channels_out, level), channels_out, activate=False)
        self.shortcut = (
            nn.Identity()
            if channels_in == channels_out
            else nn.Sequential(nn.Linear(channels_in, channels_out, bias=False), RowNorm(channels_out))
        )

    def forward(self, voxels: SparseConvTensor) -> SparseConvTensor:
        """(M, C_in) -> (M, C_out) on the same voxels."""
        out = self.second(self.first(voxels))
        return out.replace_feature(torch.relu(out.features + self.shortcut(voxels.features)))


class DownStage(nn.Module):
    """Halve the resolution (2x2x2, stride 2), then residual blocks."""

    def __init__(self, channels_in: int, channels_out: int, level: int, blocks: int) -> None:
        super().__init__()
        down = SparseConv3d(channels_in, channels_in, 2, stride=2, bias=False, indice_key=f"down{level}")
        self.down = ConvNorm(down, channels_in)
        self.blocks = _residual_blocks(channels_in, channels_out, level, blocks)

    def forward(self, voxels: SparseConvTensor) -> SparseConvTensor:
        """(M, C_in) at level - 1 -> (M', C_out) at this level."""
        return self.blocks(self.down(voxels))


class UpStage(nn.Module):
    """Return to the voxels of the finer level, join its features, then residual blocks."""

    def __init__(self, channels_in: int, channels_skip: int, channels_out: int, level: int, blocks: int) -> None:
        super().__init__()
        up = SparseInverseConv3d(channels_in, channels_out, 2, bias=False, indice_key=f"down{level}")
        self.up = ConvNorm(up, channels_out)
        self.blocks = _residual_blocks(channels_out + channels_skip, channels_out, level - 1, blocks)

    def forward(self, voxels: SparseConvTensor, skip: SparseConvTensor) -> SparseConvTensor:
        """(M', C_in) at this level and (M, C_skip) at level - 1 -> (M, C_out) at level - 1."""
        fine = self.up(voxels)
        return self.blocks(fine.replace_feature(torch.cat([fine.features, skip.features], dim=1)))


def submanifold(channels_in: int, channels_out: int, level: int, kernel: Sequence[int] = (3, 3, 3)) -> nn.Module:
    """Submanifold convolution without bias; those of one kernel at one level of the network share their index."""
    key = f"level{level}-" + "x".join(map(str, kernel))
    padding = tuple(size // 2 for size in kernel)
    return SubMConv3d(channels_in, channels_out, tuple(kernel), padding=padding, bias=False, indice_key=key)


def _residual_blocks(channels_in: int, channels_out: int, level: int, count: int) -> nn.Sequential:
    widths = [channels_in] + [channels_out] * count
    return nn.Sequential(
        *(ResidualBlock(before, after, level) for before, after in zip(widths[:-1], widths[1:], strict=True))
    )
