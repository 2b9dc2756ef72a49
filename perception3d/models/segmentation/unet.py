"""Sparse U-Net of residual blocks: MinkowskiNet (Choy et al., CVPR 2019) on spconv."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from corruptions.core import InputError
from perception3d.models.segmentation.partition import Voxels
from perception3d.models.sparse import SparseConv3d, SparseConvTensor, SparseInverseConv3d, SubMConv3d
from perception3d.registry import MODELS


class ConvNorm(nn.Module):
    """Sparse convolution, batch norm, and ReLU unless ``activate`` is false."""

    def __init__(self, convolution: nn.Module, channels: int, activate: bool = True) -> None:
        super().__init__()
        self.conv = convolution
        self.norm = nn.BatchNorm1d(channels)
        self.activate = activate

    def forward(self, voxels: SparseConvTensor) -> SparseConvTensor:
        """Map the features of the voxels; strided and inverse convolutions change the voxels too."""
        out = self.conv(voxels)
        features = self.norm(out.features)
        return out.replace_feature(torch.relu(features) if self.activate else features)


class ResidualBlock(nn.Module):
    """x <- relu(shortcut(x) + norm(conv(relu(norm(conv(x)))))), 3x3x3 submanifold convolutions."""

    def __init__(self, channels_in: int, channels_out: int, indice_key: str) -> None:
        super().__init__()
        self.first = ConvNorm(_submanifold(channels_in, channels_out, indice_key), channels_out)
        self.second = ConvNorm(_submanifold(channels_out, channels_out, indice_key), channels_out, activate=False)
        self.shortcut = (
            nn.Identity()
            if channels_in == channels_out
            else nn.Sequential(nn.Linear(channels_in, channels_out, bias=False), nn.BatchNorm1d(channels_out))
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


@MODELS.register_module()
class SparseUNet(nn.Module):
    """Stem, four levels down, four levels up.

    Args:
        in_channels: point features per voxel.
        channels: widths of the stem, the four down stages and the four up stages. MinkowskiNet of the SemanticKITTI-C
            study: 32-32-64-128-256-256-128-96-96.
        blocks: residual blocks per stage.
    """

    def __init__(
        self,
        in_channels: int = 4,
        channels: Sequence[int] = (32, 32, 64, 128, 256, 256, 128, 96, 96),
        blocks: int = 2,
    ) -> None:
        super().__init__()
        if len(channels) != 9:
            raise InputError(f"channels: expected 9 widths (stem, 4 down, 4 up), found {len(channels)}: {channels}")
        stem, down, up = channels[0], channels[1:5], channels[5:]
        self.stem = nn.Sequential(
            ConvNorm(_submanifold(in_channels, stem, "level0"), stem),
            ConvNorm(_submanifold(stem, stem, "level0"), stem),
        )
        self.down = nn.ModuleList(
            DownStage(before, after, level, blocks)
            for level, (before, after) in enumerate(zip((stem, *down[:-1]), down, strict=True), start=1)
        )
        skips = (stem, *down[:-1])
        self.up = nn.ModuleList(
            UpStage(before, skips[level - 1], after, level, blocks)
            for level, before, after in zip((4, 3, 2, 1), (down[-1], *up[:-1]), up, strict=True)
        )
        self.out_channels = up[-1]

    def forward(self, voxels: Voxels) -> Tensor:
        """Features (M, out_channels) of the occupied voxels."""
        x = SparseConvTensor(voxels.features, voxels.coords, voxels.spatial_shape, voxels.batch_size)
        skips = [self.stem(x)]
        for stage in self.down:
            skips.append(stage(skips[-1]))
        x = skips.pop()
        for stage in self.up:
            x = stage(x, skips.pop())
        return x.features


def _submanifold(channels_in: int, channels_out: int, indice_key: str) -> nn.Module:
    return SubMConv3d(channels_in, channels_out, 3, padding=1, bias=False, indice_key=indice_key)


def _residual_blocks(channels_in: int, channels_out: int, level: int, count: int) -> nn.Sequential:
    widths = [channels_in] + [channels_out] * count
    return nn.Sequential(
        *(ResidualBlock(before, after, f"level{level}") for before, after in zip(widths[:-1], widths[1:], strict=True))
    )
