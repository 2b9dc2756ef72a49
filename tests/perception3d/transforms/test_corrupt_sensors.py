"""Corrupted sweeps, views, calibration and time, against the engine and against the files."""

import copy

import cv2
import numpy as np
import pytest
from mmengine.dataset import DefaultSampler
from torch.utils.data import DataLoader

import corruptions
from corruptions import InputError, Scan, conditions
from corruptions.camera import Views, corrupt_views
from corruptions.files import read_points
from perception3d.datasets import NuScenesDetDataset
from perception3d.datasets.nuscenes_infos import list_infos, write_infos
from perception3d.transforms import (
    CorruptViews,
    DelaySensors,
    LoadCorruptedSweeps,
    LoadLidarSweeps,
    LoadMultiViewImages,
    MisalignCameras,
)
from perception3d.transforms.view_depth import views_depth


@pytest.fixture(scope="module")
def world(sim_nuscenes, tmp_path_factory):
    """Arguments of datasets of the simulated scene."""
    splits = list_infos(sim_nuscenes, "v1.0-mini", max_sweeps=2)
    ann_file = write_infos(splits, "v1.0-mini", tmp_path_factory.mktemp("infos"), "nuscenes")["val"]
    return dict(data_root=str(sim_nuscenes), ann_file=str(ann_file), test_mode=True)


@pytest.fixture(scope="module")
def dataset(world):
    return NuScenesDetDataset(**world, history=2)


def stem(path):
    return path.rsplit("/")[-1].split(".")[0]


def scan_of(path):
    points = read_points(path, 5)
    return Scan(points, 255.0, ring=points[:, 4].astype(np.int32), sensor="HDL-32E")


def loaded(info):
    return LoadMultiViewImages()(copy.deepcopy(info))


def images_of(info):
    return np.stack([cv2.imread(camera["img_path"]) for camera in info["images"].values()])


def test_keyframe_and_sweeps_are_those_of_the_engine(dataset):
    info = dataset.get_data_info(1)
    assert len(info["lidar_sweeps"]) == 2
    points = LoadCorruptedSweeps("fog", "heavy", seed=5)(copy.deepcopy(info))["points"].tensor.numpy()
    path = info["lidar_points"]["lidar_path"]
    keyframe = corruptions.corrupt(scan_of(path), "fog", "heavy", seed=5, sample=stem(path)).points
    np.testing.assert_array_equal(points[: len(keyframe), :4], keyframe[:, :4])
    last = info["lidar_sweeps"][-1]["lidar_points"]
    sweep = corruptions.corrupt(
        scan_of(last["lidar_path"]), "fog", "heavy", seed=5, sample=stem(last["lidar_path"])
    ).points
    key_from_sweep = np.linalg.inv(np.asarray(last["lidar2sensor"]))
    expected = np.c_[sweep[:, :3], np.ones(len(sweep))] @ key_from_sweep[:3].T
    np.testing.assert_allclose(points[-len(sweep) :, :3], expected, atol=1e-4)
    clean = LoadLidarSweeps()(copy.deepcopy(info))["points"].tensor.numpy()
    assert len(clean) == sum(
        len(scan_of(p).points) for p in [path, *(s["lidar_points"]["lidar_path"] for s in info["lidar_sweeps"])]
    )
    assert not np.array_equal(clean, points)


def test_a_sweep_does_not_depend_on_the_keyframe_that_loads_it(dataset):
    shared = [info["lidar_sweeps"][0] for info in map(dataset.get_data_info, (1, 2))]
    loader = LoadCorruptedSweeps("density_decrease", None, {"drop_share": 0.7})
    first = loader._load_file(shared[0]["lidar_points"]["lidar_path"])
    loader._load_file(shared[1]["lidar_points"]["lidar_path"])
    np.testing.assert_array_equal(loader._load_file(shared[0]["lidar_points"]["lidar_path"]), first)
    assert len(first) == pytest.approx(0.3 * len(scan_of(shared[0]["lidar_points"]["lidar_path"]).points), abs=1)


def test_one_weather_for_both_sensors(dataset):
    info = dataset.get_data_info(0)
    path = info["lidar_points"]["lidar_path"]
    state = {"visibility_m": 60.0}
    day = conditions.Weather(**state)
    points = LoadCorruptedSweeps("weather", None, state, sweeps_num=0)(copy.deepcopy(info))["points"].tensor.numpy()
    expected = conditions.corrupt_sweep(scan_of(path), day, seed=0, sample=stem(path)).points
    np.testing.assert_array_equal(points[:, :4], expected[:, :4])
    results = loaded(info)
    views = Views(images_of(info), "bgr", depth_m=views_depth(results))
    corrupted = np.stack(CorruptViews("weather", None, state)(results)["img"])
    np.testing.assert_array_equal(corrupted, conditions.corrupt_views(views, day, seed=0, sample=stem(path)))


def test_views_are_those_of_the_engine(dataset):
    info = dataset.get_data_info(2)
    name = stem(info["lidar_points"]["lidar_path"])
    corrupted = np.stack(CorruptViews("darkness", "heavy", seed=3)(loaded(info))["img"])
    expected = corrupt_views(Views(images_of(info), "bgr"), "darkness", "heavy", seed=3, sample=name)
    np.testing.assert_array_equal(corrupted, expected)


def test_frozen_cameras_show_the_keyframe_before(dataset, world):
    frozen = CorruptViews("frozen_frame", None, {"share": 1.0})
    now, before = dataset.get_data_info(2), dataset.get_data_info(1)
    np.testing.assert_array_equal(np.stack(frozen(loaded(now))["img"]), images_of(before))
    first = dataset.get_data_info(0)
    np.testing.assert_array_equal(np.stack(frozen(loaded(first))["img"]), images_of(first))
    with pytest.raises(InputError, match="set history=1 in the dataset"):
        frozen(loaded(NuScenesDetDataset(**world).get_data_info(1)))


def test_absent_cameras_stay_black(dataset):
    results = loaded(dataset.get_data_info(0))
    results["camera_present"][2] = False
    seen = CorruptViews("brightness", "heavy")(results)["img"]
    assert not seen[2].any()
    assert seen[1].any()


def test_resized_images_are_refused(dataset):
    results = loaded(dataset.get_data_info(0))
    results["img"] = [image[::2, ::2] for image in results["img"]]
    with pytest.raises(InputError, match="put it after the loading"):
        CorruptViews("brightness", "heavy")(results)


def test_depth_of_the_simulator_and_of_the_lidar_agree(dataset):
    """Where the simulator's map and a LiDAR return see the same thing; edges apart."""
    results = loaded(dataset.get_data_info(0))
    truth = views_depth(results)
    moved = copy.deepcopy(results)
    moved["img_path"] = [f"/nowhere/samples/{name}/x.jpg" for name in results["camera_names"]]
    guess = views_depth(moved)
    near = (truth < 40) & (guess < 40)
    assert near.mean() > 0.3
    assert np.median(np.abs(guess[near] / truth[near] - 1)) < 0.05


def test_misalignment_turns_the_projection_by_its_angle_and_length(dataset):
    clean = loaded(dataset.get_data_info(0))
    wrong = MisalignCameras(rotation_deg=2.0, translation_m=0.12, seed=1)(copy.deepcopy(clean))
    errors = np.linalg.inv(clean["lidar2cam"]) @ wrong["lidar2cam"]
    for error in errors:
        np.testing.assert_allclose(error, errors[0], atol=1e-9)
    angle_deg = np.degrees(np.arccos((np.trace(errors[0][:3, :3]) - 1) / 2))
    assert angle_deg == pytest.approx(2.0, abs=1e-5)
    assert np.linalg.norm(errors[0][:3, 3]) == pytest.approx(0.12)
    np.testing.assert_allclose(wrong["lidar2img"], clean["cam2img"] @ clean["lidar2cam"] @ errors[0])
    np.testing.assert_array_equal(wrong["ori_lidar2img"], wrong["lidar2img"])
    other = MisalignCameras(2.0, 0.12, seed=1)(loaded(dataset.get_data_info(1)))
    assert not np.allclose(np.linalg.inv(clean["lidar2cam"][0]) @ other["lidar2cam"][0], errors[0])


def test_late_sensors_read_the_files_of_the_keyframe_before(dataset):
    now, before, first = (dataset.get_data_info(index) for index in (2, 1, 0))
    late = DelaySensors(1, lidar_share=1.0, camera_share=1.0)(copy.deepcopy(now))
    assert late["lidar_points"]["lidar_path"] == before["lidar_points"]["lidar_path"]
    assert late["images"]["CAM_BACK"]["img_path"] == before["images"]["CAM_BACK"]["img_path"]
    assert late["images"]["CAM_BACK"]["lidar2cam"] == now["images"]["CAM_BACK"]["lidar2cam"]
    # taken for the present: the cloud is, to the last value, that of the keyframe before
    clouds = [LoadLidarSweeps()(copy.deepcopy(info))["points"].tensor.numpy() for info in (late, before)]
    np.testing.assert_allclose(clouds[0], clouds[1], atol=1e-4)
    two = DelaySensors(2, 1.0, 1.0)(copy.deepcopy(now))
    assert two["lidar_points"]["lidar_path"] == first["lidar_points"]["lidar_path"]
    alone = DelaySensors(1, 1.0, 1.0)(copy.deepcopy(first))
    assert alone["lidar_points"] == first["lidar_points"]


def test_late_data_with_their_own_pose_lie_where_they_were(dataset):
    now, before = dataset.get_data_info(2), dataset.get_data_info(1)
    late = DelaySensors(1, 1.0, 1.0, own_pose=True)(copy.deepcopy(now))
    cloud = LoadLidarSweeps()(copy.deepcopy(late))["points"].tensor.numpy()
    then = LoadLidarSweeps()(copy.deepcopy(before))["points"].tensor.numpy()
    poses = [np.asarray(i["ego2global"]) @ np.asarray(i["lidar_points"]["lidar2ego"]) for i in (now, before)]
    moved_m = np.linalg.norm((poses[0] - poses[1])[:3, 3])
    assert moved_m > 0.5
    in_global = [np.c_[c[:, :3], np.ones(len(c))] @ pose.T for c, pose in zip((cloud, then), poses, strict=True)]
    np.testing.assert_allclose(in_global[0], in_global[1], atol=2e-3)
    np.testing.assert_allclose(cloud[:, 4], then[:, 4] + (now["timestamp"] - before["timestamp"]), atol=1e-4)
    # a point of the map falls on the pixel on which it fell then
    point = poses[1] @ [10.0, 20.0, 0.0, 1.0]
    for name, camera in late["images"].items():
        seen = np.asarray(camera["lidar2cam"]) @ np.linalg.inv(poses[0]) @ point
        expected = np.asarray(before["images"][name]["lidar2cam"]) @ [10.0, 20.0, 0.0, 1.0]
        np.testing.assert_allclose(seen, expected, atol=1e-6)


def test_each_sensor_is_late_for_itself(dataset):
    info = dataset.get_data_info(1)
    late = DelaySensors(1, lidar_share=0.0, camera_share=0.5, seed=2)(copy.deepcopy(info))
    assert late["lidar_points"] == info["lidar_points"]
    changed = [late["images"][name]["img_path"] != info["images"][name]["img_path"] for name in info["images"]]
    assert 0 < sum(changed) < 6
    with pytest.raises(InputError, match="set history=1 in the dataset"):
        DelaySensors(1, 1.0, 1.0)({k: v for k, v in info.items() if k != "history"})


def test_the_first_keyframes_have_less_history(dataset):
    assert [len(dataset.get_data_info(index)["history"]) for index in range(3)] == [0, 1, 2]
    latest = dataset.get_data_info(2)["history"][0]
    assert latest["token"] == dataset.get_data_info(1)["token"]
    assert "instances" not in latest


def test_workers_and_order_do_not_matter(world):
    pipeline = [
        dict(type="perception3d.LoadMultiViewImages"),
        dict(type="perception3d.CorruptViews", corruption="snow", level="heavy"),
        dict(type="perception3d.MisalignCameras", rotation_deg=1.0, translation_m=0.1),
        dict(type="perception3d.LoadCorruptedSweeps", corruption="motion_blur", level="heavy", sweeps_num=1),
    ]
    dataset = NuScenesDetDataset(**world, pipeline=pipeline)

    def run(workers, order):
        loader = DataLoader(
            dataset, batch_size=1, sampler=order, num_workers=workers, collate_fn=lambda batch: batch[0]
        )
        rows = {}
        for results in loader:
            rows[results["token"]] = (results["points"].tensor.numpy(), np.stack(results["img"]), results["lidar2img"])
        return rows

    alone, parallel = run(0, DefaultSampler(dataset, shuffle=False)), run(2, [2, 0, 1])
    assert alone.keys() == parallel.keys()
    for token, parts in alone.items():
        for one, other in zip(parts, parallel[token], strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LoadCorruptedSweeps("fogg", "heavy"), "unknown corruption 'fogg': did you mean fog"),
        (lambda: LoadCorruptedSweeps("fog", "havy"), "unknown level 'havy' of fog"),
        (lambda: LoadCorruptedSweeps("fog", "heavy", ring_dim=5), "ring_dim: expected a column in 0..4, found 5"),
        (lambda: CorruptViews("weather", None, {"visibility": 3}), "unknown parameter 'visibility' of weather"),
        (lambda: CorruptViews("frozen", "heavy"), "unknown camera corruption 'frozen': did you mean frozen_frame"),
        (lambda: MisalignCameras(-1.0, 0.1), "rotation_deg: expected a number in"),
        (lambda: DelaySensors(0, 1.0, 1.0), "keyframes: expected a whole number"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(InputError, match=message):
        make()
