"""Holes filled and edges kept, against closed forms."""

import numpy as np
import pytest

from corruptions.camera.smoothing import along_edges, interpolated


def test_what_is_known_stays_and_a_constant_fills_every_hole() -> None:
    rng = np.random.default_rng(0)
    known = rng.random((60, 90)) < 0.05
    assert np.allclose(interpolated(np.full((60, 90), 3.5, np.float32), known), 3.5, atol=1e-4)
    values = rng.random((60, 90)).astype(np.float32)
    filled = interpolated(values, known)
    assert np.array_equal(filled[known], values[known])
    assert values[known].min() <= filled.min() and filled.max() <= values[known].max()


def test_a_slope_goes_on_through_a_hole() -> None:
    slope = np.broadcast_to(np.arange(128, dtype=np.float32) / 128, (64, 128)).copy()
    known = np.ones((64, 128), bool)
    known[24:40, 40:90] = False
    assert np.abs(interpolated(slope, known) - slope).max() < 0.09


def test_unknown_values_are_not_looked_at() -> None:
    values = np.full((20, 30), np.nan, np.float32)
    values[5, 7] = 2.0
    assert np.allclose(interpolated(values, np.isfinite(values)), 2.0)


def test_where_the_guide_is_flat_the_filter_is_a_mean() -> None:
    values = np.zeros((40, 60), np.float32)
    values[:, 30:] = 1.0
    smooth = along_edges(values, np.full((40, 60), 0.3, np.float32), 3, 0.05)
    # step 1: two means over 7 columns each, so the edge of height 1 is spread over 13 columns about its place
    assert smooth[20, 29] == pytest.approx(1 - smooth[20, 30], abs=1e-5)
    assert np.allclose(smooth[:, :23], 0, atol=1e-5) and np.allclose(smooth[:, 37:], 1, atol=1e-5)


def test_an_edge_of_the_guide_is_kept() -> None:
    edge = np.zeros((40, 60), np.float32)
    edge[:, 30:] = 1.0
    kept = along_edges(edge, edge, 3, 0.05)
    # inside the window the variance of the guide is p (1 - p) <= 1/4, so the slope is at least v / (v + 0.05^2)
    assert kept[20, 29] < 0.02 and kept[20, 30] > 0.98
