"""Annotations as results: what scores as well as the split allows, to check an installation and a data set."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from perception3d.conventions import NUSCENES_META_KEYS
from perception3d.metrics.nuscenes_detection.devkit import GroundTruth
from perception3d.submission.nuscenes_boxes import NuScenesBoxes
from perception3d.submission.nuscenes_det_writer import result_writer


def as_detections(truth: GroundTruth) -> NuScenesBoxes:
    """The annotations that the scores count, with full score; velocity 0 where the tables have none."""
    boxes = truth.boxes.take(truth.num_points > 0)
    velocity_m_s = np.nan_to_num(boxes.velocity_m_s)
    return dataclasses.replace(boxes, velocity_m_s=velocity_m_s, score=np.ones(len(boxes)))


def write_as_results(truth: GroundTruth, path: Path) -> None:
    """Write the annotations of a split as a results file."""
    boxes = as_detections(truth)
    with result_writer(path, dict.fromkeys(NUSCENES_META_KEYS, False), truth.tokens) as writer:
        for sample, token in enumerate(truth.tokens):
            writer.add(token, boxes.take(boxes.sample == sample))
