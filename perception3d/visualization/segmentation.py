"""Ground truth, prediction and errors of a segmented scan, from above."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from perception3d.visualization.above import dots, draw_above
from perception3d.visualization.colours import OTHER_RGB, RGB, by_class, classes_shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CORRECT_RGB, WRONG_RGB = OTHER_RGB, (217, 26, 26)


def segmentation_figure(
    points: NDArray[np.floating],
    truth: NDArray[np.integer],
    prediction: NDArray[np.integer],
    classes: Mapping[str, RGB],
    forward: str = "x",
    half_extent_m: float = 40.0,
) -> Figure:
    """Three views from above: ground truth, prediction, and the wrong points in red.

    Args:
        points: (N, C >= 3) sensor frame, metres.
        truth: (N,) train ids; ids of no class are grey and count as no error.
        prediction: (N,) train ids.
        classes: names and colours by train id.
        forward: axis of the frame that points ahead, "x" or "y".
        half_extent_m: half the side of the square shown.
    """
    from matplotlib.figure import Figure

    palette = list(classes.values())
    scored = truth < len(classes)
    wrong = scored & (truth != prediction)
    share = 100 * wrong.sum() / max(1, scored.sum())
    panels = {
        "ground truth": by_class(truth, palette),
        "prediction": by_class(prediction, palette),
        f"errors ({share:.1f} % of labelled points)": by_class(wrong.astype(int), [CORRECT_RGB, WRONG_RGB]),
    }
    figure = Figure(figsize=(18, 7), layout="constrained")
    for axes, (title, rgb) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        draw_above(axes, points, rgb, forward=forward, half_extent_m=half_extent_m)
        axes.set_title(title)
    shown = classes_shown(np.concatenate([truth, prediction]), classes)
    figure.legend(handles=dots(shown), loc="outside lower center", ncols=10, frameon=False)
    return figure
