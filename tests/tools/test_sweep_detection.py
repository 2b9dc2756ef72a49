"""sweep.py on detectors: a small CMT with random weights, and a detector with meaningful scores."""

import importlib.util
import json
import re
from pathlib import Path

import cv2
import pytest
import torch
from detection_sweep_world import write_seen_objects
from detection_world import write_config

from corruptions.multimodal import CONSISTENT_WEATHER, MISSING_SENSORS, MULTICORRUPT, SENSOR_ALIGNMENT
from corruptions.suites import SEMANTICKITTI_C
from perception3d.apis import init_model
from perception3d.datasets.nuscenes_infos import list_infos, write_infos
from perception3d.launch import run
from perception3d.robustness.report import write_report

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


@pytest.fixture(scope="module")
def seen(sim_nuscenes, tmp_path_factory):
    """Arguments of the tool for the detector that knows the objects, on the three keyframes."""
    folder = tmp_path_factory.mktemp("seen")
    write_infos(list_infos(sim_nuscenes, "v1.0-mini", max_sweeps=1), "v1.0-mini", folder, "nuscenes")
    return [*map(str, write_seen_objects(folder)), "--root-path", str(sim_nuscenes), "--info-dir", str(folder)]


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


SENSORS = {
    "lidar": ("dict(use_lidar=True, use_camera=False)", "[_base_.load_lidar, _base_.pack_inputs]"),
    "camera": (
        "dict(use_lidar=False, use_camera=True)",
        "[_base_.load_images, _base_.resize, _base_.pack_inputs]",
    ),
}


@pytest.mark.parametrize("sensor", SENSORS)
def test_models_with_one_sensor(sweep, world, tmp_path, sensor):
    """Settings of the other sensor have the clean score."""
    modality, pipeline = SENSORS[sensor]
    config = tmp_path / f"{sensor}.py"
    dataset = f"dict(modality={modality}, pipeline={pipeline})"
    config.write_text(f"_base_ = ['{world[0]}']\ntest_dataloader = dict(dataset={dataset})\n")
    base = [str(config), *world[1:]]
    names = ["fog_3", "brightness_3", "beams_reducing_3", "spatial_misalignment_3", "temporal_misalignment_3"]
    assert sweep("--suite", "multicorrupt", "--corruptions", *names, base=base) == 0
    found = rows(tmp_path, "multicorrupt")
    assert sorted(found) == sorted(["clean", *names])
    assert (tmp_path / "examples/multicorrupt/fog_3.jpg").is_file()
    untouched = {"lidar": ["brightness_3", "spatial_misalignment_3"], "camera": ["beams_reducing_3"]}[sensor]
    for name in untouched:
        assert found[name]["score"] == found["clean"]["score"]


def nds(folder):
    return {name: row["score"]["metrics"]["NDS"] for name, row in rows(folder, "multicorrupt").items()}


def test_a_sweep_is_resumed_repeats_and_knows_its_data(sweep, seen, tmp_path, capsys):
    names = ["--suite", "multicorrupt", "--corruptions", "dark", "points_reducing", "--severities", "2", "3"]
    assert sweep(*names[:3], *names[4:], base=seen) == 0
    before = rows(tmp_path, "multicorrupt")
    capsys.readouterr()
    assert sweep(*names, base=seen) == 0
    assert "2 settings to run, 3 done" in capsys.readouterr().out
    found = rows(tmp_path, "multicorrupt")
    assert {name: found[name] for name in before} == before
    assert found["dark_2"]["setting"]["parts"] == [
        {"sensor": "camera", "corruption": "darkness", "level": "moderate", "params": {}}
    ]
    scores = nds(tmp_path)
    assert 0 < scores["points_reducing_3"] < scores["points_reducing_2"] < scores["clean"] <= 100
    assert scores["dark_3"] < scores["clean"]
    assert 0 < len(found["clean"]["score"]["present_classes"]) < CLASSES
    check_examples(tmp_path, found)
    workers = tmp_path / "workers"
    assert sweep(*names, "--cfg-options", "test_dataloader.num_workers=2", work_dir=workers, base=seen) == 0
    for name, row in rows(workers, "multicorrupt").items():
        assert (row["fingerprint"], row["score"]) == (found[name]["fingerprint"], found[name]["score"])
    assert sweep(*names, "--seed", "1", base=seen) == 2
    assert "(seed 1), found one of another (seed 0)" in capsys.readouterr().err


def check_examples(folder, found):
    """The first keyframe of each setting is drawn, and the report shows the last level of each type."""
    assert {path.stem for path in (folder / "examples/multicorrupt").glob("*.jpg")} == set(found)
    clean, dark = (cv2.imread(str(folder / f"examples/multicorrupt/{name}.jpg")) for name in ("clean", "dark_3"))
    assert (
        clean.shape == dark.shape and clean[:, : clean.shape[1] // 2].mean() > dark[:, : dark.shape[1] // 2].mean() + 20
    )
    html = write_report([folder], folder / "report", "command").read_text()
    assert "Example keyframes" in html and html.count("data:image/jpeg") == 2  # dark and points_reducing
    text = (folder / "report" / "report.md").read_text()
    for name in ("dark_2", "dark_3", "points_reducing_3"):
        assert f"multicorrupt/before_after/{name}.jpg" in text
        both = cv2.imread(str(folder / f"report/multicorrupt/before_after/{name}.jpg"))
        assert both.shape == (2 * clean.shape[0], *clean.shape[1:])


def test_seeds_have_folders_and_a_table_of_means(sweep, seen, tmp_path):
    assert sweep("--suite", "multicorrupt", "--corruptions", "points_reducing_3", "--seeds", "0", "7", base=seen) == 0
    first, second = nds(tmp_path / "seed0"), nds(tmp_path / "seed7")
    assert first["clean"] == second["clean"]
    assert first["points_reducing_3"] != second["points_reducing_3"]
    table = (tmp_path / "multicorrupt_seeds.md").read_text()
    assert re.search(r"\| setting +\| NDS, seeds 0, 7 \|", table)
    mean = (first["points_reducing_3"] + second["points_reducing_3"]) / 2
    spread = abs(first["points_reducing_3"] - second["points_reducing_3"]) / 2**0.5
    assert f"{mean:.1f} +- {spread:.1f}" in table


def test_baselines_and_what_they_must_share(sweep, seen, tmp_path, capsys):
    names = ["--suite", "multicorrupt", "--corruptions", "points_reducing"]
    mine, other, strict = tmp_path / "mine", tmp_path / "other", tmp_path / "strict.pth"
    assert sweep(*names, work_dir=mine, base=seen) == 0
    torch.save({"meta": {}, "state_dict": {"min_points": torch.tensor(20.0)}}, strict)
    assert sweep(*names, work_dir=other, base=[seen[0], str(strict), *seen[2:]]) == 0
    capsys.readouterr()
    assert sweep(*names, "--baseline", other, work_dir=mine, base=seen) == 0
    printed = capsys.readouterr().out
    own, base = nds(mine), nds(other)
    levels = [f"points_reducing_{level}" for level in (1, 2, 3)]
    ra = sum(own[name] / own["clean"] for name in levels) / 3
    rra = 100 * (sum(own[name] for name in levels) / sum(base[name] for name in levels) - 1)
    assert rra > 1
    assert re.search(rf"\| points_reducing +\| {ra:.3f} \| +{rra:.1f} \|", printed)
    assert sweep(*names, "--baseline", tmp_path / "none", work_dir=mine, base=seen) == 2
    assert "expected rows of multicorrupt as the baseline, found none" in capsys.readouterr().err
    assert sweep(*names, "--seed", "3", "--baseline", other, work_dir=tmp_path / "third", base=seen) == 2
    assert "expected a baseline of the same corrupted data (seed 3), found another (seed 0)" in capsys.readouterr().err


def test_a_failing_setting_leaves_an_error_row(sweep, seen, tmp_path, monkeypatch, capsys):
    from corruptions.camera.catalog import VIEW_CORRUPTIONS

    def fail(*given, **parameters):
        raise RuntimeError("no light")

    with monkeypatch.context() as patch:
        patch.setattr(type(VIEW_CORRUPTIONS["darkness"]), "__call__", fail)
        assert sweep("--suite", "multicorrupt", "--corruptions", "dark_1", "points_reducing_1", base=seen) == 1
    assert rows(tmp_path, "multicorrupt")["dark_1"]["error"]["message"] == "RuntimeError: no light"
    assert sweep("--suite", "multicorrupt", "--corruptions", "dark_1", "points_reducing_1", base=seen) == 0
    assert "1 settings to run, 2 done" in capsys.readouterr().out


def test_configs_that_cannot_be_swept(sweep, world, tmp_path, capsys):
    corrupting = tmp_path / "corrupting.py"
    step = "dict(type='perception3d.CorruptViews', corruption='fog', level='heavy')"
    pipeline = f"[_base_.load_images, {step}, _base_.load_lidar, _base_.resize, _base_.pack_inputs]"
    corrupting.write_text(f"_base_ = ['{world[0]}']\ntest_dataloader = dict(dataset=dict(pipeline={pipeline}))\n")
    assert sweep("--suite", "multicorrupt", base=[str(corrupting), *world[1:]]) == 2
    assert "no corruption (the sweep inserts it), found LoadMultiViewImages, CorruptViews" in capsys.readouterr().err
    lidar = tmp_path / "lidar.py"
    modality, pipeline = SENSORS["lidar"]
    lidar.write_text(
        f"_base_ = ['{world[0]}']\ntest_dataloader = dict(dataset=dict(modality={modality}, pipeline={pipeline}))\n"
    )
    assert sweep("--suite", "multicorrupt", "--corruptions", "light", base=[str(lidar), *world[1:]]) == 2
    assert "found one of lidar alone; choose another suite" in capsys.readouterr().err


def test_real_keyframes(sweep, data_root, tmp_path):
    """One keyframe of mini_val through weather on both sensors, and the frame before it."""
    if not (data_root / "nuscenes").is_dir():
        pytest.skip("no real keyframes")
    base = small_world(data_root / "nuscenes", tmp_path, resize=0.08, sweeps=0, keyframe=4)
    names = ["fog_3", "temporal_misalignment_3", "missing_camera_3"]
    assert sweep("--suite", "multicorrupt", "--corruptions", *names, base=base) == 0
    assert sorted(rows(tmp_path, "multicorrupt")) == sorted(["clean", *names])


def test_a_curve_along_visibility(sweep, seen, tmp_path, capsys):
    curve = ["--curve", "weather.visibility_m=2000,100,10"]
    assert sweep(*curve, base=seen) == 0
    printed = capsys.readouterr().out
    assert "curve_weather.visibility_m, 3 keyframes: 4 settings to run, 0 done" in printed
    assert "Below 75 % of clean: visibility_m = " in printed
    found = rows(tmp_path / "curves", "curve_weather.visibility_m")
    far, mist, fog = (found[f"visibility_m={value}"]["score"]["metrics"]["NDS"] for value in (2000, 100, 10))
    draws = {len(row["score"]["draws"]) for row in found.values()}
    assert draws == {200 if "95 % interval" in printed else 0}
    assert fog < mist <= far <= found["clean"]["score"]["metrics"]["NDS"]
    assert (tmp_path / "curves/curve_weather.visibility_m.png").stat().st_size > 10_000
    assert sweep("--curve", "weather.visibility_m=2000,500,100,10", base=seen) == 0
    assert "1 settings to run, 4 done" in capsys.readouterr().out
    assert sweep(*curve, "--seeds", "1", "2", base=seen) == 2
    assert "neither --baseline nor --seeds" in capsys.readouterr().err
