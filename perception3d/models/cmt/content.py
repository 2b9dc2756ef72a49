"""What queries know before the decoder: nothing, as published, or the features at their reference points.

CMT's queries start as zeros and learn where to look from position encodings alone, which takes tens of thousands of
steps. Started with the features at their places (after TransFusion, Bai et al., CVPR 2022, whose queries start with BEV
features, and DETR3D, Wang et al., CoRL 2021, which samples images at projected references), a small model detects after
a few hundred.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perception3d.models.cmt.cameras import Cameras
from perception3d.models.cmt.encodings import denormalise_points, project
from perception3d.models.cmt.tokens import Tokens


class SampledContent(nn.Module):
    """Initial content of queries: for each sensor its features at the reference point, normalised and summed.

    Args:
        embed_dims: width of tokens and queries.
        sensors: sensors of the model, of "lidar" and "camera".
    """

    def __init__(self, embed_dims: int, sensors: Sequence[str]) -> None:
        super().__init__()
        self.sensors = nn.ModuleDict(
            {name: nn.Sequential(nn.Linear(embed_dims, embed_dims), nn.LayerNorm(embed_dims)) for name in sensors}
        )

    def forward(
        self, tokens: Mapping[str, Tokens], references: Tensor, cameras: Cameras | None, point_cloud_range: Tensor
    ) -> Tensor:
        """Content of queries; zeros where no sensor sees the reference point.

        Args:
            tokens: tokens by sensor.
            references: (B, Q, 3) in fractions of the range.
            cameras: cameras of the batch, None without camera tokens.
            point_cloud_range: (6,) metres.

        Returns:
            (B, Q, D).
        """
        content = references.new_zeros(*references.shape[:2], tokens[next(iter(tokens))].feats.shape[-1])
        if "lidar" in tokens:
            sampled, seen = sample_bev(tokens["lidar"], references[..., :2])
            content = content + self.sensors["lidar"](sampled) * seen
        if "camera" in tokens and cameras is not None:
            points_m = denormalise_points(references, point_cloud_range)
            sampled, seen = sample_images(tokens["camera"], points_m, cameras)
            content = content + self.sensors["camera"](sampled) * seen
        return content


def sample_bev(tokens: Tokens, xy: Tensor) -> tuple[Tensor, Tensor]:
    """BEV features at places.

    Args:
        tokens: tokens of a BEV map, x fastest.
        xy: (B, Q, 2) fractions of the range.

    Returns:
        Features (B, Q, D), bilinear between cell centres, and (B, 1, 1) which samples have LiDAR.
    """
    features = _maps(tokens.feats, tokens.grid)
    sampled = F.grid_sample(features, 2 * xy[:, :, None] - 1, padding_mode="border", align_corners=False)
    seen = torch.ones_like(tokens.feats[:, :1, :1])
    if tokens.valid is not None:
        seen = tokens.valid.any(dim=1)[:, None, None].to(seen)
    return sampled[..., 0].transpose(1, 2), seen


def sample_images(tokens: Tokens, points_m: Tensor, cameras: Cameras) -> tuple[Tensor, Tensor]:
    """Image features where points are seen, the mean over the cameras that see one.

    Args:
        tokens: tokens of feature maps in the order view, row, column, of the views that any sample has.
        points_m: (B, Q, 3) in the LiDAR frame.
        cameras: the V cameras of each sample.

    Returns:
        Features (B, Q, D), bilinear, and (B, Q, 1) which points any camera sees.
    """
    used = cameras.present.any(dim=0)
    pixels, visible = project(points_m, cameras)
    pixels, visible = pixels[:, used], visible[:, used, :, None]
    height, width = cameras.image_size
    # a token stands for its top-left corner (``pixel_grid``), a cell of grid_sample for its centre: half a cell apart
    rows, columns = tokens.grid
    size = pixels.new_tensor([width, height])
    half_cell = 0.5 * size / pixels.new_tensor([columns, rows])
    at = torch.where(visible, 2 * (pixels + half_cell) / size - 1, 0.0)
    views = tokens.feats.unflatten(1, (-1, rows * columns)).flatten(0, 1)
    sampled = F.grid_sample(
        _maps(views, tokens.grid), at.flatten(0, 1)[:, :, None], padding_mode="border", align_corners=False
    )
    by_view = sampled[..., 0].transpose(1, 2).unflatten(0, visible.shape[:2]) * visible
    count = visible.sum(dim=1)
    return by_view.sum(dim=1) / count.clamp(min=1), (count > 0).to(by_view.dtype)


def _maps(feats: Tensor, grid: tuple[int, int]) -> Tensor:
    """Tokens (N, H * W, D) as maps (N, D, H, W)."""
    return feats.transpose(1, 2).unflatten(2, grid)
