"""Scores along one physical quantity: what is left, where it breaks, the area under the curve, a picture."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError
from corruptions.scores import resilience
from corruptions.suites import Suite
from perception3d.metrics.nuscenes_detection.bootstrap import CONFIDENCE
from perception3d.robustness.collect import Table, collect, markdown_table
from perception3d.robustness.naming import number
from perception3d.robustness.rows import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DECADE = 10.0
"""Values that span at least this ratio are spaced by their logarithm."""


@dataclass(frozen=True)
class Curve:
    """What is left of the clean score along a quantity, from mild to severe.

    Attributes:
        parameter: name of the quantity, with its unit.
        values: where it was scored; settings without a score are left out.
        scores: headline metric in per cent.
        kept: the same in per cent of the clean score.
        clean: the clean score in per cent.
        metric: name of the headline metric.
        draws: in each draw of the scenes, the clean score and then the scores, all above in per cent; empty where they
            are not known.
    """

    parameter: str
    values: tuple[float, ...]
    scores: tuple[float, ...]
    kept: tuple[float, ...]
    clean: float
    metric: str
    draws: tuple[tuple[float, ...], ...] = ()

    @property
    def is_logarithmic(self) -> bool:
        """Whether values are spaced by their logarithm."""
        return min(self.values) > 0 and max(self.values) / min(self.values) >= DECADE

    @property
    def places(self) -> NDArray[np.float64]:
        """The values on the axis of the curve."""
        values = np.array(self.values, dtype=np.float64)
        return np.log(values) if self.is_logarithmic else values

    def area(self) -> float:
        """Mean of ``kept`` over the axis between the first and the last value, by trapezoids."""
        places, kept = self.places, np.array(self.kept)
        return float(np.sum(np.diff(places) * (kept[1:] + kept[:-1]) / 2) / (places[-1] - places[0]))

    def breaking_point(self, share_percent: float) -> float | None:
        """The value where ``kept`` first falls below a share, by straight lines on the axis; None where it never does.

        Already below it at the first value, that one.
        """
        below = [index for index, kept in enumerate(self.kept) if kept < share_percent]
        if not below:
            return None
        after = below[0]
        if after == 0:
            return self.values[0]
        high, low = self.kept[after - 1], self.kept[after]
        start, end = self.places[after - 1 : after + 1]
        place = start + (end - start) * (high - share_percent) / (high - low)
        return float(np.exp(place) if self.is_logarithmic else place)

    def kept_bounds(self) -> list[tuple[float, float]]:
        """Between which bounds 95 % of the draws of ``kept`` lie, at each value; empty without draws."""
        columns = zip(*(one.kept for one in self._drawn()), strict=True)
        return [_bounds(column) for column in columns]

    def area_bounds(self) -> tuple[float, float] | None:
        """The same of :meth:`area`; None without draws."""
        areas = [one.area() for one in self._drawn()]
        return _bounds(areas) if areas else None

    def breaking_bounds(self, share_percent: float) -> tuple[float | None, float | None] | None:
        """The same of :meth:`breaking_point`, the milder first; None without draws, a bound None beyond the values."""
        severe = 1 if self.places[-1] > self.places[0] else -1
        points = [one.breaking_point(share_percent) for one in self._drawn()]
        if not points:
            return None
        reached = [math.inf if point is None else severe * point for point in points]
        mild, late = (severe * bound for bound in _bounds(reached))
        return mild if math.isfinite(mild) else None, late if math.isfinite(late) else None

    def _drawn(self) -> list[Curve]:
        """The curve of each draw that leaves a clean score."""
        return [
            replace(self, scores=scores, kept=tuple(100 * score / clean for score in scores), clean=clean, draws=())
            for clean, *rest in self.draws
            if clean > 0 and (scores := tuple(rest))
        ]


def curve_of(suite: Suite, rows: Mapping[str, Row]) -> Curve:
    """The curve of a suite of ``corruptions.curves``.

    Raises:
        InputError: for a clean score that is missing or 0, fewer than two scored values, or values that neither grow
            nor fall from one to the next.
    """
    table: Table = collect(suite, rows)
    metric = table.naming.headline
    clean = table.clean.metric(metric)
    scored = {line.folder: line.metric(metric) for line in table.settings}
    kept = resilience(scored, clean)
    known = [(folder, score, kept[folder]) for folder, score in scored.items()]
    points = [(folder, score, share) for folder, score, share in known if score is not None and share is not None]
    if clean is None or len(points) < 2:
        raise InputError(f"{suite.name}: expected a clean score above 0 and two scored values, found {len(points)}")
    values = [float(folder.partition("=")[2]) for folder, _, _ in points]
    steps = np.sign(np.diff(values))
    if abs(steps.sum()) != len(steps):
        raise InputError(f"{suite.name}: expected values that only grow or only fall, found {values}")
    parameter = points[0][0].partition("=")[0]
    folders, scores, shares = zip(*points, strict=True)
    draws = [_draws(rows[folder]) for folder in (suite.clean_folder, *folders)]
    known_draws = tuple(zip(*draws, strict=True)) if len({len(of_row) for of_row in draws}) == 1 else ()
    return Curve(parameter, tuple(values), scores, shares, clean, metric, known_draws)


def curve_markdown(curve: Curve, share_percent: float) -> str:
    """The values, then breaking point and area."""
    bounds = curve.kept_bounds()
    columns: list[Iterable[str]] = [
        map("{:g}".format, curve.values),
        map(number, curve.scores),
        map(number, curve.kept),
    ]
    header = [curve.parameter, curve.metric, "% of clean"]
    if bounds:
        columns.append(f"{low:.1f} to {high:.1f}" for low, high in bounds)
        header.append("95 % interval")
    broken = curve.breaking_point(share_percent)
    place = f"{curve.parameter} = {broken:.3g}" if broken is not None else "not within these values"
    axis = "its logarithm" if curve.is_logarithmic else "it"
    area, breaking = curve.area_bounds(), breaking_text(curve, share_percent)
    return (
        f"{markdown_table(header, list(zip(*columns, strict=True)))}\n\n"
        f"Clean {curve.metric} {number(curve.clean)}. Below {share_percent:g} % of clean: {place}"
        f"{f' (95 %: {breaking})' if breaking else ''}. Area under the curve over {axis}: {number(curve.area())} %"
        f"{f' (95 %: {area[0]:.1f} to {area[1]:.1f} %)' if area else ''}."
        + (f" Intervals from {len(curve.draws)} draws of the scenes." if bounds else "")
    )


def breaking_text(curve: Curve, share_percent: float) -> str:
    """The interval of the breaking point in words; empty without draws."""
    bounds = curve.breaking_bounds(share_percent)
    if bounds is None:
        return ""
    mild, late = ("beyond" if bound is None else f"{bound:.3g}" for bound in bounds)
    return mild if mild == late else f"{mild} to {late}"


def curve_figure(curves: Mapping[str, Curve], share_percent: float) -> Figure:
    """What is left of the clean score along the quantity, a line for each model, with its breaking point.

    Args:
        curves: by name of the model, along one quantity.
        share_percent: the share that marks the breaking point.
    """
    from matplotlib.figure import Figure

    colours: Sequence[str] = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
    figure = Figure(figsize=(6.4, 4.0), dpi=110, layout="constrained")
    axis = figure.add_subplot()
    first = next(iter(curves.values()))
    for (name, curve), colour in zip(curves.items(), colours, strict=False):
        axis.plot(curve.values, curve.kept, color=colour, marker="o", linewidth=2, label=name)
        if bounds := curve.kept_bounds():
            low, high = zip(*bounds, strict=True)
            axis.fill_between(curve.values, low, high, color=colour, alpha=0.15, linewidth=0)
        broken = curve.breaking_point(share_percent)
        if broken is not None:
            axis.plot([broken, broken], [0, min(share_percent, curve.kept[0])], color=colour, linestyle=":")
            axis.annotate(f"{broken:.3g}", (broken, 2), (4, 0), textcoords="offset points", color=colour)
    axis.axhline(share_percent, color="#666666", linewidth=1, linestyle="--", zorder=0)
    if first.is_logarithmic:
        axis.set_xscale("log")
        axis.set_xticks(first.values, [f"{value:g}" for value in first.values])
        axis.minorticks_off()
    if first.values[0] > first.values[-1]:
        axis.invert_xaxis()  # mild on the left
    axis.set_ylim(0, max(105.0, *(max(curve.kept) + 5 for curve in curves.values())))
    axis.set_xlabel(first.parameter)
    axis.set_ylabel(f"{first.metric} [% of clean]")
    axis.grid(axis="y", color="#DDDDDD")
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    return figure


def _draws(row: Row) -> list[float]:
    return row.score.draws if row.score is not None else []


def _bounds(drawn: Sequence[float]) -> tuple[float, float]:
    """Between which 95 % of some numbers lie; bounds are numbers among them, which may be infinite."""
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(np.array(drawn), [tail, 1 - tail], method="nearest")
    return float(low), float(high)
