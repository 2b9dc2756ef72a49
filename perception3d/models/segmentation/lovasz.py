"""Lovasz-softmax loss: a convex surrogate of 1 - IoU (Berman et al., CVPR 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from perception3d.registry import MODELS


def lovasz_softmax(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Mean over the classes that occur of the Lovasz extension of their Jaccard loss (equations 8 to 10).

    Args:
        probabilities: (M, K).
        labels: int64 (M,) class of each row, 0 .. K - 1; at least one row.

    Returns:
        Scalar.
    """
    present = torch.unique(labels)
    truth = labels == present[:, None]
    errors = (truth.to(probabilities.dtype) - probabilities.T[present]).abs()
    errors, order = torch.sort(errors, dim=1, descending=True)
    return (errors * _jaccard_steps(truth.gather(1, order))).sum(dim=1).mean()


def _jaccard_steps(truth: Tensor) -> Tensor:
    """Growth (K, M) of the Jaccard loss as each next row is taken as wrong; ``truth`` in order of falling error."""
    hits = torch.cumsum(truth, dim=1)
    size = hits[:, -1:]
    rank = torch.arange(1, truth.shape[1] + 1, device=truth.device)
    jaccard = 1 - (size - hits).double() / (size + rank - hits)
    return torch.diff(jaccard, dim=1, prepend=jaccard.new_zeros(len(jaccard), 1)).float()


@MODELS.register_module()
class LovaszSoftmaxLoss(nn.Module):
    """:func:`lovasz_softmax` of logits.

    Unlike mmdet3d's LovaszLoss it takes a single scored row, and sorts only the classes that occur.

    Args:
        loss_weight: factor of the loss.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, logits: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
        """Loss of the rows (M, K) whose label is not ``ignore_index``; 0 where there is none."""
        scored = labels != ignore_index
        if not scored.any():
            return 0.0 * logits.sum()
        return self.loss_weight * lovasz_softmax(logits[scored].softmax(dim=1), labels[scored])
