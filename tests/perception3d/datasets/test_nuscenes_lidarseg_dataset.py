"""A few keyframes whose tables, infos and label files are written here, and the simulated data set end to end."""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet3d.utils import register_all_modules
from mmengine.registry import DATASETS, METRICS, init_default_scope

from corruptions.core import InputError
from perception3d.conventions import NUSCENES_LIDARSEG_CLASS_OF, NUSCENES_LIDARSEG_CLASSES
from perception3d.datasets.info_files import write_info_files
from perception3d.datasets.nuscenes_infos import list_infos, write_infos

ROOT = Path(__file__).resolve().parents[3]
LOAD = [
    dict(type="perception3d.LoadLidarPoints", load_dim=5, use_dim=4),
    dict(type="perception3d.LoadLidarLabels", dtype="uint8"),
]
CATEGORIES = list(NUSCENES_LIDARSEG_CLASS_OF)[::-1]  # numbered unlike the official tables: names decide

register_all_modules()


def write_keyframe(root, name, categories):
    rng = np.random.default_rng(len(categories))
    points = rng.uniform(0, 200, (len(categories), 5)).astype(np.float32)
    (root / "samples/LIDAR_TOP").mkdir(parents=True, exist_ok=True)
    (root / "lidarseg/v1.0-mini").mkdir(parents=True, exist_ok=True)
    points.tofile(root / "samples/LIDAR_TOP" / f"{name}.bin")
    numbers = np.array([CATEGORIES.index(category) for category in categories], dtype=np.uint8)
    numbers.tofile(root / "lidarseg/v1.0-mini" / f"{name}_lidarseg.bin")
    return {
        "token": f"sample-{name}",
        "lidar_points": {"lidar_path": f"{name}.bin", "num_pts_feats": 5, "sample_data_token": f"sweep-{name}"},
        "pts_semantic_mask_path": f"{name}_lidarseg.bin",
        "images": {},
        "instances": [],
    }


@pytest.fixture
def root(tmp_path):
    (tmp_path / "v1.0-mini").mkdir()
    rows = [{"token": name, "name": name, "index": index} for index, name in enumerate(CATEGORIES)]
    (tmp_path / "v1.0-mini/category.json").write_text(json.dumps(rows))
    infos = [
        write_keyframe(tmp_path, "a", ["vehicle.car", "human.pedestrian.child", "noise"]),
        write_keyframe(tmp_path, "b", ["vehicle.bus.rigid", "vehicle.bus.bendy", "static.vegetation", "vehicle.ego"]),
    ]
    metainfo = {"dataset": "nuscenes", "version": "v1.0-mini", "split": "mini_val", "info_version": "1.1"}
    write_info_files({tmp_path / "infos.pkl": {"metainfo": metainfo, "data_list": infos}})
    return tmp_path


def build(root, ann_file="infos.pkl", **options):
    init_default_scope("mmdet3d")
    config = dict(data_root=str(root), ann_file=str(root / ann_file), pipeline=LOAD, test_mode=True)
    return DATASETS.build(dict(type="perception3d.NuScenesLidarsegDataset", **{**config, **options}))


def test_labels_are_mapped_by_the_names_of_the_categories(root):
    dataset = build(root)
    names = [*NUSCENES_LIDARSEG_CLASSES, "ignore"]
    found = [[names[label] for label in dataset[index]["pts_semantic_mask"]] for index in range(2)]
    assert found == [["car", "pedestrian", "ignore"], ["bus", "bus", "vegetation", "ignore"]]
    assert dataset.present_classes() == tuple(sorted(map(names.index, ("car", "pedestrian", "bus", "vegetation"))))
    assert dataset.metainfo["ignore_index"] == 16
    assert dataset.metainfo["split"] == "mini_val"
    assert dataset[1]["sample_id"] == "b"
    assert dataset[1]["sample_data_token"] == "sweep-b"


def test_predictions_are_written_as_the_challenge_wants_them(root, tmp_path):
    dataset = build(root)
    metric = METRICS.build(
        dict(type="perception3d.LidarSegMetric", submission_prefix=str(tmp_path / "out"), format_only=True)
    )
    metric.dataset_meta = dataset.metainfo
    for index in range(2):
        info = dataset.get_data_info(index)
        labels = torch.arange(3 + index)
        metric.process({}, [{**info, "pred_pts_seg": {"pts_semantic_mask": labels}, "eval_ann_info": None}])
    assert metric.evaluate(size=2) == {}
    written = np.fromfile(tmp_path / "out/lidarseg/mini_val/sweep-b_lidarseg.bin", dtype=np.uint8)
    assert written.tolist() == [1, 2, 3, 4]  # train ids 0..3: the challenge counts from 1
    meta = json.loads((tmp_path / "out/mini_val/submission.json").read_text())["meta"]
    assert meta == {
        "use_camera": False,
        "use_lidar": True,
        "use_radar": False,
        "use_map": False,
        "use_external": False,
    }


def test_wrong_files_are_named(root):
    (root / "v1.0-mini/category.json").write_text(json.dumps([{"token": "t", "name": "vehicle.car"}]))
    with pytest.raises(InputError, match="32 categories"):
        build(root)
    with pytest.raises(InputError, match=r"create_data\.py nuscenes"):
        build(root, ann_file="other.pkl")
    with pytest.raises(InputError, match="driveable_surface"):
        build(root, metainfo={"classes": ["car"]})


def test_simulated_keyframes_pass_the_checks_of_the_leaderboard(sim_nuscenes, tmp_path, monkeypatch, capsys):
    write_infos(list_infos(sim_nuscenes, "v1.0-mini"), "v1.0-mini", tmp_path, "nuscenes")
    dataset = build(sim_nuscenes, ann_file=tmp_path / "nuscenes_infos_val.pkl")
    metric = METRICS.build(dict(type="perception3d.LidarSegMetric", submission_prefix=str(tmp_path / "out")))
    metric.dataset_meta = dataset.metainfo
    for index in range(len(dataset)):
        sample = dataset[index]
        labels = sample["pts_semantic_mask"]
        prediction = np.where(labels == 16, 0, labels)
        metric.process({}, [{**sample, "pred_pts_seg": {"pts_semantic_mask": torch.from_numpy(prediction)}}])
    scores = metric.evaluate(size=len(dataset))
    assert scores["mIoU_present"] == pytest.approx(100)
    assert len(dataset.present_classes()) >= 8
    command = ["nuscenes-lidarseg", tmp_path / "out", "--root", sim_nuscenes, "--version", "v1.0-mini"]
    monkeypatch.setattr(sys, "argv", ["submit.py", *map(str, command), "--split", "mini_val"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(ROOT / "tools/submit.py"), run_name="__main__")
    assert stop.value.code == 0, capsys.readouterr()
