"""Pictures of the report page: severity curves of several models, and a scan clean and corrupted as each sees it."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from perception3d.robustness.definitions import metric
from perception3d.robustness.results import CAMERA, Layout, Result, level_name
from perception3d.robustness.scenes import (
    CORRECT,
    HALF_EXTENT_M,
    LEGEND,
    NOT_SCORED,
    WRONG,
    Scene,
    class_colours,
    draw_points,
    error_colours,
    share_correct,
)
from perception3d.visualization.colours import DETECTION_COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 100
# Colours of Okabe and Ito without the yellow, which is faint on white; line style and marker tell apart in print.
STYLES = tuple(
    zip(
        ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000"),
        "osD^vPX",
        ("-", "--", "-.", ":", "-", "--", "-."),
        strict=True,
    )
)
PANELS_IN_ROW = 3


def model_curves(layout: Layout, results: Sequence[Result]) -> Figure:
    """The headline metric over severity, one panel for each type of corruption, every model a line."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    columns = min(PANELS_IN_ROW, len(layout.types))
    rows = -(-len(layout.types) // columns)
    figure = Figure(figsize=(3.5 * columns, 2.45 * rows + 0.7), layout=ConstrainedLayoutEngine(hspace=0.06))
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axis, (kind, settings) in zip(axes.flat, layout.types.items(), strict=False):
        folders = (layout.clean, *(folder for folder, _ in settings))
        joined = not any(severity.startswith(CAMERA) for _, severity in settings)
        for index, result in enumerate(results):
            _draw_line(axis, [result.score(folder) for folder in folders], index, joined)
        names = [level_name(severity) for _, severity in settings]
        axis.set_xticks(range(len(folders)), ["clean", *names], rotation=35 if len(names) > 4 else 0, fontsize=9)
        axis.set_xlim(-0.3, len(folders) - 0.7)
        axis.set_title(kind.replace("_", " "), fontsize=11, loc="left")
        axis.grid(axis="y", color="#E3E3E0", linewidth=0.8)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=9, length=3)
    for axis in axes.flat[len(layout.types) :]:
        axis.axis("off")
    for axis in axes[:, 0]:
        of = metric(results[0].headline)
        axis.set_ylabel(f"{of.name} [{of.unit}]" if of.unit else of.name, fontsize=10)
    known = [score for result in results for values in result.settings if (score := result.score(values)) is not None]
    axes[0, 0].set_ylim(0, 1.06 * max(known, default=1.0) or 1.0)
    labels = [_short(result.model) for result in results]
    figure.legend(
        axes[0, 0].get_lines(), labels, loc="outside upper left", ncols=min(4, len(labels)), frameon=False, fontsize=10
    )
    return figure


def example_figure(
    clean: Scene, corrupted: Scene, predictions: Mapping[str, tuple[Scene, Scene]], classes: Sequence[str]
) -> Figure:
    """A scan from above, clean in the first row and corrupted in the second: the points, then each model's errors.

    Args:
        clean: the scan.
        corrupted: the same scan under a setting.
        predictions: clean and corrupted scan with the predictions of each model.
        classes: class names by train id.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.75 * (1 + len(predictions)), 6.4), dpi=DPI, layout="compressed")
    axes = figure.subplots(2, 1 + len(predictions), squeeze=False)
    for axis, scene, when in zip(axes[:, 0], (clean, corrupted), ("clean", "corrupted"), strict=True):
        draw_points(axis, scene.points_m, class_colours(scene, classes))
        axis.set_title(f"{when}: ground truth", fontsize=10)
        axis.set_ylabel("x forward [m]", fontsize=9)
    for column, (model, scenes) in zip(axes.T[1:], predictions.items(), strict=True):
        for axis, scene, when in zip(column, scenes, ("clean", "corrupted"), strict=True):
            _draw_errors(axis, scene, f"{when}: {_short(model, 20)}", len(classes))
    for axis in axes.flat:
        axis.tick_params(labelsize=8, length=2)
        axis.set_xticks([HALF_EXTENT_M, 0, -HALF_EXTENT_M])
        axis.set_yticks([-HALF_EXTENT_M, 0, HALF_EXTENT_M])
        axis.label_outer()
    for axis in axes[1]:
        axis.set_xlabel("y to the left [m]", fontsize=9)
    return figure


EXAMPLE_COLOURS = {
    "segmentation": {"points": LEGEND, "predictions": {"correct": CORRECT, "wrong": WRONG, "not scored": NOT_SCORED}},
    "detection": {"boxes": {name: f"#{bytes(rgb).hex()}" for name, rgb in DETECTION_COLOURS.items()}},
}
"""Legends by task."""


def svg_uri(figure: Figure) -> str:
    """A figure as a data URI of SVG, the same bytes each time."""
    import matplotlib

    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "perception3d"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def png_uri(figure: Figure) -> str:
    """A figure as a data URI of PNG, the same bytes each time."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def jpeg_uri(content: bytes) -> str:
    """A JPEG file as a data URI."""
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"


def _draw_line(axis: Axes, scores: Sequence[float | None], index: int, joined: bool) -> None:
    colour, marker, style = STYLES[index % len(STYLES)]
    values = [np.nan if score is None else score for score in scores]
    shown = style if joined else "none"
    axis.plot(values, color=colour, marker=marker, linestyle=shown, linewidth=1.8, markersize=5)


def _draw_errors(axis: Axes, scene: Scene, title: str, num_classes: int) -> None:
    if scene.predictions is None:
        axis.axis("off")
        return
    draw_points(axis, scene.points_m, error_colours(scene.predictions, scene.labels, num_classes))
    shown = share_correct(scene.predictions, scene.labels, num_classes).replace(" of scored points", "")
    axis.set_title(f"{title}\n{shown}", fontsize=10)


def _short(name: str, length: int = 30) -> str:
    """A name that fits over a panel; "$" would start mathematics."""
    shown = name if len(name) <= length else f"{name[: length - 1]}\N{HORIZONTAL ELLIPSIS}"
    return shown.replace("$", r"\$")
