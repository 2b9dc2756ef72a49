"""GridMask: a regular grid of squares is blanked in the images (Chen et al., 2020, arXiv 2001.04086)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from perception3d.registry import MODELS


def grid_mask(height: int, width: int, period: int, ratio: float, offset: tuple[int, int]) -> Tensor:
    """Mask (height, width) of 0 and 1: bars of ``ratio * period`` pixels are kept, the squares between them are not.

    Args:
        height: rows.
        width: columns.
        period: pixels from bar to bar, at least 2.
        ratio: share of a period that a bar takes.
        offset: shift of the grid along rows and columns, in pixels.
    """
    bar = min(max(round(period * ratio), 1), period - 1)
    rows, columns = (
        (torch.arange(size) + shift) % period < bar for size, shift in zip((height, width), offset, strict=True)
    )
    return (rows[:, None] | columns).float()


@MODELS.register_module()
class GridMask(nn.Module):
    """GridMask as an augmentation inside the model: in training only, one mask for the whole batch.

    Args:
        prob: probability of a mask.
        ratio: share of a period that the kept bars take.
    """

    def __init__(self, prob: float = 0.7, ratio: float = 0.5) -> None:
        super().__init__()
        self.prob = prob
        self.ratio = ratio

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W), masked or not."""
        if not self.training or torch.rand(()) >= self.prob:
            return images
        height, width = images.shape[-2:]
        period = int(torch.randint(2, height, ()))
        offset = (int(torch.randint(period, ())), int(torch.randint(period, ())))
        return images * grid_mask(height, width, period, self.ratio, offset).to(images)
