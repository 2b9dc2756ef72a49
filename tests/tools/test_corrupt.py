from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from corruptions.camera import VIEW_CORRUPTIONS
from corruptions.catalog import CATALOG
from corruptions.synthetic import synthetic_scan

ROOT = Path(__file__).resolve().parents[2]
EXPORT = ["semantickitti", "--corruptions", "noise", "device"]


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("corrupt", ROOT / "tools" / "corrupt.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def kitti(tmp_path_factory) -> Path:
    """Four small sweeps of sequence 08."""
    root = tmp_path_factory.mktemp("kitti")
    for frame in range(4):
        scan = synthetic_scan(seed=frame, steps=60)
        for name, values in (("velodyne", scan.points), ("labels", scan.labels.astype(np.uint32))):
            folder = root / "sequences/08" / name
            folder.mkdir(parents=True, exist_ok=True)
            values.tofile(folder / f"{frame:06d}{'.bin' if name == 'velodyne' else '.label'}")
    return root


def tree(root: Path) -> dict[str, str]:
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def fails(tool, capsys, arguments: list[str]) -> str:
    """The one line that a failing call prints."""
    with pytest.raises(SystemExit) as exit_:
        tool.main(arguments)
    assert exit_.value.code == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert message.startswith("error: ")
    return message


def test_list_shows_every_corruption_with_levels_parameters_and_source(tool, capsys):
    tool.main(["list"])
    text = capsys.readouterr().out
    for corruption in (*CATALOG.values(), *VIEW_CORRUPTIONS.values()):
        assert f"] {corruption.name}: " in text
        assert corruption.reference in text
    tool.main(["list", "fog"])
    fog = capsys.readouterr().out
    assert fog.count("] fog: ") == 2  # LiDAR and camera
    assert "heavy          alpha_per_m=0.2\n" in fog
    assert "mor_m: meteorological optical range (visibility) in metres" in fog
    assert "snowfall" not in fog
    tool.main(["list", "spatial_misalignment", "temporal_lag"])
    sample = capsys.readouterr().out
    assert "] spatial_misalignment: A calibration error: a rotation of rotation_deg and a shift" in sample
    assert "heavy          rotation_deg=3 translation_m=0.2\n" in sample
    assert "heavy          frames=10\n" in sample
    assert "[LiDAR]" not in sample


def test_list_names_near_matches(tool, capsys):
    assert "unknown corruption 'fogg': did you mean fog?" in fails(tool, capsys, ["list", "fogg"])


def test_show_a_scan(tool, kitti, tmp_path, capsys):
    scan = kitti / "sequences/08/velodyne/000001.bin"
    for arguments in (["fog"], ["fog", "local_distortion", "--level", "light"], ["fog", "--set", "mor_m=40"]):
        out = tmp_path / "new" / "picture.png"
        tool.main(["show", *arguments, "--file", str(scan), "--out", str(out), "--dpi", "50"])
        assert capsys.readouterr().out.strip() == str(out)
        picture = cv2.imread(str(out))
        assert picture.std() > 10
        assert [path.name for path in out.parent.iterdir()] == ["picture.png"]


def test_show_a_sample_equals_showing_its_file(tool, kitti, tmp_path):
    common = ["show", "snowfall", "--seed", "2", "--dpi", "50"]
    scan = kitti / "sequences/08/velodyne/000001.bin"
    tool.main([*common, "--file", str(scan), "--out", str(tmp_path / "file.png")])
    dataset = ["--dataset", "semantickitti", "--root", str(kitti), "--sample", "08/000001"]
    tool.main([*common, *dataset, "--out", str(tmp_path / "sample.png")])
    assert (tmp_path / "file.png").read_bytes() == (tmp_path / "sample.png").read_bytes()


def test_show_an_image(tool, tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (60, 100, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "image.png"), image)
    arguments = ["show", "contrast", "jpeg", "--file", str(tmp_path / "image.png"), "--out", str(tmp_path / "out.png")]
    tool.main([*arguments, "--dpi", "50"])
    assert cv2.imread(str(tmp_path / "out.png")).std() > 10


def test_show_takes_whole_numbers(tool, tmp_path, monkeypatch):
    small = tool.preview.Source("a", synthetic_scan(steps=9))
    monkeypatch.setattr(tool.preview, "synthetic_source", lambda camera: small)
    for name, value in (("cutout", "patches=3"), ("beam_reduction", "beams=16"), ("density_decrease", "drop_share=1")):
        tool.main(["show", name, "--set", value, "--dpi", "30", "--out", str(tmp_path / f"{name}.png")])
        assert (tmp_path / f"{name}.png").is_file()
    assert tool.preview.physical_values(["a=3", "b=1e-2", "c=gunn"]) == {"a": 3, "b": 0.01, "c": "gunn"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fogg"], "unknown corruption 'fogg': did you mean fog"),
        (["fog", "--level", "hevy"], "unknown level 'hevy' of fog: did you mean heavy"),
        (["fog", "--set", "mor_m"], "expected KEY=VALUE, found mor_m"),
        (["fog", "--file", "x.txt"], "x.txt: expected a .bin scan or an image"),
        (["fog", "--file", "x.bin"], "x.bin: expected a file, found none"),
        (["fog", "--file", "x.png"], "x.png: expected an image"),
        (["fog", "--dataset", "semantickitti"], "expected the folder of the data set, found none; give --root"),
    ],
)
def test_show_names_bad_input(tool, capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        tool.preview, "synthetic_source", lambda camera: tool.preview.Source("a", synthetic_scan(steps=9))
    )
    assert message in fails(tool, capsys, ["show", *arguments, "--out", "out.png"])
    assert not list(tmp_path.iterdir())


def test_export_verify_and_repeat(tool, kitti, tmp_path, capsys):
    arguments = [*EXPORT, "--root", str(kitti), "--out", str(tmp_path), "--levels", "light"]
    tool.main(arguments)
    captured = capsys.readouterr()
    assert captured.out.startswith(f"{tmp_path}/SemanticKITTI-C: 16 files made; ")
    assert "8 samples in 2 settings, about" in captured.err
    with pytest.raises(SystemExit) as exit_:
        tool.main([*arguments, "--verify"])
    assert not exit_.value.code
    assert "every file is there" in capsys.readouterr().out
    assert "workers: expected a whole number of at least 1" in fails(
        tool, capsys, [*arguments, "--verify", "--workers", "0"]
    )
    tool.main(arguments)
    assert ": 0 files made, 16 were there already; " in capsys.readouterr().out
    assert "found another one (seed: 0 there, 1 now)" in fails(tool, capsys, [*arguments, "--seed", "1"])
    (tmp_path / "SemanticKITTI-C/local_light/labels/000002.label").unlink()
    with pytest.raises(SystemExit) as exit_:
        tool.main([*arguments, "--verify"])
    assert exit_.value.code == 1
    assert "local_light/labels/000002.label: missing" in capsys.readouterr().out


def test_export_names_bad_input(tool, kitti, tmp_path, capsys):
    common = ["--root", str(kitti), "--out", str(tmp_path)]
    assert "did you mean" in fails(tool, capsys, ["semantickitti", *common, "--corruptions", "snow_fall"])
    assert "found sequences 08" in fails(tool, capsys, ["semantickitti", *common, "--sequences", "07"])
    unwritable = ["--root", str(kitti), "--out", "/dev/null"]
    assert "expected a folder that can be written" in fails(tool, capsys, ["semantickitti", *unwritable])
    assert "expected a table of nuScenes, found none" in fails(tool, capsys, ["nuscenes", *common])
    scans = ["folder", "--root", str(kitti / "sequences/08/velodyne"), "--out", str(tmp_path), "--intensity-max", "1"]
    assert "ring_column: a file of 4 columns has none" in fails(tool, capsys, [*scans, "--ring-column", "4"])
    assert "columns: expected a whole number of at least 4" in fails(tool, capsys, [*scans, "--columns", "0"])
    assert "expected a folder with .bin files" in fails(
        tool, capsys, ["folder", "--root", str(tmp_path), "--out", str(tmp_path), "--intensity-max", "1"]
    )


def test_a_folder_of_scans(tool, kitti, tmp_path, capsys):
    scans, labels = kitti / "sequences/08/velodyne", kitti / "sequences/08/labels"
    common = ["folder", "--root", str(scans), "--out", str(tmp_path), "--corruptions", "density_decrease"]
    tool.main([*common, "--levels", "light", "--intensity-max", "1", "--label-root", str(labels)])
    out = tmp_path / "velodyne-C/density_decrease_light"
    assert {path.relative_to(out).parts[0] for path in out.rglob("*.*")} == {"velodyne", "labels"}
    points = np.fromfile(out / "velodyne/000000.bin", np.float32).reshape(-1, 4)
    assert len(points) == len(np.fromfile(out / "labels/000000.label", np.uint32))
    assert len(points) == pytest.approx(0.8 * os.path.getsize(scans / "000000.bin") / 16, abs=1)


def test_a_folder_gets_what_its_scans_can_have(tool, tmp_path, capsys):
    scan = synthetic_scan(seed=0, steps=20)
    (tmp_path / "scans").mkdir()
    scan.points.tofile(tmp_path / "scans/a.bin")
    common = ["folder", "--root", str(tmp_path / "scans"), "--out", str(tmp_path), "--intensity-max", "1"]
    common += ["--sensor", "VLP-16"]
    tool.main([*common, "--levels", "heavy", "dense_32beam", "dense_16beam"])
    said = capsys.readouterr().err
    made = {path.name for path in (tmp_path / "scans-C").iterdir() if path.is_dir()}
    # no labels for incomplete_echo, and 16 lasers are no 32
    assert "incomplete_echo_heavy is left out: incomplete_echo removes points of vehicles: expected scan.labels" in said
    assert "beam_reduction_dense_32beam is left out: beams: the scan has 16 lasers, found 32" in said
    heavy = {f"{name}_heavy" for name, corruption in CATALOG.items() if "heavy" in corruption.levels}
    assert made == heavy - {"incomplete_echo_heavy"} | {"beam_reduction_dense_16beam"}
    with pytest.raises(SystemExit):
        tool.main([*common, "--corruptions", "incomplete_echo"])
    assert "error: incomplete_echo removes points of vehicles: expected scan.labels" in capsys.readouterr().err


def start(kitti: Path, out: Path) -> subprocess.Popen:
    command = [sys.executable, "tools/corrupt.py", *EXPORT, "--root", str(kitti), "--out", str(out), "--workers", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finished(out: Path) -> int:
    path = out / "SemanticKITTI-C/checksums.jsonl"
    return path.read_text().count("\n") if path.is_file() else 0


def wait_for_the_end_of(group: int) -> None:
    """Every process of a group has to go: workers too, when only their parent was killed."""
    for _ in range(500):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    pytest.fail("worker processes are left over")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_process_goes_on_where_it_was(kitti, tmp_path, how):
    folder, first, error = interrupted_export(kitti, tmp_path, how)
    before = finished(folder)
    assert 5 <= before < 80
    if how == signal.SIGINT:
        assert first.returncode == 130
        assert error.splitlines()[-1] == "interrupted"
        assert "Traceback" not in error
    again = start(kitti, folder)
    out, _ = again.communicate(timeout=120)
    assert again.returncode == 0
    assert f"{80 - before} files made, {before} were there already" in out
    whole = start(kitti, tmp_path / "whole")
    whole.communicate(timeout=120)
    assert tree(folder) == tree(tmp_path / "whole")
    assert len(tree(folder)) == 82


def interrupted_export(kitti: Path, tmp_path: Path, how: int) -> tuple[Path, subprocess.Popen, str]:
    """An export stopped half way; on a busy machine it may be through before the signal comes: then once more."""
    # a background job of a shell ignores SIGINT, and its children inherit that; a handler of ours they do not
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for attempt in range(10):
        folder = tmp_path / str(attempt)
        process = start(kitti, folder)
        while finished(folder) < 5 and process.poll() is None:
            time.sleep(0.002)
        with contextlib.suppress(ProcessLookupError):
            if how == signal.SIGINT:
                os.killpg(process.pid, how)  # as a terminal does
            else:
                process.kill()
        _, error = process.communicate(timeout=60)
        wait_for_the_end_of(process.pid)
        if finished(folder) < 80:
            return folder, process, error
    pytest.fail("ten exports were through before the signal")


def test_no_torch_is_needed(kitti, tmp_path):
    code = f"""
import importlib.util, sys
sys.modules.update(dict.fromkeys(("torch", "mmengine", "mmcv", "mmdet", "mmdet3d")))
spec = importlib.util.spec_from_file_location("corrupt", "tools/corrupt.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
module.main(["semantickitti", "--root", {str(kitti)!r}, "--out", {str(tmp_path)!r}, "--corruptions", "global_light"])
assert "perception3d" not in sys.modules
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True, timeout=60)
    assert len(list(tmp_path.rglob("*.bin"))) == 4
