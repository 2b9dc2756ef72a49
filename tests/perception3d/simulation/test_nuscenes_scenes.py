"""Names, parameters, rig, LiDAR file and labels of simulated nuScenes scenes; same bytes however they are made."""

import json
from dataclasses import replace

import numpy as np
import pytest

from corruptions.core import InputError
from perception3d.conventions import NUSCENES_LIDARSEG_CLASS_OF
from perception3d.simulation.blocks import plan, zones
from perception3d.simulation.labels import Label, moving
from perception3d.simulation.nuscenes import keyframes, rig, writer
from perception3d.simulation.nuscenes.categories import (
    CATEGORIES,
    attribute_of,
    category_of,
    label_indices,
    visibility_level,
)
from perception3d.simulation.nuscenes.drive import Drive, street_of, timestamp_us
from perception3d.simulation.nuscenes.lidar_top import firings
from perception3d.simulation.nuscenes.maps import strips
from perception3d.simulation.nuscenes.request import MINI_TRAIN, MINI_VAL, PRESETS, Request, scene_names
from perception3d.simulation.nuscenes.tables import PER_SCENE, write_tables
from perception3d.simulation.street import START_M, Frame
from perception3d.simulation.traffic import Traffic


def quiet(done, total):
    """No progress."""


def contents(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def request(out, seed=4, **changes):
    return Request(out, "v1.0-mini", seed, {"scene-0061": 2, "scene-0103": 1}, 36, 64, **changes)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    pytest.importorskip("open3d", reason="ray casting needs the extra `simulation`")
    root = tmp_path_factory.mktemp("one") / "nuscenes"
    assert writer.write(request(root), 1, quiet) == 3
    return root


def test_two_workers_write_the_same_bytes(written, tmp_path):
    assert writer.write(request(tmp_path / "two"), 2, quiet) == 3
    assert contents(tmp_path / "two") == contents(written)


def test_an_interrupted_run_goes_on(written, tmp_path, monkeypatch):
    whole = keyframes.SceneMaker.write

    def stop_at_the_second(maker, keyframe):
        if keyframe:
            raise KeyboardInterrupt
        whole(maker, keyframe)

    monkeypatch.setattr(keyframes.SceneMaker, "write", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        writer.write(request(tmp_path), 1, quiet)
    assert not (tmp_path / "v1.0-mini").exists()  # tables come last
    monkeypatch.undo()
    told = []
    # Fewer scenes than the first run asked for: what that one began is finished as well.
    again = replace(request(tmp_path), keyframes={"scene-0061": 2})
    assert writer.write(again, 1, lambda *numbers: told.append(numbers)) == 2
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert contents(tmp_path) == contents(written)


def test_other_parameters_are_refused(written):
    before = contents(written)
    for other, words in (
        (request(written, seed=5), "with seed 4, now asked for 5"),
        (replace(request(written), width_px=80), "with resolution 36x64, now asked for 36x80"),
        (replace(request(written), depth=True), "with depth False, now asked for True"),
        (replace(request(written), keyframes={"scene-0061": 1}), "scene scene-0061 has 2 keyframes, now asked for 1"),
    ):
        with pytest.raises(InputError, match=words):
            writer.write(other, 1, quiet)
    assert contents(written) == before


def test_a_folder_with_other_data_is_refused(tmp_path):
    (tmp_path / "samples").mkdir()
    with pytest.raises(InputError, match="holds samples that were not simulated here"):
        writer.write(request(tmp_path), 1, quiet)
    (tmp_path / "kitti").mkdir()
    (tmp_path / "kitti/simulation.json").write_text(json.dumps({"format": "semantickitti", "scans": {}}))
    with pytest.raises(InputError, match="with format semantickitti, now asked for nuscenes"):
        writer.write(request(tmp_path / "kitti"), 1, quiet)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"version": "v1.0-test"}, "version: expected one of v1.0-mini, v1.0-trainval, found 'v1.0-test'"),
        ({"keyframes": {"scene-0061": 41}}, "scene scene-0061: expected 1 ... 40 keyframes, found 41"),
        ({"height_px": 8}, "resolution: expected a height of 16 ... 4096 pixels, found 8"),
        ({"cameras": False, "depth": True}, "depth: expected camera images"),
    ],
)
def test_requests_are_checked(tmp_path, changes, words):
    with pytest.raises(InputError, match=words.replace(".", r"\.")):
        replace(request(tmp_path), **changes)


def test_names_are_official_and_grow():
    splits = pytest.importorskip("nuscenes.utils.splits", reason="the devkit knows the names")
    assert (list(MINI_TRAIN), list(MINI_VAL)) == (splits.mini_train, splits.mini_val)
    assert scene_names("v1.0-mini", 3) == ("scene-0061", "scene-0103", "scene-0553")
    assert set(scene_names("v1.0-mini")) == {*splits.mini_train, *splits.mini_val}
    train = scene_names("v1.0-trainval")
    assert set(train) == {*splits.train, *splits.val}
    assert scene_names("v1.0-trainval", 100) == train[:100]
    assert sum(name in splits.val for name in train[:100]) == 20
    with pytest.raises(InputError, match="expected 1 ... 10 for v1.0-mini, found 11"):
        scene_names("v1.0-mini", 11)
    for preset in PRESETS.values():
        assert len(scene_names(preset.version, preset.scenes)) == preset.scenes


def test_field_of_view_stays_at_any_resolution():
    for channel, mounted in rig.CAMERAS.items():
        full, small = rig.camera(channel, 900, 1600).intrinsics, rig.camera(channel, 450, 400).intrinsics
        assert full[0, 0] == full[1, 1] == mounted.focal_px
        assert small[0, 0] == pytest.approx(mounted.focal_px / 4)
        assert small[1, 1] == pytest.approx(mounted.focal_px / 2)
        for matrix, width in ((full, 1600), (small, 400)):
            # The outer edges of the image, half a pixel beyond the outer centres, are seen at the same angles.
            edges = (np.array([-0.5, width - 0.5]) - matrix[0, 2]) / matrix[0, 0]
            np.testing.assert_allclose(edges, np.array([-800, 800]) / mounted.focal_px)


def test_rig_is_near_the_real_ones(data_root):
    folder = data_root / "nuscenes/v1.0-mini"
    if not folder.is_dir():
        pytest.skip(f"no nuScenes tables at {folder}")
    channels = {row["token"]: row["channel"] for row in json.loads((folder / "sensor.json").read_text())}
    checked = 0
    for row in json.loads((folder / "calibrated_sensor.json").read_text()):
        channel = channels[row["sensor_token"]]
        if channel not in rig.CAMERAS and channel != rig.LIDAR:
            continue
        pose = rig.EGO_FROM_LIDAR if channel == rig.LIDAR else rig.ego_from_camera(channel)
        np.testing.assert_allclose(pose[:3, 3], row["translation"], atol=0.06)
        turn = rig.matrix(row["rotation"]).T @ pose[:3, :3]
        assert np.degrees(np.arccos((np.trace(turn) - 1) / 2)) < 3.5
        checked += 1
    assert checked == 14


def test_quaternions_turn_as_their_matrices():
    # A quarter turn to the left about z: (cos 45, 0, 0, sin 45); x goes to y.
    half = np.sqrt(0.5)
    np.testing.assert_allclose(rig.quaternion(np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])), [half, 0, 0, half])
    np.testing.assert_allclose(rig.matrix([half, 0, 0, half]) @ [1, 0, 0], [0, 1, 0], atol=1e-12)


def test_lidar_files_look_like_nuscenes_ones(written, data_root):
    ours = np.fromfile(next((written / "samples/LIDAR_TOP").iterdir()), np.float32).reshape(-1, 5)
    assert np.array_equal(ours[:64, 4], np.tile(np.arange(32), 2))
    assert np.array_equal(ours[:, 3], np.round(ours[:, 3]))
    real = [
        np.fromfile(path, np.float32).reshape(-1, 5) for path in (data_root / "nuscenes/samples/LIDAR_TOP").glob("*")
    ]
    if not real:
        pytest.skip("no nuScenes scans")
    assert len(ours) == pytest.approx(np.mean([len(scan) for scan in real]), rel=0.01)
    near = [(np.linalg.norm(scan[:, :3], axis=1) < 1).sum() for scan in [ours, *real]]
    assert min(near[1:]) * 0.9 < near[0] < max(near[1:]) * 1.1
    quantiles = [
        np.quantile(scan[np.linalg.norm(scan[:, :3], axis=1) > 1, 3], [0.25, 0.5, 0.75]) for scan in [ours, *real]
    ]
    assert np.all(quantiles[0] >= np.min(quantiles[1:], axis=0) - 4)
    assert np.all(quantiles[0] <= np.max(quantiles[1:], axis=0) + 4)
    # Clockwise from the left, as the real ones.
    for scan in (ours, real[0]):
        far = scan[(np.linalg.norm(scan[:, :3], axis=1) > 2) & (scan[:, 4] == 16)]
        steps = np.diff(np.unwrap(np.arctan2(far[:, 1], far[:, 0])))
        assert (steps < 0).mean() > 0.98
        assert abs(np.degrees(np.arctan2(far[0, 1], far[0, 0]))) > 165


def test_rays_of_the_rings_have_their_elevations():
    rays = firings()
    elevation = np.degrees(np.arcsin(rays.directions[:, 2]))
    assert elevation[rays.ring == 0].mean() == pytest.approx(-30.67)
    assert elevation[rays.ring == 31].mean() == pytest.approx(-30.67 + 31 * 4 / 3, abs=0.01)
    assert rays.roof[rays.ring == 0].mean() > 0.5
    assert not rays.roof[rays.ring >= 9].any()


def test_labels_have_the_categories_of_their_objects():
    assert CATEGORIES[0] == "noise"
    assert CATEGORIES[17] == "vehicle.car"
    assert CATEGORIES[24] == "flat.driveable_surface"
    assert CATEGORIES[31] == "vehicle.ego"
    assert len(CATEGORIES) == 32
    classes = {label: NUSCENES_LIDARSEG_CLASS_OF[CATEGORIES[label_indices()[label]]] for label in Label}
    assert classes.pop(Label.UNLABELED) is None
    assert set(classes.values()) == set(NUSCENES_LIDARSEG_CLASS_OF.values()) - {None}
    for label in Label:
        assert label_indices()[moving(np.array([label], np.uint16))[0]] == label_indices()[label]


def test_attributes_and_categories():
    assert category_of(254, 1.7) == "human.pedestrian.adult"
    assert category_of(Label.PERSON, 1.2) == "human.pedestrian.child"
    assert attribute_of("vehicle.bus.rigid", 257, 8.0) == "vehicle.moving"
    assert attribute_of("vehicle.bus.rigid", 257, 0.0) == "vehicle.stopped"
    assert attribute_of("vehicle.bus.rigid", Label.BUS, None) == "vehicle.parked"
    assert attribute_of("vehicle.bicycle", 253, 0.0) == "cycle.with_rider"
    assert attribute_of("vehicle.bicycle", Label.BICYCLE, None) == "cycle.without_rider"
    assert attribute_of("movable_object.barrier", Label.BARRIER, None) == ""
    assert [visibility_level(share) for share in (0.0, 0.4, 0.41, 0.6, 0.79, 0.81, 1.0)] == [0, 0, 1, 1, 2, 3, 3]


def test_scenes_differ_and_the_ego_vehicle_drives_smoothly():
    turns = {Drive.of(0, name).turn_rad for name in MINI_TRAIN}
    assert len(turns) == len(MINI_TRAIN)
    drive = next(drive for name in MINI_TRAIN if (drive := Drive.of(0, name)).street.ego_speed_mps > 0)
    frame = Frame(drive.street, START_M + 400.0, START_M)
    poses = [drive.ego_pose(frame, at) for at in (3.0, 3.05)]
    step = (poses[1][:3, 3] - poses[0][:3, 3]) / 0.05
    assert np.linalg.norm(step) == pytest.approx(drive.street.ego_speed_mps, rel=0.03)
    # It drives where it points, within a degree.
    assert poses[0][:3, 0] @ step / np.linalg.norm(step) > np.cos(np.radians(1.0))
    assert timestamp_us("scene-0061", 21) - timestamp_us("scene-0061", 1) == 1_000_000


def test_side_streets_and_car_parks_are_on_the_map():
    street, lot = next(
        (street, lot) for number in range(60) for street in [street_of(0, f"scene-{number:04d}")]
        for lot in plan(street, 4) if lot.kind == "crossing"
    )  # fmt: skip
    found = list(strips(street))
    assert (lot.start_m + 2.5, lot.end_m - 2.5, *sorted((lot.side * lot.road_m, lot.side * 88.0))) in found
    bays = [(other, zone) for other in plan(street, 5) for zone in zones(other) if zone.label == Label.PARKING]
    assert bays
    for other, zone in bays:
        across = sorted((other.side * zone.inner_m, other.side * zone.outer_m))
        assert (other.start_m, other.end_m, *across) in found
    assert all(start < end and low < high for start, end, low, high in found)


def test_some_ego_vehicles_wait():
    streets = [street_of(0, f"scene-{number:04d}") for number in range(60)]
    waiting = [street for street in streets if street.ego_speed_mps == 0]
    assert 1 <= len(waiting) <= 15


def test_nobody_drives_into_the_ego_vehicle():
    for name in MINI_TRAIN[:4]:
        drive = Drive.of(1, name)
        frame = Frame(drive.street, START_M + 200.0, START_M)
        traffic = Traffic(frame, drive.street)
        for at in (0.0, 1.0, 2.0):
            ego = drive.ego_pose(frame, at)
            for placed in traffic.at(at):
                local = (placed.mesh.vertices - ego[:3, 3]) @ ego[:3, :3]
                inside = (np.abs(local[:, 1]) < 0.95) & (local[:, 0] > -1.0) & (local[:, 0] < 4.0)
                assert not inside.any(), (name, at, placed.instance)


@pytest.mark.parametrize("counts", [(0, 2, 0, 1), (2, 0), (0, 0), (1,)])
def test_tables_of_scenes_without_rows(tmp_path, counts):
    """A street without a thing in sight has no annotations; the tables stay lists of the others."""
    rows = [[{"token": f"{scene}-{row}"} for row in range(count)] for scene, count in enumerate(counts)]
    write_tables(tmp_path, {"sensor": [{"token": "a"}]}, (dict.fromkeys(PER_SCENE, own) for own in rows))
    for name in PER_SCENE:
        assert json.loads((tmp_path / f"{name}.json").read_text()) == sum(rows, [])
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.json" for name in (*PER_SCENE, "sensor")}
