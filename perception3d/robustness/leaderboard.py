"""Tables of results in README files: generated between markers, so that they never differ from the result files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from corruptions.core import InputError, unknown
from perception3d.robustness.collect import markdown_table
from perception3d.robustness.comparison import Column, Grid, make_grid, overall_columns, type_columns
from perception3d.robustness.definitions import DETECTION, TASKS, means_of, metric
from perception3d.robustness.results import QUOTED, Layout, Result, layout_of

RESULTS = Path("configs/robustness/results")
README = Path("configs/robustness/README.md")

_BLOCK = re.compile(r"(?P<begin><!-- results: (?P<suite>[\w-]+) -->\n).*?(?P<end><!-- end of results -->)", re.DOTALL)


def with_tables(text: str, results: Mapping[str, Sequence[Result]], where: Path) -> str:
    """A README with the tables between its markers made anew.

    Args:
        text: the README, with ``<!-- results: SUITE -->`` and ``<!-- end of results -->`` around each table.
        results: results by suite.
        where: path of the README, for errors.

    Raises:
        InputError: for a README without markers, or a marker of a suite that has no results.
    """
    if not _BLOCK.search(text):
        raise InputError(f"{where}: expected tables between <!-- results: SUITE --> and <!-- end of results -->")

    def table(block: re.Match[str]) -> str:
        suite = block["suite"]
        if suite not in results:
            raise InputError(f"{where}: " + unknown("suite", suite, results, of="the results"))
        return f"{block['begin']}\n{suite_markdown(suite, results[suite])}\n\n{block['end']}"

    return _BLOCK.sub(table, text)


def suite_markdown(suite: str, results: Sequence[Result]) -> str:
    """All results of a suite: a table for each data set, the best first, then their sources."""
    layout, parts = layout_of(suite), []
    places = dict.fromkeys((result.dataset, result.split) for result in results)
    sources = list(dict.fromkeys(_source(result) for result in results))
    for dataset, split in places:
        chosen = ranked([result for result in results if (result.dataset, result.split) == (dataset, split)])
        parts.append(f"{dataset}, {split}:\n\n{_table(layout, chosen, sources)}")
    listed = "\n".join(f"{index}. {source}" for index, source in enumerate(sources, start=1))
    return "\n\n".join([*parts, listed])


def ranked(results: Sequence[Result]) -> list[Result]:
    """Best first, by what the suite's paper ranks by; those without it last, by their clean score."""
    name = _ranking(results[0])
    sign = 1.0 if metric(name).higher_is_better else -1.0

    def key(result: Result) -> tuple[bool, float, float, str]:
        value = result.mean(name) if layout_of(result.suite).types else None
        clean = result.score(layout_of(result.suite).clean) or 0.0
        return value is None, -sign * (value or 0.0), -clean, result.model

    return sorted(results, key=key)


def _ranking(result: Result) -> str:
    if result.suite == "robo3d":
        return "mCE"
    return means_of(result.suite, result.task)[1 if result.task == DETECTION else 0]


def _table(layout: Layout, results: Sequence[Result], sources: Sequence[str]) -> str:
    task, headline = results[0].task, results[0].headline
    columns = overall_columns(Layout(layout.name, "", layout.clean, layout.types, {}), task, headline, None)
    if layout.types:
        columns.append(_relative(TASKS[task].relative))
    columns += type_columns(layout, headline)
    shown = [column for column in columns if any(column.value(result) is not None for result in results)]
    grid = make_grid("", shown, results, None)
    return _markdown(grid, [sources.index(_source(result)) + 1 for result in results])


def _relative(name: str) -> Column:
    return Column(name, metric(name), lambda result: result.summary.get(name))


def _markdown(grid: Grid, numbers: Sequence[int]) -> str:
    lines = []
    for line, number in zip(grid.lines, numbers, strict=True):
        cells = (f"**{cell.text}**" if cell.best else cell.text for cell in line.cells)
        lines.append((line.model, f"{'quoted' if line.quoted else 'measured'} [{number}]", *cells))
    header = ("model", "source", *(column.label.replace("_", " ") for column in grid.columns))
    return markdown_table(header, lines)


def _source(result: Result) -> str:
    if result.source.kind == QUOTED:
        note = f" {result.source.note}" if result.source.note else ""
        return f"{result.source.citation}.{note}"
    note = f" {result.source.note}" if result.source.note else ""
    return f"Measured with this project, corruption engine {result.engine}, seed {result.seed}.{note}"
