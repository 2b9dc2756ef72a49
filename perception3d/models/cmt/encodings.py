"""Coordinate encodings of CMT (Yan et al., ICCV 2023, section 3.1): sine codes of the plane, points along camera rays.

Pure functions, and the two small networks that turn them into position encodings. Keys and queries go through the same
networks, so that a query and the tokens at its place get the same encoding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from perception3d.models.cmt.cameras import Cameras


def sine_encoding(xy: Tensor, channels: int) -> Tensor:
    """Interleaved sines and cosines of plane coordinates.

    Args:
        xy: (..., 2) coordinates, [0, 1] over the range.
        channels: length of the code of one axis.

    Returns:
        (..., 2 * channels): the code of y, then the code of x.
    """
    index = torch.arange(channels, device=xy.device)
    # The usual temperature 10000 ** (2 * floor(i / 2) / C) is missing: divisors 1 .. 2. Kept for published weights.
    divisor = 2 * (index // 2) / channels + 1
    angle = 2 * math.pi * xy[..., [1, 0], None] / divisor
    return torch.stack([angle[..., 0::2].sin(), angle[..., 1::2].cos()], dim=-1).flatten(-3)


def bev_cell_centres(height: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """Centres (height * width, 2) of the cells of a BEV map as (x, y) in [0, 1]; x varies fastest."""
    y = (torch.arange(height, device=device) + 0.5) / height
    x = (torch.arange(width, device=device) + 0.5) / width
    grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([grid_x, grid_y], dim=-1).flatten(0, 1)


def denormalise_points(fractions: Tensor, point_cloud_range: Tensor) -> Tensor:
    """Fractions (..., 3) of the range (6,) to metres."""
    return fractions * (point_cloud_range[3:] - point_cloud_range[:3]) + point_cloud_range[:3]


def depth_bins_m(count: int, max_depth_m: float, device: torch.device | str = "cpu") -> Tensor:
    """Depths (count,) along a ray, uniform from 1 m; the last lies one step short of ``max_depth_m``."""
    return 1 + torch.arange(count, device=device) * ((max_depth_m - 1) / count)


def rays(pixels: Tensor, lidar_from_img: Tensor) -> tuple[Tensor, Tensor]:
    """Rays of pixels (..., N, 2) of cameras (..., 4, 4): the point at depth d is origin + d * direction, in metres.

    Returns:
        Origins (..., 3), one a camera, and directions (..., N, 3), one metre of depth long.
    """
    homogeneous = torch.cat([pixels, torch.ones_like(pixels[..., :1])], dim=-1)
    return lidar_from_img[..., :3, 3], homogeneous @ lidar_from_img[..., :3, :3].transpose(-1, -2)


def pixel_grid(height: int, width: int, image_size: tuple[int, int], device: torch.device | str = "cpu") -> Tensor:
    """Pixels (height * width, 2) of feature cells as (u, v), row by row.

    A cell stands for its top-left corner, not its centre; kept for published weights.
    """
    v = torch.arange(height, device=device) * (image_size[0] / height)
    u = torch.arange(width, device=device) * (image_size[1] / width)
    grid_v, grid_u = torch.meshgrid(v, u, indexing="ij")
    return torch.stack([grid_u, grid_v], dim=-1).flatten(0, 1)


def project(points_m: Tensor, cameras: Cameras) -> tuple[Tensor, Tensor]:
    """Pixels of points in every camera of their sample.

    Args:
        points_m: (B, N, 3) in the LiDAR frame.
        cameras: V cameras a sample.

    Returns:
        Pixels (B, V, N, 2) and whether the point lies in front of the camera and inside its image, (B, V, N).
    """
    matrix = cameras.img_from_lidar
    homogeneous = torch.cat([points_m, torch.ones_like(points_m[..., :1])], dim=-1)
    projected = homogeneous[:, None] @ matrix.transpose(-1, -2)
    depth = projected[..., 2].detach()  # no gradient through the division: kept for equal training
    guarded = torch.where(depth.abs() < 1e-6, torch.where(depth < 0, -1e-6, 1e-6).to(depth), depth)
    pixels = projected[..., :2] / guarded[..., None]
    height, width = cameras.image_size
    u, v = pixels.detach().unbind(-1)
    visible = (depth > 0) & (u >= 0) & (u < width) & (v >= 0) & (v < height)
    return pixels, visible & cameras.present.to(visible.device)[..., None]


class BEVEmbedding(nn.Sequential):
    """Encoding of places in the plane, for BEV cells and queries alike.

    Only x and y enter (the paper's formula samples heights too; the published weights do not). The encoding of the BEV
    grid is the same for every sample: in inference it is computed once. It is dropped when the model changes mode,
    device or type, when a parameter is written in place or replaced, and is never part of the state dict.
    """

    def __init__(self, embed_dims: int) -> None:
        super().__init__(
            nn.Linear(2 * embed_dims, embed_dims), nn.ReLU(inplace=True), nn.Linear(embed_dims, embed_dims)
        )
        self.embed_dims = embed_dims
        self._grid: tuple[tuple, Tensor] | None = None

    def forward(self, xy: Tensor) -> Tensor:
        """Encode (..., 2) fractions of the range; gives (..., embed_dims)."""
        return super().forward(sine_encoding(xy, self.embed_dims))

    def grid(self, height: int, width: int) -> Tensor:
        """Encoding (height * width, embed_dims) of the cells of a BEV map, x fastest."""
        weight = next(self.parameters())
        # parameters made in inference mode do not tell when they are written
        if self.training or torch.is_grad_enabled() or weight.is_inference():
            return self(bev_cell_centres(height, width, weight.device))
        # `.data` writes (an EMA swap, `to`) leave the version alone, so the methods below clear the grid as well.
        state = tuple((p.data_ptr(), p._version, p.dtype) for p in self.parameters())
        key = (height, width, weight.device, state)
        if self._grid is None or self._grid[0] != key:
            self._grid = (key, self(bev_cell_centres(height, width, weight.device)))
        return self._grid[1]

    def train(self, mode: bool = True) -> BEVEmbedding:
        """Set the mode and forget the grid."""
        self._grid = None
        return super().train(mode)

    def _apply(self, *args: Any, **kwargs: Any) -> BEVEmbedding:
        self._grid = None
        return super()._apply(*args, **kwargs)


class RayEmbedding(nn.Sequential):
    """Encoding of camera rays by points at fixed depths on them.

    The depths are uniform (not linearly increasing as in PETR) and the points are neither clamped nor passed through an
    inverse sigmoid; kept for published weights.

    The input of the first layer would be the points of a ray in a row, x, y, z of the first depth, then of the second:
    origin + depth_i * direction. That layer is linear, so it is applied to the origin and to the direction, with its
    weights summed over the depths. The result is the same, the points are never written out.
    """

    depths_m: Tensor
    point_cloud_range: Tensor

    def __init__(self, embed_dims: int, point_cloud_range: Sequence[float], num_depths: int = 64) -> None:
        super().__init__(
            nn.Linear(3 * num_depths, 4 * embed_dims), nn.ReLU(inplace=True), nn.Linear(4 * embed_dims, embed_dims)
        )
        self.register_buffer("depths_m", depth_bins_m(num_depths, point_cloud_range[3]), persistent=False)
        self.register_buffer("point_cloud_range", torch.tensor(point_cloud_range), persistent=False)

    def forward(self, pixels: Tensor, lidar_from_img: Tensor) -> Tensor:  # type: ignore[override]
        """Encode pixels (..., N, 2) of cameras (..., 4, 4); gives (..., N, embed_dims)."""
        origin_m, direction = rays(pixels, lidar_from_img)
        low, high = self.point_cloud_range.view(2, 3)
        first: Any = self[0]
        by_depth = first.weight.unflatten(1, (-1, 3))
        hidden = (direction / (high - low)) @ torch.einsum("odc,d->co", by_depth, self.depths_m)
        at_origin = (origin_m - low) / (high - low) @ by_depth.sum(1).T + first.bias
        return self[2](self[1](hidden + at_origin[..., None, :]))
