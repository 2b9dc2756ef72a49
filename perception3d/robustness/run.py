"""Runs the settings of a sweep one after another; each leaves a row, whatever happens to the others."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from corruptions.core import InputError
from corruptions.files import write_atomically
from corruptions.suites import Setting
from perception3d.robustness.naming import naming_of, number
from perception3d.robustness.plan import is_clean
from perception3d.robustness.rows import Fingerprint, Row, Score, write_row
from perception3d.robustness.scenes import Scene, scene_bytes, scene_path
from perception3d.robustness.sheets import Sheet, sheet_path

Example = Scene | Sheet | None
Evaluate = Callable[[Setting], tuple[Score, Example]]
Finished = tuple[Row, Example]
"""A row and the example scan or keyframe that belongs to it."""


def run_settings(
    todo: Sequence[Setting],
    results: Iterable[Finished],
    work_dir: Path,
    say: Callable[[str], None] = print,
) -> list[Row]:
    """Write a row for each setting as soon as its result comes.

    A failed setting leaves an error row, and the sweep goes on. Bad input of the clean setting, which every other
    setting would fail alike on, leaves none: error rows wait until that setting is through. What ``results`` raises
    (:func:`score_setting`) passes, and so does an interruption (Ctrl-C); the rows written before it stay.

    Args:
        todo: settings, the clean one first.
        results: of each setting, in any order.
        work_dir: folder of the sweep.
        say: takes the lines of progress.

    Returns:
        The rows written, in order.

    Raises:
        InputError: when the folder cannot be written.
    """
    written: list[Row] = []
    held: list[Finished] = []
    countdown = Countdown(len(todo), say)
    clean_is_through = not (todo and is_clean(todo[0]))
    for finished in results:
        clean_is_through |= finished[0].setting["folder"] == todo[0].folder
        held.append(finished)
        ready = [item for item in held if clean_is_through or item[0].score is not None]
        held = [] if clean_is_through else [item for item in held if item[0].score is None]
        for row, scene in ready:
            keep(work_dir, (row, scene))
            countdown.advance(progress(row), row.run["seconds"])
            written.append(row)
    return written


def run_setting(
    setting: Setting, evaluate: Evaluate, fingerprint: Fingerprint, work_dir: Path, origin: Mapping[str, Any]
) -> Row:
    """Evaluate one setting; write its example scan, then its row, and return the row."""
    finished = score_setting(setting, evaluate, fingerprint, origin)
    keep(work_dir, finished)
    return finished[0]


def score_setting(
    setting: Setting, evaluate: Evaluate, fingerprint: Fingerprint, origin: Mapping[str, Any]
) -> Finished:
    """Evaluate one setting; bad input of the clean one raises :class:`InputError`, all else is in the row."""
    begin = time.perf_counter()
    score, scene, error = None, None, None
    try:
        score, scene = evaluate(setting)
    except Exception as failure:  # whatever breaks one setting must not cost the others; the row says what it was
        if is_clean(setting) and isinstance(failure, InputError):
            raise
        error = {"message": message(failure), "traceback": traceback.format_exc()}
    return make_row(setting, fingerprint, score, error, time.perf_counter() - begin, origin), scene


def make_row(
    setting: Setting,
    fingerprint: Fingerprint,
    score: Score | None,
    error: dict[str, str] | None,
    seconds: float,
    origin: Mapping[str, Any],
) -> Row:
    """The row of a setting that has ended now, after so many seconds."""
    run = {
        "seconds": round(seconds, 3),
        "seconds_per_scan": round(seconds / score.samples, 4) if score else None,
        "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        **origin,
    }
    names = ("folder", "type", "severity", "corruption", "level")
    fields = {**{name: getattr(setting, name) for name in names}, "params": dict(setting.params)}
    if setting.parts:
        fields["parts"] = [asdict(part) for part in setting.parts]
    return Row(fields, fingerprint, score, error, run)


def keep(work_dir: Path, finished: Finished) -> None:
    """Write an example, then its row: where there is a score there is an example."""
    row, example = finished
    suite, folder = row.fingerprint.suite, row.setting["folder"]
    if isinstance(example, Sheet):
        write_atomically(sheet_path(work_dir, suite, folder), example.jpeg)
    elif example is not None:
        write_atomically(scene_path(work_dir, suite, folder), scene_bytes(example))
    write_row(work_dir, row)


class Countdown:
    """Says a numbered line for each finished setting, with the time that the others will take.

    Args:
        total: number of settings.
        say: takes the lines.
    """

    def __init__(self, total: int, say: Callable[[str], None]) -> None:
        self.done = 0
        self._total, self._say = total, say
        self._started_s = 0.0

    def advance(self, text: str, seconds: float) -> None:
        """One more setting is done, in so many seconds, and ``text`` says how."""
        if not self.done:  # the clock starts with the first setting, not when the processes load their models
            self._started_s = time.perf_counter() - seconds
        self.done += 1
        left_s = (time.perf_counter() - self._started_s) / self.done * (self._total - self.done)
        self._say(f"[{self.done:{len(str(self._total))}}/{self._total}] {text}  ETA {duration(left_s)}")


def message(failure: Exception) -> str:
    """An exception in one line."""
    lines = [line.strip() for line in str(failure).splitlines() if line.strip()] or ["no message"]
    if "Original Traceback" in str(failure):  # handed on by a DataLoader worker: the last line names the cause
        return lines[-1]
    return f"{type(failure).__name__}: {lines[0]}"


def progress(row: Row) -> str:
    """One line about a finished setting."""
    name = f"{row.setting['folder']:18}"
    if row.score is None:
        return f"{name} FAILED: {row.error['message'] if row.error else ''}"
    shown = naming_of([row]).progress
    scores = "  ".join(f"{key} {number(row.score.metrics[key]):>5}" for key in shown)
    return f"{name} {scores}  {row.run['seconds']:.1f} s ({row.run['seconds_per_scan']:.2f} s/scan)"


def duration(seconds: float) -> str:
    """A time span for people: "48 s", "3 min 20 s", "2 h 05 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
