from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from export_files import tree

import corruptions
from corruptions import InputError, Scan
from corruptions.camera import Views, corrupt_views
from corruptions.export import catalog_suite, export_nuscenes, verify
from corruptions.nuscenes import CAMERAS, load, view_groups

SUITE = catalog_suite(("lidar", "camera"))
RINGS = 32


def settings(*folders: str):
    return [SUITE.setting(folder) for folder in folders]


def write_tables(root: Path, with_lidarseg: bool = True) -> None:
    """One scene: two keyframes of LiDAR, radar and six cameras, and a LiDAR sweep and a front image after each."""
    version = root / "v1.0-mini"
    version.mkdir(parents=True)
    (root / "maps").mkdir()
    (root / "maps/a.png").write_bytes(b"map")
    channels = ["LIDAR_TOP", "RADAR_FRONT", *CAMERAS[::-1]]
    tables: dict[str, list] = {
        "sensor": [{"token": f"s{c}", "channel": c, "modality": "x"} for c in channels],
        "calibrated_sensor": [{"token": f"c{c}", "sensor_token": f"s{c}"} for c in channels],
        "scene": [{"token": "scene", "name": "scene-0001"}, {"token": "other", "name": "scene-0002"}],
        "sample": [
            {"token": "a", "scene_token": "scene", "prev": "", "next": "b"},
            {"token": "b", "scene_token": "scene", "prev": "a", "next": ""},
            {"token": "z", "scene_token": "other", "prev": "", "next": ""},
        ],
        "sample_data": [],
        "lidarseg": [],
    }
    rng = np.random.default_rng(0)

    def add(channel: str, sample: str, time: int, keyframe: bool, prev: str) -> str:
        kind = "samples" if keyframe else "sweeps"
        suffix = {"L": "pcd.bin", "R": "pcd", "C": "png"}[channel[0]]
        token, name = f"{channel}{time}", f"{kind}/{channel}/n0__{channel}__{time}.{suffix}"
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if channel == "LIDAR_TOP":
            points = np.zeros((400, 5), np.float32)
            points[:, :3] = rng.normal(0, 12, (400, 3))
            points[:, 3] = np.floor(rng.uniform(2, 255, 400))
            points[:, 4] = np.arange(400) % RINGS
            points.tofile(path)
            if keyframe and with_lidarseg:
                label = f"lidarseg/v1.0-mini/{token}_lidarseg.bin"
                (root / label).parent.mkdir(parents=True, exist_ok=True)
                rng.integers(1, 31, 400).astype(np.uint8).tofile(root / label)
                tables["lidarseg"].append({"token": token, "sample_data_token": token, "filename": label})
        elif channel[0] == "C":
            cv2.imwrite(str(path), rng.integers(0, 255, (24, 40, 3), dtype=np.uint8))
        else:
            path.write_bytes(b"radar")
        row = {"token": token, "sample_token": sample, "calibrated_sensor_token": f"c{channel}", "prev": prev}
        tables["sample_data"].append({**row, "is_key_frame": keyframe, "filename": name})
        return token

    last = dict.fromkeys(channels, "")
    for sample, start in (("a", 100), ("b", 200)):
        for channel in channels:
            last[channel] = add(channel, sample, start, True, last[channel])
        for channel in ("LIDAR_TOP", "CAM_FRONT"):
            last[channel] = add(channel, sample, start + 50, False, last[channel])
    if not with_lidarseg:
        del tables["lidarseg"]
    for name, rows in tables.items():
        (version / f"{name}.json").write_text(json.dumps(rows))


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("nuscenes")
    write_tables(root)
    return root


@pytest.fixture(scope="module")
def exported(root, tmp_path_factory) -> Path:
    """Both sensors in fog, both blurred, two cameras frozen."""
    out = tmp_path_factory.mktemp("out")
    chosen = settings("fog_heavy", "motion_blur_light", "frozen_frame_moderate", "local_distortion_heavy")
    export_nuscenes(load(root, "v1.0-mini"), SUITE, out, settings=chosen, seed=1)
    return out / "nuScenes-C"


def test_lidar_is_the_same_as_on_the_fly(root, exported):
    for name in ("samples/LIDAR_TOP/n0__LIDAR_TOP__200", "sweeps/LIDAR_TOP/n0__LIDAR_TOP__250"):
        points = np.fromfile(root / f"{name}.pcd.bin", np.float32).reshape(-1, 5)
        ring = points[:, 4].astype(np.int32)
        scan = Scan(points, 255.0, ring=ring, label_set="nuscenes", sensor="HDL-32E")
        for corruption, level in (("fog", "heavy"), ("motion_blur", "light"), ("local_distortion", "heavy")):
            direct = corruptions.corrupt(scan, corruption, level, seed=1, sample=Path(name).name)
            assert (exported / f"{corruption}_{level}" / f"{name}.pcd.bin").read_bytes() == direct.points.tobytes()


def test_lidarseg_labels_follow_the_points(root, exported):
    folder = exported / "local_distortion_heavy"
    before = np.fromfile(root / "samples/LIDAR_TOP/n0__LIDAR_TOP__100.pcd.bin", np.float32).reshape(-1, 5)
    after = np.fromfile(folder / "samples/LIDAR_TOP/n0__LIDAR_TOP__100.pcd.bin", np.float32).reshape(-1, 5)
    displaced = (before[:, :3] != after[:, :3]).any(axis=1)
    assert displaced.sum() == 80  # 20 % of 400
    clean = np.fromfile(root / "lidarseg/v1.0-mini/LIDAR_TOP100_lidarseg.bin", np.uint8)
    labels = np.fromfile(folder / "lidarseg/v1.0-mini/LIDAR_TOP100_lidarseg.bin", np.uint8)
    assert np.array_equal(labels, np.where(displaced, 0, clean))


def read(folder: Path, channel: str, time: int, kind: str = "samples") -> np.ndarray:
    image = cv2.imread(str(folder / f"{kind}/{channel}/n0__{channel}__{time}.png"))
    assert image is not None
    return image


def test_camera_views_are_the_same_as_on_the_fly(root, exported):
    """A keyframe's views share the id of its LiDAR sweep, in the order of mmdet3d's info files."""
    images = np.stack([read(root, channel, 200) for channel in CAMERAS])
    for corruption, level in (("fog", "heavy"), ("motion_blur", "light")):
        direct = corrupt_views(Views(images, "bgr"), corruption, level, seed=1, sample="n0__LIDAR_TOP__200")
        written = np.stack([read(exported / f"{corruption}_{level}", channel, 200) for channel in CAMERAS])
        assert np.array_equal(written, direct)  # PNG is lossless
    between = read(root, "CAM_FRONT", 250, "sweeps")[None]
    direct = corrupt_views(Views(between, "bgr"), "motion_blur", "light", seed=1, sample="n0__CAM_FRONT__250")
    assert np.array_equal(read(exported / "motion_blur_light", "CAM_FRONT", 250, "sweeps"), direct[0])


def test_frozen_cameras_show_the_keyframe_before(root, exported):
    folder = exported / "frozen_frame_moderate"
    frozen = [c for c in CAMERAS if np.array_equal(read(folder, c, 200), read(root, c, 100))]
    running = [c for c in CAMERAS if np.array_equal(read(folder, c, 200), read(root, c, 200))]
    assert len(frozen) == 3
    assert sorted(frozen + running) == sorted(CAMERAS)
    assert all(np.array_equal(read(folder, c, 100), read(root, c, 100)) for c in CAMERAS)  # the first of the scene
    # The image after the keyframe: the one before it when its camera is frozen, itself otherwise.
    expected = read(root, "CAM_FRONT", 200) if "CAM_FRONT" in frozen else read(root, "CAM_FRONT", 250, "sweeps")
    assert np.array_equal(read(folder, "CAM_FRONT", 250, "sweeps"), expected)


def test_cameras_crash_together_with_their_keyframe(root, tmp_path):
    black = []
    for seed in range(12):
        data = load(root, "v1.0-mini")
        report = export_nuscenes(
            data, SUITE, tmp_path / str(seed), settings=settings("camera_crash_moderate"), seed=seed
        )
        folder = report.root / "camera_crash_moderate"
        for time in (100, 200):
            crashed = read(folder, "CAM_FRONT", time).max() == 0
            assert (read(folder, "CAM_FRONT", time + 50, "sweeps").max() == 0) == crashed
            black.append(crashed)
    assert 0 < sum(black) < 24


def test_untouched_files_keep_their_bytes(root, exported):
    folder = exported / "frozen_frame_moderate"
    assert (folder / "samples/LIDAR_TOP").resolve() == root / "samples/LIDAR_TOP"
    assert (folder / "lidarseg").resolve() == root / "lidarseg"
    for name in ("maps", "v1.0-mini", "samples/RADAR_FRONT"):
        assert (exported / "fog_heavy" / name).resolve() == root / name
    assert (exported / "local_distortion_heavy/samples/CAM_BACK").resolve() == root / "samples/CAM_BACK"


def test_workers_do_not_change_a_byte(root, exported, tmp_path):
    chosen = settings("frozen_frame_moderate", "local_distortion_heavy", "motion_blur_light", "fog_heavy")
    report = export_nuscenes(load(root, "v1.0-mini"), SUITE, tmp_path, settings=chosen, seed=1, workers=2)
    assert tree(report.root) == tree(exported)
    assert verify(exported) == []
    assert export_nuscenes(load(root, "v1.0-mini"), SUITE, tmp_path, settings=chosen, seed=1).made == 0


def test_choice_of_sensors_scenes_and_keyframes(root, tmp_path):
    data = load(root, "v1.0-mini", scenes=("scene-0001",), keyframes_only=True)
    report = export_nuscenes(data, SUITE, tmp_path, settings=settings("fog_heavy"), sensors=("lidar",))
    assert report.made == 4  # two sweeps, two label files
    assert (report.root / "fog_heavy/samples/CAM_FRONT").is_symlink()
    assert (report.root / "fog_heavy/sweeps/CAM_FRONT").is_symlink()
    assert not (report.root / "fog_heavy/sweeps/LIDAR_TOP").exists()
    manifest = json.loads((report.root / "manifest.json").read_text())
    assert manifest["settings"]["fog_heavy"]["parameters"] == {"lidar": {"alpha_per_m": 0.2}}
    assert "opencv" not in manifest["packages"]
    with pytest.raises(InputError, match="sun_glare_heavy: no corruption of lidar"):
        export_nuscenes(data, SUITE, tmp_path, settings=settings("sun_glare_heavy"), sensors=("lidar",))
    with pytest.raises(InputError, match="unknown scene 'scene-001' of v1.0-mini: did you mean scene-0001"):
        load(root, "v1.0-mini", scenes=("scene-001",))
    with pytest.raises(InputError, match="expected files that v1.0-mini/sample_data.json lists, found none of 0"):
        load(root, "v1.0-mini", scenes=("scene-0002",))


def test_partial_downloads(tmp_path, capsys):
    root = tmp_path / "data"
    write_tables(root)
    (root / "samples/LIDAR_TOP/n0__LIDAR_TOP__200.pcd.bin").unlink()
    (root / "samples/CAM_BACK/n0__CAM_BACK__100.png").unlink()
    data = load(root, "v1.0-mini")
    assert data.missing == 2
    import sys

    report = export_nuscenes(data, SUITE, tmp_path, settings=settings("fog_heavy"), stream=sys.stderr)
    assert capsys.readouterr().err.startswith("2 files that the tables list are not on disk; they are left out")
    folder = report.root / "fog_heavy"
    # The devkit counts label files: those of sweeps left out are links to the clean ones.
    labels = sorted((folder / "lidarseg/v1.0-mini").iterdir())
    assert [path.is_symlink() for path in labels] == [False, True]
    # The views of the second keyframe are seeded by a camera file, as it has no LiDAR sweep.
    assert {group.id for group in view_groups(data)} >= {"n0__LIDAR_TOP__100", "n0__CAM_FRONT__200"}


@pytest.mark.parametrize("name", ["../outside.pcd.bin", "/etc/passwd"])
@pytest.mark.parametrize("table", ["sample_data", "lidarseg"])
def test_tables_do_not_lead_out(tmp_path, name, table):
    root = tmp_path / "data"
    write_tables(root)
    path = root / f"v1.0-mini/{table}.json"
    rows = json.loads(path.read_text())
    rows[0]["filename"] = name
    path.write_text(json.dumps(rows))
    with pytest.raises(InputError, match=f"{table}.json: expected file names below the data set, found {name}"):
        load(root, "v1.0-mini")


def test_bad_inputs_are_named(tmp_path):
    root = tmp_path / "data"
    write_tables(root, with_lidarseg=False)
    with pytest.raises(InputError, match="expected a table of nuScenes, found none; versions at .*: v1.0-mini"):
        load(root, "v1.0-trainval")
    (root / "samples/CAM_BACK/n0__CAM_BACK__100.png").write_bytes(b"no image")
    with pytest.raises(InputError, match="n0__CAM_BACK__100.png: expected an image"):
        export_nuscenes(load(root, "v1.0-mini"), SUITE, tmp_path, settings=settings("jpeg_heavy"))
    cv2.imwrite(str(root / "samples/CAM_BACK/n0__CAM_BACK__100.png"), np.zeros((5, 5, 3), np.uint8))
    with pytest.raises(InputError, match="expected one size"):
        export_nuscenes(load(root, "v1.0-mini"), SUITE, tmp_path / "other", settings=settings("jpeg_heavy"))
    (root / "v1.0-mini/scene.json").write_text("[")
    with pytest.raises(InputError, match="scene.json: expected a json table"):
        load(root, "v1.0-mini")


def test_devkit_loads_an_export_of_real_keyframes(data_root, tmp_path):
    pytest.importorskip("nuscenes", reason="nuscenes-devkit is not installed")
    from nuscenes import NuScenes
    from nuscenes.utils.data_classes import LidarPointCloud

    data = load(data_root / "nuscenes", "v1.0-mini", scenes=("scene-0523",))
    chosen = settings(
        "beam_reduction_sparse_16beam", "local_distortion_light", "camera_crash_light", "missing_lidar_heavy"
    )
    report = export_nuscenes(data, SUITE, tmp_path, settings=chosen)
    for folder in (setting.folder for setting in chosen):
        devkit = NuScenes("v1.0-mini", str(report.root / folder), verbose=False)
        scene = next(row for row in devkit.scene if row["name"] == "scene-0523")
        sample = devkit.get("sample", scene["first_sample_token"])
        cloud = LidarPointCloud.from_file(devkit.get_sample_data_path(sample["data"]["LIDAR_TOP"]))
        clean = LidarPointCloud.from_file(
            str(data.root / devkit.get("sample_data", sample["data"]["LIDAR_TOP"])["filename"])
        )
        changed = cloud.points.shape != clean.points.shape or not np.array_equal(cloud.points, clean.points)
        assert changed == (folder != "camera_crash_light")
        assert (cloud.nbr_points() == 0) == (folder == "missing_lidar_heavy")
        images = [devkit.get_sample_data_path(sample["data"][channel]) for channel in CAMERAS]
        black = [cv2.imread(path).max() == 0 for path in images]
        assert sum(black) == (folder == "camera_crash_light")
    assert verify(report.root) == []
