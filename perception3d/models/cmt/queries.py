"""Position-guided queries (Yan et al., ICCV 2023, section 3.2): reference points encoded as the tokens are."""

from __future__ import annotations

import torch
from torch import Tensor

from perception3d.models.cmt.cameras import Cameras
from perception3d.models.cmt.encodings import BEVEmbedding, RayEmbedding, denormalise_points, project

LOGIT_EPS = 1e-5
"""Reference points are clamped to [1e-5, 1 - 1e-5]; kept for published weights."""


def encode_queries(
    reference_logits: Tensor, bev_embedding: BEVEmbedding, ray_embedding: RayEmbedding | None, cameras: Cameras | None
) -> Tensor:
    """Position encodings of queries: the part in the plane, plus the rays on which cameras see the point.

    Args:
        reference_logits: (B, Q, 3) inverse sigmoid of the reference points in fractions of the range.
        bev_embedding: network of the plane.
        ray_embedding: network of the rays, None for a model without cameras.
        cameras: None where no sample has one; absent cameras see nothing.

    Returns:
        (B, Q, D).
    """
    references = reference_logits.sigmoid()
    encoded = bev_embedding(references[..., :2])
    if ray_embedding is None or cameras is None:
        return encoded
    points_m = denormalise_points(references, ray_embedding.point_cloud_range)
    pixels, visible = project(points_m, cameras)
    # a point beside or behind a camera may land at 1e10 pixels; it is not used, keep it out of the network
    pixels = torch.where(visible[..., None], pixels, 0.0)
    by_view = ray_embedding(pixels, cameras.lidar_from_img) * visible[..., None]
    return encoded + by_view.sum(dim=1)
