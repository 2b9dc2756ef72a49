"""Labels, instance ids, rings and boxes through every corruption: an output point carries what its source had."""

from __future__ import annotations

import numpy as np
import pytest

import corruptions
from corruptions import ADDED, KEPT, MOVED, Corrupted, Scan
from corruptions.boxes import points_in_boxes, points_left
from corruptions.catalog import CATALOG

CASES = [(name, level) for name, corruption in CATALOG.items() for level in corruption.levels]
# The car of the street, 4 x 2 x 1.43 m about (8, 3, -1.015), a box of the road ahead, one of a wall, one of the air.
BOXES = np.array(
    [
        [8.0, 3.0, -1.0, 4.4, 2.4, 1.6, 0.0],
        [12.0, -3.0, -1.7, 6.0, 3.0, 0.5, 0.4],
        [0.0, 9.0, 0.0, 10.0, 0.6, 4.0, 0.0],
        [20.0, 0.0, 3.0, 2.0, 2.0, 2.0, 0.0],
    ]
)
# These leave every point where it was or take it away.
REMOVALS = {
    "beam_reduction", "wet_ground", "beam_missing", "incomplete_echo", "cross_sensor", "density_decrease", "cutout",
    "field_of_view_loss", "missing_lidar",
}  # fmt: skip
every_case = pytest.mark.parametrize(("name", "level"), CASES, ids=[f"{name}-{level}" for name, level in CASES])


def apply(scan: Scan, name: str, level: str) -> Corrupted:
    return corruptions.corrupt(scan, name, level, seed=0, sample="08/000000")


@every_case
def test_labels_instances_and_rings_follow_their_point(name: str, level: str, make_street) -> None:
    scan = make_street(columns=6)
    count = len(scan.points)
    scan.points[:, 5] = np.arange(count)  # the row travels in a sensor column, beside source
    instance = (np.arange(count, dtype=np.uint32) << 16) | scan.labels
    out = apply(scan, name, level)
    row = out.points[:, 5].astype(np.int64)
    own = out.status != ADDED
    assert np.array_equal(row[own], out.source[own])
    for values, fill in ((scan.labels, 0), (instance, 0), (scan.ring, -1)):
        moved_too = out.carry(values, fill, drop=(ADDED,))
        assert moved_too.dtype == values.dtype
        assert np.array_equal(moved_too[own], values[row[own]])
        assert (moved_too[~own] == fill).all()
        kept_only = out.carry(values, fill, drop=(MOVED, ADDED))
        assert np.array_equal(kept_only, np.where(out.status == KEPT, moved_too, fill))
    # the ring column of nuScenes names a laser of the sensor, for added points too
    assert set(np.unique(out.points[:, 4])) <= set(range(64))


@every_case
def test_boxes_lose_what_was_taken_and_nothing_else(name: str, level: str, street_scan: Scan) -> None:
    out = apply(street_scan, name, level)
    before, after = points_left(street_scan.points, out, BOXES).T
    inside = points_in_boxes(street_scan.points, BOXES)
    assert before.tolist() == inside.sum(axis=1).tolist()
    assert (before[:3] > 50).all() and before[3] == 0
    assert (after <= before).all()
    kept = np.bincount(out.source[out.status == KEPT], minlength=len(street_scan.points))
    untouched = inside @ kept
    if name in REMOVALS:
        assert (out.status == KEPT).all()
        assert after.tolist() == untouched.tolist()
    # A point that stayed in place is still in its box, whatever became of the others.
    assert (after >= untouched).all()


def test_boxes_through_a_scan_that_nothing_happens_to(street_scan: Scan) -> None:
    """At the value without effect all points of every box are left, and all labels."""
    same = {
        "fog": {"alpha_per_m": 0.0},
        "snowfall": {"rate_mm_per_h": 0.0},
        "rain": {"rate_mm_per_h": 0.0},
        "wet_ground": {"water_height_mm": 0.0},
        "local_distortion": {"share": 0.2, "sigma_m": 0.0},
        "global_outliers": {"share": 0.5},
        "crosstalk": {"share": 0.0},
        "motion_blur": {"sigma_m": 0.0},
        "gaussian_noise": {"sigma_m": 0.0},
        "uniform_noise": {"amplitude_m": 0.0},
        "impulse_noise": {"share": 0.0},
        "beam_missing": {"drop_share": 0.0},
        "beam_reduction": {"beams": 64},
        "cross_sensor": {"drop_share": 0.0, "stride": 1},
        "incomplete_echo": {"drop_share": 0.0},
        "density_decrease": {"drop_share": 0.0},
        "cutout": {"patches": 0},
        "field_of_view_loss": {"field_of_view_deg": 360.0},
    }
    assert set(same) == set(CATALOG) - {"missing_lidar"}
    for name, physical in same.items():
        out = corruptions.corrupt(street_scan, name, seed=0, sample="a", **physical)
        before, after = points_left(street_scan.points, out, BOXES).T
        assert after.tolist() == before.tolist(), name
        labels = out.carry(street_scan.labels, fill=0)
        assert np.array_equal(labels[out.source >= 0], street_scan.labels), name
