"""The map mask of a scene: where vehicles may drive, as nuScenes' masks show it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from perception3d.simulation.blocks import BLOCK_M, WALK_M, plan, zones
from perception3d.simulation.nuscenes.categories import STUFF
from perception3d.simulation.nuscenes.drive import MAP_M, Drive
from perception3d.simulation.street import LIMIT_M, START_M, Frame, Street

PIXELS_PER_M = 10  # the resolution that nuscenes-devkit takes masks to have
BEFORE_M, BEHIND_M = 300.0, 110.0
DRIVEABLE = "flat.driveable_surface"


def map_png(drive: Drive) -> bytes:
    """PNG of a square of ``MAP_M``, row 0 at the top (largest y): 255 on roads and car parks, 0 elsewhere."""
    import cv2

    size = round(MAP_M * PIXELS_PER_M)
    frame = Frame(drive.street, START_M + BEFORE_M, START_M)
    cos, sin = np.cos(drive.turn_rad), np.sin(drive.turn_rad)
    mask = np.zeros((size, size), np.uint8)
    for strip in strips(drive.street):
        turned = (outline(frame, *strip) - frame.xy(START_M, 0.0)) @ np.array([[cos, sin], [-sin, cos]]) + MAP_M / 2
        pixels = np.column_stack([turned[:, 0], MAP_M - turned[:, 1]]) * PIXELS_PER_M
        cv2.fillPoly(mask, [np.round(pixels).astype(np.int32)], 255)
    # Run lengths: as small as the best compression here, in half the time.
    options = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    _, data = cv2.imencode(".png", mask, options)
    return data.tobytes()


def strips(street: Street) -> Iterator[tuple[float, float, float, float]]:
    """First and last s, smallest and largest d of each strip of driveable ground on the map."""
    first, last = START_M - BEHIND_M, START_M + BEFORE_M
    yield first, last, -street.half_width_m, street.half_width_m
    for index in range(int(first // BLOCK_M), int(last // BLOCK_M) + 1):
        for lot in plan(street, index):
            start, end = max(lot.start_m, first), min(lot.end_m, last)
            if start >= end:
                continue
            if lot.kind == "crossing":
                across = [(lot.road_m, LIMIT_M)]
                start, end = max(lot.start_m + WALK_M, first), min(lot.end_m - WALK_M, last)
            else:
                across = [(zone.inner_m, zone.outer_m) for zone in zones(lot) if STUFF[zone.label] == DRIVEABLE]
            for near, far in across:
                low, high = sorted((lot.side * near, lot.side * far))
                yield start, end, low, high


def outline(frame: Frame, start: float, end: float, near: float, far: float) -> NDArray[np.float64]:
    """(K, 2) corners of a strip in the world, following the bends of the street."""
    s = np.linspace(start, end, max(2, round((end - start) / 2.0) + 1))
    return np.concatenate([frame.xy(s, far), frame.xy(s[::-1], near)])
