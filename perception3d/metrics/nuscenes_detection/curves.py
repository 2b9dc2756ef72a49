"""Precision, confidence and error over recall, as nuscenes-devkit samples them.

A curve needs only the detections at which recall rises, and the one before each: between them precision falls and
recall rests, and interpolation over recall sees a plateau's last point alone. This and one sort per class make the
scores fast; they stay those of the devkit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception3d.metrics.nuscenes_detection.rules import RECALL


@dataclass(frozen=True)
class Curve:
    """One class at one matching distance, at the recalls of ``RECALL``.

    Attributes:
        precision: float64 (101,).
        confidence: float64 (101,) score at which the recall is reached, 0 where it is not.
        errors: float64 (5, 101) mean error of the matches down to that score; ones without a match. None where errors
            were not asked for.
    """

    precision: NDArray[np.float64]
    confidence: NDArray[np.float64]
    errors: NDArray[np.float64] | None

    @property
    def last_point(self) -> int:
        """Operating point of the highest recall that is reached, 0 for none."""
        reached = np.flatnonzero(self.confidence)
        return int(reached[-1]) if len(reached) else 0


def curve(
    hit: NDArray[np.bool_],
    score: NDArray[np.float64],
    positives: int,
    errors: NDArray[np.float64] | None = None,
    copies: NDArray[np.int64] | None = None,
) -> Curve:
    """Curve of detections in the order of falling score.

    Args:
        hit: (n,) whether each detection found an annotation.
        score: (n,) falling.
        positives: number of annotations.
        errors: (5, n) errors of the hits, nan where undefined.
        copies: (n,) how many times each detection counts; once by default. Copies follow each other.
    """
    if copies is not None:
        kept = np.flatnonzero(copies > 0)  # several times faster than of whole numbers
        hit, score, copies = hit[kept], score[kept], copies[kept]
        errors = None if errors is None else errors[:, kept]
    hits = np.flatnonzero(hit)
    if positives == 0 or len(hits) == 0:
        none = None if errors is None else np.ones((len(errors), len(RECALL)))
        return Curve(np.zeros(len(RECALL)), np.zeros(len(RECALL)), none)
    times = np.ones(len(hits), dtype=np.int64) if copies is None else copies[hits]
    seen = np.arange(1, len(hit) + 1) if copies is None else np.cumsum(copies)
    found, total, knot_score = _knots(hits, times, seen, score)
    recall = found / float(positives)
    precision = np.interp(RECALL, recall, found / total, right=0)
    confidence = np.interp(RECALL, recall, knot_score, right=0)
    if errors is None:
        return Curve(precision, confidence, None)
    at_hits = np.repeat(hits, times)
    return Curve(precision, confidence, _errors_over(confidence, score[at_hits], errors[:, at_hits]))


def _knots(
    hits: NDArray[np.int64], times: NDArray[np.int64], seen: NDArray[np.int64], score: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """True positives, detections and score at each copy of a hit, at the detection before it, and at the last one."""
    copy = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
    found = np.arange(1, len(copy) + 1)
    total = np.repeat(seen[hits] - times, times) + copy + 1
    hit_score = np.repeat(score[hits], times)
    before = np.repeat(hits, times) - (copy == 0)
    knots = np.stack([found - 1, found], axis=1), np.stack([total - 1, total], axis=1)
    scores = np.stack([score[np.maximum(before, 0)], hit_score], axis=1)
    start = 1 if hits[0] == 0 else 0  # nothing comes before a hit that is the first detection
    return (
        np.append(knots[0].ravel()[start:], found[-1]).astype(float),
        np.append(knots[1].ravel()[start:], seen[-1]).astype(float),
        np.append(scores.ravel()[start:], score[-1]),
    )


def _errors_over(
    confidence: NDArray[np.float64], hit_score: NDArray[np.float64], errors: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(5, 101) running mean of the errors of the hits at each operating point's confidence."""
    known = ~np.isnan(errors)
    count = np.cumsum(known, axis=1)
    mean = np.divide(np.nancumsum(errors, axis=1), count, out=np.zeros(errors.shape), where=count != 0)
    mean[~known.any(axis=1)] = 1.0
    return np.stack([np.interp(confidence[::-1], hit_score[::-1], row[::-1])[::-1] for row in mean])
