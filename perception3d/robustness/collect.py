"""Rows to tables: pure functions. A setting without a score shows "-", and no mean over it is shown."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from corruptions.core import InputError
from corruptions.scores import group_means, mr, resilience, rmiou
from corruptions.suites import Suite
from perception3d.robustness.rows import Row

HEADLINE, OFFICIAL = "mIoU_present", "mIoU"


@dataclass(frozen=True)
class Line:
    """One setting of the table: its name and, once it has run, its row.

    Attributes:
        folder: name of the setting.
        type: type of corruption, empty for the clean setting.
        severity: name of its level.
        row: None where the setting has not run.
        r: ``mIoU_present`` in per cent of the clean one, or None.
    """

    folder: str
    type: str
    severity: str
    row: Row | None
    r: float | None

    def metric(self, name: str) -> float | None:
        """``mIoU_present``, ``mIoU`` or ``acc`` in per cent, or None."""
        return _metric(self.row, name)

    @property
    def failed(self) -> bool:
        """Whether the setting ran and left an error."""
        return self.row is not None and self.row.score is None


@dataclass(frozen=True)
class TypeLine:
    """A type of corruption, averaged over its settings; None where one of them is missing."""

    name: str
    miou_present: float | None
    miou: float | None
    r: float | None


@dataclass(frozen=True)
class Table:
    """Scores of one model on one suite.

    Attributes:
        suite: the suite.
        clean: the setting without corruption.
        settings: the corrupted settings in order of evaluation.
        types: means of the types.
        overall: means over the types: RmIoU (of either mIoU) and mR.
    """

    suite: Suite
    clean: Line
    settings: tuple[Line, ...]
    types: tuple[TypeLine, ...]
    overall: TypeLine

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
    scores = {
        metric: {setting.folder: _metric(rows.get(setting.folder), metric) for setting in suite.settings}
        for metric in (HEADLINE, OFFICIAL)
    }
    clean = rows.get(suite.clean_folder)
    clean_miou = _metric(clean, HEADLINE)
    r = resilience(scores[HEADLINE], clean_miou)
    headline, official = (group_means(scores[metric], suite.types) for metric in (HEADLINE, OFFICIAL))
    type_r = resilience(headline, clean_miou)
    return Table(
        suite=suite,
        clean=Line(suite.clean_folder, "", "", clean, None if clean_miou is None else 100.0),
        settings=tuple(Line(s.folder, s.type, s.severity, rows.get(s.folder), r[s.folder]) for s in suite.settings),
        types=tuple(TypeLine(name, headline[name], official[name], type_r[name]) for name in suite.types),
        overall=TypeLine("RmIoU, mR", rmiou(headline), rmiou(official), mr(headline, clean_miou)),
    )


def types_markdown(table: Table) -> str:
    """The table of the benchmark: clean, each type, RmIoU and mR."""
    clean = TypeLine("clean", table.clean.metric(HEADLINE), table.clean.metric(OFFICIAL), table.clean.r)
    lines = [
        (
            f"**{line.name}**" if line is table.overall else line.name,
            *map(number, (line.miou_present, line.r, line.miou)),
        )
        for line in (clean, *table.types, table.overall)
    ]
    return markdown_table(("type", "mIoU_present", "R", "mIoU"), lines)


def settings_markdown(table: Table) -> str:
    """Every setting with its scores and time."""
    lines = []
    for line in table.lines:
        scores = map(number, (line.metric(HEADLINE), line.r, line.metric(OFFICIAL), line.metric("acc")))
        seconds = line.row.run["seconds_per_scan"] if line.row else None
        lines.append((f"{line.folder} (failed)" if line.failed else line.folder, *scores, number(seconds, ".2f")))
    return markdown_table(("setting", "mIoU_present", "R", "mIoU", "acc", "s/scan"), lines)


def settings_csv(table: Table) -> str:
    """Every setting with all digits, and the IoU of each class in per cent; empty where there is no score."""
    classes = class_names(table)
    header = ["suite", "setting", "type", "severity", HEADLINE, "R", OFFICIAL, "acc", "samples", "seconds"]
    lines = []
    for line in table.lines:
        score = line.row.score if line.row else None
        scores = [line.metric(HEADLINE), line.r, line.metric(OFFICIAL), line.metric("acc")]
        samples = score.samples if score else None
        seconds = line.row.run["seconds"] if line.row else None
        iou = [score.class_iou[name] if score else None for name in classes]
        lines.append([table.suite.name, line.folder, line.type, line.severity, *scores, samples, seconds, *iou])
    return _csv([*header, *(f"IoU {name}" for name in classes)], lines)


def types_csv(table: Table) -> str:
    """The types, RmIoU and mR with all digits; empty where a setting is missing."""
    clean = TypeLine("clean", table.clean.metric(HEADLINE), table.clean.metric(OFFICIAL), table.clean.r)
    lines = [
        [table.suite.name, line.name, line.miou_present, line.r, line.miou]
        for line in (clean, *table.types, table.overall)
    ]
    return _csv(["suite", "type", HEADLINE, "R", OFFICIAL], lines)


def class_names(table: Table) -> list[str]:
    """Names of all classes, in the order of their train ids; empty before anything is scored."""
    return next((list(line.row.score.class_iou) for line in table.lines if line.row and line.row.score), [])


def number(value: float | None, form: str = ".1f") -> str:
    """A number for people, or "-"."""
    return "-" if value is None else format(value, form)


def markdown_table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table that also reads well as plain text: first column left, the others right."""
    widths = [max(len(cell) for cell in column) for column in zip(header, *lines, strict=True)]

    def joined(cells: Sequence[str]) -> str:
        first, *others = zip(cells, widths, strict=True)
        padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        return f"| {' | '.join(padded)} |"

    rule = f"|{'|'.join(['-' * (widths[0] + 2), *('-' * (width + 1) + ':' for width in widths[1:])])}|"
    return "\n".join([joined(header), rule, *map(joined, lines)])


def _csv(header: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    return text.getvalue()


def _metric(row: Row | None, name: str) -> float | None:
    return row.score.metrics[name] if row is not None and row.score is not None else None
