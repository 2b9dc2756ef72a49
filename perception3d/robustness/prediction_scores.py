"""Scores of predictions on disk, one row per setting, with the rows and tables of a sweep."""

from __future__ import annotations

import contextlib
import hashlib
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corruptions.core import InputError
from corruptions.export.manifest import MANIFEST, read_manifest
from corruptions.suites import Setting, Suite
from perception3d.metrics.confusion import accuracy, miou_present
from perception3d.robustness.evaluate import make_score
from perception3d.robustness.plan import clean_setting, data_hash
from perception3d.robustness.predictions import (
    LabelledData,
    Pair,
    Truth,
    count,
    files_hash,
    pair,
    prediction_folder,
    present_classes,
)
from perception3d.robustness.rows import FILES, Fingerprint, Row, Score
from perception3d.robustness.run import progress, run_setting

RELEASED = "released"
"""Stands for the engine's version where the corrupted data were not exported by this project."""


@dataclass(frozen=True)
class PredictionScorer:
    """Scores the folders of one model's predictions.

    Attributes:
        suite: the suite.
        predictions: folder that holds a folder per setting.
        data: ground truth of every setting.
        clean: scans of the clean setting.
        pool: processes to share the work, or None.
    """

    suite: Suite
    predictions: Path
    data: LabelledData
    clean: list[Truth]
    pool: Executor | None

    def settings(self) -> list[Setting]:
        """The settings that have a folder of predictions, the clean one first.

        Raises:
            InputError: when there are none.
        """
        every = [clean_setting(self.suite), *self.suite.settings]
        there = [setting for setting in every if prediction_folder(self.predictions, self.suite, setting)]
        if not there:
            names = ", ".join(setting.folder for setting in every[:3])
            raise InputError(f"{self.predictions}: expected folders named as the settings ({names}, ...), found none")
        return there

    def pairs(self, setting: Setting) -> list[Pair]:
        """Scans and predictions of a setting; raises :class:`InputError` when they do not fit."""
        folder = prediction_folder(self.predictions, self.suite, setting)
        if folder is None:
            raise InputError(f"{self.predictions / setting.folder}: expected a folder of predictions, found none")
        return pair(self.data, folder, self.data.truth(setting), self.clean)

    def score(self, setting: Setting, present: Sequence[int]) -> Score:
        """Score a setting; ``mIoU_present`` is the mean over the train ids ``present``."""
        pairs = self.pairs(setting)
        confusion = count(self.data, pairs, self.pool)
        metrics = {
            "mIoU": 100 * self.data.official_miou(confusion),
            "mIoU_present": 100 * miou_present(confusion, present),
            "acc": 100 * accuracy(confusion),
        }
        return make_score(metrics, confusion, self.data.classes, present, len(pairs))

    def files_hash(self, setting: Setting) -> str | None:
        """What tells that a setting must be scored again; None where its files do not fit."""
        try:
            return files_hash(self.pairs(setting))
        except InputError:
            return None


def score_settings(
    scorer: PredictionScorer,
    rows: Mapping[str, Row],
    fingerprint: Fingerprint,
    work_dir: Path,
    origin: Mapping[str, Any],
    say: Callable[[str], None] = print,
) -> list[Row]:
    """Score every setting that has predictions and no row for just these files.

    A setting whose files do not fit leaves an error row, and the others go on; but for the clean one, which all are
    compared with.

    Args:
        scorer: the predictions.
        rows: rows of an earlier run by folder.
        fingerprint: of this run.
        work_dir: folder of the rows.
        origin: what every row says about where it comes from.
        say: takes the lines of progress.

    Returns:
        The rows of all settings that have predictions.
    """
    result, present = [], present_classes(scorer.data, scorer.clean)
    for setting in scorer.settings():
        files, row = scorer.files_hash(setting), rows.get(setting.folder)
        if row is None or row.score is None or row.run.get(FILES) != files:
            row = run_setting(
                setting, lambda item: (scorer.score(item, present), None), fingerprint, work_dir,
                {**origin, FILES: files},
            )  # fmt: skip
            say(progress(row))
        result.append(row)
    return result


def fingerprint_of(suite: Suite, dataset: str, predictions: Path, root: Path, clean: Sequence[Truth]) -> Fingerprint:
    """What the scores of these predictions depend on; seed and engine are those of the exported data."""
    manifest = read_manifest(_exported(root)) if (_exported(root) / MANIFEST).is_file() else {}
    infos = [
        {"sample_id": scan.sample, "lidar_path": str(scan.points), "pts_semantic_mask_path": str(scan.labels)}
        for scan in clean
    ]
    return Fingerprint(
        suite=suite.name,
        seed=manifest.get("seed", 0),
        config=hashlib.sha256(dataset.encode()).hexdigest(),
        checkpoint=hashlib.sha256(str(predictions.resolve()).encode()).hexdigest(),
        data=data_hash(infos),
        engine=manifest.get("engine", RELEASED),
    )


@contextlib.contextmanager
def processes(workers: int) -> Iterator[Executor | None]:
    """Processes to share the work; None for one worker, which is this process."""
    if workers == 1:
        yield None
        return
    context = multiprocessing.get_context("spawn")
    ignore = (signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends the others
    with ProcessPoolExecutor(workers, mp_context=context, initializer=signal.signal, initargs=ignore) as pool:
        try:
            yield pool
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _exported(root: Path) -> Path:
    """Folder of the manifest: the corrupted data set itself, or the folder that holds it."""
    inner = [path for path in root.glob("*-C") if (path / MANIFEST).is_file()]
    return inner[0] if len(inner) == 1 else root
