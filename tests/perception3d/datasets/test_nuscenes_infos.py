"""Info files of nuScenes against nuscenes-devkit: boxes, velocities, projections, sweeps, splits."""

import json
import shutil

import mmengine
import numpy as np
import pytest
from scipy.spatial import cKDTree

from corruptions.core import InputError
from corruptions.nuscenes import CAMERAS
from perception3d.conventions import NUSCENES_INFO_CLASSES
from perception3d.datasets.nuscenes_infos import list_infos, write_infos


@pytest.fixture(scope="module")
def real(data_root):
    if not (data_root / "nuscenes").is_dir():
        pytest.skip("no real keyframes")
    root = data_root / "nuscenes"
    return root, devkit(root), list_infos(root, "v1.0-mini")


@pytest.fixture(scope="module")
def simulated(sim_nuscenes):
    return sim_nuscenes, devkit(sim_nuscenes), list_infos(sim_nuscenes, "v1.0-mini")


def devkit(root, version="v1.0-mini"):
    from nuscenes import NuScenes

    return NuScenes(version=version, dataroot=str(root), verbose=False)


def copy_of(root, folder):
    """Tables to change, with links to the files."""
    shutil.copytree(root / "v1.0-mini", folder / "v1.0-mini")
    for name in ("samples", "sweeps", "maps", "lidarseg"):
        if (root / name).is_dir():
            (folder / name).symlink_to(root / name)
    return folder


def edit(path, change):
    rows = json.loads(path.read_text())
    path.write_text(json.dumps(change(rows)))


def annotations(nusc, info):
    """The devkit's boxes in the LiDAR frame, in the order of the sample."""
    boxes = nusc.get_sample_data(info["lidar_points"]["sample_data_token"])[1]
    by_token = {box.token: box for box in boxes}
    return [by_token[token] for token in nusc.get("sample", info["token"])["anns"]]


@pytest.mark.parametrize("world", ["real", "simulated"])
def test_boxes_are_the_devkits(world, request):
    _, nusc, splits = request.getfixturevalue(world)
    count = 0
    for info in splits["val"].data_list:
        for instance, box in zip(info["instances"], annotations(nusc, info), strict=True):
            width, length, height = box.wlh
            forward = box.orientation.rotation_matrix[:, 0]
            expected = [*box.center, length, width, height, np.arctan2(forward[1], forward[0])]
            np.testing.assert_allclose(instance["bbox_3d"], expected, atol=1e-6)
            count += 1
    assert count > 50


@pytest.mark.parametrize("world", ["real", "simulated"])
def test_boxes_go_back_to_the_annotations(world, request):
    """Centre and velocity through the poses of the info alone."""
    _, nusc, splits = request.getfixturevalue(world)
    moving = 0
    for info in splits["val"].data_list:
        global_from_lidar = np.array(info["ego2global"]) @ np.array(info["lidar_points"]["lidar2ego"])
        for instance, token in zip(info["instances"], nusc.get("sample", info["token"])["anns"], strict=True):
            center = global_from_lidar @ [*instance["bbox_3d"][:3], 1]
            np.testing.assert_allclose(center[:3], nusc.get("sample_annotation", token)["translation"], atol=1e-6)
            expected = nusc.box_velocity(token)
            assert np.isnan(instance["velocity"]).any() == np.isnan(expected).any()
            if not np.isnan(expected).any():
                in_plane = global_from_lidar[:3, :3].T @ [*expected[:2], 0]
                np.testing.assert_allclose(instance["velocity"], in_plane[:2], atol=1e-9)
                moving += np.hypot(*expected[:2]) > 0.5
    assert moving > 3


def test_labels_and_validity(real):
    from nuscenes.eval.detection.utils import category_to_detection_name

    _, nusc, splits = real
    others = 0
    for info in splits["val"].data_list:
        for instance, box in zip(info["instances"], annotations(nusc, info), strict=True):
            name = category_to_detection_name(box.name)
            label = instance["bbox_label_3d"]
            assert (NUSCENES_INFO_CLASSES[label] if label >= 0 else None) == name
            record = nusc.get("sample_annotation", box.token)
            assert instance["num_lidar_pts"] == record["num_lidar_pts"]
            assert instance["bbox_3d_isvalid"] == (record["num_lidar_pts"] + record["num_radar_pts"] > 0)
            others += label < 0
    assert others > 0


@pytest.mark.parametrize("world", ["real", "simulated"])
def test_projections_are_the_devkits(world, request):
    """The devkit takes points through four frames and two poses of the vehicle; here it is one matrix."""
    root, nusc, splits = request.getfixturevalue(world)
    info = splits["val"].data_list[1]
    assert tuple(info["images"]) == CAMERAS
    points = np.fromfile(root / "samples/LIDAR_TOP" / info["lidar_points"]["lidar_path"], np.float32).reshape(-1, 5)
    for camera in info["images"].values():
        expected, depth, image = nusc.explorer.map_pointcloud_to_image(
            info["lidar_points"]["sample_data_token"], camera["sample_data_token"], min_dist=1.0
        )
        assert image.size == (camera["width"], camera["height"])
        optical = (np.c_[points[:, :3], np.ones(len(points))] @ np.array(camera["lidar2cam"]).T)[:, :3]
        pixels = optical @ np.array(camera["cam2img"]).T
        ahead = pixels[pixels[:, 2] > 0.5]
        ours = np.column_stack([ahead[:, :2] / ahead[:, 2:], ahead[:, 2]])
        # the devkit keeps what is in the image; its float32 steps through the map leave points at about 0.1 mm
        theirs = np.column_stack([expected[:2].T, depth])
        assert len(theirs) > 100
        assert cKDTree(ours).query(theirs)[0].max() < 0.05
        inside = (ours[:, :2] > 1).all(axis=1) & (ours[:, :2] < np.array(image.size) - 1).all(axis=1)
        assert abs((inside & (ours[:, 2] > 1)).sum() - len(theirs)) < 5  # at the edge, by rounding


def test_the_motion_between_camera_and_lidar_counts(real):
    """Leaving it out, as if both fired at once, moves points by pixels."""
    _, _, splits = real
    shifts = []
    for info in splits["val"].data_list:
        for camera in info["images"].values():
            still = np.linalg.inv(camera["cam2ego"]) @ np.array(info["lidar_points"]["lidar2ego"])
            shifts.append(np.linalg.norm((np.array(camera["lidar2cam"]) - still)[:3, 3]))
    assert max(shifts) > 0.05


def test_sweeps_are_the_nearest_ones(simulated):
    root, nusc, splits = simulated
    first, _, last = splits["val"].data_list
    assert first["lidar_sweeps"] == []
    lags = [last["timestamp"] - sweep["timestamp"] for sweep in last["lidar_sweeps"]]
    np.testing.assert_allclose(lags, np.arange(1, 11) * 0.05, atol=1e-5)
    # sweep by sweep: nine between the keyframes, and the keyframe before as the tenth
    kinds = [nusc.get("sample_data", sweep["sample_data_token"])["is_key_frame"] for sweep in last["lidar_sweeps"]]
    assert kinds == [False] * 9 + [True]
    fewer = list_infos(root, "v1.0-mini", max_sweeps=3)["val"].data_list[2]
    assert fewer["lidar_sweeps"] == last["lidar_sweeps"][:3]


def test_keyframes_do_not_stand_for_missing_sweeps(real):
    """The tables of the real keyframes link keyframe to keyframe."""
    _, nusc, splits = real
    infos = splits["val"].data_list
    assert len(infos) == 10
    assert nusc.get("sample_data", infos[3]["lidar_points"]["sample_data_token"])["prev"]
    assert all(info["lidar_sweeps"] == [] for info in infos)


def test_sweeps_end_where_a_file_is_missing(sim_nuscenes, tmp_path):
    copy_of(sim_nuscenes, tmp_path)
    (tmp_path / "sweeps").unlink()
    folder = tmp_path / "sweeps/LIDAR_TOP"
    folder.mkdir(parents=True)
    complete = list_infos(sim_nuscenes, "v1.0-mini")["val"].data_list[2]
    for sweep in complete["lidar_sweeps"][:4]:
        name = sweep["lidar_points"]["lidar_path"]
        (tmp_path / name).symlink_to(sim_nuscenes / name)
    partial = list_infos(tmp_path, "v1.0-mini")["val"].data_list[2]
    assert partial["lidar_sweeps"] == complete["lidar_sweeps"][:4]


def test_splits_of_the_devkit(simulated):
    _, _, splits = simulated
    assert {key: split.split for key, split in splits.items()} == {"train": "mini_train", "val": "mini_val"}
    assert {info["scene_name"] for info in splits["train"].data_list} == {"scene-0061"}
    assert {info["scene_name"] for info in splits["val"].data_list} == {"scene-0103"}
    assert [info["sample_idx"] for info in splits["val"].data_list] == [0, 1, 2]
    assert splits["val"].data_list[0]["pts_semantic_mask_path"].endswith("_lidarseg.bin")


def test_own_splits_and_no_annotations(sim_nuscenes, tmp_path):
    copy_of(sim_nuscenes, tmp_path)
    (tmp_path / "v1.0-mini").rename(tmp_path / "v1.0-town")
    (tmp_path / "v1.0-town/lidarseg.json").unlink()
    (tmp_path / "v1.0-town/splits.json").write_text(json.dumps({"both": ["scene-0061", "scene-0103"]}))
    edit(tmp_path / "v1.0-town/sample_annotation.json", lambda rows: [])
    edit(tmp_path / "v1.0-town/instance.json", lambda rows: [])
    (split,) = list_infos(tmp_path, "v1.0-town").values()
    assert (split.split, split.scenes, len(split.data_list)) == ("both", 2, 6)
    assert all(info["instances"] == [] for info in split.data_list)


def test_a_scene_that_is_not_on_disk_is_left_out(sim_nuscenes, tmp_path):
    copy_of(sim_nuscenes, tmp_path)
    (tmp_path / "samples").unlink()
    shutil.copytree(sim_nuscenes / "samples", tmp_path / "samples", copy_function=lambda a, b: None)
    for path in (sim_nuscenes / "samples").rglob("*scene-0103*"):
        (tmp_path / path.relative_to(sim_nuscenes)).symlink_to(path)
    splits = list_infos(tmp_path, "v1.0-mini")
    assert splits["train"].data_list == []
    assert splits["train"].absent_scenes == ("scene-0061",)
    assert len(splits["val"].data_list) == 3
    broken = next((tmp_path / "samples/CAM_BACK").glob("*"))
    broken.unlink()
    with pytest.raises(InputError, match=f"{broken.name}: expected a file, found none"):
        list_infos(tmp_path, "v1.0-mini")


@pytest.mark.parametrize(
    ("table", "change", "message"),
    [
        (
            "scene",
            lambda rows: [{**row, "name": f"town-{index}"} for index, row in enumerate(rows)],
            "expected scenes of mini_train, mini_val on disk, found none; scenes in these tables: town-0, town-1",
        ),
        (
            "calibrated_sensor",
            lambda rows: [{**row, "camera_intrinsic": []} for row in rows],
            "expected a 3 x 3 camera_intrinsic of CAM_FRONT",
        ),
        (
            "sample_data",
            lambda rows: [{**row, "filename": row["filename"].replace("samples/CAM", "other/CAM")} for row in rows],
            "expected a file in samples/CAM_FRONT, found other/CAM_FRONT",
        ),
    ],
)
def test_wrong_tables_are_named(sim_nuscenes, tmp_path, table, change, message):
    copy_of(sim_nuscenes, tmp_path)
    edit(tmp_path / f"v1.0-mini/{table}.json", change)
    with pytest.raises(InputError, match=message):
        list_infos(tmp_path, "v1.0-mini")


def test_missing_version_is_named(sim_nuscenes):
    with pytest.raises(InputError, match="v1.0-trainval: expected the folder of the tables.*v1.0-mini"):
        list_infos(sim_nuscenes, "v1.0-trainval")


def test_files_are_mmdet3ds(simulated, tmp_path):
    """The stock dataset of mmdet3d reads them, with its own order of classes."""
    from mmdet3d.datasets import NuScenesDataset

    root, _, splits = simulated
    paths = write_infos(splits, "v1.0-mini", tmp_path / "new" / "infos", "town")
    assert [path.name for path in paths.values()] == ["town_infos_train.pkl", "town_infos_val.pkl"]
    assert mmengine.load(paths["val"])["metainfo"]["split"] == "mini_val"
    stock = NuScenesDataset(
        str(root),
        str(paths["val"]),
        data_prefix=dict(pts="samples/LIDAR_TOP", sweeps="sweeps/LIDAR_TOP", CAM_FRONT="samples/CAM_FRONT"),
        modality=dict(use_lidar=True, use_camera=True),
        test_mode=True,
    )
    info = stock.get_data_info(2)
    for path in (info["lidar_path"], *(sweep["lidar_points"]["lidar_path"] for sweep in info["lidar_sweeps"])):
        assert mmengine.exists(path)
    assert len(info["eval_ann_info"]["gt_labels_3d"]) > 0
