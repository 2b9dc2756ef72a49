"""Inference from Python: the same as the pipeline gives, with any sensor away, from files and arrays."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from detection_world import write_config
from mmengine.dataset import pseudo_collate

from corruptions.core import InputError
from perception3d.apis import inference_detector, inference_segmentor, init_model
from perception3d.checkpoints import check_initial_weights
from perception3d.conventions import CMT_CLASSES
from perception3d.datasets import NuScenesDetDataset
from perception3d.datasets.nuscenes_infos import list_infos, write_infos

SEGMENTOR = Path(__file__).resolve().parents[2] / "configs/segmentation/minkunet-small_1xb1-700i_semantickitti-sim.py"


@pytest.fixture(scope="module")
def dataset(sim_nuscenes, tmp_path_factory):
    paths = write_infos(
        list_infos(sim_nuscenes, "v1.0-mini"), "v1.0-mini", tmp_path_factory.mktemp("infos"), "nuscenes"
    )
    return NuScenesDetDataset(str(sim_nuscenes), str(paths["val"]), test_mode=True)


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    torch.manual_seed(0)
    return init_model(write_config(tmp_path_factory.mktemp("config"), resize=0.64), device="cpu")


def scores(sample):
    return sample.pred_instances_3d.scores_3d


def weights_of(*models):
    return [model.state_dict().values() for model in models]


def test_a_keyframe_gives_what_its_dataset_gives(detector, dataset):
    from mmengine.dataset import Compose
    from mmengine.registry import init_default_scope

    init_default_scope("mmdet3d")
    dataset.pipeline = Compose(detector.cfg.test_dataloader.dataset.pipeline)
    with torch.no_grad():
        (expected,) = detector.test_step(pseudo_collate([dataset[2]]))
    found = inference_detector(detector, copy.deepcopy(dataset.get_data_info(2)))
    torch.testing.assert_close(scores(found), scores(expected))
    torch.testing.assert_close(
        found.pred_instances_3d.bboxes_3d.tensor, expected.pred_instances_3d.bboxes_3d.tensor, rtol=1e-4, atol=1e-4
    )


def test_sensors_may_be_left_out(detector, dataset):
    info = dataset.get_data_info(0)
    without_lidar = {key: value for key, value in info.items() if not key.startswith("lidar")}
    without_cameras = {key: value for key, value in info.items() if key != "images"}
    one_camera = {**info, "images": {"CAM_BACK": info["images"]["CAM_BACK"]}}
    found = inference_detector(detector, copy.deepcopy([info, without_lidar, without_cameras, one_camera]))
    assert len(found) == 4
    assert len({round(float(scores(sample)[0]), 6) for sample in found}) == 4  # each sees something else


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        ({"token": "a"}, "expected lidar_points or images in the sample, the sensors of the model, found token"),
        ({"lidar_points": {"path": "a.bin"}}, "expected lidar_path in lidar_points of the sample, found path"),
        ({"images": {"CAM_FRONT": {"cam2img": 1}}}, "expected img_path in images.CAM_FRONT of the sample"),
        (["a.bin"], "expected a dict as in info files, found str"),
    ],
)
def test_bad_samples_are_named(detector, sample, message):
    with pytest.raises(InputError, match=message):
        inference_detector(detector, sample)


def test_labels_have_names(detector, tmp_path):
    assert detector.dataset_meta["classes"] == CMT_CLASSES
    assert init_model(SEGMENTOR, device="cpu").dataset_meta["classes"][0] == "car"
    torch.save({"state_dict": detector.state_dict(), "meta": {"dataset_meta": {"classes": ["tram"]}}}, tmp_path / "a")
    with pytest.raises(InputError, match="expected a model of the classes car, truck.*; found one of tram"):
        init_model(write_config(tmp_path, resize=0.64), tmp_path / "a", device="cpu")
    fewer = {"test_dataloader.dataset.metainfo.classes": ["car"]}
    with pytest.raises(InputError, match="num_classes: expected 1, the classes of the data set"):
        init_model(write_config(tmp_path, resize=0.64), device="cpu", cfg_options=fewer)


def test_weights_are_loaded_and_checked(detector, dataset, tmp_path):
    path = tmp_path / "weights.pth"
    torch.save(detector.state_dict(), path)
    config = write_config(tmp_path, resize=0.64)
    torch.manual_seed(1)
    again = init_model(config, path, device="cpu")
    info = dataset.get_data_info(1)
    expected, found = (inference_detector(model, copy.deepcopy(info)) for model in (detector, again))
    torch.testing.assert_close(scores(found), scores(expected))
    torch.save(dict(detector.state_dict()), path)  # as a script writes it that copies the entries
    assert all(torch.equal(*pair) for pair in zip(*weights_of(detector, init_model(config, path, "cpu")), strict=True))
    with pytest.raises(InputError, match="expected the metadata of spconv 2 for 21 sparse convolutions"):
        check_initial_weights(detector, str(path))  # mmengine would load them in another order
    with pytest.raises(InputError, match="expected the weights of this config's model"):
        init_model(config, path, device="cpu", cfg_options={"model.pts_bbox_head.num_queries": 20})
    with pytest.raises(InputError, match="nowhere.py"):
        init_model(tmp_path / "nowhere.py")


def test_scans_from_files_and_arrays(tmp_path):
    model = init_model(SEGMENTOR, device="cpu", cfg_options={"model.partition.voxel_size_m": 1.0})
    points = np.random.default_rng(0).uniform(-20, 20, (500, 4)).astype(np.float32)
    points[:, 3] = 0.5
    points.tofile(tmp_path / "scan.bin")
    from_array, from_file = inference_segmentor(model, [points, tmp_path / "scan.bin"])
    mask = from_array.pred_pts_seg.pts_semantic_mask
    assert mask.shape == (500,)
    assert torch.equal(mask, from_file.pred_pts_seg.pts_semantic_mask)
    with pytest.raises(InputError, match=r"expected an array \(N, 4\), found shape \(500, 3\)"):
        inference_segmentor(model, points[:, :3])
