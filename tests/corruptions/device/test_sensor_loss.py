import numpy as np
import pytest

from corruptions.core import InputError, Scan
from corruptions.device.sensor_loss import FIELD_OF_VIEW_LOSS, MISSING_LIDAR, field_of_view_loss


def circle(degrees):
    azimuth = np.radians(degrees)
    points = np.column_stack([10 * np.cos(azimuth), 10 * np.sin(azimuth), np.zeros((len(azimuth), 2))])
    return Scan(points.astype(np.float32), 1.0)


@pytest.mark.parametrize(
    ("heading", "expected"),
    [(0.0, [-40, 0, 40]), (90.0, [50, 90, 130]), (180.0, [-180, -140, 140]), (-90.0, [-130, -90, -50])],
)
def test_a_sector_about_the_heading_is_left(heading, expected):
    degrees = np.array([-180, -140, -130, -90, -50, -40, 0, 40, 50, 90, 130, 140])
    out = field_of_view_loss(circle(degrees), np.random.default_rng(0), field_of_view_deg=90.0 - 2, heading_deg=heading)
    assert degrees[out.source].tolist() == expected


def test_the_whole_turn_is_the_identity(street_scan):
    for heading in (0.0, 37.0, 180.0):
        out = field_of_view_loss(street_scan, np.random.default_rng(0), field_of_view_deg=360.0, heading_deg=heading)
        assert np.array_equal(out.points, street_scan.points)


@pytest.mark.parametrize("scan_fixture", ["street_scan", "kitti_scan"])
def test_levels_leave_less_of_the_turn(scan_fixture, request):
    scan = request.getfixturevalue(scan_fixture)
    left = []
    for level, degrees in (("light", 210), ("moderate", 150), ("heavy", 90)):
        out = FIELD_OF_VIEW_LOSS(scan, np.random.default_rng(0), level)
        azimuth = np.degrees(np.arctan2(out.points[:, 1], out.points[:, 0]))
        # Steps of 1.8 degrees or less on either side
        assert np.ptp(azimuth) == pytest.approx(degrees, abs=4)
        left.append(len(out.points))
    assert len(scan.points) > left[0] > left[1] > left[2]


def test_a_missing_lidar_returns_nothing(street_scan):
    out = MISSING_LIDAR(street_scan, np.random.default_rng(0), "heavy")
    assert out.points.shape == (0, 4)
    assert len(out.carry(street_scan.labels, 0)) == 0


def test_bad_width_is_named(street_scan):
    with pytest.raises(InputError, match="field_of_view_deg"):
        field_of_view_loss(street_scan, np.random.default_rng(0), field_of_view_deg=400.0)
