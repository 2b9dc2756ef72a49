import importlib.util
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from semantickitti_files import write_root

SPEC = importlib.util.spec_from_file_location(
    "browse_tool", Path(__file__).resolve().parents[2] / "tools" / "browse.py"
)
tool = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(tool)

CONFIG = """
default_scope = "mmdet3d"
camera = dict(type="perception3d.ResizeCropFlipImages", size=(320, 800), resize_range=(0.47, 0.6), flip_prob=0.5)
turn = dict(type="perception3d.AugmentBEV", rotation_range_rad=(-0.7, 0.7), flip_y_prob=0.5)
loading = [
    dict(type="perception3d.LoadMultiViewImages"),
    dict(type="perception3d.LoadLidarSweeps", sweeps_num=0),
    dict(type="LoadAnnotations3D", with_bbox_3d=True, with_label_3d=True),
]
pipeline = [*loading, turn, camera, dict(type="perception3d.PackMultiModalInputs")]
infos = "infos/nuscenes_infos_val.pkl"
dataset = dict(type="perception3d.NuScenesDetDataset", data_root="", ann_file=infos, pipeline=pipeline)
train_dataloader = dict(dataset=dataset)
"""


@pytest.fixture(scope="module")
def keyframes(data_root):
    root = data_root / "nuscenes"
    if not (root / "v1.0-mini").is_dir():
        pytest.skip("no nuScenes keyframes")
    return root


def browse(capsys, *arguments):
    tool.main([str(argument) for argument in arguments])
    return capsys.readouterr().out.strip().splitlines()


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        tool.main([str(argument) for argument in arguments])
    assert stop.value.code == 2
    return capsys.readouterr().err


def test_keyframes_of_a_scene(keyframes, tmp_path, capsys):
    out = browse(
        capsys, "nuscenes", "--root-path", keyframes, "--scene", "scene-0523", "--every", 4, "--points",
        "--out-dir", tmp_path,
    )  # fmt: skip
    assert out[-1] == f"2 pictures in {tmp_path}"  # of 8 keyframes
    pictures = sorted(tmp_path.iterdir())
    assert [str(path) for path in pictures] == out[:2]
    assert all(path.name.startswith("scene-0523_") for path in pictures)
    image = cv2.imread(str(pictures[0]))
    assert image.shape[1] > 2600
    assert image[60:380, 20:600].std() > 20  # an image, not paper


def test_one_keyframe_by_its_token(keyframes, tmp_path, capsys):
    token = "b5989651183643369174912bc5641d3b"
    out = browse(capsys, "nuscenes", "--root-path", keyframes, "--token", token, "--out-dir", tmp_path)
    assert out[-1] == f"1 pictures in {tmp_path}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scene", "scene-0915"], "unknown scene 'scene-0915' of v1.0-mini: did you mean scene-0916"),
        (["--token", "abc"], "--token abc: expected the token of one of the 18 samples"),
        (["--version", "v1.0-test"], "v1.0-test: expected the folder of the tables, found none"),
        (["--lidarseg"], "lidarseg.json: expected labels of samples/LIDAR_TOP"),
        (["--limit", "0"], "--limit: expected at least 1, found 0"),
        (["--half-extent", "-1"], "--half-extent: expected metres above 0, found -1"),
        (["--half-extent", "nan"], "--half-extent: expected metres above 0, found nan"),
        (["--every", "-1"], "--every: expected at least 1, found -1"),
    ],
)
def test_what_is_not_there_is_named(keyframes, tmp_path, capsys, arguments, message):
    assert message in refused(capsys, "nuscenes", "--root-path", keyframes, "--out-dir", tmp_path, *arguments)
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_to_the_data_set(tmp_path, capsys):
    root = write_root(tmp_path / "kitti")
    before = sorted(root.rglob("*"))
    for out in (root, root / "pictures"):
        error = refused(capsys, "semantickitti", "--root-path", root, "--out-dir", out)
        assert "expected a folder outside --root-path" in error
    assert sorted(root.rglob("*")) == before


def test_scans_with_and_without_labels(tmp_path, capsys):
    root = write_root(tmp_path / "kitti")
    shutil.rmtree(root / "sequences/01/labels")
    out = browse(
        capsys, "semantickitti", "--root-path", root, "--sequences", "01", "08", "--out-dir", tmp_path / "pictures"
    )
    assert [Path(line).name for line in out[:-1]] == ["01_000000.png", "01_000002.png", "08_000004.png"]
    again = browse(capsys, "semantickitti", "--root-path", root, "--out-dir", tmp_path / "again", "--limit", 1)
    assert Path(again[0]).read_bytes() == (tmp_path / "pictures/08_000004.png").read_bytes()
    error = refused(capsys, "semantickitti", "--root-path", root, "--sequences", "09", "--out-dir", tmp_path / "p")
    assert "09" in error


def test_what_a_pipeline_yields(keyframes, tmp_path, capsys, monkeypatch):
    from perception3d.datasets.nuscenes_infos import list_infos, write_infos

    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.py").write_text(CONFIG)
    write_infos(list_infos(keyframes, "v1.0-mini"), "v1.0-mini", tmp_path / "infos", "nuscenes")
    given = ["config", "config.py", "--root-path", keyframes, "--info-dir", "infos", "--limit", 1, "--out-dir"]
    first, second = (browse(capsys, *given, name, "--seed", 3)[-2] for name in ("a", "b"))
    assert Path(first).name == "train_000000.png"
    assert (tmp_path / first).read_bytes() == (tmp_path / second).read_bytes()
    other = browse(capsys, *given, "c", "--seed", 4)[-2]
    assert (tmp_path / other).read_bytes() != (tmp_path / first).read_bytes()
    image = cv2.imread(str(tmp_path / first))
    assert np.ptp(image[60:380, 20:600]) > 100
    assert "unknown config" in refused(capsys, "config", "none.py", "--out-dir", tmp_path / "d")
