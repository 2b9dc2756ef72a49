from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmdet3d.structures import Det3DDataSample, LiDARInstance3DBoxes, PointData
from mmengine.structures import InstanceData

from corruptions.core import InputError
from perception3d.conventions import SEMANTICKITTI_CLASSES, SEMANTICKITTI_PALETTE
from perception3d.hooks import DetectionPictureHook, SegmentationPictureHook
from perception3d.visualization.packed import frame_of

CAMERA = np.array([[100, -100, 0, 0], [60, 0, -100, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])
META = {"classes": ("car", "pedestrian")}
NAMES = ["CAM_FRONT", "CAM_BACK"]


def boxes(*rows):
    # x, y, z of the middle of the ground face, as mmdet3d stores boxes, size, yaw, velocity
    return LiDARInstance3DBoxes(torch.tensor(rows, dtype=torch.float32).reshape(-1, 9), box_dim=9)


def instances(rows, labels, scores=None):
    data = InstanceData(bboxes_3d=boxes(*rows), labels_3d=torch.tensor(labels, dtype=torch.long))
    if scores is not None:
        data.scores_3d = torch.tensor(scores)
    return data


CAR, WALKER = [12, 0, -1, 4, 2, 2, 0.5, 1, 0], [6, 1, -1, 0.6, 0.6, 1.8, 0, 0, 0]


def packed(**fields):
    meta = dict(token="abc", camera_names=NAMES, camera_present=np.array([True, False]))
    sample = Det3DDataSample(metainfo={**meta, "lidar2img": np.stack([CAMERA, CAMERA])})
    for name, value in fields.items():
        setattr(sample, name, value)
    image = torch.zeros((2, 3, 120, 200), dtype=torch.uint8)
    image[:, 0] = 200  # blue: files are read as BGR
    return {"inputs": {"points": torch.ones(5, 5), "img": image}, "data_samples": sample}


def test_what_a_training_pipeline_yields():
    frame = frame_of(packed(gt_instances_3d=instances([CAR, WALKER], [0, 1])), META)
    (truth,) = frame.boxes
    assert truth.names == ("car", "pedestrian")
    assert truth.scores is None
    # centres of gravity: half a height above the ground face
    np.testing.assert_allclose(
        truth.values, [[12, 0, 0, 4, 2, 2, 0.5, 1, 0], [6, 1, -0.1, 0.6, 0.6, 1.8, 0, 0, 0]], rtol=1e-6
    )
    assert [(view.name, view.present) for view in frame.views] == [("CAM_FRONT", True), ("CAM_BACK", False)]
    assert frame.views[0].image[0, 0].tolist() == [0, 0, 200]
    assert frame.title == "abc"
    assert (frame.forward, frame.rgb) == ("y", None)


def test_annotations_and_detections_of_a_tested_sample():
    held_back = dict(gt_bboxes_3d=boxes(CAR), gt_labels_3d=np.array([0]))
    found = instances([CAR, WALKER, CAR], [0, 1, 1], [0.9, 0.1, 0.3])
    sample = packed(eval_ann_info=held_back, pred_instances_3d=found)
    detected, truth = frame_of(sample, META, score_threshold=0.25).boxes
    assert truth.names == ("car",)
    assert detected.names == ("car", "pedestrian")
    assert detected.scores.tolist() == pytest.approx([0.9, 0.3])
    assert len(frame_of(packed(), META).boxes) == 0


def test_labelled_points_have_the_colours_of_the_dataset():
    sample = Det3DDataSample(metainfo={"sample_id": "08/000004", "lidar_path": "sequences/08/velodyne/000004.bin"})
    sample.gt_pts_seg = PointData(pts_semantic_mask=torch.tensor([8, 19, 0]))
    meta = {"classes": SEMANTICKITTI_CLASSES, "palette": [list(colour) for colour in SEMANTICKITTI_PALETTE]}
    frame = frame_of({"inputs": {"points": torch.zeros(3, 4)}, "data_samples": sample}, meta)
    assert frame.rgb.tolist()[::2] == [[255, 0, 255], [100, 150, 245]]
    assert list(frame.point_legend) == ["car", "road", "not scored"]
    assert (frame.forward, frame.title, frame.views) == ("x", "08/000004   000004.bin", ())


def test_images_without_projections_are_refused():
    sample = packed()
    sample["data_samples"] = Det3DDataSample(metainfo={"token": "abc"})
    with pytest.raises(InputError, match="lidar2img: expected the projections"):
        frame_of(sample, META)


def test_the_hook_draws_detections_and_leaves_the_rest(tmp_path):
    runner = SimpleNamespace(test_dataloader=SimpleNamespace(dataset=SimpleNamespace(metainfo=META)))
    first = packed(pred_instances_3d=instances([CAR], [0], [0.9]))
    second = packed()
    inputs = {name: [first["inputs"][name], second["inputs"][name]] for name in ("points", "img")}
    samples = [first["data_samples"], second["data_samples"]]
    for hook in (DetectionPictureHook(str(tmp_path)), SegmentationPictureHook(str(tmp_path))):
        hook.after_test_iter(runner, 0, {"inputs": inputs}, samples)
    assert [path.name for path in tmp_path.iterdir()] == ["abc.png"]
    with_boxes = (tmp_path / "abc.png").read_bytes()
    DetectionPictureHook(str(tmp_path), score_threshold=0.95).after_test_iter(runner, 0, {"inputs": inputs}, samples)
    assert (tmp_path / "abc.png").read_bytes() != with_boxes
