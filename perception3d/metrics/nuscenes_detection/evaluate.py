"""From ground truth and detections to scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from corruptions.core import InputError
from perception3d.metrics.nuscenes_detection.devkit import GroundTruth
from perception3d.metrics.nuscenes_detection.filters import scored
from perception3d.metrics.nuscenes_detection.matching import Matches, match
from perception3d.metrics.nuscenes_detection.rules import DetectionRules
from perception3d.metrics.nuscenes_detection.scores import DetectionScores, score
from perception3d.submission.nuscenes_boxes import NuScenesBoxes


@dataclass(frozen=True)
class Evaluation:
    """What every number and picture is made from.

    Attributes:
        matches: matches of the scored boxes.
        scores: official scores.
        truth: ground truth, not filtered.
        truth_rows: int64, rows in ``truth.boxes`` of ``matches.truth``.
    """

    matches: Matches
    scores: DetectionScores
    truth: GroundTruth
    truth_rows: np.ndarray


def evaluate(detections: NuScenesBoxes, truth: GroundTruth, rules: DetectionRules | None = None) -> Evaluation:
    """Filter, match and score.

    Args:
        detections: ``sample`` counts in ``truth.tokens``.
        truth: annotations of the split.
        rules: the official ones by default.

    Raises:
        InputError: for boxes of unknown keyframes, or as ``matching.match``.
    """
    rules = rules or DetectionRules()
    if len(detections) and not (detections.sample.min() >= 0 and detections.sample.max() < len(truth.tokens)):
        raise InputError(f"detections: expected samples 0..{len(truth.tokens) - 1}, found {detections.sample.max()}")
    kept = scored(detections, truth.ego_m, truth.racks, rules)
    truth_rows = np.flatnonzero(scored(truth.boxes, truth.ego_m, truth.racks, rules, truth.num_points))
    matches = match(detections.take(kept), truth.boxes.take(truth_rows), rules)
    return Evaluation(matches, score(matches), truth, truth_rows)
