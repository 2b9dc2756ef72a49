"""Anybody's predictions under a suite: which files belong together, and their confusion counts. No model is needed.

A folder of predictions holds one folder per setting, named as the suite names it, the clean setting among them; each
has the layout of the data set's submissions. The ground truth is that of the corrupted data, which has one label per
point of the corrupted scan: points that the suite's label rule drops are not scored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError
from corruptions.files import read_labels
from corruptions.suites import Setting, Suite
from perception3d.conventions import (
    NUSCENES_LIDARSEG_CLASSES,
    NUSCENES_LIDARSEG_IGNORE,
    SEMANTICKITTI_CLASSES,
    SEMANTICKITTI_TRAIN_IDS,
)
from perception3d.datasets.corrupted_folders import CLEAN, ROBO3D, ROBO3D_TRAIN_IDS, find_folders, list_scans
from perception3d.datasets.labels import SEMANTIC_BITS, label_lookup, to_train_ids
from perception3d.metrics.confusion import confusion_matrix, miou_official
from perception3d.metrics.nuscenes_lidarseg.scores import score as lidarseg_score
from perception3d.metrics.nuscenes_lidarseg.truth import load_truth
from perception3d.robustness.plan import is_clean
from perception3d.submission import nuscenes_lidarseg, semantickitti

CHUNK = 8
"""Scans that a process takes at a time."""


@dataclass(frozen=True)
class Truth:
    """A labelled scan: its name in the data set, its points and its labels."""

    sample: str
    points: Path
    labels: Path


@dataclass(frozen=True)
class Labels:
    """How label files are read.

    Attributes:
        dtype: type in the file.
        lookup: table from ids to train ids (``datasets.labels.label_lookup``).
    """

    dtype: type[np.integer]
    lookup: NDArray[np.int64]

    def read(self, path: Path, count: int) -> NDArray[np.int64]:
        """Train ids (count,) of a file; raises :class:`InputError` for another number of labels or an unknown id."""
        raw = read_labels(path, count, self.dtype)
        semantic = raw & SEMANTIC_BITS if self.dtype is np.uint32 else raw
        return to_train_ids(semantic, self.lookup, str(path))


@dataclass(frozen=True)
class LabelledData:
    """A data set under a suite.

    Attributes:
        classes: names by train id; the next id is "ignore".
        truth_labels: how its labels are read.
        predicted_labels: how predictions are read.
        truth: the scans of a setting.
        prediction_names: where the predictions of a scan may lie in the folder of a setting, the official place first.
        official_miou: the data set's own mIoU of a confusion matrix, a fraction.
    """

    classes: tuple[str, ...]
    truth_labels: Labels
    predicted_labels: Labels
    truth: Callable[[Setting], list[Truth]]
    prediction_names: Callable[[str], tuple[str, ...]]
    official_miou: Callable[[NDArray[np.int64]], float]


@dataclass(frozen=True)
class Pair:
    """Ground truth and predictions of one scan."""

    truth: Truth
    prediction: Path


def semantickitti_data(suite: Suite, root: Path, clean_root: Path | None, sequence: str) -> LabelledData:
    """Corrupted SemanticKITTI as released, or as tools/corrupt.py exports it.

    Args:
        suite: the benchmark.
        root: folder ``SemanticKITTI-C``, or the one that holds it.
        clean_root: SemanticKITTI itself, where the corrupted data have no folder of clean scans.
        sequence: the sequence that the scans were made from, where the folders do not say it.
    """
    folders = find_folders(root)

    def scans(name: str) -> list[Truth]:
        infos = list_scans(folders, name, sequence)
        paths = [(info["lidar_points"]["lidar_path"], info["pts_semantic_mask_path"]) for info in infos]
        return [
            Truth(info["sample_id"], folders.root / points, folders.root / labels)
            for info, (points, labels) in zip(infos, paths, strict=True)
        ]

    def truth(setting: Setting) -> list[Truth]:
        names = CLEAN if is_clean(setting) else (suite.path(setting), setting.folder)
        found = [name for name in names if name in folders.settings]
        if found:
            return scans(found[0])
        if not is_clean(setting):
            raise InputError(f"{folders.root / names[0]}: expected the corrupted scans, found none; export the setting")
        if clean_root is None:
            raise InputError(
                f"{folders.root}: expected a folder of clean scans ({' or '.join(CLEAN)}), found none; give the clean "
                "data set with --clean-root"
            )
        return [_of_sequence(clean_root, scan.sample) for scan in scans(folders.settings[0])]

    extra = ROBO3D_TRAIN_IDS if folders.layout == ROBO3D else {}
    return LabelledData(
        classes=SEMANTICKITTI_CLASSES,
        truth_labels=Labels(np.uint32, label_lookup({**SEMANTICKITTI_TRAIN_IDS, **extra})),
        predicted_labels=Labels(np.uint32, label_lookup(SEMANTICKITTI_TRAIN_IDS)),
        truth=truth,
        prediction_names=_semantickitti_names,
        official_miou=miou_official,
    )


def nuscenes_data(suite: Suite, root: Path, clean_root: Path, version: str, split: str) -> LabelledData:
    """Corrupted nuScenes-lidarseg as tools/corrupt.py exports it; every setting is a data root with its own labels.

    Args:
        suite: the benchmark, or the catalog.
        root: folder ``nuScenes-C``.
        clean_root: nuScenes itself.
        version: folder of the tables.
        split: split of the tables.
    """

    def truth(setting: Setting) -> list[Truth]:
        folder = clean_root if is_clean(setting) else root / suite.path(setting)
        found = load_truth(folder, version, split)
        return [Truth(*row) for row in zip(found.sweeps, found.point_files, found.label_files, strict=True)]

    ids = {0: NUSCENES_LIDARSEG_IGNORE} | {index + 1: index for index in range(len(NUSCENES_LIDARSEG_CLASSES))}
    return LabelledData(
        classes=NUSCENES_LIDARSEG_CLASSES,
        truth_labels=Labels(np.uint8, load_truth(clean_root, version, split).lookup),
        predicted_labels=Labels(np.uint8, label_lookup(ids)),
        truth=truth,
        prediction_names=lambda token: (nuscenes_lidarseg.label_name(split, token), f"{token}_lidarseg.bin"),
        official_miou=lambda confusion: lidarseg_score(confusion).miou,
    )


def prediction_folder(predictions: Path, suite: Suite, setting: Setting) -> Path | None:
    """Folder of the predictions of a setting; None where there is none."""
    names = (suite.clean_folder, *CLEAN) if is_clean(setting) else (setting.folder, suite.path(setting))
    return next((predictions / name for name in names if (predictions / name).is_dir()), None)


def pair(data: LabelledData, folder: Path, truth: Sequence[Truth], clean: Sequence[Truth]) -> list[Pair]:
    """Each scan of a setting with its predictions.

    Args:
        data: the data set.
        folder: predictions of the setting.
        truth: scans of the setting.
        clean: scans of the clean setting.

    Raises:
        InputError: for other scans than the clean setting has, or scans without predictions.
    """
    if [scan.sample for scan in truth] != [scan.sample for scan in clean]:
        raise InputError(
            f"{truth[0].points.parent}: expected the {len(clean)} scans of the clean data, {clean[0].sample} ... "
            f"{clean[-1].sample}, found {len(truth)}, {truth[0].sample} ... {truth[-1].sample}; scores of other scans "
            "do not compare"
        )
    pairs, missing = [], []
    for scan in truth:
        places = [folder / name for name in data.prediction_names(scan.sample)]
        found = next((place for place in places if place.is_file()), None)
        if found is None:
            missing.append(places[0])
        else:
            pairs.append(Pair(scan, found))
    if missing:
        raise InputError(
            f"{missing[0]}: expected predictions for each of the {len(truth)} scans, found none for {len(missing)}; "
            "predict the whole set"
        )
    return pairs


def count(data: LabelledData, pairs: Sequence[Pair], pool: Executor | None = None) -> NDArray[np.int64]:
    """Confusion counts of all scans of a setting, int64 (K, K + 1).

    Args:
        data: the data set.
        pairs: the scans.
        pool: processes to share the work; the counts are the same without.

    Raises:
        InputError: for another number of predictions than points, or ids that no class has; names the file.
    """
    work = partial(_count, data.truth_labels, data.predicted_labels, len(data.classes))
    counts = map(work, pairs) if pool is None else pool.map(work, pairs, chunksize=CHUNK)
    return sum(counts, start=np.zeros((len(data.classes), len(data.classes) + 1), dtype=np.int64))


def _count(truth_labels: Labels, predicted_labels: Labels, classes: int, scan: Pair) -> NDArray[np.int64]:
    points = _points(truth_labels, scan.truth)
    truth = truth_labels.read(scan.truth.labels, points)
    return confusion_matrix(predicted_labels.read(scan.prediction, points), truth, classes, classes)


def _points(labels: Labels, scan: Truth) -> int:
    """Number of points of a scan, from the size of its label file."""
    try:
        return scan.labels.stat().st_size // np.dtype(labels.dtype).itemsize
    except OSError as error:
        raise InputError(f"{scan.labels}: expected a label file, found: {error.strerror}") from None


def present_classes(data: LabelledData, truth: Sequence[Truth]) -> list[int]:
    """Train ids that occur in the labels of these scans."""
    seen = np.zeros(len(data.classes) + 1, dtype=bool)
    for scan in truth:
        labels = data.truth_labels.read(scan.labels, _points(data.truth_labels, scan))
        seen |= np.bincount(labels, minlength=len(seen)) > 0
    return [int(train_id) for train_id in np.flatnonzero(seen[:-1])]


def files_hash(pairs: Sequence[Pair]) -> str:
    """Hash of names, sizes and times of the files of a setting: what tells that it must be scored again."""
    digest = hashlib.sha256()
    for scan in pairs:
        for path in (scan.prediction, scan.truth.labels):
            stat = path.stat()
            digest.update(f"{scan.truth.sample} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _of_sequence(root: Path, sample: str) -> Truth:
    sequence, frame = sample.split("/")
    folder = root / "sequences" / sequence
    return Truth(sample, folder / "velodyne" / f"{frame}.bin", folder / "labels" / f"{frame}.label")


def _semantickitti_names(sample: str) -> tuple[str, ...]:
    sequence, frame = sample.split("/")
    return semantickitti.label_name(sequence, frame), f"predictions/{frame}.label", f"{frame}.label"
