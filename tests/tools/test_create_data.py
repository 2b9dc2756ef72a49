import importlib.util
import re
from pathlib import Path

import pytest
from semantickitti_files import write_root

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def create_data():
    spec = importlib.util.spec_from_file_location("create_data", ROOT / "tools" / "create_data.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_default_output_is_outside_the_root(create_data, tmp_path, monkeypatch, capsys):
    root = write_root(tmp_path / "shared" / "kitti")
    before = files(root)
    monkeypatch.chdir(tmp_path)
    create_data.main(["semantickitti", "--root-path", "shared/kitti", "--extra-tag", "mini"])
    assert files(root) == before
    assert files(tmp_path / "data") == {f"infos/kitti/mini_infos_{s}.pkl" for s in ("train", "val", "trainval", "test")}
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split("->")[0].split() == ["train", "3", "scans,", "sequences", "01", "10"]


def test_output_in_the_root_only_when_asked_for(create_data, tmp_path, monkeypatch, capsys):
    root = write_root(tmp_path / "kitti")
    monkeypatch.chdir(root)
    before = files(root)
    with pytest.raises(SystemExit) as stop:
        create_data.main(["semantickitti", "--root-path", "."])
    assert stop.value.code == 2
    assert re.search("error: --out-dir: the default .* lies inside --root-path", capsys.readouterr().err)
    assert files(root) == before
    create_data.main(["semantickitti", "--root-path", ".", "--out-dir", "."])
    assert files(root) - before == {f"semantickitti_infos_{s}.pkl" for s in ("train", "val", "trainval", "test")}


def test_bad_input_is_one_line_and_writes_nothing(create_data, tmp_path, capsys):
    root = write_root(tmp_path / "kitti")
    (root / "sequences/08/labels/000004.label").write_bytes(b"\0" * 8)
    with pytest.raises(SystemExit) as stop:
        create_data.main(["semantickitti", "--root-path", str(root), "--out-dir", str(tmp_path / "out")])
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert "000004.label: expected 5 labels" in line
    assert not (tmp_path / "out").exists()


def test_unknown_dataset(create_data, capsys):
    with pytest.raises(SystemExit) as stop:
        create_data.main(["lyft", "--root-path", "."])
    assert stop.value.code == 2
    assert "semantickitti" in capsys.readouterr().err


def test_nuscenes(create_data, sim_nuscenes, tmp_path, capsys):
    arguments = ["nuscenes", "--root-path", str(sim_nuscenes), "--version", "v1.0-mini"]
    create_data.main([*arguments, "--out-dir", str(tmp_path / "out"), "--max-sweeps", "2", "--extra-tag", "town"])
    assert files(tmp_path / "out") == {"town_infos_train.pkl", "town_infos_val.pkl"}
    train, val = capsys.readouterr().out.splitlines()
    assert " ".join(train.split("->")[0].split()) == "mini_train 3 keyframes of 1 scenes, 1.3 sweeps a keyframe"
    assert val.startswith("mini_val")
    with pytest.raises(SystemExit) as stop:
        create_data.main([*arguments[:3], "--version", "v1.0-test", "--out-dir", str(tmp_path / "none")])
    assert stop.value.code == 2
    assert "v1.0-test: expected the folder of the tables" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
