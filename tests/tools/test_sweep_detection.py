"""sweep.py on detectors: a small CMT with random weights on a simulated keyframe, under every setting of every suite."""

import importlib.util
import json
import re
from pathlib import Path

import pytest
import torch
from detection_world import write_config

from corruptions.multimodal import CONSISTENT_WEATHER, MISSING_SENSORS, MULTICORRUPT, SENSOR_ALIGNMENT
from corruptions.suites import SEMANTICKITTI_C
from perception3d.apis import init_model
from perception3d.datasets.nuscenes_infos import list_infos, write_infos
from perception3d.launch import run

ROOT = Path(__file__).resolve().parents[2]
CLASSES = 10


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("sweep_tool", ROOT / "tools" / "sweep.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def small_world(root, folder, resize, sweeps, keyframe):
    """Infos, config and random weights for one keyframe; returns the arguments of the tool."""
    splits = list_infos(root, "v1.0-mini", max_sweeps=sweeps)
    write_infos(splits, "v1.0-mini", folder, "nuscenes")
    token = splits["val"].data_list[keyframe]["token"]
    config = write_config(folder, resize=resize)
    chosen = folder / "one_keyframe.py"
    dataset = dict(tokens=[token])
    text = f"_base_ = ['{config}']\n"
    chosen.write_text(f"{text}test_dataloader = dict(dataset={dataset})\n")
    torch.manual_seed(0)
    torch.save(init_model(config, device="cpu").state_dict(), folder / "random.pth")
    return [str(chosen), str(folder / "random.pth"), "--root-path", str(root), "--info-dir", str(folder)]


@pytest.fixture(scope="module")
def world(sim_nuscenes, tmp_path_factory):
    return small_world(sim_nuscenes, tmp_path_factory.mktemp("world"), resize=0.64, sweeps=2, keyframe=1)


@pytest.fixture
def sweep(world, tool, tmp_path):
    """Runs the tool as from the command line; returns its exit status."""

    def call(*options, work_dir=tmp_path, base=world):
        try:
            run(lambda: tool.main([*base, "--work-dir", str(work_dir), *map(str, options)]))
        except SystemExit as end:
            return end.code
        return 0

    return call


def rows(folder, suite):
    return {path.stem: json.loads(path.read_text()) for path in (folder / "rows" / suite).glob("*.json")}


@pytest.mark.parametrize(
    ("suite", "options"),
    [
        (MULTICORRUPT, ["--severities", "3"]),
        (MISSING_SENSORS, ["--corruptions", "no_lidar", "no_cameras", "no_cam_back", "frozen_cameras_6"]),
        (CONSISTENT_WEATHER, ["--levels", "heavy"]),
        (SENSOR_ALIGNMENT, ["--corruptions", "time", "--levels", "2"]),
        (SEMANTICKITTI_C, ["--corruptions", "noise", "--levels", "heavy"]),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_settings_of_every_suite_leave_rows(sweep, tmp_path, suite, options, capsys):
    assert sweep("--suite", suite.name, *options) == 0, capsys.readouterr()
    check_rows(tmp_path, suite, None)


@pytest.mark.slow
@pytest.mark.parametrize("suite", [MULTICORRUPT, MISSING_SENSORS], ids=lambda suite: suite.name)
def test_every_setting_leaves_a_row(sweep, tmp_path, suite, capsys):
    assert sweep("--suite", suite.name) == 0, capsys.readouterr()
    check_rows(tmp_path, suite, [setting.folder for setting in suite.settings])
    printed = capsys.readouterr().out
    assert f"{suite.name}, 1 keyframes: {len(suite.settings) + 1} settings to run, 0 done" in printed
    assert re.search(r"\| setting +\| +NDS \| +RA \| +mAP \| +mATE \|", printed)


def check_rows(folder, suite, names):
    found = rows(folder, suite.name)
    if names is not None:
        assert sorted(found) == sorted([suite.clean_folder, *names])
    assert len(found) > 2
    for row in found.values():
        score = row["score"]
        assert row["error"] is None
        assert list(score["metrics"]) == ["NDS", "mAP", "mATE", "mASE", "mAOE", "mAVE", "mAAE"]
        assert 0 <= score["metrics"]["NDS"] <= 100
        assert len(score["class_ap"]) == CLASSES
        assert score["samples"] == 1
