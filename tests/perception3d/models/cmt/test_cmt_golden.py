"""Golden values of a small head whose weights and inputs are formulas.

Recorded once the full-size head had been shown equal to the published one, so that a change shows without those files.
"""

import math
from typing import Any

import pytest
import torch
from cmt_world import RANGE, projections, sample

from perception3d.models.cmt.cameras import Cameras
from perception3d.models.cmt.head import CMTHead
from perception3d.models.cmt.tokens import CameraFeatures, LidarFeatures, SensorFeatures

LOSSES = {
    "d0.loss_cls": 48.88866,
    "loss_cls": 38.25974,
    "d0.loss_bbox": 7.62273,
    "loss_bbox": 6.75927,
    "d0.dn_loss_cls": 2.63918,
    "dn_loss_cls": 2.21404,
    "d0.dn_loss_bbox": 12.64726,
    "dn_loss_bbox": 7.22058,
}


def wave(count: int, phase: float) -> torch.Tensor:
    """Numbers in [-1, 1] that do not depend on a random stream."""
    return torch.sin(torch.arange(count, dtype=torch.float64) ** 1.5 + phase).float()


def formula_head(**settings: Any) -> CMTHead:
    coder = dict(type="perception3d.CMTBoxCoder", post_center_range=[-20, -20, -10, 20, 20, 10], max_num=5)
    sizes = dict(lidar_channels=8, embed_dims=16, num_queries=12, num_layers=2, num_heads=2, hidden_dims=24)
    head = CMTHead(RANGE, coder, **sizes, **settings).eval()
    state = head.state_dict()
    for number, (name, value) in enumerate(state.items()):
        draw = wave(value.numel(), number).reshape(value.shape)
        if name == "reference_points.weight" or value.dim() == 1:
            state[name] = 0.5 + 0.45 * draw
        elif value.dim() > 1:
            state[name] = draw * math.sqrt(3 / value[0].numel())
    head.load_state_dict(state)
    return head


def formula_features() -> SensorFeatures:
    cameras = Cameras.from_metas([dict(lidar2img=projections(3))] * 2, 3, (64, 96), "cpu")
    bev, images = wave(2 * 8 * 4 * 4, 0.5).reshape(2, 8, 4, 4), wave(6 * 16 * 2 * 3, 1.5).reshape(6, 16, 2, 3)
    present = torch.ones(2, dtype=torch.bool)
    return SensorFeatures(2, LidarFeatures(bev, present), CameraFeatures(images, cameras))


def test_outputs():
    with torch.no_grad():
        outputs = formula_head()(formula_features())
    code = [8.1464357, 11.9032755, 2.0876346, 0.8269205, 1.9228053, 0.8173643, 1.8233637, 1.2765467, 1.0724959]
    logits = [-0.3503815, -0.4977786, -0.0286893, 1.0778040, 0.3757940, 2.0804753, 0.3531993, 2.1003780, 0.5391476]
    torch.testing.assert_close(outputs.code[-1, 0, 3, :9], torch.tensor(code), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(outputs.logits[-1, 1, 2, :9], torch.tensor(logits), rtol=1e-4, atol=1e-5)


def test_losses():
    """No displacement and no dropout, so that nothing is drawn."""
    head = formula_head(dropout=0.0, denoising=dict(noise_scale=0.0, split=2.0))
    terms = head.loss(formula_features(), [sample(3, seed=0), sample(1, seed=1)])
    assert {name: value.item() for name, value in terms.items()} == pytest.approx(LOSSES, rel=1e-4)
