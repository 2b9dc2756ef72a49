"""Scores of parts of a split: by scene, weather and light, distance, and visibility. Not official numbers.

All are made from the matches of the whole split. A part's mAP and errors are means over the classes that occur in it,
as a class without annotations would otherwise score 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception3d.conventions import NUSCENES_DETECTION_CLASSES
from perception3d.metrics.nuscenes_detection.evaluate import Evaluation
from perception3d.metrics.nuscenes_detection.filters import ego_distance_m
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


@dataclass(frozen=True)
class PartScores:
    """Scores of a part.

    Attributes:
        name: e.g. "scene-0916", "rain", "0-20 m".
        samples: number of keyframes.
        scores: over the classes that occur in the part.
    """

    name: str
    samples: int
    scores: DetectionScores


@dataclass(frozen=True)
class Recalls:
    """How much of the annotations of one visibility is found, whatever the confidence.

    Detections that found nothing have no visibility, so there is no precision.

    Attributes:
        name: share of the object that the cameras see.
        annotations: number of scored annotations.
        recall: float64 (T,) mean over the classes that occur, by matching distance.
        errors: float64 (5,) mean error of the matches at ``error_match_m``; nan without any.
    """

    name: str
    annotations: int
    recall: NDArray[np.float64]
    errors: NDArray[np.float64]


def by_scene(evaluation: Evaluation) -> list[PartScores]:
    """One entry per scene, in the order of the names."""
    scenes = evaluation.truth.scenes
    return [_of_samples(evaluation, name, [scene == name for scene in scenes]) for name in sorted(set(scenes))]


def by_condition(evaluation: Evaluation) -> list[PartScores]:
    """Rain, no rain, night, day; conditions without a keyframe are left out."""
    texts = [evaluation.truth.descriptions[scene].lower() for scene in evaluation.truth.scenes]
    masks = {name: [holds(text) for text in texts] for name, holds in CONDITIONS.items()}
    return [_of_samples(evaluation, name, mask) for name, mask in masks.items() if any(mask)]


def by_range(evaluation: Evaluation, ranges_m: Sequence[tuple[float, float]] = RANGES_M) -> list[PartScores]:
    """By distance from the ego vehicle: of the annotation for a match, of the detection itself where it found nothing.

    So a detection across a border from its annotation is no error in two bins.
    """
    matches, ego_m = evaluation.matches, evaluation.truth.ego_m
    truth_m, detection_m = ego_distance_m(matches.truth, ego_m), ego_distance_m(matches.detections, ego_m)
    rows = []
    for low, high in ranges_m:
        part = Part(_within(truth_m, low, high), _within(detection_m, low, high))
        rows.append(PartScores(f"{low:g}-{high:g} m", len(ego_m), score(matches, part).present()))
    return rows


def by_visibility(evaluation: Evaluation) -> list[Recalls]:
    """Recall and errors by the visibility of the annotations."""
    visibility = evaluation.truth.visibility[evaluation.truth_rows]
    return [_recalls(evaluation, name, visibility == level) for level, name in VISIBILITIES.items()]


def _recalls(evaluation: Evaluation, name: str, chosen: NDArray[np.bool_]) -> Recalls:
    matches = evaluation.matches
    classes = np.bincount(matches.truth.label[chosen], minlength=len(NUSCENES_DETECTION_CLASSES))
    found, errors = [], []
    for item in matches.classes:
        hit = np.append(chosen, False)[item.truth]  # UNMATCHED is -1, the last entry
        found.append(hit.sum(axis=1))
        errors.append(item.errors[:, hit[matches.rules.error_column]])
    present = classes > 0
    recall = (np.array(found)[present] / classes[present, None]).mean(axis=0) if present.any() else np.full(4, np.nan)
    pooled = np.concatenate(errors, axis=1)
    known = ~np.isnan(pooled)
    count = known.sum(axis=1)
    total = np.where(known, pooled, 0.0).sum(axis=1)
    mean = np.divide(total, count, out=np.full(len(pooled), np.nan), where=count > 0)
    return Recalls(name, int(chosen.sum()), recall, mean)


def _of_samples(evaluation: Evaluation, name: str, mask: Sequence[bool]) -> PartScores:
    part = by_sample(evaluation.matches, np.array(mask))
    return PartScores(name, int(np.sum(mask)), score(evaluation.matches, part).present())


def _within(distance_m: NDArray[np.float64], low: float, high: float) -> NDArray[np.int64]:
    return ((distance_m >= low) & (distance_m < high)).astype(np.int64)
