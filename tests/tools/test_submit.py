import importlib.util
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from nuscenes_files import META, link_trainval, random_boxes, write_results
from semantickitti_files import write_scan

from perception3d.submission.nuscenes_lidarseg import lidarseg_zip
from perception3d.submission.nuscenes_split import lidar_keyframes, read_split
from perception3d.submission.semantickitti import semantickitti_zip

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def submit():
    spec = importlib.util.spec_from_file_location("submit_tool", ROOT / "tools" / "submit.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


@pytest.fixture
def val(data_root, tmp_path):
    root = link_trainval(data_root, tmp_path / "nuscenes")
    return ["--root", str(root), "--version", "v1.0-trainval", "--split", "val"], read_split(
        root, "v1.0-trainval", "val"
    )


def test_detection_results(submit, val, tmp_path, capsys):
    options, split = val
    boxes = random_boxes(np.random.default_rng(0), 18, 60)
    boxes.velocity_m_s[:] = 0.0
    path = write_results(tmp_path / "results.json", boxes, split.sample_tokens)
    assert submit(["nuscenes-det", str(path), *options, "--zip", str(tmp_path / "results.zip")]) == 0
    text = capsys.readouterr().out
    assert "60 boxes in 18 keyframes of val" in text
    assert f"note: scenes of val that are not in {options[1]}/v1.0-trainval: 148" in text
    with zipfile.ZipFile(tmp_path / "results.zip") as archive:
        assert archive.namelist() == ["results.json"] and archive.read("results.json") == path.read_bytes()

    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "results": {token: [] for token in split.sample_tokens}}))
    assert submit(["nuscenes-det", str(path), *options, "--zip", str(tmp_path / "bad.zip")]) == 1
    assert "results: expected a box in any keyframe, found none" in capsys.readouterr().out
    first, second = split.sample_tokens[:2]
    del data["results"][first], data["meta"]["use_map"]
    data["results"][second] = [{}]
    path.write_text(json.dumps(data))
    assert submit(["nuscenes-det", str(path), *options, "--zip", str(tmp_path / "bad.zip")]) == 1
    captured = capsys.readouterr()
    # one for the token, one for the key, seven for the fields of the empty box: without a class no attribute is wrong
    faults = [line for line in captured.out.splitlines() if not line.startswith("note")]
    assert len(faults) == 9 and f"{path}: 9 faults" in captured.err
    assert any(line.startswith(f"results[{first}]") for line in faults)
    assert not (tmp_path / "bad.zip").exists()


def test_lidarseg_folder_and_zip(submit, val, tmp_path, capsys):
    options, split = val
    root = Path(options[1])
    points = lidar_keyframes(root, "v1.0-trainval", split)
    path = tmp_path / "a.zip"
    with lidarseg_zip(path, "val", META) as writer:
        for token, count in points.items():
            writer.add(token, np.full(count, 11))
    assert submit(["nuscenes-lidarseg", str(path), *options]) == 0
    folder = tmp_path / "folder"
    zipfile.ZipFile(path).extractall(folder)
    assert submit(["nuscenes-lidarseg", str(folder), *options, "--zip", str(tmp_path / "b.zip")]) == 0
    assert sorted(zipfile.ZipFile(tmp_path / "b.zip").namelist()) == sorted(zipfile.ZipFile(path).namelist())
    (folder / "val" / "submission.json").unlink()
    capsys.readouterr()
    assert submit(["nuscenes-lidarseg", str(folder), *options]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "val/submission.json: expected this file, found none"


def test_semantickitti_folder_and_zip(submit, tmp_path, capsys):
    root = tmp_path / "data"
    write_scan(root, "11", "000000", None)
    options = ["--root", str(root), "--sequences", "11"]
    path = tmp_path / "a.zip"
    with semantickitti_zip(path, ("11",)) as writer:
        writer.add("11", "000000", np.zeros(7, int))
    assert submit(["semantickitti", str(path), *options]) == 0
    folder = tmp_path / "folder"
    zipfile.ZipFile(path).extractall(folder)
    assert submit(["semantickitti", str(folder), *options, "--zip", str(tmp_path / "b.zip")]) == 0
    assert submit(["semantickitti", str(tmp_path / "b.zip"), *options]) == 0
    capsys.readouterr()
    (folder / "sequences" / "11" / "predictions" / "000000.label").write_bytes(b"abc")
    assert submit(["semantickitti", str(folder), *options]) == 1
    assert "expected 7 uint32 values, one per point, found 0.75 (3 bytes)" in capsys.readouterr().out
    assert submit(["semantickitti", str(folder), "--root", str(root)]) == 2
    assert "sequences/12/velodyne: expected the scans" in capsys.readouterr().err


def test_the_checks_load_no_torch():
    code = "import sys, perception3d.submission.nuscenes_det_writer, perception3d.submission.semantickitti; "
    code += "import perception3d.submission.nuscenes_lidarseg, perception3d.submission.nuscenes_split; "
    code += "assert not {'torch', 'mmengine', 'nuscenes'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
