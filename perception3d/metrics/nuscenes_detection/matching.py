"""Greedy matching of detections to annotations, and the errors of the matches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError
from perception3d.conventions import NUSCENES_DETECTION_CLASSES
from perception3d.metrics.nuscenes_detection.rules import HALF_TURN_CLASSES, DetectionRules
from perception3d.submission.nuscenes_boxes import NuScenesBoxes

UNMATCHED = -1


@dataclass(frozen=True)
class ClassMatches:
    """Detections of one class by falling score, each with the annotation it found.

    Attributes:
        detection: int64 (n,) row in the detections; equal scores in reversed order of the file, as in nuscenes-devkit.
        score: float64 (n,).
        truth: int64 (T, n) row in the annotations for each matching distance, ``UNMATCHED`` for a false positive.
        errors: float64 (5, n) ``TP_ERRORS`` of the matches at ``error_match_m``; nan where unmatched or undefined.
    """

    detection: NDArray[np.int64]
    score: NDArray[np.float64]
    truth: NDArray[np.int64]
    errors: NDArray[np.float64]


@dataclass(frozen=True)
class Matches:
    """The matches of all classes, and the boxes they refer to.

    Attributes:
        classes: one entry per class of ``NUSCENES_DETECTION_CLASSES``.
        detections: scored detections.
        truth: scored annotations.
        rules: what they were matched by.
    """

    classes: tuple[ClassMatches, ...]
    detections: NuScenesBoxes
    truth: NuScenesBoxes
    rules: DetectionRules


def match(detections: NuScenesBoxes, truth: NuScenesBoxes, rules: DetectionRules) -> Matches:
    """Match the boxes that remain after ``filters.scored``.

    From the most confident detection down, each takes the nearest annotation of its class and keyframe that no other
    has taken, if their centres in the ground plane are less than the matching distance apart (Caesar et al. 2020,
    section 3.1).

    Raises:
        InputError: for sizes that are not positive, or scores that are nan.
    """
    for name, boxes in (("detections", detections), ("annotations", truth)):
        if not (boxes.size_m > 0).all():
            raise InputError(f"{name}: expected sizes above 0 m, found {boxes.size_m.min():g}; correct the file")
    if np.isnan(detections.score).any():
        raise InputError("detections: expected scores, found nan; correct the file")
    classes = tuple(_match_class(detections, truth, label, rules) for label in range(len(NUSCENES_DETECTION_CLASSES)))
    return Matches(classes, detections, truth, rules)


def _match_class(detections: NuScenesBoxes, truth: NuScenesBoxes, label: int, rules: DetectionRules) -> ClassMatches:
    rows = np.flatnonzero(detections.label == label)
    rows = rows[np.argsort(detections.score[rows], kind="stable")[::-1]]
    truth_rows = np.flatnonzero(truth.label == label)
    truth_rows = truth_rows[np.argsort(truth.sample[truth_rows], kind="stable")]
    match_m = np.array(rules.match_m)
    first, candidate, distance_m = _candidates(detections.take(rows), truth.take(truth_rows), match_m.max())
    matched = _kernels()[1](first, candidate, distance_m, len(truth_rows), match_m)
    for row in matched:
        found = np.flatnonzero(row >= 0)
        row[found] = truth_rows[row[found]]
    errors = np.full((5, len(rows)), np.nan)
    hits = np.flatnonzero(matched[rules.error_column] >= 0)
    half_turn = NUSCENES_DETECTION_CLASSES[label] in HALF_TURN_CLASSES
    pairs = truth.take(matched[rules.error_column, hits]), detections.take(rows[hits])
    errors[:, hits] = match_errors(*pairs, period_rad=np.pi if half_turn else 2 * np.pi)
    return ClassMatches(rows, detections.score[rows], matched, errors)


def _candidates(
    detections: NuScenesBoxes, truth: NuScenesBoxes, reach_m: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """The annotations near each detection; those of ``truth`` are sorted by keyframe.

    Returns:
        int64 (n + 1,) where the candidates of each detection begin in the other two, int64 (K,) rows of ``truth``
        closer than ``reach_m``, in the order of ``truth``, and float64 (K,) their distances in metres.
    """
    samples = 1 + max(int(boxes.sample.max(initial=-1)) for boxes in (detections, truth))
    starts = np.concatenate([[0], np.cumsum(np.bincount(truth.sample, minlength=samples + 1))])
    centers = np.ascontiguousarray(detections.center_m[:, :2]), np.ascontiguousarray(truth.center_m[:, :2])
    first, candidate = _kernels()[0](detections.sample, centers[0], starts, centers[1], reach_m * (1 + 1e-9))
    offset = np.repeat(centers[0], np.diff(first), axis=0) - centers[1][candidate]
    # The devkit's np.linalg.norm multiplies and adds in BLAS, in one rounding where the processor can: only the same
    # product, one pair at a time, has the same last bit, and that decides between equal distances and at the limits.
    return first, candidate, np.sqrt(np.matmul(offset[:, None, :], offset[:, :, None])[:, 0, 0])


@cache
def _kernels() -> tuple[Any, Any]:
    """Search for candidates, and greedy matching; compiled at first use."""
    from numba import njit

    @njit(cache=True)
    def near(sample, center_m, starts, truth_m, reach_m):  # type: ignore[no-untyped-def]
        """Begin of the candidates of each detection, and the candidates; annotations sorted by keyframe."""
        first = np.zeros(len(sample) + 1, np.int64)
        candidate = np.zeros(0, np.int64)
        for filling in (False, True):
            count = 0
            for row in range(len(sample)):
                for other in range(starts[sample[row]], starts[sample[row] + 1]):
                    x = center_m[row, 0] - truth_m[other, 0]
                    y = center_m[row, 1] - truth_m[other, 1]
                    if x * x + y * y < reach_m * reach_m:
                        if filling:
                            candidate[count] = other
                        count += 1
                first[row + 1] = count
            if not filling:
                candidate = np.zeros(count, np.int64)
        return first, candidate

    @njit(cache=True)
    def greedy(first, candidate, distance_m, annotations, match_m):  # type: ignore[no-untyped-def]
        """(T, n) nearest free annotation of each detection, by falling score."""
        found = np.full((len(match_m), len(first) - 1), -1, np.int64)
        taken = np.zeros((len(match_m), annotations), np.bool_)
        for row in range(len(first) - 1):
            for column in range(len(match_m)):
                best, best_m = -1, match_m[column]
                for pair in range(first[row], first[row + 1]):
                    if distance_m[pair] < best_m and not taken[column, candidate[pair]]:
                        best, best_m = candidate[pair], distance_m[pair]
                if best >= 0:
                    found[column, row] = best
                    taken[column, best] = True
        return found

    return near, greedy


def match_errors(truth: NuScenesBoxes, detections: NuScenesBoxes, period_rad: float) -> NDArray[np.float64]:
    """The five errors of matched pairs.

    Args:
        truth: (n,) annotations.
        detections: (n,) their detections.
        period_rad: headings that differ by it are the same: 2 pi, or pi for barriers.

    Returns:
        float64 (5, n) in the order of ``TP_ERRORS``; nan for a velocity or an attribute that the annotation lacks.
    """
    offset = detections.center_m[:, :2] - truth.center_m[:, :2]
    velocity = detections.velocity_m_s - truth.velocity_m_s
    common = np.minimum(truth.size_m, detections.size_m).prod(axis=1)
    union = truth.size_m.prod(axis=1) + detections.size_m.prod(axis=1) - common
    turn = yaw_rad(truth.rotation) - yaw_rad(detections.rotation)
    turn = (turn + period_rad / 2) % period_rad - period_rad / 2
    attribute = np.where(truth.attribute < 0, np.nan, truth.attribute != detections.attribute)
    return np.stack(
        [np.hypot(*offset.T), 1 - common / union, np.abs(turn), np.hypot(*velocity.T), attribute],
    )


def yaw_rad(rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) heading of quaternions (n, 4): angle of the turned x axis in the ground plane."""
    w, x, y, z = rotation.T
    return np.arctan2(2 * (x * y + w * z), w * w + x * x - y * y - z * z)
