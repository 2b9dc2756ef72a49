"""The detection dataset: classes, filters, cameras, wrappers, and what it refuses."""

import mmengine
import numpy as np
import pytest
from mmdet3d.datasets import CBGSDataset
from mmengine.config import ConfigDict

from corruptions.core import InputError
from corruptions.nuscenes import CAMERAS
from perception3d.conventions import CMT_CLASSES, NUSCENES_INFO_CLASSES
from perception3d.datasets import NuScenesDetDataset
from perception3d.datasets.nuscenes_infos import list_infos, write_infos
from perception3d.launch import use_root


@pytest.fixture(scope="module")
def paths(sim_nuscenes, tmp_path_factory):
    out = tmp_path_factory.mktemp("infos")
    return write_infos(list_infos(sim_nuscenes, "v1.0-mini"), "v1.0-mini", out, "nuscenes")


@pytest.fixture
def build(sim_nuscenes, paths):
    def make(**options):
        options = {"ann_file": str(paths["val"]), "test_mode": True, **options}
        return NuScenesDetDataset(str(sim_nuscenes), **options)

    return make


def changed(paths, folder, change):
    """Another info file."""
    content = mmengine.load(paths["val"])
    change(content)
    path = folder / "infos.pkl"
    mmengine.dump(content, path)
    return str(path)


def names(dataset, index=0):
    labels = dataset.get_data_info(index)["eval_ann_info"]["gt_labels_3d"]
    return [dataset.metainfo["classes"][label] for label in labels]


def annotated(paths, index=0):
    """Names in the file, in its own numbering, of objects that a point has hit."""
    info = mmengine.load(paths["val"])["data_list"][index]
    kept = [item for item in info["instances"] if item["num_lidar_pts"] > 0 and item["bbox_label_3d"] >= 0]
    return [NUSCENES_INFO_CLASSES[item["bbox_label_3d"]] for item in kept]


def test_labels_count_in_the_order_of_cmt(build, paths):
    dataset = build()
    assert dataset.metainfo["classes"] == CMT_CLASSES
    assert names(dataset) == annotated(paths)
    assert len(set(annotated(paths))) >= 3  # of one class, any order would pass


def test_any_classes_in_any_order(build, paths):
    wanted = ("pedestrian", "car")
    dataset = build(metainfo=dict(classes=wanted))
    assert names(dataset) == [name for name in annotated(paths) if name in wanted]
    boxes = dataset.get_data_info(0)["eval_ann_info"]["gt_bboxes_3d"]
    assert boxes.tensor.shape == (len(names(dataset)), 9)
    assert len(dataset.metainfo["palette"]) == 2


def test_boxes_have_their_bottom_centre(build, paths):
    info = mmengine.load(paths["val"])["data_list"][0]
    kept = [item for item in info["instances"] if item["num_lidar_pts"] > 0 and item["bbox_label_3d"] >= 0]
    boxes = build().get_data_info(0)["eval_ann_info"]["gt_bboxes_3d"]
    np.testing.assert_allclose(boxes.gravity_center, [item["bbox_3d"][:3] for item in kept], atol=1e-5)
    np.testing.assert_allclose(boxes.tensor[0, 2], kept[0]["bbox_3d"][2] - kept[0]["bbox_3d"][5] / 2, atol=1e-5)


def test_frames_without_annotations(build, paths, tmp_path):
    empty = changed(paths, tmp_path, lambda content: [info.pop("instances") for info in content["data_list"]])
    boxes = build(ann_file=empty).get_data_info(0)["eval_ann_info"]["gt_bboxes_3d"]
    assert boxes.tensor.shape == (0, 9)


def test_every_file_is_found(build):
    info = build().get_data_info(2)
    files = [info["lidar_path"]]
    files += [sweep["lidar_points"]["lidar_path"] for sweep in info["lidar_sweeps"]]
    files += [camera["img_path"] for camera in info["images"].values()]
    assert len(files) == 1 + 10 + 6
    assert all(mmengine.exists(path) for path in files)


def test_tokens_and_scenes_choose_keyframes(build, paths):
    tokens = [info["token"] for info in mmengine.load(paths["val"])["data_list"]]
    dataset = build(tokens=[tokens[2], tokens[0]])
    assert [dataset.get_data_info(index)["token"] for index in range(2)] == [tokens[0], tokens[2]]
    assert [dataset.get_data_info(index)["sample_idx"] for index in range(2)] == [0, 2]  # the evaluator's key
    assert len(build(scenes=["scene-0103"])) == 3
    with pytest.raises(InputError, match="expected sample tokens of this file, found 1 others: 'abc'"):
        build(tokens=["abc"])
    with pytest.raises(InputError, match="expected scenes of this file, found 1 others: 'scene-0001'.*'scene-0103'"):
        build(scenes=["scene-0001"])


def test_cameras_in_the_chosen_order(build):
    assert tuple(build().get_data_info(0)["images"]) == CAMERAS
    assert list(build(cameras=("CAM_BACK", "CAM_FRONT")).get_data_info(0)["images"]) == ["CAM_BACK", "CAM_FRONT"]


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (
            lambda infos: infos[1]["images"].pop("CAM_BACK"),
            {},
            r"expected 6 cameras .*CAM_BACK.* found 5 .*; choose `cameras`",
        ),
        (
            lambda infos: infos[1]["images"]["CAM_BACK"].pop("cam2img"),
            {},
            "expected cam2img of CAM_BACK, found none",
        ),
        (lambda infos: None, {"cameras": ["CAM_TOP"]}, r"expected 1 cameras \(CAM_TOP\), found 6"),
        (lambda infos: infos.clear(), {}, "expected at least one keyframe, found an empty list; run `python tools"),
        (lambda infos: None, {"metainfo": {"classes": ["car", "tram"]}}, "unknown class 'tram' of metainfo"),
        (lambda infos: None, {"metainfo": {"classes": ["car", "car"]}}, "expected different classes, found car, car"),
        (lambda infos: None, {"ann_file": "nowhere.pkl"}, "nowhere.pkl: expected an info file, found none; run"),
    ],
)
def test_bad_input_is_named(build, paths, tmp_path, change, options, message):
    path = changed(paths, tmp_path, lambda content: change(content["data_list"]))
    with pytest.raises(InputError, match=message):
        build(**{"ann_file": path, **options})


def test_other_labels_are_refused(build, paths, tmp_path):
    """A file in CMT's own order, such as the published code writes, would train buses as trailers."""
    order = {name: label for label, name in enumerate(CMT_CLASSES)}
    path = changed(paths, tmp_path, lambda content: content["metainfo"].update(categories=order))
    with pytest.raises(InputError, match="expected labels .*'trailer': 2.*found .*'trailer': 4"):
        build(ann_file=path)


def test_missing_data_root_is_named(paths):
    with pytest.raises(InputError, match="nowhere: expected the nuScenes folder .* found none"):
        NuScenesDetDataset("nowhere", str(paths["val"]))


def test_class_balanced_sampling_sees_the_classes(build, paths):
    present = sorted(set(annotated(paths)), key=CMT_CLASSES.index)
    balanced = CBGSDataset(build(test_mode=False, metainfo=dict(classes=present[:2])))
    assert len(balanced) > 0
    assert balanced.get_cat_ids(0) <= {0, 1}


def test_another_root_reaches_wrapped_datasets_evaluators_and_databases():
    inner = dict(data_root="a", ann_file="b/train.pkl", pipeline=[dict(type="S", database="b/dbinfos.pkl")])
    evaluator = dict(type="M", data_root="a", ann_file="b/val.pkl")
    cfg = ConfigDict(
        train_dataloader=dict(dataset=dict(type="CBGSDataset", dataset=inner)),
        val_dataloader=dict(dataset=dict(datasets=[dict(data_root="a", ann_file="b/val.pkl"), dict(data_root="a")])),
        val_evaluator=[evaluator, dict(type="Other")],
    )
    use_root(cfg, "/data/town", "/infos")
    train = cfg.train_dataloader.dataset.dataset
    assert (train.data_root, train.ann_file) == ("/data/town", "/infos/train.pkl")
    assert train.pipeline[0].database == "/infos/dbinfos.pkl"
    assert [part.data_root for part in cfg.val_dataloader.dataset.datasets] == ["/data/town"] * 2
    assert cfg.val_evaluator == [
        {**evaluator, "data_root": "/data/town", "ann_file": "/infos/val.pkl"},
        {"type": "Other"},
    ]
