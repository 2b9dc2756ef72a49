"""What the benchmark compares; never how long it takes."""

import numpy as np
from nuscenes_files import devkit_box

from perception3d.metrics.nuscenes_detection.benchmark import (
    Comparison,
    devkit_boxes,
    markdown,
    measure,
    synthetic_case,
)


def test_both_sides_score_the_same_boxes(tmp_path):
    scores, loading = measure(samples=3, boxes_per_sample=60, loading_samples=2, folder=tmp_path)
    assert scores.work == "scores of 3 keyframes, 180 detections, 105 annotations" and scores.difference < 1e-9
    assert loading.work.startswith("loading 2 keyframes") and list(tmp_path.iterdir()) == []


def test_the_case_has_matches_and_clutter():
    detections, truth = synthetic_case(4, 300, np.random.default_rng(0))
    assert np.bincount(detections.sample).tolist() == [300] * 4 and (np.diff(detections.sample) >= 0).all()
    assert np.bincount(truth.sample).tolist() == [35] * 4
    tokens = list("abcd")
    boxes = devkit_boxes(detections, tokens)
    assert [box.serialize() for box in boxes["c"]] == [
        {**devkit_box(detections, row, "c").serialize()} for row in np.flatnonzero(detections.sample == 2)
    ]


def test_table():
    text = markdown([Comparison("scores", 0.5, 20.0, 1e-16), Comparison("loading", 2.0, 8.0, None)])
    assert "| scores | 0.50 | 20.00 | 40x | 1.0e-16 |" in text and "| loading | 2.00 | 8.00 | 4x |  |" in text
