"""Both augmentations on real keyframes: annotated boxes stay on the pixels and on the points they were on."""

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope

import perception3d.transforms  # noqa: F401  (registers)
from corruptions.boxes import points_in_boxes
from perception3d.datasets.nuscenes import NuScenesDetDataset
from perception3d.datasets.nuscenes_infos import list_infos, write_infos
from perception3d.visualization.geometry import corners, project


@pytest.fixture(scope="module")
def keyframes(data_root, tmp_path_factory):
    root = data_root / "nuscenes"
    if not (root / "v1.0-mini").is_dir():
        pytest.skip(f"no nuScenes keyframes at {root}")
    init_default_scope("mmdet3d")
    infos = write_infos(list_infos(root, "v1.0-mini"), "v1.0-mini", tmp_path_factory.mktemp("infos"), "nuscenes")

    def load(*augmentations):
        pipeline = [
            dict(type="perception3d.LoadMultiViewImages"),
            dict(type="perception3d.LoadLidarSweeps", sweeps_num=0),
            dict(type="LoadAnnotations3D", with_bbox_3d=True, with_label_3d=True),
            *augmentations,
        ]
        return NuScenesDetDataset(str(root), str(infos["val"]), pipeline=pipeline, indices=[0, 4, 8])

    return load


def results_of(dataset, row):
    info = dataset.get_data_info(row)
    return dataset.pipeline(info | {"box_type_3d": dataset.box_type_3d, "box_mode_3d": dataset.box_mode_3d})


def gravity_boxes(results):
    boxes = results["gt_bboxes_3d"]
    return torch.cat([boxes.gravity_center, boxes.tensor[:, 3:7]], dim=1).double().numpy()


def test_boxes_stay_on_pixels_and_points(keyframes):
    plain = keyframes()
    augmented = keyframes(
        dict(type="perception3d.AugmentBEV"),
        dict(
            type="perception3d.ResizeCropFlipImages",
            size=(320, 800),
            resize_range=(0.47, 0.625),
            flip_prob=0.5,
            rotation_range_rad=(-0.1, 0.1),
        ),
    )
    torch.manual_seed(0)
    worst_px, worst_float32_px, seen = 0.0, 0.0, 0
    for row in range(3):
        before, after = results_of(plain, row), results_of(augmented, row)
        boxes, moved_boxes = gravity_boxes(before), gravity_boxes(after)
        points = corners(boxes).reshape(-1, 3)
        moved = points @ after["bev_aug"][:3, :3].T + after["bev_aug"][:3, 3]
        # flips turn the boxes inside out: compare corners as sets, by the nearest one
        stored = corners(moved_boxes)
        distance_m = np.linalg.norm(moved.reshape(-1, 8, 1, 3) - stored[:, None], axis=-1).min(axis=2)
        assert distance_m.max() < 5e-5
        for raw_view, view in zip(before["lidar2img"], after["lidar2img"], strict=True):
            raw, depth_m = project(points, raw_view)
            inside = (depth_m > 1) & (raw >= 0).all(axis=1) & (raw < [1600, 900]).all(axis=1)
            expected = np.column_stack([raw, np.ones(len(raw))])[inside] @ after["img_aug"][:2].T
            found, _ = project(moved[inside], view)
            worst_px = max(worst_px, np.abs(found - expected).max(initial=0))
            found, _ = project(moved[inside].astype(np.float32), view.astype(np.float32))
            worst_float32_px = max(worst_float32_px, np.abs(found - expected).max(initial=0))
            seen += int(inside.sum())
        inside_before = points_in_boxes(before["points"].tensor.numpy(), boxes)
        inside_after = points_in_boxes(after["points"].tensor.numpy(), moved_boxes)
        assert (inside_before != inside_after).sum() <= 2  # points on a face
        assert inside_before.sum() > 500
    assert seen > 500
    assert worst_px < 1e-7
    assert worst_float32_px < 2e-2  # what is lost where the model computes in float32


def test_velocities_turn_with_the_boxes(keyframes):
    turned = keyframes(
        dict(
            type="perception3d.AugmentBEV",
            rotation_range_rad=(0.5, 0.5),
            scale_range=(1.0, 1.0),
            translation_std_m=0.0,
            flip_y_prob=1.0,
            flip_x_prob=0.0,
        )
    )
    before = results_of(keyframes(), 1)["gt_bboxes_3d"].tensor[:, 7:9].double()
    after = results_of(turned, 1)["gt_bboxes_3d"].tensor[:, 7:9].double()
    as_complex = torch.complex(before[:, 0], before[:, 1]) * np.exp(0.5j)
    assert torch.allclose(torch.complex(after[:, 0], after[:, 1]), as_complex.conj(), atol=1e-5)
    assert before.norm(dim=1).max() > 1
