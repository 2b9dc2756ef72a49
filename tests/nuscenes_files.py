"""nuScenes boxes, tables and result files for tests, and the devkit's scores of boxes in memory."""

import json
from pathlib import Path

import numpy as np
import pytest

from perception3d.conventions import NUSCENES_ATTRIBUTES, NUSCENES_CLASS_ATTRIBUTES, NUSCENES_DETECTION_CLASSES
from perception3d.submission.nuscenes_boxes import ATTRIBUTES, NuScenesBoxes

META = {"use_camera": False, "use_lidar": True, "use_radar": False, "use_map": False, "use_external": False}


def link_trainval(data_root: Path, folder: Path) -> Path:
    """The real keyframes under a table folder that the devkit takes for the whole data set: all 18 are then "val"."""
    source = data_root / "nuscenes"
    if not (source / "v1.0-mini").is_dir():
        pytest.skip(f"no nuScenes tables at {source}")
    folder.mkdir(parents=True, exist_ok=True)
    for name, target in (("v1.0-trainval", "v1.0-mini"), ("samples", "samples"), ("maps", "maps")):
        (folder / name).symlink_to((source / target).resolve())
    return folder


def random_boxes(rng, samples, count, *, scores=True, labels=range(10), grid_m=None, spread_m=30.0):
    """Boxes in random keyframes and classes; on a grid of ``grid_m`` distances tie, exactly."""
    center = rng.uniform(-spread_m, spread_m, (count, 3))
    if grid_m:
        center = np.round(center / grid_m) * grid_m
    label = rng.choice(list(labels), count)
    allowed = [NUSCENES_CLASS_ATTRIBUTES[NUSCENES_DETECTION_CLASSES[item]] for item in label]
    attribute = [ATTRIBUTES[rng.choice(names)] if names and rng.random() < 0.8 else -1 for names in allowed]
    velocity = rng.normal(0, 2, (count, 2))
    velocity[rng.random(count) < 0.1] = np.nan
    rotation = rng.normal(size=(count, 4))
    return NuScenesBoxes(
        sample=np.sort(rng.integers(0, samples, count)),
        label=label,
        center_m=center,
        size_m=rng.uniform(0.3, 5, (count, 3)),
        rotation=rotation / np.linalg.norm(rotation, axis=1, keepdims=True),
        velocity_m_s=velocity,
        attribute=np.array(attribute, dtype=np.int64),
        score=rng.random(count) if scores else np.full(count, -1.0),
    )


def near(rng, truth, *, rate=0.8, noise_m=0.6):
    """Detections near most of the annotations, and some of them twice."""
    rows = np.flatnonzero(rng.random(len(truth)) < rate)
    rows = np.sort(np.concatenate([rows, rows[rng.random(len(rows)) < 0.3]]))
    boxes = truth.take(rows)
    wrong = rng.random(len(rows)) < 0.2
    return NuScenesBoxes(
        boxes.sample,
        boxes.label,
        boxes.center_m + rng.normal(0, noise_m, (len(rows), 3)),
        boxes.size_m * rng.uniform(0.8, 1.2, (len(rows), 3)),
        boxes.rotation + rng.normal(0, 0.1, (len(rows), 4)),
        boxes.velocity_m_s + rng.normal(0, 0.5, (len(rows), 2)),
        np.where(wrong, -1, boxes.attribute),
        rng.random(len(rows)),
    )


def tokens(samples):
    return [f"{index:032x}" for index in range(samples)]


def devkit_boxes(boxes, samples):
    """``EvalBoxes`` of the same boxes, in the same order."""
    from nuscenes.eval.common.data_classes import EvalBoxes

    result = EvalBoxes()
    for token in tokens(samples):
        result.add_boxes(token, [])
    for row in range(len(boxes)):
        token = tokens(samples)[boxes.sample[row]]
        result.add_boxes(token, [devkit_box(boxes, row, token)])
    return result


def devkit_box(boxes, row, token):
    from nuscenes.eval.detection.data_classes import DetectionBox

    return DetectionBox(
        sample_token=token,
        translation=tuple(boxes.center_m[row]),
        size=tuple(boxes.size_m[row]),
        rotation=tuple(boxes.rotation[row]),
        velocity=tuple(boxes.velocity_m_s[row]),
        detection_name=NUSCENES_DETECTION_CLASSES[boxes.label[row]],
        detection_score=float(boxes.score[row]),
        attribute_name="" if boxes.attribute[row] < 0 else NUSCENES_ATTRIBUTES[boxes.attribute[row]],
    )


def devkit_scores(detections, truth):
    """The devkit's accumulate, calc_ap and calc_tp over ``EvalBoxes``, as its ``DetectionEval.evaluate`` runs them."""
    from nuscenes.eval.common.config import config_factory
    from nuscenes.eval.detection.evaluate import DetectionEval

    evaluation = DetectionEval.__new__(DetectionEval)  # its constructor reads files
    evaluation.cfg = config_factory("detection_cvpr_2019")
    evaluation.gt_boxes, evaluation.pred_boxes, evaluation.verbose = truth, detections, False
    metrics, curves = evaluation.evaluate()
    return metrics.serialize(), curves


def assert_same_scores(ours, devkit, tolerance=1e-9):
    """Every number of ``DetectionScores.to_dict`` against the devkit's summary."""
    found = ours.to_dict()
    for name in NUSCENES_DETECTION_CLASSES:
        for distance, value in devkit["label_aps"][name].items():
            assert found["label_aps"][name][str(distance)] == pytest.approx(value, abs=tolerance), (name, distance)
        for error, value in devkit["label_tp_errors"][name].items():
            mine = found["label_tp_errors"][name][error]
            assert (mine is None) == bool(np.isnan(value)), (name, error)
            assert mine is None or mine == pytest.approx(value, abs=tolerance), (name, error)
    for key in ("mean_ap", "nd_score"):
        assert found[key] == pytest.approx(devkit[key], abs=tolerance), key
    for key in ("mean_dist_aps", "tp_errors", "tp_scores"):
        assert found[key] == pytest.approx(dict(devkit[key]), abs=tolerance), key


def result_boxes(boxes, row, token):
    """A box as the results file writes it."""
    box = devkit_box(boxes, row, token).serialize()
    return {key: value for key, value in box.items() if key not in ("ego_translation", "num_pts")}


def write_results(path, boxes, sample_tokens, meta=META):
    """A results file of ``boxes``; not written with the project's writer."""
    results = {token: [] for token in sample_tokens}
    for row in range(len(boxes)):
        token = sample_tokens[boxes.sample[row]]
        results[token].append(result_boxes(boxes, row, token))
    path.write_text(json.dumps({"meta": meta, "results": results}))
    return path


def as_detections(truth):
    """Annotations with a point in them as detections: full score, and velocity 0 where the tables have none."""
    boxes = truth.boxes.take(truth.num_points > 0)
    return NuScenesBoxes(
        boxes.sample, boxes.label, boxes.center_m, boxes.size_m, boxes.rotation,
        np.nan_to_num(boxes.velocity_m_s), boxes.attribute, np.ones(len(boxes)),
    )  # fmt: skip
