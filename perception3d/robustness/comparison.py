"""Tables that compare results: pure functions from results to cells, and cells to Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from corruptions import scores
from perception3d.robustness.collect import markdown_table
from perception3d.robustness.definitions import TASKS, Metric, means_of, metric
from perception3d.robustness.results import QUOTED, Layout, Result, layout_of

MISSING = "-"
LATEX_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


@dataclass(frozen=True)
class Column:
    """A column of a comparison.

    Attributes:
        label: its heading.
        metric: what it shows.
        value: gives its number for a result.
    """

    label: str
    metric: Metric
    value: Callable[[Result], float | None]


@dataclass(frozen=True)
class Cell:
    """A number of a table.

    Attributes:
        value: the number, or None.
        text: the number as shown, or "-".
        difference: signed difference to the baseline as shown; empty where there is none to show.
        better: whether the difference is an improvement; None where it shows as zero or there is none.
        best: whether it is the best of its column among results of the same data.
    """

    value: float | None
    text: str
    difference: str = ""
    better: bool | None = None
    best: bool = False


@dataclass(frozen=True)
class Line:
    """A result as a line of a table."""

    model: str
    quoted: bool
    baseline: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Grid:
    """A table of results."""

    title: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]


def make_grid(title: str, columns: Sequence[Column], results: Sequence[Result], baseline: Result | None) -> Grid:
    """Numbers of every result, with differences to the baseline where both are of the same data."""
    values = [[column.value(result) for column in columns] for result in results]
    lines = []
    for result, own in zip(results, values, strict=True):
        rivals = [other for peer, other in zip(results, values, strict=True) if peer.comparable == result.comparable]
        against = baseline if baseline is not result and _comparable(result, baseline) else None
        cells = []
        for index, (column, value) in enumerate(zip(columns, own, strict=True)):
            reference = None if against is None else column.value(against)
            best = _is_best(value, [rival[index] for rival in rivals], column.metric)
            cells.append(make_cell(value, reference, column.metric, best))
        lines.append(Line(result.model, result.source.kind == QUOTED, result is baseline, tuple(cells)))
    return Grid(title, tuple(columns), tuple(lines))


def make_cell(value: float | None, reference: float | None, of: Metric, best: bool = False) -> Cell:
    """A number with its difference to a reference, both as shown."""
    if value is None:
        return Cell(None, MISSING)
    text = f"{value:.{of.digits}f}"
    if reference is None:
        return Cell(value, text, best=best)
    change = round(value, of.digits) - round(reference, of.digits)
    difference = f"{change:+.{of.digits}f}"
    if float(difference) == 0:
        return Cell(value, text, f"±{0:.{of.digits}f}", None, best)
    return Cell(value, text, difference, (change > 0) == of.higher_is_better, best)


def overall_columns(layout: Layout, task: str, headline: str, baseline: Result | None) -> list[Column]:
    """Clean, the means over types, the score against a baseline where there is one, and the means of groups."""
    columns = [Column("clean", metric(headline), lambda result: result.score(layout.clean))]
    if not layout.types:  # clean scores alone: all metrics of the setting
        names = ("mAP", "NDS") if task == "detection" else (headline,)
        return [Column(name, metric(name), _setting_value(layout.clean, name)) for name in names]
    for name in means_of(layout.name, task):
        columns.append(Column(name, metric(name), _summary_value(name)))
    relative = TASKS[task].relative
    if baseline is not None:
        columns.append(Column(relative, metric(relative), lambda result: relative_score(result, baseline)))
    for group, types in layout.groups.items():
        columns.append(Column(group, metric(headline), _group_value(types)))
    return columns


def type_columns(layout: Layout, headline: str) -> list[Column]:
    """The headline metric of each type."""
    return [Column(kind, metric(headline), _type_value(kind)) for kind in layout.types]


def retention_columns(layout: Layout) -> list[Column]:
    """R of each type."""
    return [Column(kind, metric("R"), _retention_value(kind)) for kind in layout.types]


def setting_columns(layout: Layout, headline: str) -> list[Column]:
    """The headline metric of each setting."""
    return [Column(folder, metric(headline), _setting_value(folder)) for folder in layout.folders]


def relative_score(result: Result, baseline: Result) -> float | None:
    """The score mCE or mRRA of a result; the published one of a quoted result, whose baseline its source names."""
    name = TASKS[result.task].relative
    if result.summary.get(name) is not None:
        return result.summary[name]
    if not _comparable(result, baseline):
        return None
    # every type has as many settings in both, so that sums and means have the same ratio
    own, other = ({kind: [r.type_score(kind)] for kind in layout_of(r.suite).types} for r in (result, baseline))
    return scores.mce(own, other) if name == "mCE" else scores.mrra(own, other)


def grid_markdown(grid: Grid) -> str:
    """As a Markdown table: best in bold, the difference in brackets."""
    lines = []
    for line in grid.lines:
        name = f"{_markdown_text(line.model)}{' (baseline)' if line.baseline else ''}"
        lines.append((f"{name} (quoted)" if line.quoted else name, *map(_markdown_cell, line.cells)))
    return markdown_table(("model", *(column.label for column in grid.columns)), lines)


def grid_csv(grid: Grid, suite: str) -> str:
    """As CSV with all digits; empty where there is no score."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["suite", "model", "source", *(column.label for column in grid.columns)])
    for line in grid.lines:
        source = "quoted" if line.quoted else "measured"
        writer.writerow([suite, line.model, source, *(cell.value for cell in line.cells)])
    return text.getvalue()


def grid_latex(grid: Grid, caption: str) -> str:
    """As a LaTeX table for the package booktabs; best in bold."""
    header = " & ".join(["Model", *(latex_text(column.label.replace("_", " ")) for column in grid.columns)])
    body = []
    for line in grid.lines:
        name = latex_text(line.model) + (r"$^\dagger$" if line.quoted else "")
        cells = [rf"\textbf{{{cell.text}}}" if cell.best else cell.text for cell in line.cells]
        body.append(" & ".join([name, *("--" if cell == MISSING else cell for cell in cells)]) + r" \\")
    quoted = r" $^\dagger$ quoted." if any(line.quoted for line in grid.lines) else ""
    return "\n".join(
        [
            r"% needs \usepackage{booktabs}",
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{latex_text(caption)}{quoted}}}",
            rf"\begin{{tabular}}{{l{'r' * len(grid.columns)}}}",
            r"\toprule",
            rf"{header} \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def latex_text(text: str) -> str:
    """Text with LaTeX's special characters escaped."""
    return "".join(LATEX_SPECIAL.get(character, character) for character in text)


def _markdown_cell(cell: Cell) -> str:
    text = f"**{cell.text}**" if cell.best else cell.text
    return f"{text} ({cell.difference})" if cell.difference else text


def _markdown_text(text: str) -> str:
    return text.replace("|", r"\|").replace("<", "&lt;")


def _comparable(result: Result, baseline: Result | None) -> bool:
    return baseline is not None and result.comparable == baseline.comparable


def _is_best(value: float | None, column: Sequence[float | None], of: Metric) -> bool:
    """Whether a value shows as the best of its column; among fewer than two there is no best."""
    known = [round(other, of.digits) for other in column if other is not None]
    if value is None or len(known) < 2:
        return False
    return round(value, of.digits) == (max(known) if of.higher_is_better else min(known))


def _summary_value(name: str) -> Callable[[Result], float | None]:
    return lambda result: result.mean(name)


def _type_value(kind: str) -> Callable[[Result], float | None]:
    return lambda result: result.type_score(kind)


def _retention_value(kind: str) -> Callable[[Result], float | None]:
    return lambda result: result.retention(kind)


def _group_value(types: Sequence[str]) -> Callable[[Result], float | None]:
    return lambda result: scores.mean(result.type_score(kind) for kind in types)


def _setting_value(folder: str, name: str | None = None) -> Callable[[Result], float | None]:
    def value(result: Result) -> float | None:
        metrics: Mapping[str, float | None] = result.settings.get(folder, {})
        return metrics.get(name or result.headline)

    return value
