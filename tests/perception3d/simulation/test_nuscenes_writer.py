"""The simulated nuScenes data set as nuscenes-devkit reads it: tables, boxes, velocities, projections, splits."""

import json

import numpy as np
import pytest

from corruptions import nuscenes as engine
from perception3d.conventions import NUSCENES_CLASS_ATTRIBUTES
from perception3d.simulation.nuscenes.annotations import MIRRORED, things
from perception3d.simulation.nuscenes.keyframes import SceneMaker
from perception3d.simulation.nuscenes.request import Request
from perception3d.simulation.nuscenes.tables import token

pytest.importorskip("open3d", reason="ray casting needs the extra `simulation`")
pytest.importorskip("nuscenes", reason="the devkit reads the tables")

SCENES = ("scene-0061", "scene-0103")
LINKS = {
    "sample_token": "sample", "scene_token": "scene", "log_token": "log", "ego_pose_token": "ego_pose",
    "calibrated_sensor_token": "calibrated_sensor", "sensor_token": "sensor", "instance_token": "instance",
    "category_token": "category", "visibility_token": "visibility", "sample_data_token": "sample_data",
    "first_sample_token": "sample", "last_sample_token": "sample",
    "first_annotation_token": "sample_annotation", "last_annotation_token": "sample_annotation",
}  # fmt: skip


@pytest.fixture(scope="module")
def devkit(sim_nuscenes):
    import matplotlib as mpl
    from nuscenes import NuScenes

    mpl.use("Agg")
    return NuScenes("v1.0-mini", str(sim_nuscenes), verbose=False)


@pytest.fixture(scope="module")
def tables(sim_nuscenes):
    return {path.stem: json.loads(path.read_text()) for path in (sim_nuscenes / "v1.0-mini").glob("*.json")}


@pytest.fixture(scope="module")
def maker(sim_nuscenes):
    """The first scene again, at a resolution that projections can be checked at."""
    return SceneMaker(Request(sim_nuscenes, "v1.0-mini", 0, {SCENES[0]: 3}, 450, 800), SCENES[0], 0, 9)


def points_of(devkit, record):
    return np.fromfile(devkit.get_sample_data_path(record["token"]), np.float32).reshape(-1, 5)


def test_every_link_of_the_tables_resolves(tables):
    tokens = {name: {row["token"] for row in rows} for name, rows in tables.items()}
    assert all(len(tokens[name]) == len(rows) for name, rows in tables.items())
    found = set()
    for name, rows in tables.items():
        for row in rows:
            for key in row.keys() & LINKS.keys():
                assert row[key] in tokens[LINKS[key]], (name, key)
                found.add(key)
            for key in ("prev", "next"):
                assert not row.get(key) or row[key] in tokens[name]
            assert set(row.get("attribute_tokens", [])) <= tokens["attribute"]
            assert set(row.get("log_tokens", [])) <= tokens["log"]
    assert found == LINKS.keys()
    assert {name: len(tables[name]) for name in ("scene", "log", "map", "sample", "sensor")} == {
        "scene": 2, "log": 2, "map": 2, "sample": 6, "sensor": 7}  # fmt: skip
    assert {row["logfile"] for row in tables["log"]} == {"simulated"}


def test_chains_run_through_time(devkit):
    for scene in devkit.scene:
        sample, count = devkit.get("sample", scene["first_sample_token"]), 1
        while sample["next"]:
            following = devkit.get("sample", sample["next"])
            assert following["prev"] == sample["token"]
            assert following["timestamp"] - sample["timestamp"] == 500_000
            sample, count = following, count + 1
        assert (sample["token"], count) == (scene["last_sample_token"], scene["nbr_samples"])
        record = devkit.get("sample_data", sample["data"]["LIDAR_TOP"])
        times = [record["timestamp"]]
        while record["prev"]:
            record = devkit.get("sample_data", record["prev"])
            times.append(record["timestamp"])
        assert np.diff(times).tolist() == [-50_000] * 20  # 2 x 10 turns at 20 Hz between three keyframes
        assert devkit.get("sample_data", sample["data"]["CAM_BACK"])["timestamp"] == sample["timestamp"]


def test_every_file_is_there(devkit, sim_nuscenes):
    from PIL import Image

    for record in devkit.sample_data:
        path = sim_nuscenes / record["filename"]
        assert record["filename"].startswith("samples/" if record["is_key_frame"] else "sweeps/")
        if record["channel"] == "LIDAR_TOP":
            assert path.stat().st_size == 34_720 * 20  # 1085 firings of 32 lasers, 5 float32 each
        else:
            assert Image.open(path).size == (record["width"], record["height"]) == (200, 112)
    listed = {record["filename"] for record in devkit.sample_data}
    found = {path.relative_to(sim_nuscenes).as_posix() for top in ("samples", "sweeps")
             for path in (sim_nuscenes / top).rglob("*.*")}  # fmt: skip
    assert listed == found


def test_the_corruption_engine_reads_it(sim_nuscenes):
    data = engine.load(sim_nuscenes, "v1.0-mini")
    assert (len(data.lidar), len(data.cameras), len(data.lidarseg), data.missing) == (42, 36, 6, 0)
    assert len(engine.lidar_reader(data).sweeps) == 42


def test_points_in_each_box_are_those_of_the_tables(devkit):
    from nuscenes.utils.data_classes import LidarPointCloud
    from nuscenes.utils.geometry_utils import points_in_box

    total = 0
    for sample in devkit.sample:
        path, boxes, _ = devkit.get_sample_data(sample["data"]["LIDAR_TOP"])
        points = LidarPointCloud.from_file(path).points[:3]
        for box in boxes:
            count = int(points_in_box(box, points).sum())
            assert count == devkit.get("sample_annotation", box.token)["num_lidar_pts"]
            total += count
    assert total > 6 * 500


def test_an_object_is_annotated_from_its_first_return_to_its_last(devkit):
    for instance in devkit.instance:
        first, last = (
            devkit.get("sample_annotation", instance[f"{end}_annotation_token"]) for end in ("first", "last")
        )
        assert min(first["num_lidar_pts"], last["num_lidar_pts"]) > 0
        assert (first["prev"], last["next"]) == ("", "")


def test_boxes_fit_their_meshes(devkit, maker):
    annotations = {devkit.get("sample_annotation", name)["instance_token"]: devkit.get("sample_annotation", name)
                   for name in devkit.sample[0]["anns"]}  # fmt: skip
    checked = 0
    for thing in things([*maker.stretch.standing.objects, *maker.scenes(0)[1].objects]):
        annotation = annotations.get(token(0, SCENES[0], "instance", thing.placed.instance))
        if annotation is None:
            continue
        box = devkit.get_box(annotation["token"])
        world = thing.placed.mesh.vertices @ maker.global_from_world[:3, :3].T + maker.global_from_world[:3, 3]
        local = (world - box.center) @ box.rotation_matrix
        half = np.array([box.wlh[1], box.wlh[0], box.wlh[2]]) / 2
        # 3 cm to each side and above for the noise of returns, as much off below for the ground's; rounded to 1 mm.
        above, below = local.max(axis=0) - half + 0.03, local.min(axis=0) + half - [0.03, 0.03, -0.03]
        if thing.label in MIRRORED:  # mirrors may stand out to the sides
            assert 0.0 <= above[1] + 0.002 < 0.4
            assert 0.0 <= 0.002 - below[1] < 0.4
            above[1] = below[1] = 0.0
        np.testing.assert_allclose([above, below], 0.0, atol=0.002)
        checked += 1
    assert checked == len(annotations) > 20


def test_velocity_is_displacement_and_the_speed_of_the_traffic(devkit, maker):
    before, after = ({thing.placed.instance: thing for thing in things(maker.stretch.moving(at).objects)}
                     for at in (0.49, 0.51))  # fmt: skip
    by_token = {token(0, SCENES[0], "instance", instance): instance for instance in before.keys() & after.keys()}
    moving = standing = 0
    for name in devkit.sample[1]["anns"]:
        annotation, velocity = devkit.get("sample_annotation", name), devkit.box_velocity(name)
        if np.isnan(velocity).any():  # seen once
            assert not annotation["prev"]
            assert not annotation["next"]
            continue
        instance = by_token.get(annotation["instance_token"])
        if instance is None:
            assert np.linalg.norm(velocity) < 0.005
            standing += 1
            continue
        step = (after[instance].pose[:3, 3] - before[instance].pose[:3, 3]) / 0.02
        np.testing.assert_allclose(velocity, maker.global_from_world[:3, :3] @ step, atol=0.15)
        # On the inside of a bend a lane is shorter than the street's middle.
        assert np.linalg.norm(velocity[:2]) == pytest.approx(before[instance].placed.speed_mps, rel=0.06)
        moving += 1
    assert moving > 4
    assert standing > 10


def test_attributes_fit_classes_and_motion(devkit):
    from nuscenes.eval.detection.utils import category_to_detection_name

    seen = set()
    for annotation in devkit.sample_annotation:
        name = category_to_detection_name(annotation["category_name"])
        allowed = NUSCENES_CLASS_ATTRIBUTES[name]
        attributes = [devkit.get("attribute", item)["name"] for item in annotation["attribute_tokens"]]
        assert len(attributes) == bool(allowed)
        assert set(attributes) <= set(allowed)
        seen |= {(name, attribute) for attribute in attributes}
        speed = np.linalg.norm(devkit.box_velocity(annotation["token"]))
        if attributes and attributes[0].endswith(".moving"):
            assert np.isnan(speed) or speed > 0.2
        elif attributes and not attributes[0].startswith("cycle"):
            assert np.isnan(speed) or speed < 0.01
    assert {("car", "vehicle.moving"), ("car", "vehicle.parked"), ("pedestrian", "pedestrian.standing")} <= seen
    assert {("bicycle", "cycle.with_rider"), ("bicycle", "cycle.without_rider")} <= seen


def test_labels_agree_with_the_boxes(devkit, sim_nuscenes):
    from nuscenes.utils.geometry_utils import points_in_box

    inside, agree = {}, {}
    for sample in devkit.sample:
        lidar = sample["data"]["LIDAR_TOP"]
        labels = np.fromfile(sim_nuscenes / devkit.get("lidarseg", lidar)["filename"], np.uint8)
        path, boxes, _ = devkit.get_sample_data(lidar)
        points = np.fromfile(path, np.float32).reshape(-1, 5)
        assert len(labels) == len(points)
        assert labels.max() < 32
        for box in boxes:
            within = labels[points_in_box(box, points[:, :3].T)]
            inside[box.name] = inside.get(box.name, 0) + len(within)
            agree[box.name] = agree.get(box.name, 0) + (within == devkit.lidarseg_name2idx_mapping[box.name]).sum()
        assert np.all(labels[np.linalg.norm(points[:, :3], axis=1) < 0.25] == 0)  # firings without a return
    assert agree["vehicle.car"] > 0.99 * inside["vehicle.car"]
    # Ground under a walker's feet, a bush behind a bicycle: boxes are not meshes.
    assert sum(agree.values()) > 0.95 * sum(inside.values())


def test_masks_of_the_maps_lie_under_what_vehicles_drive_on(devkit, sim_nuscenes):
    from pyquaternion import Quaternion

    on, total = {}, {}
    for sample in devkit.sample[::2]:
        record = devkit.get("sample_data", sample["data"]["LIDAR_TOP"])
        labels = np.fromfile(sim_nuscenes / devkit.get("lidarseg", record["token"])["filename"], np.uint8)
        points = points_of(devkit, record)[:, :3]
        for table in ("calibrated_sensor", "ego_pose"):
            pose = devkit.get(table, record[f"{table}_token"])
            points = points @ Quaternion(pose["rotation"]).rotation_matrix.T + pose["translation"]
        log = devkit.get("scene", sample["scene_token"])["log_token"]
        (row,) = [row for row in devkit.map if log in row["log_tokens"]]
        # The face of a kerb lies on the border: what is on the mask 0.2 m to each side too is inside.
        x, y = points[:, 0, None] + [0, 0.2, -0.2, 0, 0], points[:, 1, None] + [0, 0, 0, 0.2, -0.2]
        near = row["mask"].is_on_mask(x.ravel(), y.ravel()).reshape(-1, 5)
        for name in ("flat.driveable_surface", "flat.sidewalk", "flat.terrain"):
            chosen = labels == devkit.lidarseg_name2idx_mapping[name]
            inside = near.any(axis=1) if name == "flat.driveable_surface" else near.all(axis=1)
            on[name], total[name] = on.get(name, 0) + inside[chosen].sum(), total.get(name, 0) + chosen.sum()
    assert on["flat.driveable_surface"] > 0.99 * total["flat.driveable_surface"] > 1000
    for name in ("flat.sidewalk", "flat.terrain"):
        assert on[name] < 0.01 * total[name], name


def test_labels_are_counted_by_the_devkit(devkit, capsys):
    devkit.list_lidarseg_categories(sort_by="count")
    printed = capsys.readouterr().out
    assert "flat.driveable_surface" in printed
    assert "vehicle.car" in printed


def test_official_splits_find_the_scenes(devkit):
    from nuscenes.eval.common.utils import center_distance  # noqa: F401  (the evaluation's own imports work)
    from nuscenes.utils.splits import create_splits_scenes

    names = {scene["name"] for scene in devkit.scene}
    splits = create_splits_scenes()
    assert names & set(splits["mini_train"]) == {"scene-0061"}
    assert names & set(splits["mini_val"]) == {"scene-0103"}


def test_devkit_renders(devkit, tmp_path):
    import matplotlib.pyplot as plt

    for channel in ("LIDAR_TOP", "CAM_FRONT"):
        target = tmp_path / f"{channel}.png"
        devkit.render_sample_data(devkit.sample[1]["data"][channel], nsweeps=3, out_path=str(target), verbose=False)
        assert target.stat().st_size > 5_000
    plt.close("all")


def test_boxes_lie_where_the_pictures_show_their_objects(devkit, maker):
    """The middle of what a camera sees of an object projects near its box's middle."""
    from nuscenes.utils.geometry_utils import view_points

    sample, checked = devkit.sample[0], 0
    scenes = maker.scenes(0)
    placed = [*maker.stretch.standing.objects, *scenes[1].objects]
    by_token = {
        token(0, SCENES[0], "instance", thing.placed.instance): thing.placed.instance for thing in things(placed)
    }
    for channel in ("CAM_FRONT", "CAM_BACK_LEFT"):
        view = maker.view(scenes, channel, 0)
        _, boxes, intrinsic = devkit.get_sample_data(sample["data"][channel])
        for box in boxes:
            corners = view_points(box.corners(), intrinsic, normalize=True)[:2] * 4  # 112 x 200 to 450 x 800, about
            instance = by_token[devkit.get("sample_annotation", box.token)["instance_token"]]
            rows, columns = np.nonzero(view.instance == instance)
            if len(rows) < 100 or box.center[2] < 4 or (box.corners()[2] < 1).any():
                continue
            low, high = corners.min(axis=1) - 6, corners.max(axis=1) + 6
            inside = (columns > low[0]) & (columns < high[0]) & (rows > low[1]) & (rows < high[1])
            assert inside.mean() > 0.99
            checked += 1
    assert checked > 3


def pixels(maker, points, channel):
    """Column, row and depth of LiDAR points in a camera, by the rig's own matrices."""
    from perception3d.simulation.nuscenes import rig

    camera = rig.camera(channel, maker.request.height_px, maker.request.width_px)
    camera_from_lidar = np.linalg.inv(rig.ego_from_camera(channel)) @ rig.EGO_FROM_LIDAR
    optical = points[:, :3] @ camera_from_lidar[:3, :3].T + camera_from_lidar[:3, 3]
    image = optical @ camera.intrinsics.T
    column, row = image[:, 0] / image[:, 2], image[:, 1] / image[:, 2]
    seen = (optical[:, 2] > 1) & (column > 1) & (column < camera.width - 2) & (row > 1) & (row < camera.height - 2)
    return column, row, optical[:, 2], seen


@pytest.mark.parametrize("channel", ["CAM_FRONT", "CAM_BACK_RIGHT"])
def test_points_fall_on_their_objects_in_the_pictures(maker, channel):
    scenes = maker.scenes(0)
    turned, view = maker.lidar(scenes, 0), maker.view(scenes, channel, 0)
    column, row, depth, seen = pixels(maker, turned.points.astype(float), channel)
    column, row = np.round(column[seen]).astype(int), np.round(row[seen]).astype(int)
    depth, instance, label = depth[seen], turned.instance[seen], turned.label[seen]
    error = view.depth_m[row, column] - depth
    visible = np.abs(error) < 0.1 + 0.02 * depth  # the camera sees what the LiDAR met, not something before it
    assert visible.sum() > 1500
    same = view.instance[row, column] == instance
    assert same[visible].mean() > 0.99
    assert same[visible & (instance > 0)].mean() > 0.99
    # Walls and roads: within the noise of a return (1.2 cm, more on rough ground) and the slant over half a pixel.
    smooth = visible & np.isin(label, [40, 50, 10]) & (depth < 15)
    assert np.median(np.abs(error[smooth])) < 0.04


def test_depth_maps_are_the_depths_of_the_pictures(sim_nuscenes, maker):
    import cv2

    record = next((sim_nuscenes / "samples/CAM_FRONT").glob(f"*{SCENES[0]}*"))
    steps = cv2.imread(str(sim_nuscenes / "depth/CAM_FRONT" / f"{record.stem}.png"), cv2.IMREAD_UNCHANGED)
    assert steps.dtype == np.uint16
    assert steps.shape == (112, 200)
    assert np.all(steps[0] == 0) or (steps[0] > 0).mean() < 0.9  # some sky above
    small = SceneMaker(Request(sim_nuscenes, "v1.0-mini", 0, {SCENES[0]: 3}, 112, 200), SCENES[0], 0, 9)
    depth = small.view(small.scenes(0), "CAM_FRONT", 0).depth_m
    assert np.array_equal(steps == 0, ~np.isfinite(depth))
    met = steps > 0
    np.testing.assert_allclose(steps[met] / 256, np.minimum(depth[met], 65535 / 256), atol=0.5 / 256 + 1e-6)
