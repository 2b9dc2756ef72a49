"""The feature pyramid of PETR and CMT: a 3 x 3 convolution on the finest level alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from corruptions.core import InputError
from perception3d.registry import MODELS


@MODELS.register_module()
class CPFPN(BaseModule):
    """Top-down pyramid; coarser levels are returned as they come from the lateral convolutions and the sums.

    Args:
        in_channels: channels of the levels, finest first.
        out_channels: channels of every output.
        init_cfg: initialisation config.
    """

    def __init__(self, in_channels: Sequence[int], out_channels: int, init_cfg: dict[str, Any] | None = None) -> None:
        super().__init__(init_cfg=init_cfg or dict(type="Xavier", layer="Conv2d", distribution="uniform"))
        self.lateral_convs = nn.ModuleList(
            [ConvModule(channels, out_channels, 1, act_cfg=None) for channels in in_channels]
        )
        self.fpn_convs = nn.ModuleList([ConvModule(out_channels, out_channels, 3, padding=1, act_cfg=None)])

    def forward(self, levels: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Levels (N, out_channels, H, W) from levels (N, in_channels, H, W), finest first."""
        if len(levels) != len(self.lateral_convs):
            raise InputError(f"CPFPN: expected {len(self.lateral_convs)} levels, found {len(levels)}")
        laterals = [conv(level) for conv, level in zip(self.lateral_convs, levels, strict=True)]
        for index in reversed(range(len(laterals) - 1)):
            coarser = F.interpolate(laterals[index + 1], size=laterals[index].shape[-2:], mode="nearest")
            laterals[index] = laterals[index] + coarser
        return (self.fpn_convs[0](laterals[0]), *laterals[1:])
