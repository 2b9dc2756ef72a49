"""Loading and packing of cameras and sweeps, against nuscenes-devkit and hand-made files."""

import copy

import cv2
import numpy as np
import pytest
import torch
from mmdet3d.structures import LiDARInstance3DBoxes

from corruptions.core import InputError
from perception3d.datasets import NuScenesDetDataset
from perception3d.datasets.nuscenes_infos import list_infos, write_infos
from perception3d.transforms import LoadLidarSweeps, LoadMultiViewImages, PackMultiModalInputs, ResizeCropFlipImages


@pytest.fixture(scope="module")
def dataset(sim_nuscenes, tmp_path_factory):
    out = tmp_path_factory.mktemp("infos")
    paths = write_infos(list_infos(sim_nuscenes, "v1.0-mini"), "v1.0-mini", out, "nuscenes")
    return NuScenesDetDataset(str(sim_nuscenes), str(paths["val"]), test_mode=True)


@pytest.fixture
def info(dataset):
    """The last keyframe, with ten sweeps."""
    return copy.deepcopy(dataset.get_data_info(2))


def write_sweep(path, rows):
    np.array(rows, dtype=np.float32).tofile(path)
    return str(path)


def test_sweeps_lie_where_the_devkit_puts_them(sim_nuscenes, info):
    from nuscenes import NuScenes
    from nuscenes.utils.data_classes import LidarPointCloud

    nusc = NuScenes(version="v1.0-mini", dataroot=str(sim_nuscenes), verbose=False)
    sample = nusc.get("sample", info["token"])
    expected, lags = LidarPointCloud.from_file_multisweep(
        nusc, sample, "LIDAR_TOP", "LIDAR_TOP", nsweeps=11, min_distance=1.0
    )
    points = LoadLidarSweeps(remove_close_m=1.0).transform(info)["points"].tensor.numpy()
    assert points.shape == (expected.points.shape[1], 5)
    np.testing.assert_allclose(
        points[:, :4], expected.points.T, atol=2e-3
    )  # the devkit goes through the map in float32
    np.testing.assert_allclose(points[:, 4], lags[0], atol=1e-5)
    assert len(np.unique(points[:, 4])) == 11


def test_a_turn_by_hand(tmp_path):
    """The vehicle drove 2 m ahead and turned left by 90 degrees since the sweep.

    A point 5 m ahead of the sweep is 3 m ahead of the place of the keyframe, seen to the right: x 0, y -3.
    """
    key = write_sweep(tmp_path / "key.bin", [[1, 2, 3, 10, 4]])
    sweep = write_sweep(tmp_path / "sweep.bin", [[5, 0, 1, 20, 7]])
    sweep_from_key = [[0, -1, 0, 2], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    results = {
        "timestamp": 100.25,
        "lidar_points": {"lidar_path": key},
        "lidar_sweeps": [{"timestamp": 100.0, "lidar_points": {"lidar_path": sweep, "lidar2sensor": sweep_from_key}}],
    }
    points = LoadLidarSweeps().transform(results)["points"].tensor.numpy()
    np.testing.assert_allclose(points, [[1, 2, 3, 10, 0], [0, -3, 1, 20, 0.25]], atol=1e-6)


def test_fewer_sweeps_are_not_repeated(info):
    every = LoadLidarSweeps().transform(dict(info))["points"].tensor
    three = LoadLidarSweeps(sweeps_num=3).transform(dict(info))["points"].tensor
    assert torch.equal(three, every[: len(three)])
    assert len(three[:, 4].unique()) == 4
    info["lidar_sweeps"] = []
    assert torch.equal(LoadLidarSweeps().transform(info)["points"].tensor, every[every[:, 4] == 0])


def test_missing_lidar_files(tmp_path, info):
    info["lidar_sweeps"] = info["lidar_sweeps"][:1]
    sweep = info["lidar_sweeps"][0]["lidar_points"]
    sweep["lidar_path"] = str(tmp_path / "gone.bin")
    with pytest.raises(InputError, match="gone.bin: expected a file, found none"):
        LoadLidarSweeps().transform(dict(info))
    assert LoadLidarSweeps(allow_missing=True).transform(dict(info))["points"].tensor[:, 4].max() == 0
    (tmp_path / "empty.bin").touch()
    info["lidar_points"]["lidar_path"] = str(tmp_path / "empty.bin")
    with pytest.raises(InputError, match="empty.bin: expected at least one point"):
        LoadLidarSweeps().transform(dict(info))
    assert LoadLidarSweeps(allow_missing=True).transform(dict(info))["points"].tensor.shape == (0, 5)
    del sweep["lidar2sensor"]
    with pytest.raises(InputError, match="gone.bin: expected lidar2sensor"):
        LoadLidarSweeps(allow_missing=True).transform(info)


def test_a_subclass_reads_every_file(info):
    class Recorded(LoadLidarSweeps):
        def _load_file(self, path):
            paths.append(path)
            return super()._load_file(path)[:7]

    paths = []
    points = Recorded(sweeps_num=2).transform(info)["points"]
    assert len(points) == 21
    assert paths == [info["lidar_path"], *(part["lidar_points"]["lidar_path"] for part in info["lidar_sweeps"][:2])]


def test_sweeps_without_a_time_are_named(info):
    del info["timestamp"]
    with pytest.raises(InputError, match="expected 'timestamp' in seconds beside lidar_sweeps"):
        LoadLidarSweeps(sweeps_num=2).transform(info)


def test_images_and_matrices(info):
    results = LoadMultiViewImages().transform(info)
    assert results["camera_names"] == list(info["images"]) and results["camera_present"].tolist() == [True] * 6
    for view, camera in enumerate(info["images"].values()):
        np.testing.assert_array_equal(results["img"][view], cv2.imread(camera["img_path"]))
        ahead = np.array(camera["cam2img"]) @ (np.array(camera["lidar2cam"]) @ [7.0, -3, 1, 1])[:3]
        np.testing.assert_allclose((results["lidar2img"][view] @ [7.0, -3, 1, 1])[:3], ahead)
    assert results["lidar2img"].dtype == np.float64
    assert results["img_shape"] == results["ori_shape"] == (112, 200)


def test_missing_cameras(tmp_path, info):
    info["images"]["CAM_BACK"]["img_path"] = str(tmp_path / "gone.jpg")
    with pytest.raises(InputError, match="gone.jpg: expected an image, found no file"):
        LoadMultiViewImages().transform(dict(info))
    results = LoadMultiViewImages(allow_missing=True).transform(dict(info))
    assert results["camera_present"].tolist() == [True, True, True, False, True, True]
    assert not results["img"][3].any() and results["img"][3].shape == (112, 200, 3)
    for camera in info["images"].values():
        camera["img_path"] = str(tmp_path / "gone.jpg")
    results = LoadMultiViewImages(allow_missing=True).transform(dict(info))
    assert not results["camera_present"].any() and results["ori_shape"] == (112, 200)
    for camera in info["images"].values():
        del camera["height"]
    with pytest.raises(InputError, match="expected at least one image, found none"):
        LoadMultiViewImages(allow_missing=True).transform(info)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda camera: camera.pop("lidar2cam"), r"CAM_FRONT: expected calibration lidar2cam of shape \(4, 4\)"),
        (lambda camera: camera.update(cam2img=np.zeros((3, 3))), "CAM_FRONT: expected an invertible cam2img"),
        (lambda camera: camera.update(cam2img=np.full((3, 3), np.nan)), "CAM_FRONT: expected an invertible cam2img"),
        (lambda camera: camera.update(cam2img=np.eye(2)), r"cam2img of shape \(3, 3\) or \(3, 4\) or \(4, 4\), found"),
        (lambda camera: camera.update(height=900), "expected 200 x 900 pixels, for which .* found 200 x 112 pixels"),
        (lambda camera: camera.update(img_path=__file__), "expected an image, found a file that is none"),
    ],
)
def test_bad_cameras_are_named(info, change, message):
    change(info["images"]["CAM_FRONT"])
    with pytest.raises(InputError, match=message):
        LoadMultiViewImages().transform(info)


def test_images_of_two_sizes_are_named(tmp_path, info):
    path = str(tmp_path / "small.png")
    cv2.imwrite(path, np.zeros((10, 20, 3), np.uint8))
    info["images"]["CAM_BACK"].update(img_path=path, height=10, width=20)
    with pytest.raises(InputError, match=r"200 x 112 pixels \(CAM_FRONT\), 20 x 10 pixels \(CAM_BACK\)"):
        LoadMultiViewImages().transform(info)


def test_no_cameras_is_an_error():
    with pytest.raises(InputError, match="expected cameras, found none"):
        LoadMultiViewImages().transform({"token": "a"})


def test_packing(info):
    boxes = LiDARInstance3DBoxes(torch.ones(2, 9), box_dim=9)
    results = LoadLidarSweeps().transform(LoadMultiViewImages().transform(info))
    results = ResizeCropFlipImages((64, 128), 0.7).transform(results)
    packed = PackMultiModalInputs().transform({**results, "gt_bboxes_3d": boxes, "gt_labels_3d": np.array([3, 4])})
    inputs, sample = packed["inputs"], packed["data_samples"]
    assert inputs["img"].shape == (6, 3, 64, 128) and inputs["img"].dtype == torch.uint8
    assert inputs["points"].dtype == torch.float32 and inputs["points"].shape[1] == 5
    assert torch.equal(sample.gt_instances_3d.labels_3d, torch.tensor([3, 4]))
    # augmented matrices, not those of the file
    np.testing.assert_array_equal(sample.metainfo["lidar2img"], results["lidar2img"])
    assert not np.allclose(sample.metainfo["lidar2img"], sample.metainfo["ori_lidar2img"])
    assert sample.metainfo["camera_present"].all() and sample.metainfo["sample_idx"] == 2


def test_packing_one_camera_and_no_camera(info):
    alone = {**info, "images": {"CAM_FRONT": info["images"]["CAM_FRONT"]}}
    sample = PackMultiModalInputs().transform(LoadMultiViewImages().transform(alone))["data_samples"]
    assert sample.metainfo["lidar2img"].shape == (1, 4, 4) and len(sample.metainfo["img_path"]) == 1
    packed = PackMultiModalInputs().transform(LoadLidarSweeps().transform(info))
    assert list(packed["inputs"]) == ["points"] and "lidar2img" not in packed["data_samples"].metainfo


def test_packing_checks_the_cameras(info):
    results = LoadMultiViewImages().transform(info)
    with pytest.raises(InputError, match=r"expected lidar2img of shape \(6, 4, 4\) for 6 images, found \(5, 4, 4\)"):
        PackMultiModalInputs().transform({**results, "lidar2img": results["lidar2img"][:5]})
