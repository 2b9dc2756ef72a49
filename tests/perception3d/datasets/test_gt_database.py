"""The object database of a simulated training set, written by the tool and pasted by the training pipeline."""

import importlib.util
from pathlib import Path

import mmengine
import numpy as np
import pytest
from mmdet3d.datasets import CBGSDataset
from mmengine.runner import set_random_seed

import perception3d.transforms  # noqa: F401  (registers)
from corruptions.core import InputError
from corruptions.files import read_points
from perception3d.conventions import CMT_CLASSES
from perception3d.datasets.gt_database import training_samples, write_gt_database
from perception3d.hooks.fade import samplers

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def infos(sim_nuscenes, tmp_path_factory):
    spec = importlib.util.spec_from_file_location("create_data", ROOT / "tools" / "create_data.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    out = tmp_path_factory.mktemp("infos")
    module.main(
        ["nuscenes", "--root-path", str(sim_nuscenes), "--out-dir", str(out), "--version", "v1.0-mini", "--gt-database"]
    )
    return out


def test_every_object_with_points_is_there(infos):
    index = mmengine.load(infos / "nuscenes_dbinfos_train.pkl")
    assert list(index) == list(CMT_CLASSES)
    entries = [entry for name in index for entry in index[name]]
    annotated = [
        item
        for info in mmengine.load(infos / "nuscenes_infos_train.pkl")["data_list"]
        for item in info["instances"]
        if item["num_lidar_pts"] > 0 and item["bbox_label_3d"] >= 0
    ]
    # an annotation counts the keyframe's points, the database those of the sweeps too; a point on a face may differ
    assert 0.97 * len(annotated) <= len(entries) <= len(annotated)
    for entry in entries:
        points = read_points(infos / entry["path"], 5)
        assert len(points) == entry["num_points_in_gt"]
        x, y = points[:, 0], points[:, 1]
        yaw, (length, width, height) = entry["box3d_lidar"][6], entry["box3d_lidar"][3:6]
        assert np.abs(np.cos(yaw) * x + np.sin(yaw) * y).max() <= length / 2 + 1e-3
        assert np.abs(np.cos(yaw) * y - np.sin(yaw) * x).max() <= width / 2 + 1e-3
        assert points[:, 2].min() >= -1e-3 and points[:, 2].max() <= height + 1e-3
    pictured = [entry for entry in entries if "image_path" in entry]
    assert len(pictured) > 0.5 * len(entries)
    assert all((infos / entry["image_path"]).is_file() for entry in pictured)


def test_workers_do_not_matter(sim_nuscenes, infos, tmp_path):
    path = write_gt_database(
        training_samples(sim_nuscenes, infos / "nuscenes_infos_train.pkl", 10), tmp_path, workers=2
    )
    one, two = mmengine.load(infos / "nuscenes_dbinfos_train.pkl"), mmengine.load(path)
    assert [[entry["path"] for entry in one[name]] for name in one] == [
        [entry["path"] for entry in two[name]] for name in two
    ]
    some = next(entry["path"] for name in one for entry in one[name])
    assert (infos / some).read_bytes() == (tmp_path / some).read_bytes()


def test_the_training_pipeline_pastes_them(sim_nuscenes, infos):
    """Loading, GT sampling, masking, both augmentations, filters and packing, wrapped by CBGS."""
    dataset = training_samples(sim_nuscenes, infos / "nuscenes_infos_train.pkl", 2)
    plain = [dataset.get_data_info(row)["ann_info"]["gt_labels_3d"] for row in range(len(dataset))]
    present = [name for label, name in enumerate(CMT_CLASSES) if any((row == label).any() for row in plain)]
    range_m = [-54.0, -54, -5, 54, 54, 3]
    pipeline = [
        dict(type="perception3d.LoadMultiViewImages"),
        dict(type="perception3d.LoadLidarSweeps", sweeps_num=2),
        dict(type="LoadAnnotations3D", with_bbox_3d=True, with_label_3d=True),
        dict(
            type="perception3d.SampleObjects",
            database=str(infos / "nuscenes_dbinfos_train.pkl"),
            classes=present,
            groups=dict.fromkeys(present, 30),
        ),
        dict(type="perception3d.ModalMask", camera_prob=0.2),
        dict(type="perception3d.AugmentBEV"),
        dict(type="PointsRangeFilter", point_cloud_range=range_m),
        dict(type="ObjectRangeFilter", point_cloud_range=range_m),
        dict(type="ObjectNameFilter", classes=present),
        dict(type="PointShuffle"),
        dict(type="perception3d.ResizeCropFlipImages", size=(64, 160), resize_range=(0.7, 0.9), flip_prob=0.5),
        dict(type="perception3d.PackMultiModalInputs"),
    ]
    balanced = CBGSDataset(
        dict(
            type="perception3d.NuScenesDetDataset",
            data_root=str(sim_nuscenes),
            ann_file=str(infos / "nuscenes_infos_train.pkl"),
            metainfo=dict(classes=present),
            pipeline=pipeline,
            filter_empty_gt=False,
        )
    )
    (sampler,) = samplers(balanced)
    set_random_seed(0)  # of torch for the pipeline, of numpy for CBGS
    with_objects = [balanced[row] for row in range(0, 12)]
    sampler.active = False
    without = [balanced[row] for row in range(0, 12)]
    counts = [
        np.mean([len(item["data_samples"].gt_instances_3d.labels_3d) for item in items])
        for items in (with_objects, without)
    ]
    assert counts[0] > counts[1] + 5
    for item in with_objects:
        meta, boxes = item["data_samples"].metainfo, item["data_samples"].gt_instances_3d.bboxes_3d
        assert item["inputs"]["img"].shape == (6, 3, 64, 160) and item["inputs"]["points"].shape[1] == 5
        assert boxes.tensor.shape[1] == 9 and boxes.tensor.isfinite().all()
        # a raw 3D point at its raw pixel, and the augmented point at the augmented pixel, in float64
        raw = np.array([20.0, 3.0, -1.0, 1.0])
        moved = meta["bev_aug"] @ raw
        for before, after in zip(meta["ori_lidar2img"], meta["lidar2img"], strict=True):
            expected = meta["img_aug"] @ (before @ raw)[:3]
            assert np.abs(expected - (after @ moved)[:3]).max() / abs(expected[2]) < 1e-4  # pixels
    lidar = [len(item["inputs"]["points"]) for item in with_objects]
    cameras = [item["data_samples"].camera_present.all() for item in with_objects]
    assert 0 in lidar and max(lidar) > 1000 and len(set(cameras)) == 2


def test_what_cannot_be_written_is_said(sim_nuscenes, infos, tmp_path):
    (tmp_path / "nuscenes_gt_database").write_text("a file")
    samples = training_samples(sim_nuscenes, infos / "nuscenes_infos_train.pkl", 0)
    with pytest.raises(InputError, match="expected a folder that can be written, found: .*; choose another --out-dir"):
        write_gt_database(samples, tmp_path)
