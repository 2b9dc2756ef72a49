"""The mmengine metric: predictions of mmdet3d in the LiDAR frame to official scores and files."""

import json

import mmengine
import numpy as np
import pytest
import torch
from mmdet3d.structures import LiDARInstance3DBoxes
from nuscenes_files import META, link_trainval

from corruptions.core import InputError
from perception3d.conventions import NUSCENES_DETECTION_CLASSES
from perception3d.metrics.nuscenes_detection.devkit import open_tables
from perception3d.registry import METRICS
from perception3d.submission.nuscenes_det import read_results
from perception3d.submission.nuscenes_split import read_split

CLASSES = tuple(reversed(NUSCENES_DETECTION_CLASSES))  # a model's own order


def matrix(record):
    from pyquaternion import Quaternion

    result = np.eye(4)
    result[:3, :3], result[:3, 3] = Quaternion(record["rotation"]).rotation_matrix, record["translation"]
    return result


@pytest.fixture(scope="module")
def world(data_root, tmp_path_factory):
    """Root, info file and the annotations of the 18 keyframes as a model's predictions, by the devkit's own boxes."""
    folder = tmp_path_factory.mktemp("metric")
    root = link_trainval(data_root, folder / "nuscenes")
    nusc = open_tables(root, "v1.0-trainval")
    infos, samples = [], []
    for index, sample in enumerate(nusc.sample):
        sweep = nusc.get("sample_data", sample["data"]["LIDAR_TOP"])
        sensor = nusc.get("calibrated_sensor", sweep["calibrated_sensor_token"])
        pose = nusc.get("ego_pose", sweep["ego_pose_token"])
        info = {"sample_idx": index, "token": sample["token"], "lidar_points": {"lidar2ego": matrix(sensor).tolist()}}
        infos.append({**info, "ego2global": matrix(pose).tolist()})
        samples.append(
            {"sample_idx": index, "pred_instances_3d": predictions(nusc, sweep, matrix(pose) @ matrix(sensor))}
        )
    mmengine.dump({"metainfo": {}, "data_list": infos}, folder / "infos.pkl")
    return root, str(folder / "infos.pkl"), samples


def predictions(nusc, sweep, global_from_lidar):
    from nuscenes.eval.detection.utils import category_to_detection_name

    rows, labels = [], []
    for box in nusc.get_sample_data(sweep["token"])[1]:
        record = nusc.get("sample_annotation", box.token)
        name = category_to_detection_name(box.name)
        if name is None or record["num_lidar_pts"] + record["num_radar_pts"] == 0:
            continue
        velocity = global_from_lidar[:3, :3].T @ np.nan_to_num(nusc.box_velocity(box.token))
        forward = box.orientation.rotation_matrix[:, 0]
        width, length, height = box.wlh
        rows.append([*box.center, length, width, height, np.arctan2(forward[1], forward[0]), *velocity[:2]])
        labels.append(CLASSES.index(name))
    boxes = LiDARInstance3DBoxes(torch.tensor(rows), box_dim=9, origin=(0.5, 0.5, 0.5))
    return {"bboxes_3d": boxes, "scores_3d": torch.ones(len(rows)), "labels_3d": torch.tensor(labels)}


def build(world, classes=CLASSES, sensors=(("use_lidar", True),), **options):
    root, ann_file, _ = world
    metric = METRICS.build(
        dict(type="perception3d.NuScenesDetMetric", data_root=str(root), ann_file=ann_file, **options)
    )
    metric.dataset_meta = {"classes": classes, "modality": dict(sensors)}
    return metric


def run(metric, samples):
    for sample in samples:
        metric.process({}, [sample])
    return metric.evaluate(len(samples))


def test_annotations_through_the_lidar_frame_score_as_they_should(world, tmp_path):
    """As ground truth in a file does, but for the attributes, which follow from the speed, the vertical speed
    on slopes, which boxes in the LiDAR frame do not have, and float32."""
    scores = run(build(world, out_dir=str(tmp_path), official=True), world[2])
    assert scores["mAP"] == pytest.approx(0.900, abs=1e-3) and scores["AP/trailer"] == 0.0
    expected = {"mATE": 0.1, "mASE": 0.1, "mAOE": 1 / 9, "mAVE": 1 / 8}
    for name, value in expected.items():  # 1 for the trailer that is not there, about 0 for the others
        assert scores[name] == pytest.approx(value, abs=1e-2), name
    assert scores["devkit/NDS"] == pytest.approx(scores["NDS"], abs=1e-9)
    assert scores["devkit/mAP"] == pytest.approx(scores["mAP"], abs=1e-9)
    tokens = read_split(world[0], "v1.0-trainval", "val").sample_tokens
    results = read_results(tmp_path / "results_nusc.json", tokens)
    assert results.faults == () and results.meta == META
    assert json.loads((tmp_path / "metrics_summary.json").read_text())["nd_score"] == scores["NDS"]
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".txt", ".png"}


def test_draws_of_scenes(world):
    """Perfect boxes in one scene, none in the others: a draw without that scene has no true positive."""
    metric = build(world, draws=30)
    tables = open_tables(world[0], "v1.0-trainval")
    first = tables.sample[0]["scene_token"]
    kept = [
        sample if row["scene_token"] == first else {**sample, "pred_instances_3d": _none(sample["pred_instances_3d"])}
        for row, sample in zip(tables.sample, world[2], strict=True)
    ]
    scenes = len({row["scene_token"] for row in tables.sample})
    scores = run(metric, kept)
    assert len(scores["draws"]) == 30 and max(scores["draws"]) > scores["NDS"]
    # a scene is missing in a draw with probability (1 - 1/n) ** n
    missing = np.mean(np.array(scores["draws"]) < 1e-9)
    assert missing == pytest.approx((1 - 1 / scenes) ** scenes, abs=0.25)
    one_scene = [sample for row, sample in zip(tables.sample, world[2], strict=True) if row["scene_token"] == first]
    assert run(build(world, draws=30), one_scene)["draws"] == []


def _none(instances):
    return {name: value[:0] for name, value in instances.items()}


def test_format_only_needs_no_annotations(world, tmp_path):
    root = tmp_path / "test_data"
    (root / "v1.0-test").mkdir(parents=True)
    for name in ("scene", "sample"):
        (root / "v1.0-test" / f"{name}.json").symlink_to(world[0] / "v1.0-trainval" / f"{name}.json")
    (root / "v1.0-test" / "splits.json").write_text(json.dumps({"mine": ["scene-0916", "scene-0523"]}))
    options = dict(jsonfile_prefix=str(tmp_path / "out"), format_only=True, version="v1.0-test", split="mine")
    for sensors, modality, meta in (
        ({"use_lidar": True, "use_camera": True}, None, {**META, "use_camera": True}),  # what the dataset loads
        ({"use_lidar": True, "use_camera": True}, {"use_radar": True}, {**META, "use_lidar": False, "use_radar": True}),
    ):
        metric = build((root, *world[1:]), sensors=sensors, modality=modality, **options)
        assert run(metric, world[2]) == {}
        data = json.loads((tmp_path / "out" / "results_nusc.json").read_text())
        assert len(data["results"]) == 18 and data["meta"] == meta
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["results_nusc.json"]


def test_some_keyframes_are_scored_and_not_written(world, tmp_path):
    scores = run(build(world, out_dir=str(tmp_path)), world[2][3:7])
    assert 0 < scores["mAP"] < 0.9 and not (tmp_path / "results_nusc.json").exists()
    present = [name for name in NUSCENES_DETECTION_CLASSES if scores[f"AP/{name}"] > 0.99]
    assert scores["mAP"] == pytest.approx(len(present) / 10, abs=1e-3)
    with pytest.raises(InputError, match="all 18 keyframes"):
        run(build(world, out_dir=str(tmp_path), format_only=True), world[2][3:7])


def test_bad_input(world, tmp_path):
    with pytest.raises(InputError, match="expected jsonfile_prefix or out_dir"):
        build(world, format_only=True)
    with pytest.raises(InputError, match=r"expected the sensors of the model.*modality=dict"):
        run(build(world, sensors=(), out_dir=str(tmp_path)), world[2][:1])
    assert run(build(world, sensors=()), world[2][:1])["mAP"] > 0  # no file, no need
    with pytest.raises(InputError, match="modality"):
        build(world, modality={"use_lidars": True})
    with pytest.raises(InputError, match=r"dataset_meta\['classes'\].*found van"):
        run(build(world, classes=("van",)), world[2])
    with pytest.raises(InputError, match="expected sample_idx 99"):
        run(build(world), [{**world[2][0], "sample_idx": 99}])
    with pytest.raises(InputError, match="expected keyframes of split 'mini_val'"):
        run(build(world, split="mini_val"), world[2][-1:])
