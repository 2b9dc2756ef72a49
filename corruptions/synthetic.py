"""A street that needs no data: one LiDAR sweep and one camera image of it, for examples, pictures and benchmarks.

Boxes on a flat road, seen by exact rays. It has the size and the point distribution of a real sweep, not its detail.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corruptions.core import Scan
from corruptions.sensors import SENSORS

SENSOR_HEIGHT_M = 1.73
ROAD, PARKING, SIDEWALK, BUILDING, VEGETATION, TRUNK, POLE, CAR = 40, 44, 48, 50, 70, 71, 80, 10
# Horizontal focal length of the front camera of nuScenes, for images 1600 pixels wide.
FOCAL_PER_WIDTH = 1266.0 / 1600.0
SKY_M = 1e5
# Rays start at most this far from the origin (the lasers of an HDL-64E sit 0.2 m above it).
ORIGIN_REACH_M = 0.3


@dataclass(frozen=True)
class Box:
    """An axis-aligned box: corners in metres in the sensor frame, SemanticKITTI id, reflectance in 0..1, RGB."""

    low_m: tuple[float, float, float]
    high_m: tuple[float, float, float]
    label: int
    reflectance: float
    rgb: tuple[int, int, int]


def street(rng: np.random.Generator) -> list[Box]:
    """Buildings, trees, poles and parked cars along 240 m of road; x along the road, the sensor at the origin."""
    ground = -SENSOR_HEIGHT_M
    boxes = [Box((-130, -130, ground - 1), (130, 130, ground), ROAD, 0.25, (96, 96, 100))]
    for side in (-1, 1):
        y = sorted((side * 6.0, side * 10.0))
        boxes.append(Box((-130, y[0], ground), (130, y[1], ground + 0.12), SIDEWALK, 0.3, (150, 146, 140)))
        x = -118.0
        while x < 118:
            length, depth, height = rng.uniform(9, 22), rng.uniform(8, 14), rng.uniform(5, 13)
            y = sorted((side * rng.uniform(10, 13), side * (13 + depth)))
            colour = _colour(rng, 110, 200, spread=18)
            boxes.append(
                Box((x, y[0], ground), (x + length, y[1], ground + height), BUILDING, rng.uniform(0.2, 0.5), colour)
            )
            x += length + rng.choice([0.0, 6.0, 16.0])
        boxes += [box for x in np.arange(-90, 90, 15) for box in _tree(float(x + rng.uniform(-3, 3)), side * 7.5, rng)]
        for x in np.arange(-80, 80, 9):
            if rng.random() < 0.6 and abs(x) > 4:
                boxes.append(_car(float(x), side * 4.8, rng))
    return [*boxes, _car(17.0, -1.6, rng), _car(38.0, 1.7, rng)]


def _tree(x: float, y: float, rng: np.random.Generator) -> list[Box]:
    ground, top = -SENSOR_HEIGHT_M, rng.uniform(2.5, 5.0)
    if rng.random() < 0.3:  # a street light instead
        return [Box((x - 0.1, y - 0.1, ground), (x + 0.1, y + 0.1, 4.5), POLE, 0.5, (70, 70, 75))]
    crown = Box((x - 1.6, y - 1.6, top - 2.5), (x + 1.6, y + 1.6, top), VEGETATION, 0.35, (70, 115, 55))
    return [Box((x - 0.2, y - 0.2, ground), (x + 0.2, y + 0.2, top - 2), TRUNK, 0.3, (95, 75, 55)), crown]


def _car(x: float, y: float, rng: np.random.Generator) -> Box:
    ground = -SENSOR_HEIGHT_M
    colour = _colour(rng, 60, 180, spread=55)
    return Box((x - 2.1, y - 0.9, ground), (x + 2.1, y + 0.9, ground + 1.5), CAR, rng.uniform(0.1, 0.7), colour)


def _colour(rng: np.random.Generator, low: int, high: int, spread: int) -> tuple[int, int, int]:
    red, green, blue = rng.integers(low, high) + rng.integers(-spread, spread, 3)
    return int(red), int(green), int(blue)


def cast(
    boxes: list[Box], origin_m: NDArray[np.floating], direction: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64]]:
    """First box that each ray meets, by the slab method.

    Args:
        boxes: the scene.
        origin_m: (N, 3) or (3,) starts of the rays, near the origin.
        direction: (N, 3) unit vectors.

    Returns:
        Range in metres (infinite where nothing is met), index of the box, and cosine of the angle of incidence, (N,)
        each.
    """
    range_m = np.full(len(direction), np.inf)
    index = np.zeros(len(direction), dtype=np.intp)
    cosine = np.ones(len(direction))
    for number, box in enumerate(boxes):
        low, high = np.array(box.low_m), np.array(box.high_m)
        centre, radius = (low + high) / 2, np.linalg.norm(high - low) / 2 + ORIGIN_REACH_M
        distance = np.linalg.norm(centre)
        # Only rays inside the cone around the box's sphere can meet it.
        near = np.cos(np.arcsin(radius / distance)) if distance > radius else -1.0
        rows = np.flatnonzero(direction @ centre >= near * distance)
        start = origin_m[rows] if origin_m.ndim == 2 else origin_m
        with np.errstate(divide="ignore"):
            one, other = (low - start) / direction[rows], (high - start) / direction[rows]
        entries = np.minimum(one, other)
        axis = entries.argmax(axis=1)
        enter = entries[np.arange(len(axis)), axis]
        nearer = (enter > 0) & (enter <= np.maximum(one, other).min(axis=1)) & (enter < range_m[rows])
        met = rows[nearer]
        range_m[met], index[met] = enter[nearer], number
        cosine[met] = np.abs(direction[met, axis[nearer]])
    return range_m, index, cosine


def synthetic_scan(seed: int = 0, steps: int = 2083) -> Scan:
    """One sweep of an HDL-64E in the street, in KITTI's order: ring by ring, each counter-clockwise from ahead.

    Args:
        seed: seed of the street and of the sensor's noise.
        steps: azimuth steps of a turn; 2083 give about 127 000 points.

    Returns:
        Scan with SemanticKITTI labels, intensity in 0..1 and no ring column, as KITTI's files have none.
    """
    rng = np.random.default_rng(seed)
    boxes = street(rng)
    sensor = SENSORS["HDL-64E"]
    elevation = np.radians(sensor.elevations_deg).repeat(steps)
    azimuth = np.tile((np.arange(steps) + 0.5) * (2 * np.pi / steps), sensor.num_rings)
    cos = np.cos(elevation)
    direction = np.stack([cos * np.cos(azimuth), cos * np.sin(azimuth), np.sin(elevation)], axis=1)
    origin = np.zeros((len(direction), 3))
    origin[:, 2] = np.repeat(sensor.beam_heights_m, steps)
    range_m, index, cosine = cast(boxes, origin, direction)
    reflectance = np.array([box.reflectance for box in boxes])[index]
    intensity = np.round(np.clip(reflectance * cosine**0.3 * rng.normal(1, 0.15, len(index)), 0, 0.99), 2)
    seen = (range_m > sensor.min_range_m) & (range_m < sensor.max_range_m)
    noisy_m = (range_m + rng.normal(0, 0.01, len(range_m)))[seen]
    points = np.column_stack([origin[seen] + direction[seen] * noisy_m[:, None], intensity[seen]])
    labels = np.array([box.label for box in boxes])[index[seen]]
    return Scan(points.astype(np.float32), 1.0, labels=labels.astype(np.int32))


def synthetic_image(
    seed: int = 0, height: int = 900, width: int = 1600
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The street from a camera at the sensor's place that looks along the road.

    Args:
        seed: seed of the street.
        height: rows.
        width: columns.

    Returns:
        RGB image uint8 (height, width, 3), and the distance of what each pixel shows in metres, float32 (height,
        width), with 1e5 for the sky.
    """
    rng = np.random.default_rng(seed)
    boxes = street(rng)
    focal = FOCAL_PER_WIDTH * width
    right, down = np.meshgrid(
        (np.arange(width) + 0.5 - width / 2) / focal, (np.arange(height) + 0.5 - height / 2) / focal
    )
    direction = np.stack([np.ones_like(right), -right, -down], axis=-1).reshape(-1, 3)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    range_m, index, cosine = cast(boxes, np.zeros(3), direction)
    sky = ~np.isfinite(range_m)
    depth_m = np.where(sky, SKY_M, range_m)
    hit = direction * np.where(sky, 0, range_m)[:, None]
    colour = np.array([box.rgb for box in boxes], dtype=np.float64)[index] * (0.6 + 0.4 * cosine[:, None])
    labels = np.array([box.label for box in boxes])[index]
    colour *= _texture(hit, labels)[:, None]
    colour[sky] = np.array([150, 185, 225]) + np.clip(direction[sky, 2:], 0, 0.4) * np.array([-120, -90, -30])
    image = np.clip(colour + rng.normal(0, 2, (len(colour), 1)), 0, 255).astype(np.uint8)
    return image.reshape(height, width, 3), depth_m.reshape(height, width).astype(np.float32)


def _texture(hit_m: NDArray[np.float64], labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """Brightness (N,) of windows in the walls, lane marks on the road and a grain on everything."""
    x, y, z = hit_m.T
    grain = 1 + 0.06 * np.sin(7.3 * x + 3.1 * y) * np.sin(5.7 * y + 11.9 * z + 2.3 * x)
    above = z + SENSOR_HEIGHT_M
    window = (labels == BUILDING) & ((x + y) % 2.4 < 1.2) & (above % 3 > 1) & (above % 3 < 2.5) & (above > 0.5)
    lane = (labels == ROAD) & (((np.abs(y) < 0.08) & (x % 9 < 4)) | (np.abs(np.abs(y) - 5.9) < 0.06))
    return grain * np.where(window, 0.45, 1.0) * np.where(lane, 2.1, 1.0)
