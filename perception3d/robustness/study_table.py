"""The tables of a study, in Markdown: means over the seeds that have a score, "-" where none has."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence

from corruptions.suites import Suite
from perception3d.robustness.collect import Table, markdown_table, number
from perception3d.robustness.naming import SEGMENTATION

Score = float | None
MISSING = "-"


def study_markdown(suite: Suite, tables: Mapping[str, Sequence[Table]], minutes: Mapping[str, Sequence[float]]) -> str:
    """Both tables of a study: models by type, and settings by model.

    Args:
        suite: the benchmark.
        tables: scores of each seed, by model in the order of the table.
        minutes: training times of the finished trainings, by model.
    """
    legend = (
        f"{SEGMENTATION.headline} in per cent; mean over the seeds that have a score, +- their standard deviation; "
        f'"{MISSING}" not measured yet. A type is the mean of its settings, RmIoU and mR are means over the types.'
    )
    return f"{types_table(suite, tables, minutes)}\n\n{settings_table(suite, tables)}\n\n{legend}"


def types_table(suite: Suite, tables: Mapping[str, Sequence[Table]], minutes: Mapping[str, Sequence[float]]) -> str:
    """One line per model: clean, RmIoU, mR, each type, seeds that are complete, minutes of training."""
    columns: dict[str, Callable[[Table], Score]] = {
        "clean": lambda table: table.clean.metric(table.naming.headline),
        "RmIoU": lambda table: table.overall.headline,
        "mR": lambda table: table.overall.r,
        **{kind: _type_score(kind) for kind in suite.types},
    }
    lines = []
    for model, seeds in tables.items():
        cells = [spread([score(table) for table in seeds]) for score in columns.values()]
        complete = sum(table.overall.headline is not None for table in seeds)
        lines.append((model, *cells, f"{complete}/{len(seeds)}", spread(list(minutes.get(model, ())), ".0f")))
    return markdown_table(("model", *columns, "seeds", "train min"), lines)


def settings_table(suite: Suite, tables: Mapping[str, Sequence[Table]]) -> str:
    """One line per setting, one column per model."""
    lines = []
    for index, folder in enumerate((suite.clean_folder, *(setting.folder for setting in suite.settings))):
        scores = ([table.lines[index].metric(table.naming.headline) for table in seeds] for seeds in tables.values())
        lines.append((folder, *map(spread, scores)))
    return markdown_table(("setting", *tables), lines)


def spread(values: Sequence[Score], form: str = ".1f") -> str:
    """Mean of the values that are there, with their sample standard deviation where there are two or more."""
    known = [value for value in values if value is not None]
    if not known:
        return MISSING
    mean = number(statistics.fmean(known), form)
    return mean if len(known) == 1 else f"{mean} +- {number(statistics.stdev(known), form)}"


def _type_score(kind: str) -> Callable[[Table], Score]:
    return lambda table: next(line.headline for line in table.types if line.name == kind)
