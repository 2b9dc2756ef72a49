import dataclasses
import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from sweep_world import (
    BUILDING,
    CONFIG,
    RAW_BUILDING,
    RAW_ROAD,
    RAW_VEGETATION,
    ROAD,
    VEGETATION,
    write_checkpoint,
    write_world,
)

from corruptions.catalog import CATALOG
from perception3d.launch import run

ROOT = Path(__file__).resolve().parents[2]
NOISE = [f"{kind}_{severity}" for kind in ("local", "global") for severity in ("light", "moderate", "heavy")]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("sweep_tool", ROOT / "tools" / "sweep.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def sweep(world, tool, tmp_path):
    """Runs the tool as from the command line; returns its exit status."""

    def call(*options, work_dir=tmp_path, config=world[0], checkpoint=world[1]):
        arguments = [str(config), str(checkpoint), "--work-dir", str(work_dir), *options]
        try:
            run(lambda: tool.main(arguments))
        except SystemExit as end:
            return end.code
        return 0

    return call


@pytest.fixture
def refused(sweep, capsys):
    """Runs the tool on bad input; returns the one line it says."""

    def call(*options, **paths):
        capsys.readouterr()
        assert sweep(*options, **paths) == 2
        (line,) = capsys.readouterr().err.splitlines()
        return line.removeprefix("error: ")

    return call


def rows(folder):
    paths = (folder / "rows" / "semantickitti_c").glob("*.json")
    return {path.stem: json.loads(path.read_text()) for path in paths}


def confusions(folder):
    return {name: row["score"]["confusion"] for name, row in rows(folder).items()}


def expected_clean(world):
    """Confusion counts of the three scans by the definition of the model, without mmengine."""
    counts = np.zeros((19, 20), int)
    root = world[0].parent / "kitti" / "sequences" / "08"
    truth_of = {RAW_ROAD: ROAD, RAW_BUILDING: BUILDING, RAW_VEGETATION: VEGETATION}
    for scan in sorted((root / "velodyne").iterdir()):
        z_m = np.fromfile(scan, np.float32).reshape(-1, 4)[:, 2]
        labels = np.fromfile(root / "labels" / f"{scan.stem}.label", np.uint32)
        predicted = np.where(z_m <= np.float32(-1.5), ROAD, np.where(z_m <= np.float32(0.3), BUILDING, VEGETATION))
        for raw, truth in truth_of.items():
            for label in (ROAD, BUILDING, VEGETATION):
                counts[truth, label] += int(((labels == raw) & (predicted == label)).sum())
    return counts


def test_a_whole_sweep(sweep, world, tmp_path, capsys):
    assert sweep("--suite", "semantickitti_c") == 0
    found = rows(tmp_path)
    assert len(found) == 17
    clean = found["clean_data"]
    counts = expected_clean(world)
    assert clean["score"]["confusion"] == counts.tolist()
    iou = {
        k: counts[k, k] / (counts[k].sum() + counts[:, k].sum() - counts[k, k]) for k in (ROAD, BUILDING, VEGETATION)
    }
    assert clean["score"]["metrics"]["mIoU_present"] == pytest.approx(100 * sum(iou.values()) / 3)
    assert clean["score"]["metrics"]["mIoU"] == pytest.approx(100 * sum(iou.values()) / 19)
    assert clean["score"]["class_iou"]["road"] == pytest.approx(100 * iou[ROAD])
    assert clean["score"]["class_iou"]["car"] is None
    assert clean["score"]["samples"] == 3
    assert clean["fingerprint"]["seed"] == 0
    assert clean["run"]["versions"]["torch"] == torch.__version__
    assert clean["run"]["command"].startswith("python tools/sweep.py ")
    assert {tuple(row["score"]["present_classes"]) for row in found.values()} == {("road", "building", "vegetation")}
    # a fifth of the points loses its label, half of the beams goes: that many points less are scored
    scored = {name: np.sum(row["score"]["confusion"]) / counts.sum() for name, row in found.items()}
    assert scored["local_heavy"] == pytest.approx(0.8, abs=0.01)
    assert scored["global_heavy"] == 1
    assert scored["dense_32beam"] == pytest.approx(0.5, abs=0.05)
    printed = capsys.readouterr().out
    assert "semantickitti_c, 3 scans: 17 settings to run, 0 done\n" in printed
    assert "[17/17] sparse_16beam " in printed
    table = (tmp_path / "semantickitti_c.md").read_text()
    assert table in printed
    assert f"| clean_data        | {100 * sum(iou.values()) / 3:12.1f} | 100.0 |" in table
    assert re.search(r"\*\*RmIoU, mR\*\* +\| +\d+\.\d \| +\d+\.\d \| +\d+\.\d \|", table)


def test_order_parts_and_workers_do_not_matter(sweep, tmp_path):
    together, apart, workers, reseeded = (tmp_path / name for name in ("together", "apart", "workers", "reseeded"))
    sweep("--corruptions", "noise", work_dir=together)
    for name in ("global_heavy", "local_moderate"):
        sweep("--corruptions", name, work_dir=apart)
    sweep("--corruptions", "local_moderate", "--cfg-options", "test_dataloader.num_workers=2", work_dir=workers)
    sweep("--corruptions", "local_moderate", "--seed", "1", work_dir=reseeded)
    reference = confusions(together)
    assert sorted(reference) == sorted(["clean_data", *NOISE])
    assert confusions(apart) == {name: reference[name] for name in ("clean_data", "global_heavy", "local_moderate")}
    assert confusions(workers) == {name: reference[name] for name in ("clean_data", "local_moderate")}
    assert confusions(reseeded)["local_moderate"] != reference["local_moderate"]
    assert confusions(reseeded)["clean_data"] == reference["clean_data"]


def test_resuming_skips_what_is_done(sweep, tmp_path, capsys):
    sweep("--corruptions", "local_distortion", "--levels", "light")
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.rglob("*.json")}
    capsys.readouterr()
    assert sweep("--corruptions", "local_distortion", "--levels", "light", "heavy") == 0
    assert "3 scans: 1 settings to run, 2 done" in capsys.readouterr().out
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in before} == before
    assert sorted(rows(tmp_path)) == ["clean_data", "local_heavy", "local_light"]


def test_a_failing_setting_costs_one_row_and_is_tried_again(sweep, tmp_path, monkeypatch, capsys):
    def fail(scan, rng, *, share):
        raise RuntimeError("no outliers today")

    with monkeypatch.context() as patch:
        patch.setitem(CATALOG, "global_outliers", dataclasses.replace(CATALOG["global_outliers"], fn=fail))
        assert sweep("--corruptions", "noise", "--levels", "light") == 1
    captured = capsys.readouterr()
    assert captured.err == "failed: global_light; the same command tries them again\n"
    assert "global_light       FAILED: RuntimeError: no outliers today" in captured.out
    failed = rows(tmp_path)["global_light"]
    assert failed["score"] is None
    assert failed["error"]["message"] == "RuntimeError: no outliers today"
    assert "| global_light (failed) |" in (tmp_path / "semantickitti_c.md").read_text()
    assert rows(tmp_path)["local_light"]["score"] is not None
    assert sweep("--corruptions", "noise", "--levels", "light") == 0
    assert "1 settings to run, 2 done" in capsys.readouterr().out
    assert rows(tmp_path)["global_light"]["error"] is None


def test_an_interruption_ends_with_130_and_keeps_the_rows(sweep, tmp_path, monkeypatch, capsys):
    def interrupt(scan, rng, *, share):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setitem(CATALOG, "global_outliers", dataclasses.replace(CATALOG["global_outliers"], fn=interrupt))
        assert sweep("--corruptions", "noise", "--levels", "light") == 130
    assert "the same command goes on from there" in capsys.readouterr().out
    assert sorted(rows(tmp_path)) == ["clean_data", "local_light"]


def test_a_corruption_that_is_not_in_the_catalog_shows_a_dash(sweep, tmp_path, monkeypatch, capsys):
    # taken out for good it would come back last
    monkeypatch.setitem(CATALOG, "local_distortion", dataclasses.replace(CATALOG["local_distortion"], levels={}))
    assert sweep("--corruptions", "noise", "--levels", "light") == 0
    assert "2 settings to run, 0 done, 1 not in the catalog" in capsys.readouterr().out
    table = (tmp_path / "semantickitti_c.md").read_text()
    assert re.search(r"\| local_light +\| +- \| +- \| +- \| +- \| +- \|", table)
    assert re.search(r"\| local_distortion +\| +- \| +- \| +- \|", table)


def test_rows_of_another_run_are_refused(sweep, refused, tmp_path, world):
    assert sweep("--corruptions", "local_light") == 0
    before = rows(tmp_path)
    assert "(seed 1), found one of another (seed 0); choose another --work-dir" in refused("--seed", "1")
    other = write_checkpoint(tmp_path / "other.pth", heights_m=(-1.0, 0.5))
    assert "rows/semantickitti_c/clean_data.json: expected a row of this run (checkpoint " in refused(checkpoint=other)
    assert "(data " in refused("--cfg-options", "test_dataloader.dataset.indices=2")
    assert "(config " in refused("--cfg-options", "test_cfg.fp16=True")
    assert rows(tmp_path) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--suite", "semantickiti_c"], "unknown suite 'semantickiti_c': did you mean semantickitti_c?"),
        (["--corruptions", "fogg"], "unknown corruption 'fogg' of semantickitti_c: did you mean fog"),
        (["--levels", "havy"], "unknown level 'havy' of semantickitti_c: did you mean heavy"),
        (["--corruptions", "fog", "--levels", "dense"], "nothing is both fog and dense"),
        (["--cfg-options", "test_evaluator.type=mmdet3d.SegMetric"], "expected test_evaluator of type"),
        (["--cfg-options", "test_dataloader.dataset.pipeline.1.type=Pack3DDetInputs"], "LoadLidarLabels once"),
    ],
)
def test_bad_options_are_one_line(refused, tmp_path, options, message):
    assert message in refused(*options)
    assert not (tmp_path / "rows").exists()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_point_that_is_not_finite_is_one_line(sweep, refused, tmp_path, workers):
    config, checkpoint = write_world(tmp_path)
    scan = tmp_path / "kitti/sequences/08/velodyne/000001.bin"
    points = np.fromfile(scan, np.float32)
    points[5] = np.nan
    points.tofile(scan)
    options = ["--cfg-options", f"test_dataloader.num_workers={workers}"]
    line = refused(*options, config=config, checkpoint=checkpoint, work_dir=tmp_path / "work")
    assert line.startswith(f"{scan}: expected finite values, found 1 of 5760 points with NaN or inf, first at row 1")
    assert not (tmp_path / "work/rows").exists()


def test_bad_files_are_one_line(sweep, refused, tmp_path, world):
    assert "missing.pth: expected a checkpoint" in refused(checkpoint=tmp_path / "missing.pth")
    other = write_checkpoint(tmp_path / "other.pth", heights_m=(0.0, 1.0, 2.0))
    line = refused(checkpoint=other)
    assert line.startswith(f"{other}: expected the weights of this config's model")
    assert "heights_m has shape (3,), expected (2,)" in line
    broken = tmp_path / "broken.pth"
    broken.write_bytes(world[1].read_bytes()[:300])
    assert refused(checkpoint=broken).startswith(f"{broken}: expected an mmengine checkpoint")
    broken.write_text("no checkpoint at all")
    assert refused(checkpoint=broken).endswith("does not load safely: UnpicklingError: Weights only load failed")
    (tmp_path / "file").write_text("")
    assert "expected a folder that can be written" in refused(work_dir=tmp_path / "file")
    no_test_set = tmp_path / "train_only.py"
    no_test_set.write_text('model = dict(type="perception3d.HeightSegmentor", num_heights=2)')
    assert "expected a config with a test set, found none of test_dataloader" in refused(config=no_test_set)
    lost = tmp_path / "lost.py"
    lost.write_text(CONFIG.format(root=str(tmp_path), ann_file="none.pkl"))
    assert "none.pkl: expected an info file, found none" in refused(config=lost)
    assert sweep("--corruptions", "local_light") == 0
    row = tmp_path / "rows" / "semantickitti_c" / "local_light.json"
    row.write_bytes(row.read_bytes()[:100])
    assert f"{row}: expected a whole row of a sweep, found 100 bytes" in refused("--corruptions", "local_light")
