"""Loading, filters and scores on the 18 real keyframes, against nuscenes-devkit's DetectionEval from file to NDS."""

import numpy as np
import pytest
from nuscenes_files import as_detections, assert_same_scores, link_trainval, near, random_boxes, write_results

from corruptions.core import InputError
from perception3d.metrics.nuscenes_detection.devkit import load_ground_truth, official_scores, open_tables
from perception3d.metrics.nuscenes_detection.evaluate import evaluate
from perception3d.submission.nuscenes_boxes import LABELS, concatenate, empty
from perception3d.submission.nuscenes_det import read_results


@pytest.fixture(scope="module")
def trainval(data_root, tmp_path_factory):
    nusc = open_tables(link_trainval(data_root, tmp_path_factory.mktemp("nuscenes")), "v1.0-trainval")
    return nusc, load_ground_truth(nusc, "val")


def detections_of(case, truth):
    """Detections in the order of their file, keyframe by keyframe."""
    rng = np.random.default_rng(5)
    if case == "ground truth":
        return as_detections(truth)
    around = random_boxes(rng, len(truth.tokens), 900, spread_m=45)
    around.center_m[:, :2] += truth.ego_m[around.sample, :2]
    around.center_m[:, 2] = 1.0
    racked = near(rng, truth.boxes.take(np.isin(truth.boxes.label, [LABELS["bicycle"], LABELS["motorcycle"]])))
    boxes = concatenate([near(rng, as_detections(truth)), racked, around])
    boxes.velocity_m_s[:] = np.nan_to_num(boxes.velocity_m_s)
    boxes.rotation[:] /= np.linalg.norm(boxes.rotation, axis=1, keepdims=True)
    return boxes.take(np.argsort(boxes.sample, kind="stable"))


@pytest.mark.parametrize("case", ["ground truth", "noisy", "coarse scores"])
def test_scores_equal_detection_eval(trainval, tmp_path, case):
    nusc, truth = trainval
    boxes = detections_of(case, truth)
    if case == "coarse scores":  # ties across keyframes, resolved by the order in the file
        boxes.score[:] = np.round(boxes.score, 1)
    path = write_results(tmp_path / "results.json", boxes, truth.tokens)
    results = read_results(path, truth.tokens)
    assert results.faults == ()
    assert_same_scores(evaluate(results.boxes, truth).scores, official_scores(nusc, path, "val"))


def test_ground_truth_as_detections_scores(trainval, data_root):
    """No trailer in these scenes: 9 of 10 classes at AP 1, and an error of 1 for a tenth of the classes."""
    _, truth = trainval
    scores = evaluate(as_detections(truth), truth).scores
    assert (round(scores.mean_ap, 3), round(scores.nds, 3)) == (0.900, 0.894)
    mini = load_ground_truth(open_tables(data_root / "nuscenes", "v1.0-mini"), "mini_val")
    assert len(mini.tokens) == 10 and set(mini.scenes) == {"scene-0916"}
    scores = evaluate(as_detections(mini), mini).scores
    assert (round(scores.mean_ap, 3), round(scores.nds, 3)) == (0.600, 0.637)
    assert scores.present().mean_ap == pytest.approx(1.0)


def test_filters_keep_the_boxes_that_the_devkit_keeps(trainval, tmp_path):
    """By class: range, points and bicycle racks. Racks hold most bicycles of scene-0916."""
    from nuscenes.eval.common.config import config_factory
    from nuscenes.eval.detection.evaluate import DetectionEval

    nusc, truth = trainval
    boxes = detections_of("noisy", truth)
    path = write_results(tmp_path / "results.json", boxes, truth.tokens)
    devkit = DetectionEval(nusc, config_factory("detection_cvpr_2019"), str(path), "val", str(tmp_path), verbose=False)
    ours = evaluate(boxes, truth).matches
    for kept, theirs in ((ours.detections, devkit.pred_boxes), (ours.truth, devkit.gt_boxes)):
        found = [[*center, LABELS[box.detection_name]] for box in theirs.all for center in [box.translation]]
        np.testing.assert_array_equal(np.column_stack([kept.center_m, kept.label]), found)
    cycles = np.isin(truth.boxes.label, [LABELS["bicycle"], LABELS["motorcycle"]])
    assert len(truth.racks.sample) > 0
    assert np.isin(ours.truth.label, [LABELS["bicycle"], LABELS["motorcycle"]]).sum() < cycles.sum()


def test_nothing_detected(trainval):
    _, truth = trainval
    scores = evaluate(empty(), truth).scores
    assert (scores.mean_ap, scores.nds) == (0.0, 0.0)
    assert scores.mean_errors.tolist() == [1.0] * 5


@pytest.mark.parametrize(
    ("column", "value"), [("visibility_token", "x"), ("translation", "x"), ("num_lidar_pts", None), ("prev", "x")]
)
def test_broken_rows_are_named(trainval, column, value):
    nusc, _ = trainval
    row = next(row for row in nusc.sample_annotation if row["category_name"] == "vehicle.car" and row["prev"])
    before, row[column] = row[column], value
    try:
        with pytest.raises(InputError, match="found a row that breaks them"):
            load_ground_truth(nusc, "val")
    finally:
        row[column] = before


def test_bad_input(trainval, data_root, tmp_path):
    nusc, truth = trainval
    with pytest.raises(InputError, match="expected keyframes of split 'train', found none"):
        load_ground_truth(nusc, "train")
    with pytest.raises(InputError, match="unknown split 'valid'"):
        load_ground_truth(nusc, "valid")
    with pytest.raises(InputError, match="versions there: v1.0-mini"):
        open_tables(data_root / "nuscenes", "v1.0-test")
    boxes = as_detections(truth)
    boxes.sample[0] = 18
    with pytest.raises(InputError, match=r"expected samples 0\.\.17, found 18"):
        evaluate(boxes, truth)
    for tokens in (truth.tokens[1:], truth.tokens):  # a keyframe missing; not a single box
        path = write_results(tmp_path / "results.json", empty(), tokens)
        with pytest.raises(InputError, match="nuscenes-devkit refuses it"):
            official_scores(nusc, path, "val")
