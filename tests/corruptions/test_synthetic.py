from __future__ import annotations

import numpy as np
import pytest

from corruptions.sensors import SENSORS, rings_of
from corruptions.synthetic import CAR, ROAD, SENSOR_HEIGHT_M, Box, cast, synthetic_image, synthetic_scan


@pytest.fixture(scope="module")
def scan():
    return synthetic_scan(seed=1, steps=400)


def test_the_size_of_a_real_sweep():
    # 64 rays x 2083 steps, some into the sky; SemanticKITTI's scans in sequence 08 have 121 to 127 thousand points
    assert 115_000 < len(synthetic_scan().points) < 64 * 2083


def test_road_is_flat_and_seen_at_the_range_of_the_geometry(scan):
    road = (scan.labels == ROAD) & (np.abs(scan.points[:, 1]) < 4)
    # range noise of 1 cm along rays of up to 25 degrees: below 5 mm in height
    assert scan.points[road, 2].mean() == pytest.approx(-SENSOR_HEIGHT_M, abs=0.002)
    assert np.abs(scan.points[road, 2] + SENSOR_HEIGHT_M).max() < 0.03


def test_rings_are_those_of_the_sensor(scan):
    ring, count = rings_of(scan)
    assert count == SENSORS["HDL-64E"].num_rings
    assert np.array_equal(np.unique(ring), np.arange(64))
    assert (np.diff(ring) >= 0).all()


def test_intensity_and_labels(scan):
    assert set(np.unique(scan.labels)) >= {ROAD, CAR, 48, 50, 70}
    assert np.allclose(scan.points[:, 3] * 100, np.round(scan.points[:, 3] * 100), atol=1e-4)
    assert 0 < scan.points[:, 3].max() <= 0.99
    assert not np.array_equal(scan.points, synthetic_scan(seed=2, steps=400).points)


def test_rays_meet_the_nearest_box():
    near = Box((4, -1, -1), (5, 1, 1), 1, 0.5, (0, 0, 0))
    far = Box((9, -9, -9), (10, 9, 9), 2, 0.5, (0, 0, 0))
    straight, past, away = [1.0, 0, 0], [np.cos(0.5), np.sin(0.5), 0], [-1.0, 0, 0]
    range_m, index, cosine = cast([far, near], np.zeros(3), np.array([straight, past, away]))
    assert range_m.tolist() == pytest.approx([4, 9 / np.cos(0.5), np.inf])
    assert index[:2].tolist() == [1, 0]
    assert cosine[:2].tolist() == pytest.approx([1, np.cos(0.5)])


def test_depth_of_the_road_before_the_camera():
    image, depth_m = synthetic_image(seed=0, height=90, width=160)
    assert (image.shape, image.dtype, depth_m.dtype) == ((90, 160, 3), np.uint8, np.float32)
    # The lowest row looks down by 44.5 pixels of a focal length of 126.6: it meets the road at 1.73 / sin(angle).
    right, down = 0.5 / 126.6, 44.5 / 126.6
    assert depth_m[89, 80] == pytest.approx(1.73 * np.sqrt(1 + right**2 + down**2) / down, rel=1e-4)
    assert depth_m.max() == pytest.approx(1e5)
