"""Sparse U-Net of residual blocks: MinkowskiNet (Choy et al., CVPR 2019) on spconv."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch import Tensor, nn

from corruptions.core import InputError
from perception3d.models.segmentation.blocks import ConvNorm, DownStage, UpStage, submanifold
from perception3d.models.segmentation.partition import Voxels
from perception3d.models.sparse import SparseConvTensor
from perception3d.registry import MODELS


@MODELS.register_module()
class SparseUNet(nn.Module):
    """Stem, four levels down, four levels up.

    Args:
        in_channels: features per voxel.
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
            ConvNorm(submanifold(in_channels, stem, level=0), stem), ConvNorm(submanifold(stem, stem, level=0), stem)
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

    def forward(self, features: Tensor, voxels: Voxels) -> tuple[Tensor, Tensor]:
        """Features of the voxels.

        Args:
            features: (M, in_channels) of the occupied voxels.
            voxels: of the batch.

        Returns:
            (M, out_channels) and the row of each point in it, int64 (N,).
        """
        skips = descend(self.stem(sparse_tensor(features, voxels)), self.down)
        return ascend(skips.pop(), skips, self.up).features, voxels.voxel_of_point


def sparse_tensor(features: Tensor, voxels: Voxels) -> SparseConvTensor:
    """The voxels (M, C) as spconv takes them."""
    return SparseConvTensor(features, voxels.coords, voxels.spatial_shape, voxels.batch_size)


def descend(voxels: SparseConvTensor, stages: Iterable[nn.Module]) -> list[SparseConvTensor]:
    """The voxels and the result of each stage in turn, finest first."""
    levels = [voxels]
    for stage in stages:
        levels.append(stage(levels[-1]))
    return levels


def ascend(voxels: SparseConvTensor, skips: list[SparseConvTensor], stages: Iterable[nn.Module]) -> SparseConvTensor:
    """Result of the stages in turn, each with the last of ``skips``, which is taken off the list."""
    for stage in stages:
        voxels = stage(voxels, skips.pop())
    return voxels
