"""Rows to tables: pure functions. A setting without a score shows "-", and no mean over it is shown."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from corruptions.core import InputError
from corruptions.scores import group_means, mr, resilience, rmiou
from corruptions.suites import Suite
from perception3d.robustness.naming import Naming, naming_of, number
from perception3d.robustness.rows import Row


@dataclass(frozen=True)
class Line:
    """One setting of the table: its name and, once it has run, its row.

    Attributes:
        folder: name of the setting.
        type: type of corruption, empty for the clean setting.
        severity: name of its level.
        row: None where the setting has not run.
        r: the headline metric in per cent of the clean one, or None.
    """

    folder: str
    type: str
    severity: str
    row: Row | None
    r: float | None

    def metric(self, name: str) -> float | None:
        """A metric of ``Score.metrics``, or None."""
        return _metric(self.row, name)

    @property
    def failed(self) -> bool:
        """Whether the setting ran and left an error."""
        return self.row is not None and self.row.score is None


@dataclass(frozen=True)
class TypeLine:
    """A type of corruption, averaged over its settings; None where one of them is missing.

    Attributes:
        name: the type.
        headline: mean of the headline metric (``Naming``).
        second: mean of the second metric.
        r: ``headline`` in per cent of the clean score.
    """

    name: str
    headline: float | None
    second: float | None
    r: float | None


@dataclass(frozen=True)
class Table:
    """Scores of one model on one suite.

    Attributes:
        suite: the suite.
        clean: the setting without corruption.
        settings: the corrupted settings in order of evaluation.
        types: means of the types.
        overall: means over the types: of both metrics (RmIoU) and of the retention (mR).
        naming: what the scores are called.
    """

    suite: Suite
    clean: Line
    settings: tuple[Line, ...]
    types: tuple[TypeLine, ...]
    overall: TypeLine
    naming: Naming

    @property
    def lines(self) -> tuple[Line, ...]:
        """The clean setting, then the others."""
        return (self.clean, *self.settings)


def collect(suite: Suite, rows: Mapping[str, Row]) -> Table:
    """Scores of the suite from the rows that exist.

    Args:
        suite: the suite.
        rows: rows by folder; all of one fingerprint.

    Raises:
        InputError: for rows of different fingerprints, or of a setting that the suite has not got.
    """
    for folder in rows:
        if folder != suite.clean_folder:
            suite.setting(folder)
    fingerprints = {row.fingerprint for row in rows.values()}
    if len(fingerprints) > 1:
        raise InputError(
            f"rows of {suite.name}: expected one run, found rows of {len(fingerprints)} (other model, data, seed or "
            "engine); keep each run in its own folder"
        )
    naming = naming_of(rows.values())
    scores = {
        metric: {setting.folder: _metric(rows.get(setting.folder), metric) for setting in suite.settings}
        for metric in (naming.headline, naming.second)
    }
    clean = rows.get(suite.clean_folder)
    clean_score = _metric(clean, naming.headline)
    r = resilience(scores[naming.headline], clean_score)
    headline, second = (group_means(of_metric, suite.types) for of_metric in scores.values())
    type_r = resilience(headline, clean_score)
    return Table(
        suite=suite,
        clean=Line(suite.clean_folder, "", "", clean, None if clean_score is None else 100.0),
        settings=tuple(Line(s.folder, s.type, s.severity, rows.get(s.folder), r[s.folder]) for s in suite.settings),
        types=tuple(TypeLine(name, headline[name], second[name], type_r[name]) for name in suite.types),
        overall=TypeLine(", ".join(naming.means), rmiou(headline), rmiou(second), mr(headline, clean_score)),
        naming=naming,
    )


def types_markdown(table: Table) -> str:
    """The table of the benchmark: clean, each type, and the means over the types."""
    naming = table.naming
    lines = [
        (f"**{line.name}**" if line is table.overall else line.name, *map(number, (line.headline, line.r, line.second)))
        for line in (_clean_type(table), *table.types, table.overall)
    ]
    return markdown_table(("type", naming.headline, naming.retention, naming.second), lines)


def settings_markdown(table: Table) -> str:
    """Every setting with its scores and time."""
    naming = table.naming
    lines = []
    for line in table.lines:
        scores = map(number, (line.metric(naming.headline), line.r, line.metric(naming.second)))
        further = (number(line.metric(name), f".{naming.digits}f") for name in naming.further)
        seconds = line.row.run["seconds_per_scan"] if line.row else None
        name = f"{line.folder} (failed)" if line.failed else line.folder
        lines.append((name, *scores, *further, number(seconds, ".2f")))
    header = ("setting", naming.headline, naming.retention, naming.second, *naming.further, f"s/{naming.sample}")
    return markdown_table(header, lines)


def settings_csv(table: Table) -> str:
    """Every setting with all digits, and the score of each class in per cent; empty where there is no score."""
    naming, classes = table.naming, class_names(table)
    metrics = (naming.second, *naming.further)
    columns = (naming.headline, naming.retention, *metrics)
    header = ["suite", "setting", "type", "severity", *columns, "samples", "seconds"]
    lines = []
    for line in table.lines:
        score = line.row.score if line.row else None
        scores = [line.metric(naming.headline), line.r, *(line.metric(name) for name in metrics)]
        samples = score.samples if score else None
        seconds = line.row.run["seconds"] if line.row else None
        of_class = [score.per_class[name] if score else None for name in classes]
        lines.append([table.suite.name, line.folder, line.type, line.severity, *scores, samples, seconds, *of_class])
    return _csv([*header, *(f"{naming.of_class} {name}" for name in classes)], lines)


def types_csv(table: Table) -> str:
    """The types and the means over them with all digits; empty where a setting is missing."""
    naming = table.naming
    lines = [
        [table.suite.name, line.name, line.headline, line.r, line.second]
        for line in (_clean_type(table), *table.types, table.overall)
    ]
    return _csv(["suite", "type", naming.headline, naming.retention, naming.second], lines)


def class_names(table: Table) -> list[str]:
    """Names of all classes, in the order of their train ids; empty before anything is scored."""
    return next((list(line.row.score.per_class) for line in table.lines if line.row and line.row.score), [])


def markdown_table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table that also reads well as plain text: first column left, the others right."""
    widths = [max(len(cell) for cell in column) for column in zip(header, *lines, strict=True)]

    def joined(cells: Sequence[str]) -> str:
        first, *others = zip(cells, widths, strict=True)
        padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        return f"| {' | '.join(padded)} |"

    rule = f"|{'|'.join(['-' * (widths[0] + 2), *('-' * (width + 1) + ':' for width in widths[1:])])}|"
    return "\n".join([joined(header), rule, *map(joined, lines)])


def _clean_type(table: Table) -> TypeLine:
    clean, naming = table.clean, table.naming
    return TypeLine("clean", clean.metric(naming.headline), clean.metric(naming.second), clean.r)


def _csv(header: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    return text.getvalue()


def _metric(row: Row | None, name: str) -> float | None:
    return row.score.metrics[name] if row is not None and row.score is not None else None
