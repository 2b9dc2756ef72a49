"""The map mask of a scene: where vehicles may drive, as nuScenes' masks show it."""

from __future__ import annotations

import numpy as np

from perception3d.simulation.nuscenes.drive import MAP_M, Drive
from perception3d.simulation.street import START_M, Frame

PIXELS_PER_M = 10  # the resolution that nuscenes-devkit takes masks to have
BEFORE_M, BEHIND_M = 300.0, 110.0


def map_png(drive: Drive) -> bytes:
    """PNG of a square of ``MAP_M``, row 0 at the top (largest y): 255 on the road, 0 elsewhere."""
    import cv2

    size = round(MAP_M * PIXELS_PER_M)
    frame = Frame(drive.street, START_M + BEFORE_M, START_M)
    s = np.arange(START_M - BEHIND_M, START_M + BEFORE_M, 2.0)
    half = drive.street.half_width_m
    edge = np.concatenate([frame.xy(s, half), frame.xy(s[::-1], -half)]) - frame.xy(START_M, 0.0)
    cos, sin = np.cos(drive.turn_rad), np.sin(drive.turn_rad)
    turned = edge @ np.array([[cos, sin], [-sin, cos]]) + MAP_M / 2
    pixels = np.column_stack([turned[:, 0], MAP_M - turned[:, 1]]) * PIXELS_PER_M
    mask = np.zeros((size, size), np.uint8)
    cv2.fillPoly(mask, [np.round(pixels).astype(np.int32)], 255)
    # Run lengths: as small as the best compression here, in half the time.
    options = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    _, data = cv2.imencode(".png", mask, options)
    return data.tobytes()
