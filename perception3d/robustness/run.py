"""Runs the settings of a sweep one after another; each leaves a row, whatever happens to the others."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
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

Evaluate = Callable[[Setting], tuple[Score, Scene | None]]


def run_settings(
    todo: Sequence[Setting],
    evaluate: Evaluate,
    fingerprint: Fingerprint,
    work_dir: Path,
    origin: Mapping[str, Any],
    say: Callable[[str], None] = print,
) -> list[Row]:
    """Evaluate settings and write a row for each as soon as it is known.

    A setting that raises leaves an error row, and the sweep goes on. Bad input of the clean setting passes through, as
    every other setting would fail alike, and so does an interruption (Ctrl-C); the rows written before it stay.

    Args:
        todo: settings in order of evaluation.
        evaluate: gives the score of a setting and its example scan, if there is one.
        fingerprint: of this sweep.
        work_dir: folder of the sweep.
        origin: what every row says about where it comes from: command, device, versions.
        say: takes the lines of progress.

    Returns:
        The rows written, in order.

    Raises:
        InputError: when the folder cannot be written, or the clean scans are bad.
    """
    written: list[Row] = []
    started = time.perf_counter()
    for place, setting in enumerate(todo, start=1):
        row = run_setting(setting, evaluate, fingerprint, work_dir, origin)
        written.append(row)
        remaining_s = (time.perf_counter() - started) / place * (len(todo) - place)
        say(f"[{place:{len(str(len(todo)))}}/{len(todo)}] {progress(row)}  ETA {duration(remaining_s)}")
    return written


def run_setting(
    setting: Setting, evaluate: Evaluate, fingerprint: Fingerprint, work_dir: Path, origin: Mapping[str, Any]
) -> Row:
    """Evaluate one setting; write its example scan, then its row, and return the row."""
    begin = time.perf_counter()
    score, scene, error = None, None, None
    try:
        score, scene = evaluate(setting)
    except Exception as failure:  # whatever breaks one setting must not cost the others; the row says what it was
        if is_clean(setting) and isinstance(failure, InputError):
            raise
        error = {"message": message(failure), "traceback": traceback.format_exc()}
    seconds = time.perf_counter() - begin
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
    row = Row(fields, fingerprint, score, error, run)
    if scene is not None:  # the row comes last: where there is a score there is an example scan
        write_atomically(scene_path(work_dir, fingerprint.suite, setting.folder), scene_bytes(scene))
    write_row(work_dir, row)
    return row


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
