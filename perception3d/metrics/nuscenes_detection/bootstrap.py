"""Intervals of the scores from scenes drawn with replacement (Efron 1979).

Scenes are drawn, not keyframes: those of a scene show the same objects. A class that a draw leaves without annotations
scores 0 in it, as the official mAP has it; with few scenes the intervals of rare classes reach down for that reason.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError
from perception3d.conventions import NUSCENES_DETECTION_CLASSES
from perception3d.metrics.nuscenes_detection.evaluate import Evaluation
from perception3d.metrics.nuscenes_detection.scores import DetectionScores, by_sample, score

CONFIDENCE = 0.95
SEED = 0
"""Of draws that are compared with those of other runs, which must be the same."""


@dataclass(frozen=True)
class Interval:
    """A value, and between which bounds 95 % of the draws lie."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float | None]:
        """The fields as JSON can hold them: None for nan."""
        return {name: or_none(value) for name, value in dataclasses.asdict(self).items()}


def or_none(value: float) -> float | None:
    """The number as JSON can hold it: None for nan."""
    return None if np.isnan(value) else float(value)


def draw_scenes(scenes: Sequence[str], draws: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """How often each keyframe counts in each draw.

    Args:
        scenes: (S,) scene of each keyframe.
        draws: number of draws.
        rng: source of the draws.

    Returns:
        int64 (draws, S). Use the same for results that are compared: differences then have narrower intervals.

    Raises:
        InputError: for fewer than two scenes: they have no spread.
    """
    names, scene = np.unique(np.asarray(scenes), return_inverse=True)
    if len(names) < 2:
        raise InputError(f"bootstrap: expected at least two scenes to draw from, found {len(names)}; leave it out")
    return rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)[:, scene]


def flat(scores: DetectionScores) -> dict[str, float]:
    """The scores that get intervals: the summary, and the AP of each class as ``AP/<class>``."""
    class_ap = zip(NUSCENES_DETECTION_CLASSES, scores.class_ap, strict=True)
    return {**scores.summary(), **{f"AP/{name}": float(value) for name, value in class_ap}}


def replicate(evaluation: Evaluation, copies: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Scores in each draw: (draws,) by name."""
    rows = [flat(score(evaluation.matches, by_sample(evaluation.matches, row))) for row in copies]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def summary_draws(evaluation: Evaluation, draws: int, name: str) -> list[float]:
    """One summary score in each draw of the scenes, the same draws in each run; none for fewer than two scenes."""
    scenes = evaluation.truth.scenes
    if len(set(scenes)) < 2:
        return []
    copies = draw_scenes(scenes, draws, np.random.default_rng(SEED))
    return [float(score(evaluation.matches, by_sample(evaluation.matches, row)).summary()[name]) for row in copies]


def intervals(values: dict[str, float], draws: dict[str, NDArray[np.float64]]) -> dict[str, Interval]:
    """Percentile intervals of values from their draws; draws in which a score is not defined (nan) do not count."""
    return {name: _interval(value, draws[name]) for name, value in values.items()}


def _interval(value: float, draws: NDArray[np.float64]) -> Interval:
    known = draws[~np.isnan(draws)]
    if len(known) == 0:
        return Interval(value, np.nan, np.nan)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return Interval(value, float(low), float(high))


def difference(
    base: dict[str, float],
    other: dict[str, float],
    base_draws: dict[str, NDArray[np.float64]],
    other_draws: dict[str, NDArray[np.float64]],
) -> dict[str, Interval]:
    """``other - base`` with intervals; both from the same draws."""
    values = {name: other[name] - base[name] for name in base}
    return intervals(values, {name: other_draws[name] - base_draws[name] for name in base})
