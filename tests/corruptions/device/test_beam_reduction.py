from __future__ import annotations

import numpy as np
import pytest

from corruptions import InputError, Scan
from corruptions.device.beam_reduction import BEAM_REDUCTION, beam_reduction, evenly
from corruptions.sensors import rings_of

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("level", "rings", "points_per_ring"),
    [
        ("dense_32beam", range(1, 64, 2), 200),
        ("sparse_32beam", range(1, 64, 2), 100),
        ("dense_16beam", range(2, 64, 4), 200),
        ("sparse_16beam", range(2, 64, 4), 100),
    ],
)
def test_which_points_stay(level: str, rings: range, points_per_ring: int, street_scan: Scan) -> None:
    out = BEAM_REDUCTION(street_scan, RNG, level)
    stride = 200 // points_per_ring
    expected = [ring * 200 + step for ring in rings for step in range(0, 200, stride)]
    assert out.source.tolist() == expected
    assert out.points.tobytes() == street_scan.points[expected].tobytes()


def test_every_second_point_of_a_ring_in_any_file_order(street_scan: Scan) -> None:
    # Column by column, as nuScenes stores its scans: the same points stay as ring by ring.
    columns = np.arange(12_800).reshape(64, 200).T.ravel()
    scan = Scan(street_scan.points[columns], 1.0, ring=street_scan.ring[columns], num_rings=64)
    by_column = BEAM_REDUCTION(scan, RNG, "sparse_32beam")
    by_ring = BEAM_REDUCTION(street_scan, RNG, "sparse_32beam")
    assert set(columns[by_column.source]) == set(by_ring.source)
    assert (np.diff(by_column.source) > 0).all()


def test_rings_are_estimated_where_the_file_has_none(street_scan: Scan) -> None:
    without = Scan(street_scan.points, 1.0)
    assert (
        BEAM_REDUCTION(without, RNG, "dense_16beam").source == BEAM_REDUCTION(street_scan, RNG, "dense_16beam").source
    ).all()


@pytest.mark.parametrize(
    ("beams", "num_rings", "kept"),
    [(2, 4, [1, 3]), (1, 4, [2]), (4, 4, [0, 1, 2, 3]), (3, 10, [1, 5, 8]), (4, 32, [4, 12, 20, 28])],
)
def test_evenly(beams: int, num_rings: int, kept: list[int]) -> None:
    assert evenly(beams, num_rings).tolist() == kept


def test_a_scanner_cannot_gain_beams(make_street) -> None:
    scan = make_street()
    half = beam_reduction(scan, RNG, beams=16)
    small = Scan(half.points, 1.0, ring=half.carry(scan.ring, 0) // 4, num_rings=16)
    with pytest.raises(InputError, match="the scan has 16 lasers, found 32"):
        BEAM_REDUCTION(small, RNG, "dense_32beam")


def test_real_scan(kitti_scan: Scan) -> None:
    ring, _ = rings_of(kitti_scan)
    per_ring = np.bincount(ring)
    dense = BEAM_REDUCTION(kitti_scan, RNG, "dense_16beam")
    assert len(dense.points) == per_ring[2::4].sum()
    sparse = BEAM_REDUCTION(kitti_scan, RNG, "sparse_16beam")
    assert len(sparse.points) == ((per_ring[2::4] + 1) // 2).sum()
    assert set(sparse.source) < set(dense.source)
