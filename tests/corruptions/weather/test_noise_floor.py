import numpy as np
import pytest

from corruptions.core import INTENSITY, Scan
from corruptions.weather.noise_floor import ground_noise_floor

HEIGHT_M = 1.73


def flat_ground(slope_per_m=0.0, offset=0.5, spread=0.0, count=20_000, labels=True):
    """Ground returns 5 to 60 m away with intensity (offset + slope r) cos(incidence), the weakest; others stronger."""
    rng = np.random.default_rng(0)
    distance_m, azimuth = rng.uniform(5, 60, count), rng.uniform(-np.pi, np.pi, count)
    points = np.zeros((count, 4), np.float32)
    points[:, 0], points[:, 1], points[:, 2] = distance_m * np.cos(azimuth), distance_m * np.sin(azimuth), -HEIGHT_M
    range_m = np.hypot(distance_m, HEIGHT_M)
    brightness = offset + slope_per_m * range_m + spread * rng.random(count)
    points[:, INTENSITY] = np.maximum(brightness, 0) * HEIGHT_M / range_m
    return Scan(points, 1.0, labels=np.full(count, 40) if labels else None), range_m


@pytest.mark.parametrize("labels", [True, False])
def test_floor_is_a_share_of_the_weakest_ground(labels):
    scan, range_m = flat_ground(slope_per_m=0.004, spread=0.8, labels=labels)
    floor = ground_noise_floor(scan, 0.7, np.random.default_rng(0))
    far = range_m > 10
    expected = 0.7 * (0.5 + 0.004 * range_m) * HEIGHT_M / range_m
    # each bin's minimum of about 400 values spread over 0.8 exceeds the bound by 0.8 / 400 = 0.002 of 0.5
    np.testing.assert_allclose(floor[far], expected[far], rtol=0.02)


def test_nearer_than_10_m_the_floor_stays_as_there():
    scan, range_m = flat_ground()
    floor = ground_noise_floor(scan, 1.0, np.random.default_rng(0))
    # 0.5 * 1.73 / 10 = 0.0865
    np.testing.assert_allclose(floor[range_m < 10], 0.0865, rtol=0.01)


def test_floor_is_never_negative():
    # 0.5 - 0.012 r crosses zero at 42 m; intensities below zero do not exist
    scan, range_m = flat_ground(slope_per_m=-0.012)
    floor = ground_noise_floor(scan, 1.0, np.random.default_rng(0))
    assert floor.min() == 0
    assert floor[range_m < 20].min() > 0


@pytest.mark.parametrize("count", [0, 1, 99, 150])
def test_too_little_ground_gives_no_floor(count):
    scan, _ = flat_ground(count=count)
    assert ground_noise_floor(scan, 0.7, np.random.default_rng(0)) is None


def test_without_ground_there_is_no_floor():
    points = np.random.default_rng(0).uniform(1, 20, (5000, 4)).astype(np.float32)
    points[:, INTENSITY] = 0.5
    assert ground_noise_floor(Scan(points, 1.0), 0.7, np.random.default_rng(0)) is None
