"""tools/test.py --format-only on splits without annotations: detection and segmentation."""

import json
import runpy
import shutil
import sys
from pathlib import Path

import mmengine
import numpy as np
import pytest
import torch
from mmdet3d.structures import LiDARInstance3DBoxes
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from nuscenes_lidarseg_files import write_nuscenes
from sweep_world import write_world

from corruptions.core import InputError
from perception3d.conventions import NUSCENES_INFO_CLASSES
from perception3d.datasets import nuscenes_infos
from perception3d.datasets.semantickitti_infos import list_infos, write_infos
from perception3d.registry import MODELS
from perception3d.submission.config import format_only, use_split

ROOT = Path(__file__).resolve().parents[2]

DETECTION = """
default_scope = "mmdet3d"
model = dict(type="perception3d.OneBoxDetector")
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="perception3d.NuScenesDetDataset",
        data_root={root!r},
        ann_file={ann_file!r},
        modality=dict(use_lidar=True, use_camera=False),
        test_mode=True,
        pipeline=[
            dict(type="perception3d.LoadLidarPoints", load_dim=5, use_dim=4),
            dict(type="LoadAnnotations3D", with_bbox_3d=True),
            dict(type="Pack3DDetInputs", keys=["points"]),
        ],
    ),
)
test_evaluator = dict(type="perception3d.NuScenesDetMetric", data_root={root!r}, ann_file={ann_file!r})
test_cfg = dict(type="TestLoop")
"""


@MODELS.register_module()
class OneBoxDetector(BaseModel):
    """A car, 5 m ahead of the sensor, in every keyframe."""

    def __init__(self, data_preprocessor=None):
        super().__init__(data_preprocessor={"type": "Det3DDataPreprocessor"})
        self.score = torch.nn.Parameter(torch.zeros(1))

    def forward(self, inputs, data_samples, mode="predict"):
        for sample in data_samples:
            boxes = LiDARInstance3DBoxes(torch.tensor([[5.0, 0, 0, 4, 2, 1.5, 0, 1, 0]]), box_dim=9)
            sample.pred_instances_3d = InstanceData(
                bboxes_3d=boxes, scores_3d=self.score.detach(), labels_3d=torch.zeros(1, dtype=torch.long)
            )
        return data_samples


def run_tool(monkeypatch, *arguments):
    """Run tools/test.py in this process; returns its exit code."""
    monkeypatch.setattr(sys, "argv", ["test.py", *map(str, arguments)])
    try:
        runpy.run_path(str(ROOT / "tools/test.py"), run_name="__main__")
    except SystemExit as stop:
        return stop.code or 0
    return 0


@pytest.fixture
def detection(tmp_path):
    """Config, checkpoint, and a split "test" of three keyframes without annotations."""
    root = write_nuscenes(tmp_path / "nuscenes", version="v1.0-test", keyframes=3)
    (root / "v1.0-test/splits.json").write_text(json.dumps({"mine": ["scene-0916"]}))
    pose = np.eye(4)
    pose[:2, 3] = [100.0, 200.0]
    infos = [
        {
            "sample_idx": index,
            "token": f"scene-0916-{index}",
            "ego2global": pose.tolist(),
            "lidar_points": {
                "lidar_path": f"scene-0916-{index}.pcd.bin", "num_pts_feats": 5, "lidar2ego": np.eye(4).tolist()
            },
        }
        for index in range(3)
    ]  # fmt: skip
    metainfo = {"categories": {name: label for label, name in enumerate(NUSCENES_INFO_CLASSES)}}
    metainfo |= {"version": "v1.0-test", "split": "mine"}
    mmengine.dump({"metainfo": metainfo, "data_list": infos}, tmp_path / "nuscenes_infos_test.pkl")
    config = tmp_path / "config.py"
    config.write_text(DETECTION.format(root=str(root), ann_file=str(tmp_path / "nuscenes_infos_val.pkl")))
    torch.save({"meta": {}, "state_dict": {"score": torch.tensor([0.5])}}, tmp_path / "model.pth")
    return config, tmp_path / "model.pth"


def test_detection_results_of_a_split_without_annotations(detection, tmp_path, monkeypatch, capsys):
    work = tmp_path / "work"
    assert run_tool(monkeypatch, *detection, "--work-dir", work, "--format-only", "--split", "test") == 0
    path = work / "submission/results_nusc.json"
    data = json.loads(path.read_text())
    assert [key for key, used in data["meta"].items() if used] == ["use_lidar"] and len(data["meta"]) == 5
    assert list(data["results"]) == [f"scene-0916-{index}" for index in range(3)]
    (box,) = data["results"]["scene-0916-1"]
    # 5 m ahead of a car at (100, 200); mmdet3d's boxes stand on their bottom: centre at half the height
    assert box["translation"] == [105.0, 200.0, 0.75] and box["size"] == [2.0, 4.0, 1.5]
    assert (box["detection_name"], box["detection_score"]) == ("car", 0.5)
    assert (box["velocity"], box["attribute_name"]) == ([1.0, 0.0], "vehicle.moving")


def test_the_written_file_passes_the_check_that_the_log_names(detection, tmp_path, monkeypatch, capfd):
    assert run_tool(monkeypatch, *detection, "--work-dir", tmp_path / "work", "--format-only", "--split", "test") == 0
    shown = capfd.readouterr()
    (line,) = {line for line in (shown.out + shown.err).splitlines() if "python tools/submit.py" in line}
    command = line.partition("python tools/submit.py ")[2].replace("FILE", str(tmp_path / "out.zip")).split()
    monkeypatch.setattr(sys, "argv", ["submit.py", *command])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(ROOT / "tools/submit.py"), run_name="__main__")
    assert stop.value.code == 0 and (tmp_path / "out.zip").is_file()


def test_the_config_writes_and_reads_no_labels():
    labels, points = {"type": "perception3d.LoadLidarLabels"}, {"type": "perception3d.LoadLidarPoints"}
    cfg = {
        "test_evaluator": {"type": "perception3d.LidarSegMetric"},
        "test_dataloader": {"dataset": {"ann_file": "infos/kitti_infos_val.pkl", "pipeline": [points, labels]}},
        "tta_pipeline": [points, labels, {"type": "TestTimeAug"}],
    }
    use_split(cfg, "test")
    assert format_only(cfg, "out") == "out"
    assert cfg["test_evaluator"] == {
        "type": "perception3d.LidarSegMetric", "format_only": True, "submission_prefix": "out"
    }  # fmt: skip
    assert cfg["test_dataloader"]["dataset"] == {"ann_file": "infos/kitti_infos_test.pkl", "pipeline": [points]}
    assert cfg["tta_pipeline"] == [points, {"type": "TestTimeAug"}]
    assert format_only({**cfg, "test_evaluator": {**cfg["test_evaluator"], "submission_prefix": "mine"}}, "o") == "mine"


def test_what_writes_no_submission_is_refused():
    data = {"test_dataloader": {"dataset": {"ann_file": "infos.pkl", "pipeline": []}}}
    for metric in ({"type": "SegMetric"}, [{"type": "perception3d.LidarSegMetric"}]):
        with pytest.raises(InputError, match=r"--format-only: expected one test_evaluator of perception3d\.NuScenes"):
            format_only({**data, "test_evaluator": metric}, "out")
    with pytest.raises(InputError, match=r"--split test: expected an info file NAME_val.pkl.*found infos.pkl"):
        use_split({**data, "test_evaluator": {}}, "test")


def test_semantickitti_predictions_of_a_split_without_labels(tmp_path, monkeypatch, capsys):
    config, checkpoint = write_world(tmp_path)
    keys = 'keys=["points", "pts_semantic_mask"]'
    config.write_text(config.read_text().replace(keys, f'{keys}, meta_keys=["lidar_path", "sample_id"]'))
    source, target = tmp_path / "kitti/sequences/08/velodyne", tmp_path / "kitti/sequences/11/velodyne"
    shutil.copytree(source, target)
    write_infos(list_infos(tmp_path / "kitti"), tmp_path, "tiny")
    work = tmp_path / "work"
    assert run_tool(monkeypatch, config, checkpoint, "--work-dir", work, "--format-only", "--split", "test") == 0
    for scan in sorted(target.iterdir()):
        ids = np.fromfile(work / f"submission/sequences/11/predictions/{scan.stem}.label", np.uint32)
        z_m = np.fromfile(scan, np.float32).reshape(-1, 4)[:, 2]
        assert np.array_equal(ids, np.array([40, 50, 70])[np.digitize(z_m, (-1.5, 0.3), right=True)])
    check = ["submit.py", "semantickitti", str(work / "submission"), "--root", str(tmp_path / "kitti")]
    monkeypatch.setattr(sys, "argv", [*check, "--sequences", "11", "--zip", str(tmp_path / "out.zip")])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(ROOT / "tools/submit.py"), run_name="__main__")
    assert stop.value.code == 0 and (tmp_path / "out.zip").is_file()


LIDARSEG = """
_base_ = [{base!r}]
data_root = {root!r}
model = dict(
    partition=dict(voxel_size_m=1.0),
    backbone=dict(channels=(8, 8, 8, 8, 8, 8, 8, 8, 8), blocks=1),
)
val_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(data_root=data_root, ann_file={ann_file!r}),
)
test_dataloader = val_dataloader
"""


def test_lidarseg_predictions_from_test_to_the_scores(sim_nuscenes, tmp_path, monkeypatch, capsys):
    """A network with random weights on simulated keyframes: files, check, zip, and the devkit's scores."""
    splits = nuscenes_infos.list_infos(sim_nuscenes, "v1.0-mini")
    nuscenes_infos.write_infos(splits, "v1.0-mini", tmp_path, "nuscenes")
    base = str(ROOT / "configs/segmentation/minkunet_w32_8xb1-64e_nuscenes-lidarseg.py")
    config = tmp_path / "config.py"
    ann_file = str(tmp_path / "nuscenes_infos_val.pkl")
    config.write_text(LIDARSEG.format(base=base, root=str(sim_nuscenes), ann_file=ann_file))
    init_default_scope("mmdet3d")
    model = MODELS.build(mmengine.Config.fromfile(config).model)
    torch.save({"meta": {}, "state_dict": model.state_dict()}, tmp_path / "model.pth")
    work = tmp_path / "work"
    assert run_tool(monkeypatch, config, tmp_path / "model.pth", "--work-dir", work, "--format-only") == 0
    files = sorted((work / "submission/lidarseg").rglob("*_lidarseg.bin"))
    assert len(files) == 3  # the keyframes of scene-0103
    data = ["--root", str(sim_nuscenes), "--version", "v1.0-mini", "--split", "mini_val"]
    check = ["submit.py", "nuscenes-lidarseg", str(work / "submission"), *data, "--zip", str(tmp_path / "out.zip")]
    monkeypatch.setattr(sys, "argv", check)
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(ROOT / "tools/submit.py"), run_name="__main__")
    assert stop.value.code == 0 and (tmp_path / "out.zip").is_file()
    score = ["eval_nuscenes.py", str(work / "submission"), "--task", "lidarseg", *data, "--official"]
    monkeypatch.setattr(sys, "argv", [*score, "--out", str(tmp_path / "scores"), "--bootstrap", "0"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(ROOT / "tools/eval_nuscenes.py"), run_name="__main__")
    assert stop.value.code == 0


def test_results_of_every_detection_config_name_the_sensors_that_it_loads():
    configs = sorted((ROOT / "configs/cmt").glob("*.py"))
    sensors = set()
    for path in configs:
        cfg = mmengine.Config.fromfile(path)
        loaded = dict(cfg.test_dataloader.dataset.modality)
        assert dict(cfg.test_evaluator.get("modality", loaded)) == loaded, path.name
        sensors.add(tuple(sorted(name for name, used in loaded.items() if used)))
    assert sensors == {("use_camera",), ("use_lidar",), ("use_camera", "use_lidar")}
