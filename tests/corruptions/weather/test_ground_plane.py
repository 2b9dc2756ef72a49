import numpy as np
import pytest

from corruptions.core import Scan
from corruptions.semantics import members
from corruptions.weather.ground_plane import find_ground, fit_plane


def tilted_ground(rng, slope, height_m, clutter):
    """Points of a plane of slope ``slope`` along x, 2 cm noise, and a share of clutter above it."""
    xyz = np.column_stack([rng.uniform(-25, 25, (5000, 2)), np.zeros(5000)])
    xyz[:, 2] = slope * xyz[:, 0] - height_m + 0.02 * rng.standard_normal(5000)
    above = rng.random(5000) < clutter
    xyz[above, 2] += rng.uniform(0.3, 4.0, above.sum())
    return xyz.astype(np.float32), above


@pytest.mark.parametrize(("slope", "height_m"), [(0.0, 1.73), (0.1, 1.84), (-0.1, 2.1)])
def test_plane_is_found_among_clutter(slope, height_m):
    xyz, _ = tilted_ground(np.random.default_rng(0), slope, height_m, clutter=0.6)
    plane = fit_plane(xyz, np.random.default_rng(1))
    # z = slope x - h, so the normal is (-slope, 0, 1) / sqrt(1 + slope^2) and the sensor h / sqrt(1 + slope^2) above
    length = np.sqrt(1 + slope**2)
    assert plane.normal == pytest.approx(np.array([-slope, 0, 1]) / length, abs=2e-3)
    assert plane.height_m == pytest.approx(height_m / length, abs=0.004)
    assert np.linalg.norm(plane.normal) == pytest.approx(1)
    assert plane.distance_m(np.zeros((1, 3)))[0] == pytest.approx(plane.height_m)


def test_ground_without_labels_is_the_layer_about_the_plane():
    xyz, above = tilted_ground(np.random.default_rng(0), 0.05, 1.8, clutter=0.5)
    scan = Scan(np.column_stack([xyz, np.zeros(len(xyz), np.float32)]), 1.0)
    ground = find_ground(scan, np.random.default_rng(0))
    assert np.array_equal(ground.mask, ~above)


def test_absent_ground_is_no_ground():
    rng = np.random.default_rng(0)
    assert fit_plane(np.zeros((0, 3), np.float32), rng) is None
    assert fit_plane(np.full((500, 3), 10.0, np.float32), rng) is None  # above the sensor
    assert fit_plane(np.tile(np.float32([10, 0, -2]), (500, 1)), rng) is None  # one place
    slope = rng.uniform(-20, 20, (2000, 2))
    steep = np.column_stack([slope, slope[:, 0] - 15])  # 45 degrees
    assert fit_plane(steep, rng) is None


def test_labels_decide_when_there_are_labels(street_scan):
    ground = find_ground(street_scan, np.random.default_rng(0))
    assert np.array_equal(ground.mask, members(street_scan.labels, "semantickitti", "ground"))
    # The lasers of the upper block start 0.2 m above the origin; the road lies 1.73 m below it.
    assert ground.plane.height_m == pytest.approx(1.73, abs=0.01)


def test_real_ground_agrees_with_its_labels(kitti_scan):
    ground = find_ground(Scan(kitti_scan.points, 1.0), np.random.default_rng(0))
    assert ground.plane.height_m == pytest.approx(1.73, abs=0.06)  # mounting height of the KITTI car
    near = kitti_scan.range_m < 20
    road = members(kitti_scan.labels, "semantickitti", "ground")
    level = road | (kitti_scan.labels == 72)  # terrain: grass as flat as the road
    assert (ground.mask & road & near).sum() / (road & near).sum() > 0.95
    assert (ground.mask & level).sum() / ground.mask.sum() > 0.9
