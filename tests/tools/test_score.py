"""Scores of prediction folders: those of the sweep on the same model, and of plain counting."""

import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pytest
from nuscenes_lidarseg_files import write_nuscenes
from sweep_world import RAW_BUILDING, RAW_ROAD, RAW_VEGETATION, write_scan, write_world

from corruptions import export, readers
from corruptions.suites import ROBO3D, SEMANTICKITTI_C, select
from perception3d.launch import run
from perception3d.metrics.nuscenes_lidarseg.truth import load_truth

ROOT = Path(__file__).resolve().parents[2]
CHOSEN = ("fog_heavy", "local_light", "local_moderate", "local_heavy", "dense_32beam")


def load(name):
    spec = importlib.util.spec_from_file_location(f"{name}_tool", ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def call(name, *arguments):
    """A tool as from the command line; returns its exit status."""
    try:
        run(lambda: load(name).main([str(argument) for argument in arguments]))
    except SystemExit as end:
        return end.code
    return 0


def write_predictions(data, predictions, heights_m=(-1.5, 0.3), layout="sequences/08/predictions/{}.label"):
    """What sweep_world's HeightSegmentor predicts for every scan of every setting on disk, as original ids."""
    for scan in data.glob("**/velodyne/*.bin"):
        z_m = np.fromfile(scan, np.float32).reshape(-1, 4)[:, 2]
        ids = np.array([RAW_ROAD, RAW_BUILDING, RAW_VEGETATION], np.uint32)[np.digitize(z_m, heights_m, right=True)]
        path = predictions / scan.parent.parent.relative_to(data) / layout.format(scan.stem)
        path.parent.mkdir(parents=True, exist_ok=True)
        ids.tofile(path)
    return predictions


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Exported settings of three small scans, their predictions, and the rows of a sweep with the same model."""
    folder = tmp_path_factory.mktemp("score")
    config, checkpoint = write_world(folder)
    options = ["--suite", "semantickitti_c", "--corruptions", *CHOSEN, "--work-dir", folder / "sweep"]
    assert call("sweep", config, checkpoint, *options) == 0
    settings = select(SEMANTICKITTI_C, CHOSEN)
    export.export(readers.semantickitti(folder / "kitti"), SEMANTICKITTI_C, folder, settings=settings, with_clean=True)
    return folder, write_predictions(folder / "SemanticKITTI-C", folder / "height")


@pytest.fixture
def score(world, tmp_path):
    """Scores predictions into a work dir of this test; returns the exit status."""
    folder, predictions = world

    def run_score(*options, predictions=predictions, root=folder, work_dir=tmp_path / "work", dataset="semantickitti"):
        arguments = ["--predictions", predictions, "--dataset", dataset, "--root", root, "--work-dir", work_dir]
        return call("score", *arguments, *options)

    return run_score


def rows(folder, suite="semantickitti_c"):
    return {path.stem: json.loads(path.read_text()) for path in (folder / "rows" / suite).glob("*.json")}


def test_files_score_as_the_sweep_does_on_the_fly(world, score, tmp_path, capsys):
    """The corrupted scans and labels on disk and those of the sweep: the same confusion, the same metrics."""
    assert score() == 0
    found, swept = rows(tmp_path / "work"), rows(world[0] / "sweep")
    assert set(found) == set(swept) == {"clean_data", *CHOSEN}
    for name, row in found.items():
        assert row["score"] == swept[name]["score"], name
    text = capsys.readouterr().out
    assert "semantickitti_c, 3 scans: predictions of 6 settings" in text
    table = (tmp_path / "work/semantickitti_c.md").read_text()
    assert table in text
    # settings without predictions show "-", types that miss one have no mean, and so there is no RmIoU
    fog = [line.split("|")[1:5] for line in table.splitlines() if line.startswith(("| fog_light", "| fog  "))]
    assert [[cell.strip() for cell in cells[1:3]] for cells in fog] == [["-", "-"]] * 3
    assert [cell.strip() for cell in table.split("**RmIoU, mR**")[1].split("|")[1:3]] == ["-", "-"]


def test_relative_scores_against_a_baseline(world, score, tmp_path, capsys):
    """The rows of a sweep serve as the baseline: against itself every CE is 100; a worse model has more."""
    assert score("--baseline", world[0] / "sweep") == 0
    assert "| local_distortion |" in capsys.readouterr().out
    worse = write_predictions(world[0] / "SemanticKITTI-C", tmp_path / "worse", heights_m=(-1.9, 0.3))
    work = tmp_path / "work2"
    assert score("--baseline", tmp_path / "work", predictions=worse, work_dir=work) == 0
    base, other = rows(tmp_path / "work"), rows(work)
    local = [f"local_{level}" for level in ("light", "moderate", "heavy")]
    miou = [[found[name]["score"]["metrics"]["mIoU_present"] for name in local] for found in (base, other)]
    ce = 100 * sum(100 - value for value in miou[1]) / sum(100 - value for value in miou[0])
    rr = 100 * np.mean(miou[1]) / other["clean_data"]["score"]["metrics"]["mIoU_present"]
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| local_distortion | ")][1:]
    assert [cell.strip() for cell in line.split("|")[2:4]] == [f"{rr:.1f}", f"{ce:.1f}"] and ce > 100
    other_data = tmp_path / "seeded" / "rows" / "semantickitti_c"
    other_data.mkdir(parents=True)
    row = {**base["clean_data"], "fingerprint": {**base["clean_data"]["fingerprint"], "seed": 3}}
    (other_data / "clean_data.json").write_text(json.dumps(row))
    assert score("--baseline", tmp_path / "seeded") == 2
    assert "rows of the same corrupted data (seed 0), found others (seed 3)" in capsys.readouterr().err


def test_a_wrong_length_names_the_file_and_the_rest_is_scored(world, score, tmp_path, capsys):
    predictions = write_predictions(world[0] / "SemanticKITTI-C", tmp_path / "p")
    bad = predictions / "local_light/sequences/08/predictions/000001.label"
    whole = bad.read_bytes()
    bad.write_bytes(whole[:-8])
    assert score(predictions=predictions) == 1
    captured = capsys.readouterr()
    assert f"{bad}: expected 5760 labels, one per point (23040 bytes), found 5758" in captured.out
    assert "failed: local_light" in captured.err
    found = rows(tmp_path / "work")
    assert found["local_light"]["score"] is None and found["local_heavy"]["score"] is not None
    stamp = found["local_heavy"]["run"]["finished"], found["local_heavy"]["run"]["seconds"]
    bad.write_bytes(whole)
    assert score(predictions=predictions) == 0  # goes on: the failed setting alone
    again = rows(tmp_path / "work")
    assert again["local_light"]["score"] is not None
    assert (again["local_heavy"]["run"]["finished"], again["local_heavy"]["run"]["seconds"]) == stamp
    assert capsys.readouterr().out.count(" s/scan)") == 1


def test_changed_predictions_are_scored_again(world, score, tmp_path):
    predictions = write_predictions(world[0] / "SemanticKITTI-C", tmp_path / "p")
    assert score(predictions=predictions) == 0
    path = predictions / "fog_heavy/sequences/08/predictions/000000.label"
    np.full(path.stat().st_size // 4, RAW_ROAD, np.uint32).tofile(path)
    os.utime(path, ns=(1, 1))
    before = rows(tmp_path / "work")
    assert score(predictions=predictions) == 0
    after = rows(tmp_path / "work")
    assert {name for name in after if after[name]["score"] != before[name]["score"]} == {"fog_heavy"}


def test_workers_and_flat_folders_do_not_matter(world, score, tmp_path):
    flat = write_predictions(world[0] / "SemanticKITTI-C", tmp_path / "flat", layout="{}.label")
    assert score("--workers", "2", predictions=flat, work_dir=tmp_path / "two") == 0
    assert score(work_dir=tmp_path / "one") == 0
    one, two = rows(tmp_path / "one"), rows(tmp_path / "two")
    assert {name: row["score"] for name, row in one.items()} == {name: row["score"] for name, row in two.items()}


def test_a_report_can_be_drawn(score, tmp_path):
    assert score() == 0
    assert load("report").main([str(tmp_path / "work")]) == 0
    text = (tmp_path / "work/report/report.md").read_text()
    assert "heat_map.png" in text and "One scan under" not in text  # no scan was kept: there is no picture of one


def test_robo3d_s_folders_and_clean_scans_elsewhere(tmp_path, score):
    """fog/light below the root, no clean folder: the clean labels are those of the data set."""
    for frame in range(2):
        write_scan(tmp_path / "kitti", frame)
    settings = select(ROBO3D, ["crosstalk"])
    export.export(readers.semantickitti(tmp_path / "kitti"), ROBO3D, tmp_path, settings=settings)
    predictions = write_predictions(tmp_path / "SemanticKITTI-C", tmp_path / "p")
    write_predictions(tmp_path / "kitti/sequences/08", predictions / "clean", layout="{}.label")
    options = ["--suite", "robo3d", "--clean-root", tmp_path / "kitti"]
    assert score(*options, predictions=predictions, root=tmp_path) == 0
    found = rows(tmp_path / "work", "robo3d")
    assert set(found) == {"clean", "crosstalk_light", "crosstalk_moderate", "crosstalk_heavy"}
    # crosstalk moves a share of the points, whose labels do not count
    scored = {name: np.sum(row["score"]["confusion"]) for name, row in found.items()}
    assert scored["clean"] > scored["crosstalk_light"] > scored["crosstalk_heavy"] > 0


def test_nuscenes_lidarseg(tmp_path, score):
    """A corrupted setting is a data root of its own; predictions all right on clean data, all car in the other."""
    root = write_nuscenes(tmp_path / "nuscenes")
    corrupted = write_nuscenes(tmp_path / "nuScenes-C/fog_light", points=80)
    predictions, counts = tmp_path / "p", {}
    for name, folder in (("clean_data", root), ("fog_light", corrupted)):
        truth = load_truth(folder, "v1.0-mini", "mini_val")
        for index, token in enumerate(truth.sweeps):
            labels = truth.labels(index)
            ids = np.where(labels < 16, labels + 1, 1) if name == "clean_data" else np.full(len(labels), 4)
            path = predictions / name / f"lidarseg/mini_val/{token}_lidarseg.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            ids.astype(np.uint8).tofile(path)
            if name == "fog_light":
                counts[token] = ((labels == 3).sum(), (labels < 16).sum())
    options = ["--clean-root", root, "--version", "v1.0-mini", "--split", "mini_val"]
    arguments = dict(predictions=predictions, root=tmp_path / "nuScenes-C", dataset="nuscenes-lidarseg")
    assert score(*options, **arguments) == 0
    found = rows(tmp_path / "work")
    assert found["clean_data"]["score"]["metrics"] == {"mIoU": 100, "mIoU_present": 100, "acc": 100}
    cars, every = np.sum(list(counts.values()), axis=0)
    assert found["fog_light"]["score"]["metrics"]["acc"] == pytest.approx(100 * cars / every)
    # IoU of car = cars / all scored points, of the others 0; all 16 classes occur
    assert found["fog_light"]["score"]["metrics"]["mIoU"] == pytest.approx(100 * cars / every / 16)


def test_bad_input(world, score, tmp_path, capsys):
    folder, predictions = world
    (tmp_path / "empty").mkdir()
    partial = write_predictions(folder / "SemanticKITTI-C", tmp_path / "partial")
    (partial / "clean_data/sequences/08/predictions/000002.label").unlink()
    strange = write_predictions(folder / "SemanticKITTI-C", tmp_path / "strange")
    path = strange / "clean_data/sequences/08/predictions/000000.label"
    np.full(path.stat().st_size // 4, 12, np.uint32).tofile(path)
    for options, changes, message in (
        (["--suite", "semantickitti"], {}, "did you mean semantickitti_c"),
        ([], {"predictions": tmp_path / "none"}, "none: expected a folder of predictions"),
        ([], {"predictions": tmp_path / "empty"}, "expected folders named as the settings (clean_data, fog_light"),
        ([], {"root": tmp_path / "empty"}, "expected <setting>/velodyne"),
        ([], {"predictions": partial}, "000002.label: expected predictions for each of the 3 scans, found none for 1"),
        ([], {"predictions": strange}, "000000.label: expected semantic ids of the label map"),
        (["--baseline", tmp_path / "empty"], {}, "expected rows of semantickitti_c as the baseline"),
        (["--workers", "0"], {}, "--workers: expected at least 1"),
        ([], {"dataset": "nuscenes-lidarseg"}, "--clean-root: expected the folder of nuScenes itself"),
    ):
        assert score(*options, work_dir=tmp_path / "bad", **changes) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line, line
    assert score() == 0
    assert score(predictions=write_predictions(folder / "SemanticKITTI-C", tmp_path / "other")) == 2
    assert "choose another --work-dir" in capsys.readouterr().err
