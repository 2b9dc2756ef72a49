from __future__ import annotations

import numpy as np
import pytest

from corruptions import KEPT, MOVED, Scan
from corruptions.noise.local_distortion import LOCAL_DISTORTION, local_distortion


@pytest.mark.parametrize(("level", "sigma_m"), [("light", 0.05), ("moderate", 0.1), ("heavy", 0.2)])
def test_a_fifth_of_the_points_moves_by_sigma(level: str, sigma_m: float, street_scan: Scan) -> None:
    out = LOCAL_DISTORTION(street_scan, np.random.default_rng(1), level)
    moved = out.status == MOVED
    assert (out.source == np.arange(12_800)).all()
    assert moved.sum() == 2560  # round(0.2 * 12800)
    shift = (out.points - street_scan.points)[moved, :3]
    for axis in range(3):
        # Standard errors over 2560 points: mean sigma / sqrt(2560), standard deviation sigma / sqrt(2 * 2560).
        assert abs(shift[:, axis].mean()) < 3 * sigma_m / np.sqrt(2560)
        assert abs(shift[:, axis].std() - sigma_m) < 3 * sigma_m / np.sqrt(2 * 2560)
    # Axes are independent: the standard error of a correlation is 1 / sqrt(2560) = 0.02.
    assert np.abs(np.corrcoef(shift.T)[np.triu_indices(3, 1)]).max() < 3 / np.sqrt(2560)


def test_intensity_stays_and_points_are_drawn_evenly(street_scan: Scan) -> None:
    out = LOCAL_DISTORTION(street_scan, np.random.default_rng(1), "heavy")
    assert (out.points[:, 3] == street_scan.points[:, 3]).all()
    # Hypergeometric count of 2560 in the first half: mean 1280, standard deviation 0.4 * 0.5 * sqrt(12800) = 22.6
    assert abs((out.status[:6400] == MOVED).sum() - 1280) < 3 * 22.6


def test_limits(street_scan: Scan) -> None:
    rng = np.random.default_rng(1)
    still = local_distortion(street_scan, rng, share=1.0, sigma_m=0.0)
    assert (still.status == KEPT).all()
    assert still.points.tobytes() == street_scan.points.tobytes()
    assert (local_distortion(street_scan, rng, share=0.0, sigma_m=1.0).status == KEPT).all()
    assert (local_distortion(street_scan, rng, share=1.0, sigma_m=1.0).status == MOVED).all()
