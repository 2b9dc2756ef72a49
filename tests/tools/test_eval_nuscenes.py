import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from nuscenes_files import META, as_detections, link_trainval, near, write_results
from nuscenes_lidarseg_files import write_nuscenes, write_predictions

from corruptions.core import InputError
from perception3d.metrics.nuscenes_detection.devkit import load_ground_truth, open_tables
from perception3d.metrics.nuscenes_lidarseg.truth import load_truth

ROOT = Path(__file__).resolve().parents[2]


def load(name):
    spec = importlib.util.spec_from_file_location(f"{name}_tool", ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def world(data_root, tmp_path_factory):
    """The real keyframes as split val, their annotations as results, and the same with noise."""
    folder = tmp_path_factory.mktemp("eval")
    root = link_trainval(data_root, folder / "nuscenes")
    truth = load_ground_truth(open_tables(root, "v1.0-trainval"), "val")
    good = as_detections(truth)
    noisy = near(np.random.default_rng(0), good)
    noisy.rotation[:] /= np.linalg.norm(noisy.rotation, axis=1, keepdims=True)
    write_results(folder / "good.json", good, truth.tokens)
    write_results(folder / "noisy.json", noisy, truth.tokens)
    return folder, root


def test_two_files_are_scored_and_compared(world, tmp_path, capsys):
    folder, root = world
    files = [str(folder / "good.json"), str(folder / "noisy.json")]
    options = ["--root", str(root), "--bootstrap", "5", "--official", "--out", str(tmp_path / "out")]
    assert load("eval_nuscenes").main([*files, *options]) == 0
    text = capsys.readouterr().out
    assert "18 keyframes of 2 scenes" in text
    assert "NDS   0.8939" in text and "nuscenes-devkit: NDS 0.8939, mAP 0.9000; largest difference" in text
    summaries = {name: json.loads((tmp_path / "out" / name / "metrics_summary.json").read_text())
                 for name in ("good", "noisy")}  # fmt: skip
    assert summaries["good"]["mean_ap"] == pytest.approx(0.9)
    assert summaries["good"]["intervals_95"]["mAP"]["value"] == pytest.approx(0.9)
    table = (tmp_path / "out" / "comparison.md").read_text()
    assert table in text
    apart = summaries["noisy"]["mean_ap"] - summaries["good"]["mean_ap"]
    assert apart < -0.1 and f"| {apart:+.4f} [" in table
    for name in ("precision_recall", "true_positive_errors"):
        picture = tmp_path / "out" / "noisy" / f"{name}.png"
        assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert "scene-0916" in (tmp_path / "out" / "noisy" / "tables.txt").read_text()


def test_the_curves_differ_with_the_results(world, tmp_path):
    """Panels are drawn from the curves: perfect detections leave precision at 1 up to recall 1."""
    from matplotlib.image import imread

    folder, root = world
    options = ["--root", str(root), "--bootstrap", "0", "--out", str(tmp_path)]
    load("eval_nuscenes").main([str(folder / "good.json"), str(folder / "noisy.json"), *options])
    good, noisy = (imread(tmp_path / name / "precision_recall.png") for name in ("good", "noisy"))
    assert good.shape == noisy.shape and good.std() > 0.05
    assert (np.abs(good - noisy).max(axis=2) > 0.2).mean() > 0.005


def test_other_numbers_of_the_devkit_are_an_error(world, monkeypatch, capsys):
    folder, root = world
    tool = load("eval_nuscenes")
    monkeypatch.setattr(tool.detection, "official_scores", lambda *_: {"nd_score": 0.8939, "mean_ap": 0.9})
    options = ["--root", str(root), "--bootstrap", "0", "--official"]
    assert tool.main([str(folder / "good.json"), *options]) == 1  # NDS is 0.8939 only when rounded
    assert "nuscenes-devkit: NDS 0.8939, mAP 0.9000" in capsys.readouterr().out


def test_one_scene_has_no_intervals(world, data_root, tmp_path, capsys):
    root = data_root / "nuscenes"
    truth = load_ground_truth(open_tables(root, "v1.0-mini"), "mini_val")
    path = write_results(tmp_path / "mini.json", as_detections(truth), truth.tokens)
    options = ["--root", str(root), "--version", "v1.0-mini", "--split", "mini_val"]
    assert load("eval_nuscenes").main([str(path), *options]) == 0
    text = capsys.readouterr().out
    # 4 of 10 classes absent: errors .4 .4 3/9 2/8 2/8, so NDS = (5 x .6 + .6 + .6 + 6/9 + 6/8 + 6/8) / 10 = 0.6367
    assert "mAP   0.6000\n" in text and "NDS   0.6367\n" in text and "95 %" not in text


def test_bad_input_is_an_error(world, tmp_path, capsys):
    folder, root = world
    evaluate = load("eval_nuscenes").main
    data = json.loads((folder / "good.json").read_text())
    token = next(token for token, boxes in data["results"].items() if boxes)
    data["results"][token][0]["size"] = [0, 1, 1]
    data["results"][token][0]["detection_name"] = "tree"
    (tmp_path / "bad.json").write_text(json.dumps(data))
    for arguments, message in (
        ([str(tmp_path / "bad.json"), "--root", str(root)], f"results[{token}][0].size: expected width"),
        ([str(tmp_path / "none.json"), "--root", str(root)], "expected a results file"),
        ([str(folder / "good.json"), "--root", str(tmp_path)], "expected the folder of the tables"),
        ([str(folder / "good.json"), "--root", str(root), "--split", "vl"], "unknown split 'vl'"),
        (
            [str(folder / "good.json"), "--root", str(root), "--bootstrap", "0", "--out", str(folder / "good.json")],
            "good.json/good/metrics_summary.json: expected to write this file, found: Not a directory",
        ),
        ([str(folder / "good.json")] * 2 + ["--root", str(root)], "expected files of different names"),
    ):
        assert evaluate(arguments) == 2
        assert message in capsys.readouterr().err
    for option in ("--bootstrap", "--seed"):
        with pytest.raises(SystemExit, match="2"):
            evaluate([str(folder / "good.json"), "--root", str(root), option, "-3"])
        assert f"{option}: expected a whole number from 0 on, found '-3'" in capsys.readouterr().err


def test_lidarseg_predictions_are_scored_and_compared(tmp_path, capsys):
    root = write_nuscenes(tmp_path / "nuscenes")
    truth = load_truth(root, "v1.0-mini", "mini_val")
    right = {token: np.minimum(truth.labels(index), 15) + 1 for index, token in enumerate(truth.sweeps)}
    wrong = {token: np.where(np.arange(len(labels)) % 2, labels, 1) for token, labels in right.items()}
    files = [str(write_predictions(tmp_path / name, "mini_val", labels, META))
             for name, labels in (("right", right), ("wrong", wrong))]  # fmt: skip
    options = ["--task", "lidarseg", "--root", str(root), "--version", "v1.0-mini", "--split", "mini_val"]
    out = ["--bootstrap", "5", "--official", "--out", str(tmp_path / "out")]
    assert load("eval_nuscenes").main([*files, *options, *out]) == 0
    text = capsys.readouterr().out
    assert "4 keyframes of 2 scenes" in text and "mIoU  1.0000   [1.000, 1.000]" in text
    assert "nuscenes-devkit: mIoU 1.0000, fwIoU 1.0000; largest difference 0.0e+00" in text
    summary = json.loads((tmp_path / "out/wrong/metrics_summary.json").read_text())
    apart = summary["miou"] - 1
    assert apart < -0.4 and f"| {apart:+.4f} [" in (tmp_path / "out/comparison.md").read_text()
    (tmp_path / "right/mini_val/submission.json").unlink()
    assert load("eval_nuscenes").main([files[0], *options]) == 2
    assert "mini_val/submission.json: expected this file" in capsys.readouterr().err


def test_folders_of_the_reports_lie_below_the_output_folder(tmp_path, monkeypatch):
    (tmp_path / "runs/mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "runs/mine")
    names = load("eval_nuscenes").unique_names
    assert names([Path("."), Path(".."), Path("a/b.json")]) == ["mine", "runs", "b"]
    assert names([Path("a/b.json"), Path("c/b.json")]) == ["a_b", "c_b"]
    with pytest.raises(InputError, match="expected files of different names"):
        names([Path("a/b.json"), Path("a/b.zip")])


def test_annotations_as_results(data_root, tmp_path, capsys):
    """The scores that nuscenes-devkit gives for the annotations of mini_val; a file that is there stays."""
    root, path = data_root / "nuscenes", tmp_path / "annotations.json"
    options = ["--write-annotations", "--root", str(root), "--version", "v1.0-mini", "--split", "mini_val"]
    assert load("eval_nuscenes").main([str(path), *options]) == 0
    text = capsys.readouterr().out
    assert "mAP   0.6000\n" in text and "NDS   0.6367\n" in text
    assert load("eval_nuscenes").main([str(path), *options]) == 2
    assert "expected a new file to write the annotations to" in capsys.readouterr().err
    root = write_nuscenes(tmp_path / "nuscenes")
    options[2] = str(root)
    assert load("eval_nuscenes").main([str(tmp_path / "a.zip"), *options, "--task", "lidarseg", "--official"]) == 0
    assert "mIoU  1.0000" in capsys.readouterr().out
