import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "simulate.py"


@pytest.fixture(scope="module")
def simulate():
    spec = importlib.util.spec_from_file_location("simulate_tool", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_default_is_about_a_hundred_scans(simulate):
    args = simulate.parse_args(["semantickitti", "--out", "x"])
    assert list(args.sequences) == ["00", "01", "02", "03", "04", "05", "06", "07", "08"]
    assert 8 * args.scans + args.val_scans == 96
    assert (args.seed, args.interval) == (0, 1.0)


def test_writes_and_goes_on(simulate, tmp_path, capsys):
    pytest.importorskip("open3d", reason="ray casting needs the extra `simulation`")
    command = ["semantickitti", "--out", str(tmp_path), "--sequences", "08", "--val-scans", "1", "--seed", "3"]
    simulate.main(command)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "1 scans"
    assert printed[1].startswith("1/1 scans, ")
    assert printed[1].endswith(" 0 s to go")
    assert printed[2].startswith(f"1 scans written to {tmp_path}/sequences in ")
    folder = tmp_path / "sequences/08"
    points = np.fromfile(folder / "velodyne/000000.bin", np.float32)
    assert len(points) == 4 * len(np.fromfile(folder / "labels/000000.label", np.uint32)) > 4 * 90_000
    assert json.loads((tmp_path / "simulation.json").read_text())["seed"] == 3
    simulate.main(command)
    assert capsys.readouterr().out.splitlines()[0] == "1 scans, 1 already there"


def test_nuscenes_presets(simulate, capsys):
    args = simulate.parse_args(["nuscenes", "--out", "x"])
    assert (args.preset, args.scenes, args.resolution, args.depth) == ("mini", None, None, False)
    assert simulate.parse_args(["nuscenes", "--out", "x", "--resolution", "450x800"]).resolution == (450, 800)
    with pytest.raises(SystemExit, match="0"):
        simulate.parse_args(["nuscenes", "--help"])
    printed = " ".join(capsys.readouterr().out.split())
    assert "mini: v1.0-mini, 10 scenes of 4 keyframes, 225x400" in printed
    assert "train: v1.0-trainval, 100 scenes of 10 keyframes, 450x800" in printed


def test_nuscenes_is_written(simulate, tmp_path, capsys):
    pytest.importorskip("open3d", reason="ray casting needs the extra `simulation`")
    command = ["nuscenes", "--out", str(tmp_path), "--scenes", "1", "--keyframes", "1", "--no-cameras", "--seed", "3"]
    simulate.main(command)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "1 keyframes"
    assert printed[1].startswith("1/1 keyframes, ")
    assert printed[2].startswith(f"1 keyframes of 1 scenes written to {tmp_path}, tables in v1.0-mini, in ")
    (sample,) = json.loads((tmp_path / "v1.0-mini/sample.json").read_text())
    (data,) = json.loads((tmp_path / "v1.0-mini/sample_data.json").read_text())
    assert data["sample_token"] == sample["token"]
    assert (tmp_path / data["filename"]).stat().st_size == 34_720 * 20
    assert json.loads((tmp_path / "simulation.json").read_text())["keyframes"] == {"scene-0061": 1}
    simulate.main(command)
    assert capsys.readouterr().out.splitlines()[0] == "1 keyframes, 1 already there"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--scenes", "11"], "scenes: expected 1 ... 10 for v1.0-mini, found 11"),
        (["--keyframes", "0"], "scene scene-0061: expected 1 ... 40 keyframes, found 0"),
        (["--no-cameras", "--depth"], "depth: expected camera images to write depth maps of, found none asked for"),
        (["--resolution", "450"], "expected rows x columns such as 450x800, found '450'"),
    ],
)
def test_bad_nuscenes_requests(simulate, tmp_path, capsys, options, words):
    with pytest.raises(SystemExit) as stop:
        simulate.main(["nuscenes", "--out", str(tmp_path / "out"), *options])
    assert stop.value.code == 2
    assert words in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--scans", "0"], "sequence 00: expected at least one scan, found 0"),
        (["--sequences", "first"], "expected two digits such as 08, found 'first'"),
        (["--workers", "0"], "workers: expected at least 1, found 0"),
        (["--interval", "-1"], "interval: expected seconds in 0 ... 10, found -1"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(simulate, tmp_path, capsys, options, words):
    with pytest.raises(SystemExit) as stop:
        simulate.main(["semantickitti", "--out", str(tmp_path / "out"), *options])
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert words in line
    assert not (tmp_path / "out").exists()


def test_unwritable_output_and_exit_code(tmp_path):
    (tmp_path / "file").write_text("")
    command = [sys.executable, str(TOOL), "semantickitti", "--out", str(tmp_path / "file" / "out")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"error: {tmp_path}/file/out: cannot write (Not a directory); choose another --out or free it"
    ]


def test_other_parameters_are_refused(simulate, tmp_path, capsys):
    (tmp_path / "simulation.json").write_text(
        json.dumps({"format": "semantickitti", "version": 1, "seed": 1, "interval_s": 1.0, "scans": {"08": 16}})
    )
    with pytest.raises(SystemExit, match="2"):
        simulate.main(["semantickitti", "--out", str(tmp_path), "--seed", "2"])
    assert "with seed 1, now asked for 2; use the same parameters or another --out" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["simulation.json"]


def test_interrupt_is_said(simulate, tmp_path, monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(simulate.semantickitti, "write", interrupt)
    with pytest.raises(SystemExit, match="130"):
        simulate.main(["semantickitti", "--out", str(tmp_path)])
    assert "the same command goes on where it stopped" in capsys.readouterr().err


def test_format_is_required(simulate, capsys):
    with pytest.raises(SystemExit) as stop:
        simulate.main(["--out", "x"])
    assert stop.value.code == 2
    assert "format" in capsys.readouterr().err
