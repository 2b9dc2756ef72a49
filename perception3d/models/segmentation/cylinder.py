"""Cylinder3D: point encoder and asymmetric sparse U-Net (Zhu et al., CVPR 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from corruptions.core import InputError
from perception3d.models.segmentation.blocks import RowNorm, submanifold
from perception3d.models.segmentation.partition import Voxels
from perception3d.models.segmentation.unet import ascend, sparse_tensor
from perception3d.models.sparse import SparseConv3d, SparseConvTensor, SparseInverseConv3d
from perception3d.registry import MODELS

FLAT, UPRIGHT = (1, 3, 3), (3, 1, 3)
"""Kernels of the asymmetric blocks over rho, phi and z."""


@MODELS.register_module()
class PointEncoder(nn.Module):
    """Voxel features from a point-wise network and the maximum over each voxel.

    Args:
        in_channels: features per point.
        channels: widths of the point-wise layers.
        out_channels: width of the layer after the maximum.
    """

    def __init__(
        self, in_channels: int = 9, channels: Sequence[int] = (64, 128, 256, 256), out_channels: int = 16
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [RowNorm(in_channels)]
        before = in_channels
        for width in channels[:-1]:
            layers += [nn.Linear(before, width), RowNorm(width), nn.ReLU()]
            before = width
        self.layers = nn.Sequential(*layers, nn.Linear(before, channels[-1]))
        self.compress = nn.Sequential(nn.Linear(channels[-1], out_channels), nn.ReLU())

    def forward(self, voxels: Voxels) -> Tensor:
        """Features (M, out_channels) of the occupied voxels."""
        # sorted before the layers, where the rows are narrow
        order = torch.argsort(voxels.voxel_of_point, stable=True)
        counts = torch.bincount(voxels.voxel_of_point, minlength=len(voxels.coords))
        points = self.layers(voxels.point_features[order])
        return self.compress(torch.segment_reduce(points.float(), "max", lengths=counts))


@MODELS.register_module()
class AsymmetricUNet(nn.Module):
    """Sparse U-Net of asymmetric residual blocks with dimension-decomposition context at its end.

    Args:
        in_channels: features per voxel.
        channels: widths of the entry block and of the down stages. The paper's code: 32-64-128-256-512. The up stages
            have the widths of the down stages in reverse.
        strides: stride of each down stage along rho, phi and z.
    """

    def __init__(
        self,
        in_channels: int = 16,
        channels: Sequence[int] = (32, 64, 128, 256, 512),
        strides: Sequence[Sequence[int]] = ((2, 2, 2), (2, 2, 2), (2, 2, 1), (2, 2, 1)),
    ) -> None:
        super().__init__()
        if len(channels) != len(strides) + 1:
            raise InputError(
                f"channels: expected {len(strides) + 1} widths (entry, then one per stride), "
                f"found {len(channels)}: {channels}"
            )
        self.entry = AsymmetricBlock(in_channels, channels[0], level=0)
        self.down = nn.ModuleList(
            AsymmetricDown(before, after, level, stride)
            for level, (before, after, stride) in enumerate(zip(channels[:-1], channels[1:], strides, strict=True))
        )
        down = channels[1:]
        self.up = nn.ModuleList(
            AsymmetricUp(before, after, level)
            for level, (before, after) in reversed(list(enumerate(zip((*down[1:], down[-1]), down, strict=True))))
        )
        self.context = DecomposedContext(down[0], level=0)
        self.out_channels = 2 * down[0]

    def forward(self, features: Tensor, voxels: Voxels) -> tuple[Tensor, Tensor]:
        """Features of the voxels.

        Args:
            features: (M, in_channels) of the occupied voxels.
            voxels: of the batch.

        Returns:
            (M, out_channels) and the row of each point in it, int64 (N,).
        """
        x = self.entry(sparse_tensor(features, voxels))
        skips = []
        for stage in self.down:
            x, skip = stage(x)
            skips.append(skip)
        x = ascend(x, skips, self.up)
        return torch.cat([self.context(x).features, x.features], dim=1), voxels.voxel_of_point


class ConvActivationNorm(nn.Module):
    """Submanifold convolution, leaky ReLU, batch norm: the order of Cylinder3D."""

    def __init__(self, channels_in: int, channels_out: int, level: int, kernel: Sequence[int]) -> None:
        super().__init__()
        self.conv = submanifold(channels_in, channels_out, level, kernel)
        self.norm = RowNorm(channels_out)

    def forward(self, voxels: SparseConvTensor) -> SparseConvTensor:
        """(M, C_in) -> (M, C_out) on the same voxels."""
        out = self.conv(voxels)
        return out.replace_feature(self.norm(nn.functional.leaky_relu(out.features)))


class AsymmetricBlock(nn.Module):
    """Two paths of a flat and an upright kernel in opposite order, added (figure 4 of the paper)."""

    def __init__(self, channels_in: int, channels_out: int, level: int) -> None:
        super().__init__()

        def path(first: Sequence[int], second: Sequence[int]) -> nn.Sequential:
            return nn.Sequential(
                ConvActivationNorm(channels_in, channels_out, level, first),
                ConvActivationNorm(channels_out, channels_out, level, second),
            )

        self.flat_first, self.upright_first = path(FLAT, UPRIGHT), path(UPRIGHT, FLAT)

    def forward(self, voxels: SparseConvTensor) -> SparseConvTensor:
        """(M, C_in) -> (M, C_out) on the same voxels."""
        out = self.upright_first(voxels)
        return out.replace_feature(out.features + self.flat_first(voxels).features)


class AsymmetricDown(nn.Module):
    """Asymmetric block at ``level``, whose result is the skip, and a strided 3x3x3 convolution to the next level."""

    def __init__(self, channels_in: int, channels_out: int, level: int, stride: Sequence[int]) -> None:
        super().__init__()
        self.block = AsymmetricBlock(channels_in, channels_out, level)
        self.pool = SparseConv3d(
            channels_out, channels_out, 3, stride=tuple(stride), padding=1, bias=False, indice_key=f"down{level}"
        )

    def forward(self, voxels: SparseConvTensor) -> tuple[SparseConvTensor, SparseConvTensor]:
        """(M, C_in) at ``level`` -> (M', C_out) at the next level and the skip (M, C_out)."""
        skip = self.block(voxels)
        return self.pool(skip), skip


class AsymmetricUp(nn.Module):
    """Back to the voxels of ``level``, add its features, then flat, upright and 3x3x3 convolutions."""

    def __init__(self, channels_in: int, channels_out: int, level: int) -> None:
        super().__init__()
        self.enter = ConvActivationNorm(channels_in, channels_out, level + 1, (3, 3, 3))
        self.up = SparseInverseConv3d(channels_out, channels_out, 3, bias=False, indice_key=f"down{level}")
        self.blocks = nn.Sequential(
            *(ConvActivationNorm(channels_out, channels_out, level, kernel) for kernel in (FLAT, UPRIGHT, (3, 3, 3)))
        )

    def forward(self, voxels: SparseConvTensor, skip: SparseConvTensor) -> SparseConvTensor:
        """(M', C_in) at level + 1 and (M, C_out) at this level -> (M, C_out)."""
        fine = self.up(self.enter(voxels))
        return self.blocks(fine.replace_feature(fine.features + skip.features))


class DecomposedContext(nn.Module):
    """Gate x by the sum of three sigmoid maps, one of a rank-1 kernel along each axis (section 3.4 of the paper)."""

    def __init__(self, channels: int, level: int) -> None:
        super().__init__()
        kernels = ((3, 1, 1), (1, 3, 1), (1, 1, 3))
        self.convs = nn.ModuleList(submanifold(channels, channels, level, kernel) for kernel in kernels)
        self.norms = nn.ModuleList(RowNorm(channels) for _ in kernels)

    def forward(self, voxels: SparseConvTensor) -> SparseConvTensor:
        """(M, C) -> (M, C)."""
        gates = [torch.sigmoid(norm(conv(voxels).features)) for conv, norm in zip(self.convs, self.norms, strict=True)]
        return voxels.replace_feature(voxels.features * (gates[0] + gates[1] + gates[2]))
