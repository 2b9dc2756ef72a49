import numpy as np
import pytest

from corruptions.core import KEPT, InputError, Scan
from corruptions.device.beam_missing import BEAM_MISSING, beam_missing
from corruptions.device.cross_sensor import CROSS_SENSOR, cross_sensor

LEVELS = ("light", "moderate", "heavy")
both = pytest.mark.parametrize("corruption", [BEAM_MISSING, CROSS_SENSOR], ids=lambda corruption: corruption.name)


def lasers(scan, out):
    return np.unique(scan.ring[out.source])


@pytest.mark.parametrize(("level", "left"), [("light", 48), ("moderate", 32), ("heavy", 16)])
def test_beam_missing_removes_distinct_lasers(level, left, street_scan):
    out = BEAM_MISSING(street_scan, np.random.default_rng(0), level)
    assert len(lasers(street_scan, out)) == left
    assert len(out.points) == left * 200  # whole lasers of 200 points
    assert np.array_equal(out.points, street_scan.points[out.source]) and (out.status == KEPT).all()


def test_every_laser_can_fail(street_scan):
    survivors = np.zeros(64)
    for seed in range(400):
        survivors[lasers(street_scan, beam_missing(street_scan, np.random.default_rng(seed), drop_share=0.5))] += 1
    # Each fails with probability 1/2: standard deviation of the share sqrt(0.25 / 400) = 0.025
    assert survivors / 400 == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(("level", "left"), [("light", 48), ("moderate", 32), ("heavy", 16)])
def test_cross_sensor_keeps_every_second_point_of_evenly_spaced_lasers(level, left, street_scan):
    out = CROSS_SENSOR(street_scan, np.random.default_rng(0), level)
    kept = lasers(street_scan, out)
    assert len(kept) == left
    assert np.diff(kept).max() - np.diff(kept).min() <= 1
    assert np.bincount(street_scan.ring[out.source])[kept] == pytest.approx(100)  # half of 200
    # Every second one in the order of firing
    assert np.array_equal(out.source % 200, np.tile(np.arange(0, 200, 2), left))


@both
def test_32_lasers_lose_the_same_shares(corruption, street_scan):
    below = street_scan.ring >= 32
    scan = Scan(street_scan.points[below], 1.0, ring=street_scan.ring[below] - 32, num_rings=32)
    for level, left in zip(LEVELS, (24, 16, 8), strict=True):
        assert len(lasers(scan, corruption(scan, np.random.default_rng(0), level))) == left


@both
@pytest.mark.parametrize("scan_fixture", ["street_scan", "kitti_scan"])
def test_levels_lose_more_points(corruption, scan_fixture, request):
    scan = request.getfixturevalue(scan_fixture)
    left = [len(corruption(scan, np.random.default_rng(seed), level).points) for seed, level in enumerate(LEVELS)]
    assert len(scan.points) > left[0] > left[1] > left[2] > 0


def test_no_loss_is_the_identity(street_scan):
    out = beam_missing(street_scan, np.random.default_rng(0), drop_share=0.0)
    assert np.array_equal(out.points, street_scan.points)
    out = cross_sensor(street_scan, np.random.default_rng(0), drop_share=0.0, stride=1)
    assert np.array_equal(out.points, street_scan.points)


def test_all_lasers_may_fail_but_not_be_left_out(street_scan):
    assert len(beam_missing(street_scan, np.random.default_rng(0), drop_share=1.0).points) == 0
    with pytest.raises(InputError, match="beams"):
        cross_sensor(street_scan, np.random.default_rng(0), drop_share=1.0)


@pytest.mark.parametrize("fn", [beam_missing, cross_sensor])
def test_bad_values_are_named(fn, street_scan):
    with pytest.raises(InputError, match="drop_share"):
        fn(street_scan, np.random.default_rng(0), drop_share=1.5)
