"""Precision and true-positive errors over recall, one panel per class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from perception3d.conventions import NUSCENES_DETECTION_CLASSES
from perception3d.metrics.nuscenes_detection.rules import RECALL, TP_ERRORS, UNDEFINED_ERRORS
from perception3d.metrics.nuscenes_detection.scores import Curves, DetectionScores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 110
DISTANCE_COLOURS = ("#CC79A7", "#E69F00", "#009E73", "#0072B2")  # Okabe & Ito: told apart by every eye
ERROR_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9")
ERROR_NAMES = ("translation [m]", "scale [1 - IoU]", "orientation [rad]", "velocity [m/s]", "attribute [1 - accuracy]")
GREY = "#666666"


def precision_curves(curves: Curves, scores: DetectionScores) -> Figure:
    """Precision over recall at each matching distance; the grey lines are the official minima."""
    rules = scores.rules

    def draw(axis: Axes, label: int) -> Sequence[str]:
        for column, (distance, colour) in enumerate(zip(rules.match_m, DISTANCE_COLOURS, strict=True)):
            shown = RECALL if scores.positives[label] else RECALL[:0]
            axis.plot(
                shown,
                curves[label][column].precision[: len(shown)],
                color=colour,
                linewidth=1.4 + 0.6 * column,  # where curves coincide the wider ones below still show
                zorder=9 - column,
                label=f"{distance:g} m",
            )
        axis.axhline(rules.min_precision, color=GREY, linewidth=0.8, linestyle=":")
        axis.set_ylim(0, 1.02)
        return [f"AP {scores.class_ap[label]:.3f}"] if scores.positives[label] else ["no annotation"]

    return _panels(draw, "precision", rules.min_recall)


def error_curves(curves: Curves, scores: DetectionScores) -> Figure:
    """Mean error of the matches over recall, up to the highest recall that is reached."""
    rules = scores.rules

    def draw(axis: Axes, label: int) -> Sequence[str]:
        item = curves[label][rules.error_column]
        end = item.last_point + 1
        undefined = UNDEFINED_ERRORS.get(NUSCENES_DETECTION_CLASSES[label], ())
        for index, (name, colour) in enumerate(zip(TP_ERRORS, ERROR_COLOURS, strict=True)):
            shown = end > 1 and item.errors is not None and name not in undefined
            values = item.errors[index, :end] if shown and item.errors is not None else np.zeros(0)
            axis.plot(RECALL[: len(values)], values, color=colour, linewidth=1.8, label=ERROR_NAMES[index])
        axis.set_ylim(0, None if end > 1 else 1)
        return [] if end > 1 else ["no match" if scores.positives[label] else "no annotation"]

    return _panels(draw, f"mean error at {rules.error_match_m:g} m", rules.min_recall)


def _panels(draw: Callable[[Axes, int], Sequence[str]], y_label: str, min_recall: float) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 6.2), dpi=DPI, layout="constrained")
    axes = figure.subplots(2, 5, sharex=True)
    for label, axis in enumerate(axes.flat):
        notes = draw(axis, label)
        axis.set_title(": ".join([NUSCENES_DETECTION_CLASSES[label].replace("_", " "), *notes]), fontsize=10)
        axis.axvline(min_recall, color=GREY, linewidth=0.8, linestyle=":")
        axis.set_xlim(0, 1)
        axis.grid(color="#E5E5E5")
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes[1]:
        axis.set_xlabel("recall")
    for axis in axes[:, 0]:
        axis.set_ylabel(y_label)
    handles, names = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names), frameon=False)
    return figure
