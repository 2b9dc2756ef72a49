"""Lidarseg scores against nuscenes-devkit's LidarSegEval, and parts and intervals against plain counting."""

import json

import numpy as np
import pytest
from nuscenes_files import META
from nuscenes_lidarseg_files import write_nuscenes, write_predictions

from corruptions.core import InputError
from perception3d.conventions import NUSCENES_LIDARSEG_CLASSES
from perception3d.metrics.nuscenes_detection.bootstrap import draw_scenes, intervals
from perception3d.metrics.nuscenes_detection.devkit import open_tables
from perception3d.metrics.nuscenes_lidarseg.devkit import official_scores
from perception3d.metrics.nuscenes_lidarseg.evaluate import by_condition, by_range, by_scene, evaluate, replicate
from perception3d.metrics.nuscenes_lidarseg.report import Report, report_on, write_report
from perception3d.metrics.nuscenes_lidarseg.scores import score
from perception3d.metrics.nuscenes_lidarseg.truth import load_truth
from perception3d.submission.files import Folder, open_tree

SPLIT = "mini_val"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = write_nuscenes(tmp_path_factory.mktemp("nuscenes"))
    return root, load_truth(root, "v1.0-mini", SPLIT)


def predictions(truth, seed, classes=range(1, 17), rate=0.6):
    rng = np.random.default_rng(seed)
    result = {}
    for index, token in enumerate(truth.sweeps):
        labels = truth.labels(index)
        guess = rng.choice(list(classes), len(labels))
        result[token] = np.where((labels < 16) & (rng.random(len(labels)) < rate), labels + 1, guess)
    return result


CASES = {
    "some right": dict(),
    "all wrong or right by luck": dict(rate=0.0),
    "one class for all": dict(classes=[4], rate=0.0),
    "perfect where scored": dict(rate=1.0),
}


@pytest.mark.parametrize("case", CASES)
def test_scores_equal_the_devkits(world, tmp_path, case):
    root, truth = world
    folder = write_predictions(tmp_path, SPLIT, predictions(truth, 3, **CASES[case]), META)
    with open_tree(folder) as tree:
        ours = evaluate(tree, truth, "x").scores
        theirs = official_scores(open_tables(root, "v1.0-mini"), tree, truth)
    assert ours.miou == pytest.approx(theirs["miou"], abs=1e-12)
    assert ours.fwiou == pytest.approx(theirs["freq_weighted_iou"], abs=1e-12)
    by_class = [theirs["iou_per_class"][name] for name in NUSCENES_LIDARSEG_CLASSES]
    np.testing.assert_allclose(ours.iou, by_class, atol=1e-12)
    if case == "perfect where scored":
        assert ours.accuracy == 1.0 and ours.miou == 1.0


def test_whole_evaluation_of_the_devkit(world, tmp_path):
    """Its constructor and file reading too: every scene of the split mini_val is in the tables."""
    from nuscenes.eval.lidarseg.evaluate import LidarSegEval

    root, truth = world
    folder = write_predictions(tmp_path, SPLIT, predictions(truth, 5), META)
    theirs = LidarSegEval(open_tables(root, "v1.0-mini"), str(folder), SPLIT).evaluate()
    assert report_on(folder, truth).values["mIoU"] == pytest.approx(theirs["miou"], abs=1e-12)


def test_absent_classes_and_huge_counts_as_the_devkit_has_them():
    """Against its ConfusionMatrix: nan for a class without points and predictions, 0 for one that is only predicted."""
    from nuscenes.eval.lidarseg.utils import ConfusionMatrix

    counts = np.zeros((16, 17), dtype=np.int64)
    counts[10, 10], counts[10, 3], counts[15, 15] = 50_000_001, 17_000_003, 16_777_217
    theirs = ConfusionMatrix(17, 0)
    theirs.global_cm = np.zeros((17, 17), dtype=np.int64)
    theirs.global_cm[1:, 1:] = counts[:, :16]
    ours = score(counts)
    np.testing.assert_array_equal(ours.iou, theirs.get_per_class_iou()[1:])
    assert ours.miou == theirs.get_mean_iou() and ours.fwiou == pytest.approx(theirs.get_freqweighted_iou(), abs=1e-15)
    assert np.isnan(ours.iou[0]) and ours.iou[3] == 0.0
    assert ours.miou_present == pytest.approx((ours.iou[10] + 1) / 2)  # classes 10 and 15 have points
    assert np.isnan(score(np.zeros((16, 17), np.int64)).miou)


def test_parts_count_their_own_points(world, tmp_path):
    root, truth = world
    predicted = predictions(truth, 7)
    evaluation = evaluate(Folder(write_predictions(tmp_path, SPLIT, predicted, META)), truth, "x")
    assert sum(part.scores.points.sum() for part in by_range(evaluation)) == evaluation.scores.points.sum()
    assert [part.name for part in by_condition(evaluation)] == ["rain", "no rain", "night", "day"]
    # 20-30 m by hand: points whose x-y distance lies there, of all sweeps
    correct = scored = 0
    for index, token in enumerate(truth.sweeps):
        points = np.fromfile(truth.point_files[index], np.float32).reshape(-1, 5)
        labels = truth.labels(index)
        inside = (np.sqrt(points[:, 0] ** 2 + points[:, 1] ** 2) // 10 == 2) & (labels < 16)
        scored += inside.sum()
        correct += (predicted[token] - 1 == labels)[inside].sum()
    (part,) = [part for part in by_range(evaluation) if part.name == "20-30 m"]
    assert part.scores.points.sum() == scored and part.scores.accuracy == pytest.approx(correct / scored)
    first, second = by_scene(evaluation)
    assert (first.name, first.sweeps, second.name) == ("scene-0103", 2, "scene-0916")
    (night,) = [part for part in by_condition(evaluation) if part.name == "night"]
    np.testing.assert_array_equal(night.scores.iou, first.scores.iou)  # only scene-0103 is at night


def test_draws_are_scores_of_the_drawn_scenes(world, tmp_path):
    _, truth = world
    evaluation = evaluate(Folder(write_predictions(tmp_path, SPLIT, predictions(truth, 7), META)), truth, "x")
    copies = np.array([[2, 2, 0, 0], [1, 1, 1, 1], [0, 0, 2, 2]])
    draws = replicate(evaluation, copies)
    scenes = by_scene(evaluation)
    assert draws["mIoU"][0] == pytest.approx(scenes[0].scores.miou, abs=1e-12)  # twice the points, the same shares
    assert draws["mIoU"][1] == evaluation.scores.miou
    assert draws["fwIoU"][2] == pytest.approx(scenes[1].scores.fwiou, abs=1e-12)
    drawn = {row.name: row.spread["mIoU"] for row in by_condition(evaluation, copies[:1])}
    assert drawn["night"].low == drawn["night"].high == pytest.approx(scenes[0].scores.miou_present, abs=1e-12)
    assert np.isnan(drawn["day"].low)  # only scene-0103 was drawn, which is at night
    (near, *_) = by_range(evaluation, copies[1:2])
    assert near.spread["mIoU"].low == near.scores.miou_present
    spread = intervals({"a": 1.0, "b": 2.0}, {"a": np.array([0.0, np.nan, 1.0]), "b": np.full(3, np.nan)})
    assert (spread["a"].low, spread["a"].high) == pytest.approx((0.025, 0.975)) and np.isnan(spread["b"].low)


def test_files_and_missing_sweeps(world, tmp_path):
    root, _ = world
    copy = write_nuscenes(tmp_path / "copy")
    (copy / "samples/LIDAR_TOP/scene-0103-0.pcd.bin").unlink()
    truth = load_truth(copy, "v1.0-mini", SPLIT)
    folder = write_predictions(tmp_path / "p", SPLIT, predictions(truth, 7, classes=[4, 5]), META)
    with open_tree(folder) as tree:
        evaluation = evaluate(tree, truth, "x")
    assert evaluation.ranges_m is None and by_range(evaluation) == []
    report = Report(evaluation, draw_scenes(truth.scenes, 5, np.random.default_rng(0)))
    assert "no scores by range" in report.text()
    write_report(report, tmp_path / "out")
    summary = json.loads((tmp_path / "out/metrics_summary.json").read_text())
    rain = summary["breakdowns"]["conditions"][0]
    assert rain["name"] == "rain" and rain["mIoU"] == by_condition(evaluation)[0].scores.miou_present
    assert f"{rain['intervals_95']['mIoU']['low']:.3f}, " in (tmp_path / "out/tables.txt").read_text()
    assert summary["miou"] == evaluation.scores.miou and set(summary["iou_per_class"]) == set(NUSCENES_LIDARSEG_CLASSES)
    assert (tmp_path / "out/confusion.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    np.testing.assert_array_equal(np.load(tmp_path / "out/confusion_matrix.npy"), evaluation.confusion)


def test_bad_input(world, tmp_path):
    root, truth = world
    folder = write_predictions(tmp_path / "p", SPLIT, predictions(truth, 7), META)
    name = f"lidarseg/{SPLIT}/{truth.sweeps[1]}_lidarseg.bin"
    (folder / name).write_bytes(bytes(3))
    with pytest.raises(InputError, match=rf"1 faults(.|\n)*{truth.sweeps[1]}_lidarseg.bin: expected 121 uint8"):
        report_on(folder, truth)
    with pytest.raises(InputError, match="unknown split"):
        load_truth(root, "v1.0-mini", "mini_vall")
    copy = write_nuscenes(tmp_path / "copy")
    rows = json.loads((copy / "v1.0-mini/lidarseg.json").read_text())
    (copy / "v1.0-mini/lidarseg.json").write_text(json.dumps(rows[1:]))
    with pytest.raises(InputError, match="labels of 4 keyframes of mini_val, found none of 1"):
        load_truth(copy, "v1.0-mini", SPLIT)
    (copy / "v1.0-mini/lidarseg.json").unlink()
    with pytest.raises(InputError, match="lidarseg.json: expected the labels"):
        load_truth(copy, "v1.0-mini", SPLIT)
    copy = write_nuscenes(tmp_path / "other")
    categories = json.loads((copy / "v1.0-mini/category.json").read_text())
    (copy / "v1.0-mini/category.json").write_text(json.dumps([{**categories[0], "name": "tree"}, *categories[1:]]))
    with pytest.raises(InputError, match="32 categories of nuScenes-lidarseg.*found tree"):
        load_truth(copy, "v1.0-mini", SPLIT)
