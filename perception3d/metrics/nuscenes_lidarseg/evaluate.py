"""From predictions on disk to confusion counts by keyframe and distance, in one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError
from perception3d.conventions import NUSCENES_LIDARSEG_CLASSES, NUSCENES_LIDARSEG_IGNORE
from perception3d.metrics.confusion import confusion_matrix
from perception3d.metrics.nuscenes_detection.bootstrap import Interval, intervals
from perception3d.metrics.nuscenes_detection.breakdown import CONDITIONS, Copies
from perception3d.metrics.nuscenes_lidarseg.scores import LidarsegScores, score
from perception3d.metrics.nuscenes_lidarseg.truth import LidarsegTruth
from perception3d.submission.faults import listing
from perception3d.submission.files import Tree
from perception3d.submission.nuscenes_lidarseg import label_name, lidarseg_faults

RANGES_M = ((0.0, 10.0), (10.0, 20.0), (20.0, 30.0), (30.0, 50.0), (50.0, np.inf))
FAULTS_SHOWN = 5


@dataclass(frozen=True)
class Evaluation:
    """Counts of one submission.

    Attributes:
        counts: int64 (S, R, 16, 17) by sweep and range; one range where points are not on disk.
        ranges_m: the R ranges of distance from the sensor, or None where they are not known.
        truth: ground truth.
    """

    counts: NDArray[np.int64]
    ranges_m: tuple[tuple[float, float], ...] | None
    truth: LidarsegTruth

    @property
    def confusion(self) -> NDArray[np.int64]:
        """int64 (16, 17) of the whole split."""
        return self.counts.sum(axis=(0, 1))

    @property
    def scores(self) -> LidarsegScores:
        """Official scores."""
        return score(self.confusion)


@dataclass(frozen=True)
class PartScores:
    """Scores of a part.

    Attributes:
        name: e.g. "scene-0916", "rain", "0-10 m".
        sweeps: number of keyframes.
        scores: of its points.
        spread: interval of the mean over the classes that occur; empty without draws.
    """

    name: str
    sweeps: int
    scores: LidarsegScores
    spread: Mapping[str, Interval] = field(default_factory=dict)


def evaluate(tree: Tree, truth: LidarsegTruth, name: str) -> Evaluation:
    """Check a submission, then count its points by true and predicted class.

    Args:
        tree: the submission.
        truth: ground truth of its split.
        name: of the submission, for the message.

    Raises:
        InputError: for a submission with faults.
    """
    faults = lidarseg_faults(tree, truth.split, truth.points())
    if faults:
        raise InputError(
            f"{name}: {len(faults)} faults, expected none (tools/submit.py nuscenes-lidarseg lists them all):\n"
            f"{listing(faults, FAULTS_SHOWN)}"
        )
    ranges_m = RANGES_M if all(path.is_file() for path in truth.point_files) else None
    counts = np.stack([_count(tree, truth, index, ranges_m) for index in range(len(truth.sweeps))])
    return Evaluation(counts, ranges_m, truth)


def _count(
    tree: Tree, truth: LidarsegTruth, index: int, ranges_m: Sequence[tuple[float, float]] | None
) -> NDArray[np.int64]:
    content = tree.read(label_name(truth.split, truth.sweeps[index]))
    predicted = np.frombuffer(content, dtype=np.uint8).astype(np.int64) - 1
    labels = truth.labels(index)
    if ranges_m is None:
        parts = [np.ones(len(labels), dtype=bool)]
    else:
        distance_m = truth.distance_m(index)
        parts = [(distance_m >= low) & (distance_m < high) for low, high in ranges_m]
    classes = len(NUSCENES_LIDARSEG_CLASSES)
    return np.stack(
        [confusion_matrix(predicted[part], labels[part], classes, NUSCENES_LIDARSEG_IGNORE) for part in parts]
    )


def by_range(evaluation: Evaluation, copies: Copies = None) -> list[PartScores]:
    """By distance from the sensor; nothing where it is not known."""
    return [
        _of_sweeps(
            f"{low:g}-{high:g} m" if np.isfinite(high) else f"{low:g} m on",
            evaluation.counts[:, column],
            np.ones(len(evaluation.counts), dtype=bool),
            copies,
        )
        for column, (low, high) in enumerate(evaluation.ranges_m or ())
    ]


def by_condition(evaluation: Evaluation, copies: Copies = None) -> list[PartScores]:
    """Rain, no rain, night, day; conditions without a keyframe are left out."""
    texts = [evaluation.truth.descriptions[scene].lower() for scene in evaluation.truth.scenes]
    masks = {name: np.array([holds(text) for text in texts]) for name, holds in CONDITIONS.items()}
    counts = evaluation.counts.sum(axis=1)
    return [_of_sweeps(name, counts, mask, copies) for name, mask in masks.items() if mask.any()]


def by_scene(evaluation: Evaluation) -> list[PartScores]:
    """One entry per scene, in the order of the names; one scene has no interval over scenes."""
    scenes = np.array(evaluation.truth.scenes)
    counts = evaluation.counts.sum(axis=1)
    return [_of_sweeps(str(name), counts, scenes == name, None) for name in np.unique(scenes)]


def _of_sweeps(name: str, counts: NDArray[np.int64], mask: NDArray[np.bool_], copies: Copies) -> PartScores:
    """Scores of some sweeps; ``counts`` (S, 16, 17)."""
    scores = score(counts[mask].sum(axis=0))
    if copies is None:
        return PartScores(name, int(mask.sum()), scores)
    draws = np.array([drawn.miou_present for drawn in _drawn(counts[mask], copies[:, mask])])
    return PartScores(name, int(mask.sum()), scores, intervals({"mIoU": scores.miou_present}, {"mIoU": draws}))


def replicate(evaluation: Evaluation, copies: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Scores in each draw of ``bootstrap.draw_scenes``: (draws,) by name."""
    rows = [drawn.values() for drawn in _drawn(evaluation.counts.sum(axis=1), copies)]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _drawn(counts: NDArray[np.int64], copies: NDArray[np.int64]) -> list[LidarsegScores]:
    """Scores of sweeps (S, 16, 17) in each draw (draws, S)."""
    drawn = copies.astype(np.float64) @ counts.reshape(len(counts), -1)  # exact: counts are far below 2^53
    return [score(matrix.astype(np.int64)) for matrix in drawn.reshape(len(copies), *counts.shape[1:])]
