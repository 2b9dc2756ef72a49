"""Point-based query denoising (Yan et al., ICCV 2023, section 3.3; after DN-DETR, Li et al., CVPR 2022).

Noised copies of the objects enter the decoder as extra queries, of which the target is known without matching. Only the
reference point is noised; a copy carries neither label nor size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class DenoisingConfig:
    """Settings; the defaults are the published ones.

    Attributes:
        max_groups: copies of every object; fewer where they would be more queries than the learned ones.
        noise_scale: largest displacement along an axis, in half sizes of the object.
        split: a copy displaced further than this (norm in half sizes) has to become background.
        weight: weight of the denoising losses.
    """

    max_groups: int = 10
    noise_scale: float = 1.0
    split: float = 0.75
    weight: float = 1.0


@dataclass(frozen=True)
class DenoisingSet:
    """Denoising queries of a batch: ``num_rows`` come before the learned queries; N of them have a target.

    Attributes:
        references: (B, num_rows, 3) reference points in fractions of the range; unused rows are 0.
        allowed: bool (rows + learned, rows + learned), True where the row's query may look at the column's.
        batch_index: (N,) sample of each copy.
        row: (N,) its row.
        labels: (N,) target class, the number of classes for background.
        boxes: (N, 9) target box with the geometric centre.
    """

    references: Tensor
    allowed: Tensor
    batch_index: Tensor
    row: Tensor
    labels: Tensor
    boxes: Tensor

    @property
    def num_rows(self) -> int:
        """Rows before the learned queries."""
        return self.references.shape[1]


def num_groups(max_objects: int, num_queries: int, cfg: DenoisingConfig) -> int:
    """Copies of every object in a batch whose fullest sample has ``max_objects`` > 0."""
    return max(1, min(cfg.max_groups, num_queries // max_objects))


def make_denoising(
    boxes: Sequence[Tensor],
    labels: Sequence[Tensor],
    point_cloud_range: Tensor,
    num_queries: int,
    num_classes: int,
    cfg: DenoisingConfig,
    draws: Tensor | None = None,
) -> DenoisingSet | None:
    """Draw the denoising queries of a batch.

    Args:
        boxes: (n, 9) of each sample, geometric centre first.
        labels: (n,) of each sample.
        point_cloud_range: (6,) metres.
        num_queries: learned queries, which come after.
        num_classes: label of background.
        cfg: settings.
        draws: (groups * N, 3) from U(0, 1) for copy g of object k of the batch at row g * N + k; None draws them.

    Returns:
        None for a batch without objects.
    """
    counts = [len(part) for part in boxes]
    if not any(counts):
        return None
    device = boxes[0].device
    groups = num_groups(max(counts), num_queries, cfg)
    copies, targets = torch.cat(list(boxes)).repeat(groups, 1), torch.cat(list(labels)).repeat(groups)
    batch_index = torch.repeat_interleave(torch.tensor(counts, device=device)).repeat(groups)
    within = torch.cat([torch.arange(count, device=device) for count in counts])
    row = (torch.arange(groups, device=device)[:, None] * max(counts) + within).flatten()

    noise = 2 * (torch.rand(len(copies), 3, device=device) if draws is None else draws) - 1
    # sizes along the axes of the frame: the yaw of the box is not used, as published
    points_m = copies[:, :3] + noise * cfg.noise_scale * copies[:, 3:6] / 2
    low, high = point_cloud_range.view(2, 3)
    references = copies.new_zeros(len(counts), groups * max(counts), 3)
    references[batch_index, row] = ((points_m - low) / (high - low)).clamp(0, 1)
    targets = torch.where(noise.norm(dim=1) > cfg.split, num_classes, targets)
    allowed = attention_mask(groups, max(counts), num_queries, device)
    return DenoisingSet(references, allowed, batch_index, row, targets, copies)


def attention_mask(groups: int, group_size: int, num_queries: int, device: torch.device | str = "cpu") -> Tensor:
    """Who may look at whom: a group at itself and at the learned queries, these at one another only.

    Returns:
        bool (rows + num_queries, rows + num_queries) with rows = groups * group_size.
    """
    group = torch.arange(groups, device=device).repeat_interleave(group_size)
    group = torch.cat([group, torch.full((num_queries,), groups, device=device)])
    return (group[:, None] == group) | ((group == groups) & (group[:, None] < groups))
