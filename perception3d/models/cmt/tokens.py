"""Tokens: what a sensor offers to the decoder, whatever the sensor (Yan et al., ICCV 2023, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from perception3d.models.cmt.cameras import Cameras
from perception3d.models.cmt.encodings import BEVEmbedding, RayEmbedding, pixel_grid


@dataclass(frozen=True)
class LidarFeatures:
    """BEV maps of a batch of B samples.

    Attributes:
        bev: (P, C, H, W) maps of the samples that have LiDAR, in order; y by rows, x by columns.
        present: bool (B,) on the CPU, P of them True.
    """

    bev: Tensor
    present: Tensor


@dataclass(frozen=True)
class CameraFeatures:
    """Image features of a batch.

    Attributes:
        images: (N, C, h, w) of the cameras that are present, sample by sample.
        cameras: the V cameras of each sample, N of them present.
    """

    images: Tensor
    cameras: Cameras


@dataclass(frozen=True)
class SensorFeatures:
    """Features of a batch of B samples, before they become tokens. A sensor that no sample has is None."""

    batch_size: int
    lidar: LidarFeatures | None = None
    camera: CameraFeatures | None = None

    @property
    def cameras(self) -> Cameras | None:
        """The cameras of the batch."""
        return None if self.camera is None else self.camera.cameras


@dataclass(frozen=True)
class Tokens:
    """Keys and values of the cross-attention.

    Attributes:
        feats: (B, L, D) values.
        pos: (B or 1, L, D) position encodings, added to make the keys.
        valid: bool (B, L), or None where every sample has every token.
        grid: rows and columns of the map or of each view's map; (0, 0) for tokens of several sensors.
    """

    feats: Tensor
    pos: Tensor
    valid: Tensor | None = None
    grid: tuple[int, int] = (0, 0)

    def of_samples(self, rows: Tensor) -> Tokens:
        """The tokens of some samples."""
        pos = self.pos if len(self.pos) == 1 else self.pos[rows]
        return Tokens(self.feats[rows], pos, None if self.valid is None else self.valid[rows], self.grid)


def lidar_tokens(bev: Tensor, present: Tensor, embedding: BEVEmbedding) -> Tokens:
    """One token a BEV cell, x fastest.

    Args:
        bev: (P, D, H, W) maps of the samples that have LiDAR.
        present: bool (B,) on the CPU, P of them True.
        embedding: network of the plane.
    """
    height, width = bev.shape[-2:]
    feats, pos = bev.flatten(2).transpose(1, 2), embedding.grid(height, width)[None]
    if len(feats) == len(present):
        return Tokens(feats, pos, grid=(height, width))
    valid = present[:, None].expand(-1, height * width).to(bev.device)
    return Tokens(_spread(feats, present), pos, valid, (height, width))


def image_tokens(images: Tensor, cameras: Cameras, embedding: RayEmbedding) -> Tokens:
    """One token a feature cell, in the order view, row, column. A view that no sample has gives no tokens.

    Args:
        images: (N, D, h, w) features of the cameras that are present, sample by sample.
        cameras: the V cameras of each sample.
        embedding: network of the rays.
    """
    height, width = images.shape[-2:]
    used = cameras.present.any(dim=0)
    present = cameras.present[:, used]
    pixels = pixel_grid(height, width, cameras.image_size, images.device)
    pos = embedding(pixels, cameras.lidar_from_img[:, used]).flatten(1, 2)
    feats = images.flatten(2).transpose(1, 2)
    if present.all():
        return Tokens(feats.unflatten(0, present.shape).flatten(1, 2), pos, grid=(height, width))
    valid = present.repeat_interleave(height * width, dim=1).to(images.device)
    return Tokens(_spread(feats, present).flatten(1, 2), pos, valid, (height, width))


def _spread(values: Tensor, present: Tensor) -> Tensor:
    """Values (P, ...) at the True places of ``present``, zeros elsewhere."""
    spread = values.new_zeros(*present.shape, *values.shape[1:])
    spread[present] = values
    return spread


def join_tokens(parts: Sequence[Tokens]) -> Tokens:
    """The tokens of one or more sensors, one list."""
    if len(parts) == 1:
        return parts[0]
    batch = len(parts[0].feats)
    feats = torch.cat([part.feats for part in parts], dim=1)
    pos = torch.cat([part.pos.expand(batch, -1, -1) for part in parts], dim=1)
    if all(part.valid is None for part in parts):
        return Tokens(feats, pos)
    everywhere = torch.ones(feats.shape[:2], dtype=torch.bool, device=feats.device)
    valid = [everywhere[:, : part.feats.shape[1]] if part.valid is None else part.valid for part in parts]
    return Tokens(feats, pos, torch.cat(valid, dim=1))
