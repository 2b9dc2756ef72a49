"""Pictures of a table: IoU by setting and class as a heat map, and mIoU by severity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from perception3d.robustness.collect import Line, Table, class_names, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 110
COLOUR_MAP = "cividis"  # grows in lightness and reads the same with every colour-vision deficiency
BLUE, GREY = "#0072B2", "#666666"


def heat_map(table: Table) -> Figure:
    """Settings by rows; headline, what is left of it, and the score of each class of the ground truth by columns."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    present = _present(table)
    naming = table.naming
    columns = [naming.headline, naming.retention, *(name for name in class_names(table) if name in present)]
    values = np.array([[_cell(table, line, column) for column in columns] for line in table.lines], dtype=float)
    figure = Figure(figsize=(2.6 + 0.62 * len(columns), 1.9 + 0.36 * len(table.lines)), dpi=DPI, layout="constrained")
    axis = figure.add_subplot()
    colours = colormaps[COLOUR_MAP].with_extremes(bad="#EEEEEE")
    image = axis.imshow(values, cmap=colours, vmin=0, vmax=100, aspect="auto")
    _write_cells(axis, values)
    axis.set_xticks(range(len(columns)), columns, rotation=40, ha="left", rotation_mode="anchor")
    axis.xaxis.tick_top()
    axis.set_yticks(range(len(table.lines)), [line.folder for line in table.lines])
    axis.tick_params(length=0)
    axis.axvline(1.5, color="white", linewidth=3)
    for first in _first_of_types(table.lines):
        axis.axhline(first - 0.5, color="white", linewidth=3)
    figure.colorbar(
        image,
        ax=axis,
        label=f"{naming.headline}, {naming.retention} and {naming.of_class} of each class [%]",
        pad=0.015,
        fraction=0.03,
    )
    return figure


def severity_curves(table: Table) -> Figure:
    """The headline metric over severity, one panel for each type of corruption, from the clean score on."""
    from matplotlib.figure import Figure

    types = table.suite.types
    figure = Figure(figsize=(2.1 * len(types) + 0.5, 3.1), dpi=DPI, layout="constrained")
    axes = figure.subplots(1, len(types), sharey=True, squeeze=False)[0]
    headline = table.naming.headline
    clean = table.clean.metric(headline)
    for axis, name in zip(axes, types, strict=True):
        lines = [line for line in table.settings if line.type == name]
        scores = [clean, *(line.metric(headline) for line in lines)]
        _draw_curve(axis, scores)
        axis.set_xticks(range(len(scores)), ["clean", *(line.severity for line in lines)], rotation=30)
        axis.set_title(name.replace("_", " "), fontsize=11)
        if clean is not None:
            axis.axhline(clean, color=GREY, linewidth=1, linestyle="--", zorder=0)
    axes[0].set_ylabel(f"{headline} [%]")
    axes[0].set_ylim(0, 100)
    return figure


def _draw_curve(axis: Axes, scores: Sequence[float | None]) -> None:
    """A line through the scores that exist, each with its number."""
    values = np.array([np.nan if score is None else score for score in scores])
    axis.plot(range(len(values)), values, color=BLUE, marker="o", linewidth=2)
    for place, value in enumerate(values):
        text, height = (f"{value:.1f}", value) if np.isfinite(value) else ("-", 0.0)
        axis.annotate(text, (place, height), (0, 7), textcoords="offset points", ha="center", fontsize=9)
    axis.set_xlim(-0.4, len(values) - 0.6)
    axis.grid(axis="y", color="#DDDDDD")
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)


def _write_cells(axis: Axes, values: np.ndarray) -> None:
    for (row, column), value in np.ndenumerate(values):
        known = np.isfinite(value)
        colour = "white" if known and value < 45 else "black"
        text = number(value) if known else "-"
        axis.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)


def _cell(table: Table, line: Line, column: str) -> float | None:
    """Value of a setting in a column of the heat map."""
    if column == table.naming.headline:
        return line.metric(column)
    if column == table.naming.retention:
        return line.r
    return line.row.score.per_class[column] if line.row and line.row.score else None


def _present(table: Table) -> set[str]:
    return {name for line in table.lines if line.row and line.row.score for name in line.row.score.present_classes}


def _first_of_types(lines: Sequence[Line]) -> list[int]:
    """Indices at which another type of corruption begins."""
    return [i for i in range(1, len(lines)) if lines[i].type != lines[i - 1].type]
