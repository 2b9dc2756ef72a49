"""Scores of parts of a split: by scene, weather and light, distance, and visibility. Not official numbers.

All are made from the matches of the whole split. A part's mAP and errors are means over the classes that occur in it,
as a class without annotations would otherwise score 0. With draws of keyframes (``bootstrap.draw_scenes``) they have
intervals; a draw that leaves a part without annotations does not count.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from perception3d.conventions import NUSCENES_DETECTION_CLASSES
from perception3d.metrics.nuscenes_detection.bootstrap import Interval, intervals
from perception3d.metrics.nuscenes_detection.evaluate import Evaluation
from perception3d.metrics.nuscenes_detection.filters import ego_distance_m
from perception3d.metrics.nuscenes_detection.matching import ClassMatches, Matches
from perception3d.metrics.nuscenes_detection.scores import DetectionScores, Part, by_sample, score

RANGES_M = ((0.0, 20.0), (20.0, 30.0), (30.0, 40.0), (40.0, 50.0))
VISIBILITIES = {1: "0-40 %", 2: "40-60 %", 3: "60-80 %", 4: "80-100 %"}

_RAIN, _NIGHT = re.compile(r"\brain"), re.compile(r"\bnight")  # not in "train"

CONDITIONS: dict[str, Callable[[str], bool]] = {
    "rain": lambda text: bool(_RAIN.search(text)),
    "no rain": lambda text: not _RAIN.search(text),
    "night": lambda text: bool(_NIGHT.search(text)),
    "day": lambda text: not _NIGHT.search(text),
}
"""Weather and light from the description of a scene in small letters; nuScenes has no other record of them."""


Copies = NDArray[np.int64] | None
"""How often each keyframe counts in each draw (draws, S), from ``bootstrap.draw_scenes``; None for no intervals."""


@dataclass(frozen=True)
class PartScores:
    """Scores of a part.

    Attributes:
        name: e.g. "scene-0916", "rain", "0-20 m".
        samples: number of keyframes.
        scores: over the classes that occur in the part.
        spread: intervals of "mAP" and "NDS"; empty without draws.
    """

    name: str
    samples: int
    scores: DetectionScores
    spread: Mapping[str, Interval] = field(default_factory=dict)


@dataclass(frozen=True)
class Recalls:
    """How much of the annotations of one visibility is found, whatever the confidence.

    Detections that found nothing have no visibility, so there is no precision.

    Attributes:
        name: share of the object that the cameras see.
        annotations: number of scored annotations.
        recall: float64 (T,) mean over the classes that occur, by matching distance.
        errors: float64 (5,) mean error of the matches at ``error_match_m``; nan without any.
        spread: interval of the recall at each matching distance; empty without draws.
    """

    name: str
    annotations: int
    recall: NDArray[np.float64]
    errors: NDArray[np.float64]
    spread: tuple[Interval, ...] = ()


def by_scene(evaluation: Evaluation) -> list[PartScores]:
    """One entry per scene, in the order of the names; one scene has no interval over scenes."""
    scenes = evaluation.truth.scenes
    return [_of_samples(evaluation, name, [scene == name for scene in scenes]) for name in sorted(set(scenes))]


def by_condition(evaluation: Evaluation, copies: Copies = None) -> list[PartScores]:
    """Rain, no rain, night, day; conditions without a keyframe are left out."""
    texts = [evaluation.truth.descriptions[scene].lower() for scene in evaluation.truth.scenes]
    masks = {name: [holds(text) for text in texts] for name, holds in CONDITIONS.items()}
    return [_of_samples(evaluation, name, mask, copies) for name, mask in masks.items() if any(mask)]


def by_range(
    evaluation: Evaluation, copies: Copies = None, ranges_m: Sequence[tuple[float, float]] = RANGES_M
) -> list[PartScores]:
    """By distance from the ego vehicle: of the annotation for a match, of the detection itself where it found nothing.

    So a detection across a border from its annotation is no error in two bins.
    """
    matches, ego_m = evaluation.matches, evaluation.truth.ego_m
    truth_m, detection_m = ego_distance_m(matches.truth, ego_m), ego_distance_m(matches.detections, ego_m)
    rows = []
    for low, high in ranges_m:
        part = Part(_within(truth_m, low, high), _within(detection_m, low, high))
        rows.append(_of_part(evaluation, f"{low:g}-{high:g} m", len(ego_m), part, copies))
    return rows


def by_visibility(evaluation: Evaluation, copies: Copies = None) -> list[Recalls]:
    """Recall and errors by the visibility of the annotations."""
    visibility = evaluation.truth.visibility[evaluation.truth_rows]
    return [_recalls(evaluation, name, visibility == level, copies) for level, name in VISIBILITIES.items()]


def _recalls(evaluation: Evaluation, name: str, chosen: NDArray[np.bool_], copies: Copies) -> Recalls:
    matches, errors = evaluation.matches, []
    for item in matches.classes:
        hit = np.append(chosen, False)[item.truth[matches.rules.error_column]]  # UNMATCHED is -1, the last entry
        errors.append(item.errors[:, hit])
    pooled = np.concatenate(errors, axis=1)
    known = ~np.isnan(pooled)
    count = known.sum(axis=1)
    total = np.where(known, pooled, 0.0).sum(axis=1)
    mean = np.divide(total, count, out=np.full(len(pooled), np.nan), where=count > 0)
    found = [[row[row >= 0] for row in item.truth] for item in matches.classes]
    recall = _mean_recall(matches.truth.label, found, chosen.astype(np.int64))
    spread: tuple[Interval, ...] = ()
    if copies is not None:
        sample = matches.truth.sample
        draws = np.array([_mean_recall(matches.truth.label, found, chosen * row[sample]) for row in copies])
        names = [str(column) for column in range(len(recall))]
        spread = tuple(
            intervals(dict(zip(names, recall, strict=True)), dict(zip(names, draws.T, strict=True))).values()
        )
    return Recalls(name, int(chosen.sum()), recall, mean, spread)


def _mean_recall(
    label: NDArray[np.int64], found: Sequence[Sequence[NDArray[np.int64]]], copies: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(T,) mean over the classes that occur; ``found`` are the annotations found, by class and distance."""
    classes = np.bincount(label, weights=copies, minlength=len(NUSCENES_DETECTION_CLASSES))
    present = classes > 0
    if not present.any():
        return np.full(len(found[0]), np.nan)
    counts = np.array([[copies[rows].sum() for rows in columns] for columns in found])
    return (counts[present] / classes[present, None]).mean(axis=0)


def _of_samples(evaluation: Evaluation, name: str, mask: Sequence[bool], copies: Copies = None) -> PartScores:
    part = by_sample(evaluation.matches, np.array(mask))
    return _of_part(evaluation, name, int(np.sum(mask)), part, copies)


def _of_part(evaluation: Evaluation, name: str, samples: int, part: Part, copies: Copies) -> PartScores:
    matches = _restricted(evaluation.matches, part)
    scores = score(matches, part).present()
    if copies is None or not len(scores.positives):
        return PartScores(name, samples, scores)
    draws = [_means(score(matches, _drawn(matches, part, row)).present()) for row in copies]
    values = {key: np.array([draw[key] for draw in draws]) for key in ("mAP", "NDS")}
    return PartScores(name, samples, scores, intervals(_means(scores), values))


def _means(scores: DetectionScores) -> dict[str, float]:
    """Scores that get intervals; nan without a class."""
    if not len(scores.positives):
        return {"mAP": np.nan, "NDS": np.nan}
    return {"mAP": scores.mean_ap, "NDS": scores.nds}


def _drawn(matches: Matches, part: Part, copies: NDArray[np.int64]) -> Part:
    """A part with each keyframe counted as often as it was drawn."""
    drawn = by_sample(matches, copies)
    return Part(part.truth_copies * drawn.truth_copies, part.detection_copies * drawn.detection_copies)


def _restricted(matches: Matches, part: Part) -> Matches:
    """Matches without the detections that no matching distance counts in the part: the same scores, sooner."""

    def kept(item: ClassMatches) -> ClassMatches:
        by_match = np.append(part.truth_copies, 0)[item.truth]
        counts = np.where(item.truth >= 0, by_match, part.detection_copies[item.detection])
        rows = np.flatnonzero(counts.any(axis=0))
        return ClassMatches(item.detection[rows], item.score[rows], item.truth[:, rows], item.errors[:, rows])

    return replace(matches, classes=tuple(kept(item) for item in matches.classes))


def _within(distance_m: NDArray[np.float64], low: float, high: float) -> NDArray[np.int64]:
    return ((distance_m >= low) & (distance_m < high)).astype(np.int64)
