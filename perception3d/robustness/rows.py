"""One JSON file per setting of a sweep: what was scored, with what, and how long it took.

A row is written to a temporary name and moved, so an interrupted sweep leaves whole rows or none. Tables and pictures
are made from rows alone.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from corruptions.core import InputError
from corruptions.files import write_atomically

DIGITS = 4
"""Decimals of the draws."""
DRAWS = 200
"""Draws of the scenes in each row, for intervals."""
FILES = "files"
"""Key of ``Row.run`` in scores of predictions on disk: hash of the files of the setting."""


@dataclass(frozen=True)
class Fingerprint:
    """What the numbers of a row depend on; rows of different fingerprints never meet in one table.

    Attributes:
        suite: name of the suite.
        seed: base seed of the corruptions.
        config: hash of the model, the test data set with its pipeline and the metric, as configured.
        checkpoint: sha256 of the checkpoint file.
        data: hash of the list of scans.
        engine: version of the corruption engine.
    """

    suite: str
    seed: int
    config: str
    checkpoint: str
    data: str
    engine: str


@dataclass(frozen=True)
class Score:
    """Result of one setting.

    Attributes:
        metrics: segmentation: ``mIoU``, ``mIoU_present`` and ``acc`` in percent. Detection: ``NDS`` and ``mAP`` in
            percent, then the mean errors in their units, None where they are not defined.
        class_iou: IoU in percent by class name; None for a class that is not present and not predicted. Empty in
            detection.
        present_classes: the classes that occur in the ground truth, which ``mIoU_present`` averages over; the same for
            all settings of a sweep.
        confusion: counts of points as the metric defines its rows and columns. Empty in detection.
        samples: number of scans or keyframes.
        class_ap: AP in percent by class name. Empty in segmentation.
        draws: the headline metric in percent when the scenes are drawn with replacement, the same draws in every row;
            empty where there is one scene.
    """

    metrics: dict[str, float | None]
    class_iou: dict[str, float | None]
    present_classes: list[str]
    confusion: list[list[int]]
    samples: int
    class_ap: dict[str, float | None] = field(default_factory=dict)
    draws: list[float] = field(default_factory=list)

    @property
    def per_class(self) -> dict[str, float | None]:
        """The IoU of each class, in detection its AP, in percent."""
        return self.class_ap or self.class_iou


@dataclass(frozen=True)
class Row:
    """One setting of a sweep: its score, or why there is none.

    Attributes:
        setting: ``folder``, ``type``, ``severity``, ``corruption``, ``level`` and ``params`` of the setting, and its
            ``parts`` where it is one of several sensors.
        fingerprint: what the score depends on.
        score: None when the setting failed.
        error: message and traceback of a failed setting, otherwise None.
        run: ``seconds``, ``seconds_per_scan``, ``finished``, ``command``, ``config``, ``checkpoint``, ``device`` and
            ``versions``.
    """

    setting: dict[str, Any]
    fingerprint: Fingerprint
    score: Score | None
    error: dict[str, str] | None
    run: dict[str, Any]


def row_path(work_dir: Path, suite: str, folder: str) -> Path:
    """Where the row of a setting lies."""
    return work_dir / "rows" / suite / f"{folder}.json"


def write_row(work_dir: Path, row: Row) -> Path:
    """Write a row under its final name, whole or not at all, and return its path."""
    path = row_path(work_dir, row.fingerprint.suite, row.setting["folder"])
    text = json.dumps(dataclasses.asdict(row), indent=1, allow_nan=False)
    numbers_in_one_line = re.sub(r"\[[\d.e,\s-]+\]", lambda numbers: " ".join(numbers[0].split()), text)
    write_atomically(path, f"{numbers_in_one_line}\n".encode())
    return path


def read_row(path: Path) -> Row:
    """Read one row.

    Raises:
        InputError: for a file that is truncated or not a row.
    """
    try:
        data = json.loads(path.read_text())
        score = None if data["score"] is None else Score(**data["score"])
        fingerprint = Fingerprint(**data["fingerprint"])
        row = Row(data["setting"], fingerprint, score, data["error"], data["run"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: expected a whole row of a sweep, found {path.stat().st_size} bytes that do not hold one "
            f"({type(error).__name__}: {error}); delete the file and run the sweep again"
        ) from None
    if (row.score is None) == (row.error is None):
        raise InputError(f"{path}: expected a score or an error, found both or neither; delete the file and run again")
    return row


def read_rows(work_dir: Path, suite: str) -> dict[str, Row]:
    """All rows of a suite by folder name; empty where there are none.

    Raises:
        InputError: for a broken row, or a row that lies under another setting's name.
    """
    rows = {}
    for path in sorted((work_dir / "rows" / suite).glob("*.json")):
        row = read_row(path)
        if row.setting["folder"] != path.stem or row.fingerprint.suite != suite:
            found = f"{row.fingerprint.suite}/{row.setting['folder']}"
            raise InputError(f"{path}: expected the row of {suite}/{path.stem}, found {found}; the file was renamed")
        rows[path.stem] = row
    return rows


def read_suites(work_dir: Path) -> list[str]:
    """Names of the suites that have rows in a sweep's folder.

    Raises:
        InputError: for a folder without rows.
    """
    suites = sorted({path.parent.name for path in (work_dir / "rows").glob("*/*.json")})
    if not suites:
        raise InputError(
            f"{work_dir}: expected rows of a sweep (rows/SUITE/*.json), found none; give the --work-dir of "
            "tools/sweep.py"
        )
    return suites


def refuse_other_fingerprint(rows: Iterable[Row], fingerprint: Fingerprint, work_dir: Path) -> None:
    """Raise :class:`InputError` when a row was made with another model, data, seed, suite or engine."""
    names = [field.name for field in dataclasses.fields(Fingerprint)]
    for row in rows:
        differing = [name for name in names if getattr(row.fingerprint, name) != getattr(fingerprint, name)]
        if differing:
            expected = ", ".join(f"{name} {_short(getattr(fingerprint, name))}" for name in differing)
            found = ", ".join(f"{name} {_short(getattr(row.fingerprint, name))}" for name in differing)
            path = row_path(work_dir, row.fingerprint.suite, row.setting["folder"])
            raise InputError(
                f"{path}: expected a row of this run ({expected}), found one of another ({found}); "
                "choose another --work-dir"
            )


def _short(value: str | int) -> str:
    """Hashes by their first 12 digits."""
    return str(value)[:12]
