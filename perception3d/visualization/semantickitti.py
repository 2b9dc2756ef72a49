"""Scans of SemanticKITTI from above and as range image, in the colours of its classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from corruptions.pictures import nearest_by_direction
from perception3d.conventions import (
    SEMANTICKITTI_CLASSES,
    SEMANTICKITTI_IGNORE,
    SEMANTICKITTI_PALETTE,
    SEMANTICKITTI_TRAIN_IDS,
)
from perception3d.visualization.above import dots, draw_above
from perception3d.visualization.colours import by_class, by_value, classes_shown
from perception3d.visualization.sheet import HEIGHT_SHOWN_M

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SENSOR = "HDL-64E"


def train_ids(raw: NDArray[np.integer]) -> NDArray[np.int64]:
    """Train ids of raw semantic ids; an id that the official map does not know is not scored either."""
    lookup = np.full(2**16, SEMANTICKITTI_IGNORE)
    lookup[list(SEMANTICKITTI_TRAIN_IDS)] = list(SEMANTICKITTI_TRAIN_IDS.values())
    return lookup[raw & (2**16 - 1)]


def scan_figure(
    points: NDArray[np.floating], labels: NDArray[np.integer] | None, title: str, half_extent_m: float = 50.0
) -> Figure:
    """One scan from above and, below, as range image.

    Args:
        points: (N, C >= 3) x forward, y left, z up, in metres.
        labels: (N,) train ids; None colours by height.
        title: of the figure.
        half_extent_m: half the side of the square seen from above.
    """
    from matplotlib.figure import Figure

    if labels is None:
        rgb, shown = by_value(points[:, 2], *HEIGHT_SHOWN_M, "viridis_r"), {}
    else:
        rgb = by_class(labels, SEMANTICKITTI_PALETTE)
        shown = classes_shown(labels, dict(zip(SEMANTICKITTI_CLASSES, SEMANTICKITTI_PALETTE, strict=True)))
    figure = Figure(figsize=(12, 12.5), layout="compressed")
    axes = figure.subplot_mosaic("a;b", height_ratios=[5, 1])
    figure.suptitle(title, fontsize=13)
    draw_above(axes["a"], points, rgb, half_extent_m=half_extent_m)
    nearest = nearest_by_direction(points, SENSOR)
    image = np.where(nearest[..., None] >= 0, rgb[nearest], 255).astype(np.uint8)
    axes["b"].imshow(image, aspect="auto", interpolation="nearest")
    last = image.shape[1] - 1
    ticks = np.linspace(0, last, 5)
    axes["b"].set_xticks(ticks, ["180°", "90° left", "ahead", "90° right", "180°"])
    axes["b"].set(yticks=[], title="range image: the nearest point in each direction")
    if shown:
        figure.legend(handles=dots(shown), loc="outside right upper", frameon=False)
    return figure
