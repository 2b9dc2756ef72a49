"""A small street seen by an HDL-64E, and real scans, for every test of the engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from corruptions.core import Scan
from corruptions.files import read_labels, read_points
from corruptions.sensors import SENSORS

ROAD, BUILDING, CAR = 40, 50, 10
SENSOR_HEIGHT_M = 1.73
HALF_STREET_M = (40.0, 9.0)
CAR_MIN_M, CAR_MAX_M = np.array([6.0, 2.0, -SENSOR_HEIGHT_M]), np.array([10.0, 4.0, -0.3])


def street(
    steps: int = 200, columns: int = 4, intensity_max: float = 1.0, with_ring: bool = True, with_labels: bool = True
) -> Scan:
    """64 rings x ``steps`` points of a road between walls with one car, in KITTI's order (ring by ring, from ahead).

    Every ray hits something. Intensities lie on a grid of 1/100 like KITTI's, from 0 to 0.99; a fifth column holds the
    ring, as in nuScenes.
    """
    sensor = SENSORS["HDL-64E"]
    elevation = np.radians(sensor.elevations_deg).repeat(steps)
    azimuth = np.tile((np.arange(steps) + 0.5) * 2 * np.pi / steps, sensor.num_rings)
    direction = np.stack([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])
    origin = np.zeros((3, 1)) + np.array([[0], [0], [1]]) * np.repeat(sensor.beam_heights_m, steps)
    labels, range_m = _first_hit(origin, direction)
    rng = np.random.default_rng(7)
    range_m = range_m * (1 + 1e-3 * rng.standard_normal(len(range_m)))
    brightness = np.select([labels == ROAD, labels == CAR], [0.25, 0.6], 0.4) + 0.15 * rng.standard_normal(len(labels))
    points = np.zeros((len(labels), columns), dtype=np.float32)
    points[:, :3] = (origin + direction * range_m).T
    points[:, 3] = np.clip(np.round(brightness, 2), 0, 0.99) * intensity_max
    ring = np.arange(sensor.num_rings).repeat(steps).astype(np.int32)
    if columns > 4:
        points[:, 4] = ring
    return Scan(
        points,
        intensity_max,
        ring=ring if with_ring else None,
        num_rings=sensor.num_rings if with_ring else None,
        labels=labels.astype(np.uint16) if with_labels else None,
    )


def _first_hit(origin: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Label and range of the nearest of road, walls and car along each ray; (3, N) each."""
    with np.errstate(divide="ignore"):
        to_road = np.where(direction[2] < 0, (-SENSOR_HEIGHT_M - origin[2]) / direction[2], np.inf)
        to_wall = np.minimum(HALF_STREET_M[0] / np.abs(direction[0]), HALF_STREET_M[1] / np.abs(direction[1]))
        sides = np.sort(np.stack([(side[:, None] - origin) / direction for side in (CAR_MIN_M, CAR_MAX_M)]), axis=0)
    enter, leave = sides[0].max(axis=0), sides[1].min(axis=0)
    to_car = np.where((enter < leave) & (enter > 0), enter, np.inf)
    ranges = np.stack([to_road, to_wall, to_car])
    return np.array([ROAD, BUILDING, CAR])[ranges.argmin(axis=0)], ranges.min(axis=0)


@pytest.fixture(scope="session")
def make_street() -> Callable[..., Scan]:
    """The function :func:`street`, for scans with other columns, scales or sizes."""
    return street


@pytest.fixture(scope="session")
def street_scan() -> Scan:
    """12 800 points with rings and labels; its arrays refuse to be written to."""
    return frozen(street())


@pytest.fixture(scope="session")
def kitti_scan(data_root: Path) -> Scan:
    """Scan 08/000000 of SemanticKITTI with labels; its arrays refuse to be written to."""
    sequence = data_root / "semantickitti" / "sequences" / "08"
    points = read_points(sequence / "velodyne" / "000000.bin", columns=4)
    labels = read_labels(sequence / "labels" / "000000.label", len(points)) & 0xFFFF
    return frozen(Scan(points, 1.0, labels=labels))


def frozen(scan: Scan) -> Scan:
    """The scan with read-only arrays, so that a write raises where it happens."""
    for values in (scan.points, scan.ring, scan.labels):
        if values is not None:
            values.setflags(write=False)
    return scan
