"""Branches that turn decoder outputs into boxes and classes, one set of weights a decoder layer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HIDDEN_CHANNELS = 64
BOX_BRANCHES: Mapping[str, int] = {"center": 2, "height": 1, "dim": 3, "rot": 2, "vel": 2}
"""Branches of the box in the order of the code, and how many of its numbers each gives. The names are the published
ones; see ``box_coder`` for what ``height`` and ``dim`` really hold."""


class GroupLayerNorm1d(nn.Module):
    """LayerNorm over the channels of each group of (B, groups * C, Q), at each query."""

    def __init__(self, num_channels: int, groups: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.groups = groups
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(num_channels))
        self.bias = nn.Parameter(torch.zeros(num_channels))

    def forward(self, x: Tensor, last_groups: int | None = None) -> Tensor:
        """Normalise (B, last_groups * C, Q), the last groups of all (by default every one)."""
        groups = last_groups or self.groups
        channels = len(self.weight) // self.groups * groups
        grouped = x.unflatten(1, (groups, -1))
        variance, mean = torch.var_mean(grouped, dim=2, keepdim=True, correction=0)
        normalised = ((grouped - mean) * (variance + self.eps).rsqrt()).flatten(1, 2)
        return normalised * self.weight[-channels:, None] + self.bias[-channels:, None]


class TaskHead(nn.Module):
    """Grouped 1-D convolutions over the queries; group g serves decoder layer g.

    A kernel of 3 lets a box depend on the neighbours of its query in the list, in training on the denoising queries
    before the first one too. Published for the LiDAR-only model; kept for its weights.

    Args:
        embed_dims: width of the decoder.
        num_layers: decoder layers.
        num_classes: classes.
        kernel_size: width of every convolution.
        class_prior: probability the class branch starts with (Lin et al., ICCV 2017); None leaves PyTorch's
            initialisation. The published code asks for 0.1 but never applies it.
    """

    def __init__(
        self, embed_dims: int, num_layers: int, num_classes: int, kernel_size: int, class_prior: float | None
    ) -> None:
        super().__init__()
        self.num_layers = num_layers
        self.branches = {**BOX_BRANCHES, "cls_logits": num_classes}
        hidden = num_layers * HIDDEN_CHANNELS
        settings: dict[str, Any] = dict(padding=kernel_size // 2, groups=num_layers)
        for name, channels in self.branches.items():
            first = nn.Conv1d(num_layers * embed_dims, hidden, kernel_size, bias=False, **settings)
            last = nn.Conv1d(hidden, num_layers * channels, kernel_size, **settings)
            norm = GroupLayerNorm1d(hidden, num_layers)
            self.add_module(name, nn.Sequential(first, norm, nn.ReLU(inplace=True), last))
            if name == "cls_logits" and class_prior is not None:
                nn.init.constant_(cast(Tensor, last.bias), math.log(class_prior / (1 - class_prior)))

    def forward(self, outputs: Tensor) -> dict[str, Tensor]:
        """Raw values of every branch.

        Args:
            outputs: (L, B, Q, D) of the last L decoder layers.

        Returns:
            For every branch (L, B, Q, channels).
        """
        layers = len(outputs)
        x = outputs.permute(1, 0, 3, 2).flatten(1, 2)
        return {
            name: self._branch(getattr(self, name), x, layers).unflatten(1, (layers, -1)).permute(1, 0, 3, 2)
            for name in self.branches
        }

    def _branch(self, branch: nn.Sequential, x: Tensor, layers: int) -> Tensor:
        """One branch on the last ``layers`` decoder layers alone: groups do not mix."""
        first, norm, activation, last = cast(Any, branch)
        hidden, out = layers * HIDDEN_CHANNELS, layers * last.out_channels // self.num_layers
        padding = first.padding[0]
        x = F.conv1d(x, first.weight[-hidden:], padding=padding, groups=layers)
        x = activation(norm(x, layers))
        return F.conv1d(x, last.weight[-out:], last.bias[-out:], padding=padding, groups=layers)
