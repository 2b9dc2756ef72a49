"""VoVNet with effective squeeze-and-excitation (VoVNetV2: Lee and Park, CVPR 2020).

Names of modules are those of the published checkpoints (``OSA4_2_0/conv``, slash included).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from corruptions.core import InputError
from perception3d.registry import MODELS


@dataclass(frozen=True)
class Architecture:
    """Widths and depths of stages 2 to 5.

    Attributes:
        stem: output channels of the three convolutions of the stem.
        conv_channels: channels of the 3 x 3 convolutions of each stage.
        out_channels: channels after the concatenation of each stage.
        layers_per_block: 3 x 3 convolutions in a block.
        blocks: blocks of each stage.
    """

    stem: tuple[int, int, int]
    conv_channels: tuple[int, ...]
    out_channels: tuple[int, ...]
    layers_per_block: int
    blocks: tuple[int, ...]


ARCHITECTURES: Mapping[str, Architecture] = {
    "V-99-eSE": Architecture((64, 64, 128), (128, 160, 192, 224), (256, 512, 768, 1024), 5, (1, 3, 9, 3)),
    "V-19-slim-eSE": Architecture((64, 64, 128), (64, 80, 96, 112), (112, 256, 384, 512), 3, (1, 1, 1, 1)),
}
FIRST_STAGE = 2


def conv_norm_relu(channels_in: int, channels_out: int, name: str, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU under the names ``<name>/conv``, ``<name>/norm``, ``<name>/relu``."""
    conv = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(
        OrderedDict(
            {
                f"{name}/conv": conv,
                f"{name}/norm": nn.BatchNorm2d(channels_out),
                f"{name}/relu": nn.ReLU(inplace=True),
            }
        )
    )


class EffectiveSE(nn.Module):
    """Channel gate: global mean, one linear layer without reduction, hard sigmoid."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Multiply (N, C, H, W) by its gate."""
        return x * F.hardsigmoid(self.fc(x.mean(dim=(2, 3), keepdim=True)))


class OSABlock(nn.Module):
    """One-shot aggregation: a chain of convolutions, all of whose outputs are concatenated once."""

    def __init__(
        self, channels_in: int, conv_channels: int, out_channels: int, num_layers: int, name: str, identity: bool
    ) -> None:
        super().__init__()
        widths = [channels_in] + [conv_channels] * num_layers
        self.layers = nn.ModuleList(
            [conv_norm_relu(widths[i], widths[i + 1], f"{name}_{i}", kernel=3) for i in range(num_layers)]
        )
        self.concat = conv_norm_relu(sum(widths), out_channels, f"{name}_concat", kernel=1)
        self.ese = EffectiveSE(out_channels)
        self.identity = identity

    def forward(self, x: Tensor) -> Tensor:
        """Features (N, out_channels, H, W)."""
        outputs = [x]
        for layer in self.layers:
            outputs.append(layer(outputs[-1]))
        out = self.ese(self.concat(torch.cat(outputs, dim=1)))
        return out + x if self.identity else out


@MODELS.register_module()
class VoVNet(BaseModule):
    """VoVNetV2 backbone.

    Args:
        arch: one of ``ARCHITECTURES``; CMT takes "V-99-eSE".
        out_stages: stages to return, of 2 .. 5 at strides 4 .. 32.
        norm_eval: keep batch norm statistics as loaded while training; scale and bias still train.
        with_cp: recompute blocks in the backward pass to save memory.
        init_cfg: initialisation config.
    """

    def __init__(
        self,
        arch: str = "V-99-eSE",
        out_stages: Sequence[int] = (4, 5),
        norm_eval: bool = True,
        with_cp: bool = False,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if arch not in ARCHITECTURES:
            raise InputError(f"VoVNet arch: expected one of {', '.join(ARCHITECTURES)}, found {arch!r}")
        spec = ARCHITECTURES[arch]
        stages = range(FIRST_STAGE, FIRST_STAGE + len(spec.blocks))
        if not out_stages or not set(out_stages) <= set(stages):
            raise InputError(f"VoVNet out_stages: expected some of {list(stages)}, found {list(out_stages)}")
        self.out_stages = tuple(out_stages)
        self.norm_eval = norm_eval
        self.with_cp = with_cp
        first, second, third = spec.stem
        self.stem = nn.Sequential(
            OrderedDict(
                [
                    *conv_norm_relu(3, first, "stem_1", 3, 2).named_children(),
                    *conv_norm_relu(first, second, "stem_2", 3, 1).named_children(),
                    *conv_norm_relu(second, third, "stem_3", 3, 2).named_children(),
                ]
            )
        )
        self.stages = [f"stage{stage}" for stage in stages if stage <= max(out_stages)]
        channels = third
        for index, stage in enumerate(self.stages):
            self.add_module(stage, _stage(spec, index, channels))
            channels = spec.out_channels[index]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Features of ``out_stages`` from images (N, 3, H, W)."""
        x = self.stem(x)
        outputs = []
        for index, name in enumerate(self.stages):
            for module in getattr(self, name):
                recompute = self.with_cp and self.training and isinstance(module, OSABlock)
                x = checkpoint(module, x, use_reentrant=False) if recompute else module(x)
            if FIRST_STAGE + index in self.out_stages:
                outputs.append(x)
        return tuple(outputs)

    def train(self, mode: bool = True) -> VoVNet:
        """Set the mode; batch norm stays in evaluation with ``norm_eval``."""
        super().train(mode)
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self


def _stage(spec: Architecture, index: int, channels_in: int) -> nn.Sequential:
    number = FIRST_STAGE + index
    # stage 2 keeps the stem's stride 4; pooling in ceil mode, as published
    modules: dict[str, nn.Module] = {} if index == 0 else {"Pooling": nn.MaxPool2d(3, stride=2, ceil_mode=True)}
    for block in range(spec.blocks[index]):
        name = f"OSA{number}_{block + 1}"
        modules[name] = OSABlock(
            channels_in if block == 0 else spec.out_channels[index],
            spec.conv_channels[index],
            spec.out_channels[index],
            spec.layers_per_block,
            name,
            identity=block > 0,
        )
    return nn.Sequential(OrderedDict(modules))
