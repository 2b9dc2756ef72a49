"""The scores against nuscenes-devkit's accumulate, calc_ap and calc_tp on the same boxes."""

import numpy as np
import pytest
from nuscenes_files import assert_same_scores, devkit_box, devkit_boxes, devkit_scores, near, random_boxes

from corruptions.core import InputError
from perception3d.conventions import NUSCENES_ATTRIBUTES, NUSCENES_CLASS_ATTRIBUTES, NUSCENES_DETECTION_CLASSES
from perception3d.metrics.nuscenes_detection.matching import _candidates, match
from perception3d.metrics.nuscenes_detection.rules import TP_ERRORS, DetectionRules
from perception3d.metrics.nuscenes_detection.scores import by_sample, class_curves, score
from perception3d.submission.nuscenes_boxes import NuScenesBoxes, concatenate, empty

RULES = DetectionRules()
SAMPLES = 5


def with_scores(boxes, scores):
    return NuScenesBoxes(*list(vars(boxes).values())[:-1], score=np.asarray(scores, dtype=float))


def scene(case):
    """(detections, truth) of a named case."""
    rng = np.random.default_rng(case[1])
    truth = random_boxes(rng, SAMPLES, 150, scores=False)
    detections = concatenate([near(rng, truth), random_boxes(rng, SAMPLES, 120)])
    detections = detections.take(np.argsort(detections.sample, kind="stable"))  # a file is sorted by keyframe
    name = case[0]
    if name == "grid":  # equal distances: half metres are exact in binary, so ties are ties
        truth = random_boxes(rng, SAMPLES, 300, scores=False, labels=[0, 9], grid_m=0.5, spread_m=6)
        detections = random_boxes(rng, SAMPLES, 300, labels=[0, 9], grid_m=0.5, spread_m=6)
    if name == "tenths":  # distances equal but for the last bit, and at the limits but for it
        truth = random_boxes(rng, SAMPLES, 300, scores=False, labels=[0, 9], grid_m=0.1, spread_m=3)
        detections = random_boxes(rng, SAMPLES, 300, labels=[0, 9], grid_m=0.1, spread_m=3)
    if name == "equal scores":
        detections = with_scores(detections, np.round(detections.score, 1))
    if name == "one score":
        detections = with_scores(detections, np.full(len(detections), 0.5))
    if name == "zero scores":
        detections = with_scores(detections, np.where(detections.score < 0.5, 0.0, detections.score))
    if name == "empty classes":
        truth = truth.take(~np.isin(truth.label, [1, 3]))
        detections = detections.take(~np.isin(detections.label, [3, 5]))
    if name == "all miss":
        detections.center_m[:] += 1000
    if name == "no predictions":
        detections = empty()
    if name == "no truth":
        truth = empty()
    if name == "one of each":
        truth, detections = truth.take(np.array([0])), truth.take(np.array([0]))
        detections = with_scores(detections, [0.3])
    if name == "low recall":  # below the minimal recall the errors are 1
        detections = near(rng, truth, rate=0.05)
    if name == "nan velocities":
        truth.velocity_m_s[:], detections.velocity_m_s[::2] = np.nan, np.nan
    if name == "no attributes":
        truth.attribute[:] = -1
    if name == "crowd":
        truth = random_boxes(rng, 1, 200, scores=False, labels=[5], spread_m=8)
        detections = near(rng, truth, rate=1.0, noise_m=1.5)
    return detections, truth


CASES = [
    *(("plain", seed) for seed in range(6)),
    *(("grid", seed) for seed in range(3)),
    *(("tenths", seed) for seed in (7, 12, 15)),
    *(("equal scores", seed) for seed in range(3)),
    *((name, 1) for name in ("one score", "zero scores", "empty classes", "all miss", "no predictions", "no truth")),
    *((name, 2) for name in ("one of each", "low recall", "nan velocities", "no attributes", "crowd")),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[1]}")
def test_all_numbers_equal_the_devkits(case):
    detections, truth = scene(case)
    matches = match(detections, truth, RULES)
    devkit, curves = devkit_scores(devkit_boxes(detections, SAMPLES), devkit_boxes(truth, SAMPLES))
    assert_same_scores(score(matches), devkit)
    for (name, distance), data in curves.md.items():
        label = list(devkit["label_aps"]).index(name)
        mine = class_curves(matches)[label][RULES.match_m.index(distance)]
        np.testing.assert_allclose(mine.precision, data.precision, atol=1e-9)
        np.testing.assert_allclose(mine.confidence, data.confidence, atol=1e-9)
        if distance == RULES.error_match_m:
            for row, error in zip(mine.errors, TP_ERRORS, strict=True):
                np.testing.assert_allclose(row, getattr(data, error), atol=1e-9)


def test_distances_are_the_devkits_to_the_last_bit():
    from nuscenes.eval.common.utils import center_distance

    rng = np.random.default_rng(0)
    truth, detections = (random_boxes(rng, SAMPLES, 400, grid_m=0.1, spread_m=4) for _ in range(2))
    first, candidate, distance_m = _candidates(detections, truth, 4.0)
    boxes = [[devkit_box(part, row, "a") for row in range(400)] for part in (detections, truth)]
    pairs = list(zip(np.repeat(np.arange(400), np.diff(first)), candidate, strict=True))
    assert len(pairs) > 10_000
    assert distance_m.tolist() == [center_distance(boxes[1][other], boxes[0][row]) for row, other in pairs]
    near = [(row, other) for row in range(400) for other in range(400) if detections.sample[row] == truth.sample[other]
            and center_distance(boxes[1][other], boxes[0][row]) < 4.0]  # fmt: skip
    assert near == [pair for pair, distance in zip(pairs, distance_m, strict=True) if distance < 4.0]


@pytest.mark.parametrize("seed", range(3))
def test_a_keyframe_counted_twice_is_a_keyframe_written_twice(seed):
    """Copies of keyframes, as a bootstrap draws them, against the devkit on files that repeat the keyframes."""
    rng = np.random.default_rng(seed)
    truth = random_boxes(rng, 4, 150, scores=False, labels=[0, 5, 9])
    detections = near(rng, truth)  # continuous scores: only the copies tie
    copies = [2, 0, 1, 3]
    ours = score(match(detections, truth, RULES), by_sample(match(detections, truth, RULES), copies))
    repeated = [repeat_samples(boxes, copies) for boxes in (detections, truth)]
    devkit, _ = devkit_scores(*(devkit_boxes(boxes, sum(copies)) for boxes in repeated))
    assert_same_scores(ours, devkit)


def repeat_samples(boxes, copies):
    parts, sample = [], 0
    for source, times in enumerate(copies):
        for _ in range(times):
            part = boxes.take(boxes.sample == source)
            part.sample[:] = sample
            parts.append(part)
            sample += 1
    return concatenate(parts)


def test_the_rules_are_the_devkits():
    from nuscenes.eval.common.config import config_factory

    official = config_factory("detection_cvpr_2019")
    assert dict(RULES.range_m) == official.class_range and list(RULES.match_m) == official.dist_ths
    assert (RULES.error_match_m, RULES.min_recall, RULES.min_precision, RULES.map_weight) == (
        official.dist_th_tp, official.min_recall, official.min_precision, official.mean_ap_weight,
    )  # fmt: skip
    from nuscenes.eval.detection import constants, utils

    assert list(NUSCENES_DETECTION_CLASSES) == constants.DETECTION_NAMES
    assert list(NUSCENES_ATTRIBUTES) == constants.ATTRIBUTE_NAMES
    assert list(TP_ERRORS) == constants.TP_METRICS
    for name, allowed in NUSCENES_CLASS_ATTRIBUTES.items():
        assert list(allowed) == utils.detection_name_to_rel_attributes(name)


def test_sizes_and_scores_that_cannot_be_scored():
    truth = random_boxes(np.random.default_rng(0), 2, 5, scores=False)
    flat = truth.take(np.arange(5))
    flat.size_m[3, 1] = 0
    with pytest.raises(InputError, match=r"annotations: expected sizes above 0 m, found 0"):
        match(truth, flat, RULES)
    with pytest.raises(InputError, match="expected scores, found nan"):
        match(with_scores(truth, [0, 1, np.nan, 0, 0]), truth, RULES)
