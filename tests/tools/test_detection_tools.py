"""create_data.py, train.py and test.py on nuScenes: a few steps of a small CMT on a simulated scene and a real one."""

import json
import runpy
import sys
from pathlib import Path

import mmengine
import pytest
import torch
from detection_world import write_config

ROOT = Path(__file__).resolve().parents[2]


def run_tool(monkeypatch, name, *arguments):
    """Run a tool in this process; returns its exit code."""
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    try:
        runpy.run_path(str(ROOT / "tools" / name), run_name="__main__")
    except SystemExit as stop:
        return stop.code or 0
    return 0


@pytest.fixture
def simulated(sim_nuscenes, tmp_path, monkeypatch):
    """Options that point a tool at the simulated scenes."""
    infos = tmp_path / "infos"
    listing = ["nuscenes", "--root-path", sim_nuscenes, "--version", "v1.0-mini", "--out-dir", infos]
    assert run_tool(monkeypatch, "create_data.py", *listing) == 0
    return ["--root-path", sim_nuscenes, "--info-dir", infos]


def test_train_then_test(simulated, tmp_path, monkeypatch, capsys):
    config = write_config(tmp_path, resize=0.64)
    work = ["--work-dir", tmp_path / "work"]
    assert run_tool(monkeypatch, "train.py", config, *simulated, *work) == 2
    assert "mixed precision needs an accelerator" in capsys.readouterr().err
    on_cpu = ["--cfg-options", "optim_wrapper.type=OptimWrapper"]
    assert run_tool(monkeypatch, "train.py", config, *simulated, *work, *on_cpu) == 0
    checkpoint = tmp_path / "work/epoch_1.pth"
    assert run_tool(monkeypatch, "test.py", config, checkpoint, *simulated, *work) == 0
    results = json.loads((tmp_path / "work/results_nusc.json").read_text())
    assert len(results["results"]) == 3
    assert results["meta"]["use_camera"] and results["meta"]["use_lidar"]
    capsys.readouterr()
    for changed, message in (
        ("model.pts_bbox_head.num_queries=20", "1 differences): pts_bbox_head.reference_points.weight has shape"),
        ("model.pts_bbox_head.num_layers=1", "expected weights of this config's model or of parts of it, found others"),
    ):
        started = [*on_cpu, changed, f"load_from={checkpoint}"]
        assert run_tool(monkeypatch, "train.py", config, *simulated, *work, *started) == 2
        assert message in capsys.readouterr().err
    torch.save({"elsewhere": torch.zeros(1)}, tmp_path / "elsewhere.pth")
    started = [*on_cpu, f"load_from={tmp_path / 'elsewhere.pth'}"]
    assert run_tool(monkeypatch, "train.py", config, *simulated, *work, *started) == 2
    assert "found none of its names, but elsewhere" in capsys.readouterr().err
    fewer = [*on_cpu, "train_dataloader.dataset.metainfo.classes=[car,truck]"]
    assert run_tool(monkeypatch, "train.py", config, *simulated, *work, *fewer) == 2
    assert "num_classes: expected 2, the classes of the data set (car, truck), found 10" in capsys.readouterr().err
    other = ["--cfg-options", "test_dataloader.dataset.metainfo.classes=[truck,car,bus,trailer,barrier]"]
    assert run_tool(monkeypatch, "test.py", config, checkpoint, *simulated, *work, *other) == 2
    assert "expected a model of the classes truck, car, bus" in capsys.readouterr().err
    nameless = tmp_path / "nameless.pth"
    torch.save(torch.load(checkpoint, weights_only=True)["state_dict"], nameless)
    assert run_tool(monkeypatch, "test.py", config, nameless, *simulated, *work, *other) == 2
    assert "num_classes: expected 5, the classes of the data set" in capsys.readouterr().err


def test_one_keyframe_without_lidar(simulated, tmp_path, monkeypatch):
    """Chosen by its token."""
    from mmengine.config import Config

    from perception3d.apis import init_model

    config = write_config(tmp_path, resize=0.64)
    torch.save(init_model(config, device="cpu").state_dict(), tmp_path / "random.pth")
    token = mmengine.load(tmp_path / "infos/nuscenes_infos_val.pkl")["data_list"][1]["token"]
    steps = Config.fromfile(config).test_dataloader.dataset.pipeline
    drop = dict(type="perception3d.DropSensors", lidar=True)
    pipeline = [*map(dict, steps[:2]), drop, *map(dict, steps[2:])]
    chosen = tmp_path / "chosen.py"
    dataset = dict(tokens=[token], pipeline=pipeline)
    chosen.write_text(f"_base_ = ['{config}']\ntest_dataloader = dict(dataset={dataset})\n")
    work = ["--work-dir", tmp_path / "work"]
    assert run_tool(monkeypatch, "test.py", chosen, tmp_path / "random.pth", *simulated, *work) == 0
    assert not (tmp_path / "work/results_nusc.json").exists()  # of one keyframe, no submission


def test_real_keyframes(data_root, tmp_path, monkeypatch):
    """The whole way from tables to scores on mini_val, with random weights."""
    from perception3d.apis import init_model

    if not (data_root / "nuscenes").is_dir():
        pytest.skip("no real keyframes")
    root, infos = data_root / "nuscenes", tmp_path / "infos"
    listing = ["nuscenes", "--root-path", root, "--version", "v1.0-mini", "--out-dir", infos]
    assert run_tool(monkeypatch, "create_data.py", *listing) == 0
    config = write_config(tmp_path, resize=0.08)
    torch.save(init_model(config, device="cpu").state_dict(), tmp_path / "random.pth")
    where = ["--root-path", root, "--info-dir", infos, "--work-dir", tmp_path / "work"]
    assert run_tool(monkeypatch, "test.py", config, tmp_path / "random.pth", *where) == 0
    assert len(json.loads((tmp_path / "work/results_nusc.json").read_text())["results"]) == 10
