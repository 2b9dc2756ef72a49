"""Colours of classes and of measured values; every picture of boxes and labelled points takes them from here.

The colours of SemanticKITTI's classes stand with its label map in ``perception3d.conventions``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

RGB = tuple[int, int, int]

# nuscenes-devkit paints cars, trucks, buses and trailers in five shades of orange; boxes need colours that are told
# apart on white and on photographs. Those of Tol's "bright" and "vibrant" schemes (personal.sron.nl/~pault).
DETECTION_COLOURS: Mapping[str, RGB] = {
    "car": (0, 119, 187),
    "truck": (170, 51, 119),
    "construction_vehicle": (200, 150, 0),
    "bus": (238, 119, 51),
    "trailer": (120, 80, 40),
    "barrier": (110, 110, 110),
    "motorcycle": (204, 51, 17),
    "bicycle": (0, 153, 136),
    "pedestrian": (238, 51, 119),
    "traffic_cone": (34, 136, 51),
}
"""RGB of the ten nuScenes detection classes, by name: models have class orders of their own."""

OTHER_RGB: RGB = (190, 190, 190)
"""Boxes and points of no class."""

LIDARSEG_COLOURS: Mapping[str, RGB] = {
    "noise": (0, 0, 0),
    "animal": (70, 130, 180),
    "human.pedestrian.adult": (0, 0, 230),
    "human.pedestrian.child": (135, 206, 235),
    "human.pedestrian.construction_worker": (100, 149, 237),
    "human.pedestrian.personal_mobility": (219, 112, 147),
    "human.pedestrian.police_officer": (0, 0, 128),
    "human.pedestrian.stroller": (240, 128, 128),
    "human.pedestrian.wheelchair": (138, 43, 226),
    "movable_object.barrier": (112, 128, 144),
    "movable_object.debris": (210, 105, 30),
    "movable_object.pushable_pullable": (105, 105, 105),
    "movable_object.trafficcone": (47, 79, 79),
    "static_object.bicycle_rack": (188, 143, 143),
    "vehicle.bicycle": (220, 20, 60),
    "vehicle.bus.bendy": (255, 127, 80),
    "vehicle.bus.rigid": (255, 69, 0),
    "vehicle.car": (255, 158, 0),
    "vehicle.construction": (233, 150, 70),
    "vehicle.emergency.ambulance": (255, 83, 0),
    "vehicle.emergency.police": (255, 215, 0),
    "vehicle.motorcycle": (255, 61, 99),
    "vehicle.trailer": (255, 140, 0),
    "vehicle.truck": (255, 99, 71),
    "flat.driveable_surface": (0, 207, 191),
    "flat.other": (175, 0, 75),
    "flat.sidewalk": (75, 0, 75),
    "flat.terrain": (112, 180, 60),
    "static.manmade": (222, 184, 135),
    "static.other": (255, 228, 196),
    "static.vegetation": (0, 175, 0),
    "vehicle.ego": (255, 240, 245),
}
"""RGB of the 32 general categories of nuScenes-lidarseg by id 0..31, as nuscenes-devkit's ``color_map`` has them."""


def by_value(values: NDArray[np.floating], low: float, high: float, colormap: str) -> NDArray[np.uint8]:
    """RGB (N, 3) of measured values on a colour map of matplotlib; values outside take the colours of the ends."""
    from matplotlib import colormaps

    return colormaps[colormap](np.clip((values - low) / (high - low), 0, 1), bytes=True)[..., :3]


def by_class(labels: NDArray[np.integer], palette: Sequence[RGB]) -> NDArray[np.uint8]:
    """RGB (N, 3) of ids 0..K-1; all other ids are grey."""
    colours = np.array([*palette, OTHER_RGB], dtype=np.uint8)
    return colours[np.where((labels >= 0) & (labels < len(palette)), labels, len(palette))]


def classes_shown(labels: NDArray[np.integer], classes: Mapping[str, RGB]) -> dict[str, RGB]:
    """Names and colours of the classes that occur, for a legend; ``classes`` in the order of their ids."""
    present = np.bincount(labels[(labels >= 0) & (labels < len(classes))], minlength=len(classes)) > 0
    return {name: colour for (name, colour), here in zip(classes.items(), present, strict=True) if here}
