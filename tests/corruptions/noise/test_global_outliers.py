from __future__ import annotations

import numpy as np
import pytest

from corruptions import ADDED, Scan
from corruptions.noise.global_outliers import GLOBAL_OUTLIERS, global_outliers


@pytest.mark.parametrize(("level", "count"), [("light", 13), ("moderate", 640), ("heavy", 6400)])
def test_outliers_follow_the_untouched_scan(level: str, count: int, street_scan: Scan) -> None:
    out = GLOBAL_OUTLIERS(street_scan, np.random.default_rng(1), level)
    assert len(out.points) == 12_800 + count  # round(share * 12800)
    assert out.points[:12_800].tobytes() == street_scan.points.tobytes()
    assert (out.status[12_800:] == ADDED).all()


def test_uniform_in_the_box_of_the_scan(street_scan: Scan) -> None:
    out = GLOBAL_OUTLIERS(street_scan, np.random.default_rng(1), "heavy")
    added = out.points[out.status == ADDED]
    low, high = street_scan.points[:, :3].min(axis=0), street_scan.points[:, :3].max(axis=0)
    columns = np.column_stack([(added[:, :3] - low) / (high - low), added[:, 3]])
    assert columns.min() >= 0
    assert columns.max() <= 1
    # Uniform on 0..1: standard error of the mean sqrt(1 / 12 / 6400) = 0.0036; chi-squared over 20 bins has 19 degrees
    # of freedom, and passes 43.8 once in 1000.
    assert np.abs(columns.mean(axis=0) - 0.5).max() < 3 * 0.0036
    for column in columns.T:
        counts, _ = np.histogram(column, bins=20, range=(0, 1))
        assert ((counts - 320) ** 2 / 320).sum() < 43.8
    assert np.abs(np.corrcoef(columns.T)[np.triu_indices(4, 1)]).max() < 4 / np.sqrt(6400)


def test_further_columns_hold_values_of_the_scan(make_street) -> None:
    scan = make_street(columns=5)
    out = GLOBAL_OUTLIERS(scan, np.random.default_rng(1), "heavy")
    ring = out.points[out.status == ADDED, 4]
    assert set(ring) == set(range(64))


def test_no_outliers_at_share_zero(street_scan: Scan) -> None:
    out = global_outliers(street_scan, np.random.default_rng(1), share=0.0)
    assert out.points.tobytes() == street_scan.points.tobytes()
