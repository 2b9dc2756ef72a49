import json
import shutil

import numpy as np
import pytest

from corruptions.core import InputError
from perception3d.metrics.nuscenes_detection.devkit import open_tables
from perception3d.visualization.colours import LIDARSEG_COLOURS
from perception3d.visualization.nuscenes import chosen_samples, read_frame


@pytest.fixture
def root(data_root, tmp_path):
    """The real keyframes in a folder whose tables and lists of files can be changed."""
    source = data_root / "nuscenes"
    if not (source / "v1.0-mini").is_dir():
        pytest.skip("no nuScenes keyframes")
    shutil.copytree(source / "v1.0-mini", tmp_path / "v1.0-mini")
    (tmp_path / "maps").symlink_to((source / "maps").resolve())
    (tmp_path / "samples").mkdir()
    for folder in (source / "samples").iterdir():
        (tmp_path / "samples" / folder.name).symlink_to(folder.resolve())
    return tmp_path


def test_frames_stand_in_the_order_of_their_scenes(root):
    nusc = open_tables(root, "v1.0-mini")
    samples = chosen_samples(nusc)
    assert len(samples) == 18
    names = [nusc.get("scene", sample["scene_token"])["name"] for sample in samples]
    assert names == ["scene-0916"] * 10 + ["scene-0523"] * 8
    times = [sample["timestamp"] for sample in chosen_samples(nusc, scene="scene-0523")]
    assert len(times) == 8 and times == sorted(times)
    frame = read_frame(nusc, samples[2])
    assert frame.title.startswith(f"scene-0916   {samples[2]['token']}   1.0 s")
    assert "bicycle_rack" in frame.boxes[0].names  # not scored, drawn all the same


def test_cameras_that_are_not_on_disk_are_left_out(root):
    (root / "samples" / "CAM_BACK").unlink()
    nusc = open_tables(root, "v1.0-mini")
    frame = read_frame(nusc, nusc.sample[0])
    assert sorted(view.name for view in frame.views) == [
        "CAM_BACK_LEFT", "CAM_BACK_RIGHT", "CAM_FRONT", "CAM_FRONT_LEFT", "CAM_FRONT_RIGHT",
    ]  # fmt: skip
    (root / "samples" / "LIDAR_TOP").unlink()
    with pytest.raises(InputError, match="expected a file, found none"):
        read_frame(nusc, nusc.sample[0])


def test_broken_images_are_named(root):
    nusc = open_tables(root, "v1.0-mini")
    name = nusc.get("sample_data", nusc.sample[0]["data"]["CAM_BACK"])["filename"]
    (root / "samples" / "CAM_BACK").unlink()
    (root / "samples" / "CAM_BACK").mkdir()
    (root / name).write_bytes(b"no image")
    with pytest.raises(InputError, match="CAM_BACK.*expected an image"):
        read_frame(nusc, nusc.sample[0])


def test_points_have_the_colours_of_their_lidarseg_class(root):
    tables = root / "v1.0-mini"
    sample = json.loads((tables / "sample.json").read_text())[0]
    sweeps = json.loads((tables / "sample_data.json").read_text())
    sweep = next(r for r in sweeps if r["sample_token"] == sample["token"] and "/LIDAR_TOP/" in r["filename"])
    count = (root / sweep["filename"]).stat().st_size // 20
    labels = np.full(count, 17, np.uint8)  # vehicle.car, as the category table numbers it
    labels[::2] = 13  # static_object.bicycle_rack has no class
    name = f"lidarseg/v1.0-mini/{sweep['token']}_lidarseg.bin"
    (root / name).parent.mkdir(parents=True)
    labels.tofile(root / name)
    row = {"token": sweep["token"], "sample_data_token": sweep["token"], "filename": name}
    (tables / "lidarseg.json").write_text(json.dumps([row]))
    nusc = open_tables(root, "v1.0-mini")
    frame = read_frame(nusc, nusc.get("sample", sample["token"]), lidarseg=True)
    assert list(frame.point_legend) == ["car", "not scored"]
    assert (frame.rgb[1::2] == LIDARSEG_COLOURS["car"]).all()
    assert not (frame.rgb[::2] == LIDARSEG_COLOURS["car"]).all(axis=1).any()
