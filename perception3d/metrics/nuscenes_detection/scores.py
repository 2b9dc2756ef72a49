"""mAP, true-positive errors and NDS of matched boxes, whole or of a part of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception3d.conventions import NUSCENES_DETECTION_CLASSES
from perception3d.metrics.nuscenes_detection.curves import Curve, curve
from perception3d.metrics.nuscenes_detection.matching import ClassMatches, Matches
from perception3d.metrics.nuscenes_detection.rules import (
    MEAN_ERROR_NAMES,
    TP_ERRORS,
    UNDEFINED_ERRORS,
    DetectionRules,
)

Curves = tuple[tuple[Curve, ...], ...]
"""By class, then by matching distance; errors at ``error_match_m`` alone."""


@dataclass(frozen=True)
class Part:
    """Which boxes count, and how often.

    A match counts as its annotation does, so no detection is torn from what it found.

    Attributes:
        truth_copies: int64 (G,) by annotation.
        detection_copies: int64 (P,) by detection, for those that found nothing.
    """

    truth_copies: NDArray[np.int64]
    detection_copies: NDArray[np.int64]


@dataclass(frozen=True)
class DetectionScores:
    """Scores of one set of keyframes.

    Attributes:
        ap: float64 (10, T) average precision in 0..1 by class and matching distance.
        errors: float64 (10, 5) ``TP_ERRORS`` by class; nan where a class has no such error.
        positives: int64 (10,) number of annotations.
        rules: the numbers of the benchmark.
    """

    ap: NDArray[np.float64]
    errors: NDArray[np.float64]
    positives: NDArray[np.int64]
    rules: DetectionRules

    @property
    def class_ap(self) -> NDArray[np.float64]:
        """(10,) mean over the matching distances."""
        return self.ap.mean(axis=1)

    @property
    def mean_ap(self) -> float:
        """MAP over all classes; one that does not occur scores 0."""
        return float(self.class_ap.mean())

    @property
    def mean_errors(self) -> NDArray[np.float64]:
        """(5,) mean of each error over the classes that have it; one that does not occur has 1."""
        return _mean_of_known(self.errors)

    @property
    def nds(self) -> float:
        """NuScenes detection score: weighted mean of mAP and of 1 - error, at least 0, of the five errors."""
        return self._nds(self.mean_ap, self.mean_errors)

    def present(self) -> DetectionScores:
        """Only the classes with annotations: what parts of a data set are compared by. Not an official number."""
        rows = np.flatnonzero(self.positives)
        return DetectionScores(self.ap[rows], self.errors[rows], self.positives[rows], self.rules)

    def summary(self) -> dict[str, float]:
        """``mAP``, ``NDS``, ``mATE``, ``mASE``, ``mAOE``, ``mAVE``, ``mAAE``."""
        names = MEAN_ERROR_NAMES.values()
        errors = {name: float(error) for name, error in zip(names, self.mean_errors, strict=True)}
        return {"mAP": self.mean_ap, "NDS": self.nds, **errors}

    def to_dict(self) -> dict[str, Any]:
        """The fields of nuscenes-devkit's ``metrics_summary.json`` that describe the scores; nan becomes None."""
        mean_errors = dict(zip(TP_ERRORS, self.mean_errors.tolist(), strict=True))
        return {
            "label_aps": {
                name: {str(distance): ap for distance, ap in zip(self.rules.match_m, row, strict=True)}
                for name, row in zip(NUSCENES_DETECTION_CLASSES, self.ap.tolist(), strict=True)
            },
            "mean_dist_aps": dict(zip(NUSCENES_DETECTION_CLASSES, self.class_ap.tolist(), strict=True)),
            "mean_ap": self.mean_ap,
            "label_tp_errors": {
                name: {error: None if np.isnan(value) else value for error, value in zip(TP_ERRORS, row, strict=True)}
                for name, row in zip(NUSCENES_DETECTION_CLASSES, self.errors.tolist(), strict=True)
            },
            "tp_errors": mean_errors,
            "tp_scores": {name: max(0.0, 1.0 - error) for name, error in mean_errors.items()},
            "nd_score": self.nds,
        }

    def _nds(self, mean_ap: float, mean_errors: NDArray[np.float64]) -> float:
        good = np.maximum(0.0, 1.0 - mean_errors)
        return float((self.rules.map_weight * mean_ap + good.sum()) / (self.rules.map_weight + len(good)))


def score(matches: Matches, part: Part | None = None) -> DetectionScores:
    """Official scores of all keyframes, or those of a part.

    Args:
        matches: from ``matching.match``.
        part: which boxes count and how often; all, once, by default.
    """
    return score_curves(class_curves(matches, part), positives(matches, part), matches.rules)


def score_curves(curves: Curves, count: NDArray[np.int64], rules: DetectionRules) -> DetectionScores:
    """Scores of finished curves; ``count`` (10,) annotations by class."""
    ap = [[average_precision(item, rules) for item in row] for row in curves]
    errors = [
        [np.nan if name in UNDEFINED_ERRORS.get(label, ()) else _mean_error(row[rules.error_column], index, rules)
         for index, name in enumerate(TP_ERRORS)]
        for label, row in zip(NUSCENES_DETECTION_CLASSES, curves, strict=True)
    ]  # fmt: skip
    return DetectionScores(np.array(ap), np.array(errors), count, rules)


def positives(matches: Matches, part: Part | None = None) -> NDArray[np.int64]:
    """(10,) number of annotations by class."""
    weights = None if part is None else part.truth_copies
    count = np.bincount(matches.truth.label, weights=weights, minlength=len(NUSCENES_DETECTION_CLASSES))
    return count.astype(np.int64)


def class_curves(matches: Matches, part: Part | None = None) -> Curves:
    """Curves of every class at every matching distance."""
    count = positives(matches, part)
    return tuple(
        _curves_of(item, int(number), matches.rules, part) for item, number in zip(matches.classes, count, strict=True)
    )


def _curves_of(item: ClassMatches, count: int, rules: DetectionRules, part: Part | None) -> tuple[Curve, ...]:
    unmatched = None if part is None else part.detection_copies[item.detection]
    curves = []
    for column, truth in enumerate(item.truth):
        copies = None
        if part is not None and unmatched is not None:
            hits = np.flatnonzero(truth >= 0)
            copies = unmatched.copy()
            copies[hits] = part.truth_copies[truth[hits]]
        errors = item.errors if column == rules.error_column else None
        curves.append(curve(truth >= 0, item.score, count, errors, copies))
    return tuple(curves)


def average_precision(item: Curve, rules: DetectionRules) -> float:
    """Area under the curve above the minimal recall and precision, scaled to 0..1."""
    precision = np.maximum(item.precision[rules.first_point :] - rules.min_precision, 0.0)
    return float(precision.mean()) / (1.0 - rules.min_precision)


def _mean_error(item: Curve, index: int, rules: DetectionRules) -> float:
    """Mean of an error from the minimal to the highest recall that is reached; 1 where that is lower."""
    if item.errors is None or item.last_point < rules.first_point:
        return 1.0
    return float(item.errors[index, rules.first_point : item.last_point + 1].mean())


def _mean_of_known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Column means without nan; nan where a column has nothing else."""
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    return np.divide(np.where(known, values, 0.0).sum(axis=0), count, out=np.full(count.shape, np.nan), where=count > 0)


def by_sample(matches: Matches, copies: Sequence[int] | NDArray[np.int64]) -> Part:
    """Keyframes that count: (S,) copies of each, e.g. 0 and 1 for a subset."""
    by_token = np.asarray(copies, dtype=np.int64)
    return Part(by_token[matches.truth.sample], by_token[matches.detections.sample])
