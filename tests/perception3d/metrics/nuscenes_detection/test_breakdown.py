"""Parts of a split, intervals and tables, on worlds small enough to count by hand."""

import dataclasses
import json

import numpy as np
import pytest
from nuscenes_files import near, random_boxes, tokens

from corruptions.core import InputError
from perception3d.metrics.nuscenes_detection.bootstrap import difference, draw_scenes, flat, intervals, replicate
from perception3d.metrics.nuscenes_detection.breakdown import by_condition, by_range, by_scene, by_visibility
from perception3d.metrics.nuscenes_detection.devkit import GroundTruth
from perception3d.metrics.nuscenes_detection.evaluate import evaluate
from perception3d.metrics.nuscenes_detection.filters import Racks
from perception3d.metrics.nuscenes_detection.report import Report, write_report
from perception3d.metrics.nuscenes_detection.tables import comparison_markdown, official_table, parts_table
from perception3d.submission.nuscenes_boxes import LABELS, NuScenesBoxes, empty

TEXTS = {"scene-a": "Wait at intersection, Rain", "scene-b": "Night, parked cars", "scene-c": "Bus at train station"}


def world(boxes, scenes, visibility=None):
    samples = len(scenes)
    none = Racks(np.zeros(0, np.int64), np.zeros((0, 3)), np.zeros((0, 3)), np.zeros((0, 4)))
    return GroundTruth(
        tuple(tokens(samples)), tuple(scenes), TEXTS, boxes, np.ones(len(boxes), np.int64),
        np.full(len(boxes), 4) if visibility is None else np.asarray(visibility), np.zeros((samples, 3)), none,
    )  # fmt: skip


def cars(x_m, score=-1.0, sample=None):
    """Cars ahead of the ego vehicle, all alike."""
    count = len(x_m)
    center = np.column_stack([x_m, np.zeros(count), np.zeros(count)]).astype(float)
    return NuScenesBoxes(
        np.zeros(count, np.int64) if sample is None else np.asarray(sample), np.full(count, LABELS["car"]), center,
        np.tile([2.0, 4.0, 1.5], (count, 1)), np.tile([1.0, 0, 0, 0], (count, 1)), np.zeros((count, 2)),
        np.full(count, -1), np.broadcast_to(score, count).astype(float),
    )  # fmt: skip


@pytest.fixture(scope="module")
def evaluation():
    rng = np.random.default_rng(0)
    truth = random_boxes(rng, 6, 400, scores=False, spread_m=25)
    scenes = ["scene-a", "scene-a", "scene-b", "scene-c", "scene-c", "scene-c"]
    return evaluate(near(rng, truth), world(truth, scenes))


def test_a_scene_scores_as_if_it_were_alone(evaluation):
    rows = by_scene(evaluation)
    assert [(row.name, row.samples) for row in rows] == [("scene-a", 2), ("scene-b", 1), ("scene-c", 3)]
    matches = evaluation.matches
    for row, samples in zip(rows, ([0, 1], [2], [3, 4, 5]), strict=True):
        truth = matches.truth.take(np.isin(matches.truth.sample, samples))
        alone = evaluate(
            matches.detections.take(np.isin(matches.detections.sample, samples)),
            world(truth, evaluation.truth.scenes),
        ).scores.present()
        assert row.scores.summary() == pytest.approx(alone.summary(), abs=1e-12)
        np.testing.assert_array_equal(row.scores.positives, alone.positives)


def test_conditions_come_from_the_descriptions(evaluation):
    assert {row.name: row.samples for row in by_condition(evaluation)} == {
        "rain": 2, "no rain": 4, "night": 1, "day": 5,
    }  # fmt: skip
    scenes = {row.name: row.scores for row in by_scene(evaluation)}
    conditions = {row.name: row.scores for row in by_condition(evaluation)}
    assert conditions["rain"].summary() == scenes["scene-a"].summary()
    assert conditions["night"].summary() == scenes["scene-b"].summary()


def test_a_match_across_the_border_of_two_ranges_is_no_error():
    """Car at 19 m found at 21 m (1 m further than 4 m allows at 24.5); car at 35 m missed; a false one at 45 m."""
    truth, found = cars([19.0, 35.0]), cars([21.0, 45.0], score=np.array([0.9, 0.8]))
    rows = by_range(evaluate(found, world(truth, ["scene-c"])))
    assert [row.name for row in rows] == ["0-20 m", "20-30 m", "30-40 m", "40-50 m"]
    assert [int(row.scores.positives.sum()) for row in rows] == [1, 0, 1, 0]
    # 2 m is not below 2 m, but below 4 m: one distance of four
    np.testing.assert_allclose(rows[0].scores.ap, [[0, 0, 0, 1]])
    np.testing.assert_allclose(rows[2].scores.ap, [[0, 0, 0, 0]])
    assert "-" in parts_table("range", rows).splitlines()[2]  # no class, no score


def test_recall_by_visibility():
    """Two cars at 80-100 %, one of them found 0.7 m off; one at 0-40 %, found exactly; the rest have none."""
    truth, found = cars([10.0, 20.0, 30.0]), cars([10.7, 30.0], score=0.5)
    rows = {row.name: row for row in by_visibility(evaluate(found, world(truth, ["scene-c"], [4, 4, 1])))}
    np.testing.assert_allclose(rows["80-100 %"].recall, [0, 0.5, 0.5, 0.5])
    np.testing.assert_allclose(rows["80-100 %"].errors[:4], [0.7, 0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(rows["0-40 %"].recall, 1)
    assert rows["40-60 %"].annotations == 0 and np.isnan(rows["40-60 %"].recall).all()
    assert np.isnan(rows["0-40 %"].errors[4])  # annotations without attributes


def test_intervals_of_parts_come_from_the_drawn_scenes(evaluation):
    """One draw makes an interval a number: that of the drawn scenes alone, by every way to cut the split."""
    scenes = {row.name: row.scores for row in by_scene(evaluation)}
    copies = np.array([[1, 1, 0, 0, 0, 0]])  # scene-a, once: copies would move the points between which it is sampled
    rows = {row.name: row for row in by_condition(evaluation, copies)}
    for name in ("rain", "day"):
        assert rows[name].spread["mAP"].low == rows[name].spread["mAP"].high
        assert rows[name].spread["mAP"].low == pytest.approx(scenes["scene-a"].mean_ap, abs=1e-12)
        assert rows[name].spread["NDS"].low == pytest.approx(scenes["scene-a"].nds, abs=1e-12)
        assert rows[name].spread["mAP"].value == rows[name].scores.mean_ap
    assert np.isnan(rows["night"].spread["mAP"].low)  # not in the draw
    matches = evaluation.matches
    alone = evaluate(
        matches.detections.take(matches.detections.sample < 2),
        world(matches.truth.take(matches.truth.sample < 2), evaluation.truth.scenes),
    )
    for whole, part in zip(by_range(evaluation, copies)[:3], by_range(alone)[:3], strict=True):
        assert whole.spread["mAP"].low == pytest.approx(part.scores.mean_ap, abs=1e-12)
    for whole, part in zip(by_visibility(evaluation, copies), by_visibility(alone), strict=True):
        np.testing.assert_allclose([item.low for item in whole.spread], part.recall)
        np.testing.assert_array_equal([item.value for item in whole.spread], whole.recall)


def test_tables_and_summary_hold_the_intervals_of_parts(evaluation, tmp_path):
    copies = draw_scenes(evaluation.truth.scenes, 3, np.random.default_rng(0))
    write_report(Report(evaluation, {}, copies), tmp_path)
    row = next(row for row in by_range(evaluation, copies) if row.name == "20-30 m")
    span = row.spread["mAP"]
    line = next(line for line in (tmp_path / "tables.txt").read_text().splitlines() if line.startswith("20-30 m"))
    assert f"{row.scores.mean_ap:.3f}  [{span.low:.3f}, {span.high:.3f}]" in line
    summary = json.loads((tmp_path / "metrics_summary.json").read_text())["breakdowns"]
    found = next(part for part in summary["ranges"] if part["name"] == "20-30 m")
    assert found["mAP"] == row.scores.mean_ap and found["intervals_95"]["mAP"]["high"] == span.high
    assert [part["name"] for part in summary["scenes"]] == ["scene-a", "scene-b", "scene-c"]
    assert not by_range(evaluation, copies)[3].spread  # no box beyond 40 m
    (seen,) = [part for part in summary["visibilities"] if part["boxes"]]
    assert seen["recall@2"] == by_visibility(evaluation)[3].recall[2]


def test_nothing_to_score():
    evaluation = evaluate(cars([3.0], score=1.0), world(empty(), ["scene-c"]))
    assert evaluation.scores.nds == 0
    assert all(row.annotations == 0 for row in by_visibility(evaluation))
    assert all(len(row.scores.positives) == 0 for row in by_range(evaluation))


def test_scenes_are_drawn_whole():
    scenes = ["b", "a", "a", "c", "b", "b"]
    copies = draw_scenes(scenes, 500, np.random.default_rng(0))
    assert copies.shape == (500, 6)
    for same in ([0, 4, 5], [1, 2]):
        assert (copies[:, same] == copies[:, same[:1]]).all()
    assert (copies[:, 0] + copies[:, 1] + copies[:, 3] == 3).all()
    np.testing.assert_allclose(copies.mean(axis=0), 1, atol=0.15)  # sd of a mean: sqrt(2/3 / 500) = 0.037
    with pytest.raises(InputError, match="at least two scenes"):
        draw_scenes(["a", "a"], 5, np.random.default_rng(0))


def test_intervals_hold_the_value_and_grow_with_the_spread(evaluation):
    copies = draw_scenes(evaluation.truth.scenes, 40, np.random.default_rng(1))
    values, draws = flat(evaluation.scores), replicate(evaluation, copies)
    found = intervals(values, draws)
    for name in ("mAP", "NDS", "AP/car"):
        assert found[name].low <= found[name].value <= found[name].high
        assert found[name].low < found[name].high
    once = replicate(evaluation, np.ones((1, 6), dtype=np.int64))
    assert {name: float(value[0]) for name, value in once.items()} == values
    same = difference(values, values, draws, draws)
    assert all((item.value, item.low, item.high) == (0, 0, 0) for item in same.values())


def test_a_difference_is_sharper_than_its_two_scores(evaluation):
    """The same detections, a tenth of them away: all scenes lose alike."""
    detections = evaluation.matches.detections
    kept = np.arange(len(detections)) % 10 > 0
    other = evaluate(detections.take(kept), evaluation.truth)
    copies = draw_scenes(evaluation.truth.scenes, 40, np.random.default_rng(2))
    base, less = replicate(evaluation, copies), replicate(other, copies)
    found = difference(flat(evaluation.scores), flat(other.scores), base, less)["mAP"]
    alone = intervals(flat(other.scores), less)["mAP"]
    assert found.value < 0 and found.high - found.low < alone.high - alone.low


def test_tables_print_what_the_scores_are(evaluation):
    scores = evaluation.scores
    lines = official_table(scores).splitlines()
    assert lines[0] == f"NDS   {scores.nds:.4f}" and lines[1] == f"mAP   {scores.mean_ap:.4f}"
    cone = next(line for line in lines if line.startswith("traffic_cone")).split()
    assert cone[2] == f"{scores.class_ap[LABELS['traffic_cone']]:.3f}" and cone[-3:] == ["-", "-", "-"]
    copies = draw_scenes(evaluation.truth.scenes, 5, np.random.default_rng(0))
    values, draws = flat(scores), replicate(evaluation, copies)
    table = comparison_markdown(["a", "b"], [values, values], [difference(values, values, draws, draws)])
    assert table.splitlines()[0] == "| score | a | b | difference |"
    assert f"| mAP | {scores.mean_ap:.4f} | {scores.mean_ap:.4f} | +0.0000 [+0.0000, +0.0000] |" in table
    shifted = {name: value + 0.25 for name, value in values.items()}
    assert "| +0.2500 |" in comparison_markdown(["a", "b"], [values, shifted], None)


def test_present_classes_alone(evaluation):
    """Means of the parts are over the classes with annotations; the official ones over all ten."""
    truth, found = cars([10.0]), cars([10.0], score=0.5)
    scores = evaluate(found, world(truth, ["scene-c"])).scores
    assert (scores.mean_ap, scores.present().mean_ap) == (pytest.approx(0.1), pytest.approx(1.0))
    assert dataclasses.replace(scores).nds == scores.nds
