"""Intensity as its quantile among the returns of one distance: closed form, a loop, and attenuation."""

import numpy as np
import torch

from corruptions.synthetic import synthetic_scan
from perception3d.models.segmentation.intensity import with_intensity_quantiles


def test_by_hand():
    """Five returns at 10 m, one at 40 m: lower ones plus half of the equal ones."""
    values = [0.3, 0.1, 0.3, 0.9, 0.3]
    points = torch.tensor([[10.0, 0, 0, value, 7] for value in values] + [[0, 40.0, 0, 0.5, 7]])
    out = with_intensity_quantiles(points)
    # 0.1: (0 + 1/2) / 5; 0.3: (1 + 3/2) / 5; 0.9: (4 + 1/2) / 5; alone: (0 + 1/2) / 1
    assert torch.allclose(out[:, 3], torch.tensor([0.5, 0.1, 0.5, 0.9, 0.5, 0.5]))
    others = [0, 1, 2, 4]
    assert torch.equal(out[:, others], points[:, others]) and points[0, 3] == 0.3


def test_against_a_loop():
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(500, 4, generator=generator) * torch.tensor([90.0, 90, 3, 1])
    points[:, 3] = torch.round(points[:, 3] * 20) / 20  # ties
    range_m = points[:, :3].double().norm(dim=1)
    # 8 intervals of equal ratio between 2 and 50 m; clamped beyond
    interval = torch.floor(torch.log(range_m.clamp(min=2) / 2) / np.log(25) * 8).clamp(max=7)
    expected = []
    for row in range(len(points)):
        peers = points[interval == interval[row], 3]
        expected.append(float((peers < points[row, 3]).sum() + (peers == points[row, 3]).sum() / 2) / len(peers))
    out = with_intensity_quantiles(points, num_bins=8, near_m=2.0, far_m=50.0)
    assert torch.allclose(out[:, 3].double(), torch.tensor(expected).double(), atol=1e-6)


def test_attenuation_hardly_changes_it():
    """Beer-Lambert with 0.06 / m leaves a thousandth of a return at 58 m; a gain of the device changes nothing."""
    points = torch.from_numpy(synthetic_scan(steps=400).points[:, :4].copy())
    clear = with_intensity_quantiles(points)[:, 3]
    foggy = points.clone()
    foggy[:, 3] *= torch.exp(-2 * 0.06 * points[:, :3].norm(dim=1))
    assert (points[:, 3] - foggy[:, 3]).abs().mean() > 0.5 * points[:, 3].mean()
    assert (with_intensity_quantiles(foggy)[:, 3] - clear).abs().mean() < 0.05
    brighter = points * torch.tensor([1, 1, 1, 8.0])
    assert torch.equal(with_intensity_quantiles(brighter)[:, 3], clear)
