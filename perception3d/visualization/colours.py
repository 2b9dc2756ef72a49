"""Colours of classes and of measured values; every picture of boxes and labelled points takes them from here.

The colours of SemanticKITTI's classes stand with its label map in ``perception3d.conventions``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from perception3d.conventions import NUSCENES_LIDARSEG_CLASSES

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

_GROUND_AND_STRUCTURE: Mapping[str, RGB] = {
    "driveable_surface": (196, 165, 222),
    "other_flat": (140, 95, 190),
    "sidewalk": (88, 50, 120),
    "terrain": (185, 212, 120),
    "manmade": (216, 176, 120),
    "vegetation": (105, 165, 55),
}

LIDARSEG_COLOURS: Mapping[str, RGB] = {
    name: {**DETECTION_COLOURS, **_GROUND_AND_STRUCTURE}[name] for name in NUSCENES_LIDARSEG_CLASSES
}
"""RGB of the 16 classes of nuScenes-lidarseg by train id; points have the colour of their boxes."""


def box_colour(name: str) -> RGB:
    """RGB of the boxes of a class."""
    return DETECTION_COLOURS.get(name, OTHER_RGB)


def to_unit(colour: RGB) -> tuple[float, float, float]:
    """A colour as matplotlib takes it, in [0, 1]."""
    return (colour[0] / 255, colour[1] / 255, colour[2] / 255)


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
    known = (labels >= 0) & (labels < len(classes))
    present = np.bincount(labels[known], minlength=len(classes)) > 0
    shown = {name: colour for (name, colour), here in zip(classes.items(), present, strict=True) if here}
    return shown if known.all() else {**shown, "not scored": OTHER_RGB}
