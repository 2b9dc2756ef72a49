"""BEV augmentation: a point moved in 3D is seen at the same pixel, and boxes keep their points."""

import numpy as np
import pytest
import torch
from mmdet3d.structures import LiDARInstance3DBoxes, LiDARPoints

from corruptions.boxes import points_in_boxes
from perception3d.transforms.bev_augment import AugmentBEV, BEVAugmentation, transform_boxes, transform_points
from perception3d.transforms.image_augment import ResizeCropFlipImages


def sample(rng, points=500, boxes=20):
    cloud = np.concatenate([rng.uniform(-40, 40, (points, 3)), rng.uniform(0, 255, (points, 2))], axis=1)
    centre, size = rng.uniform(-30, 30, (boxes, 3)), rng.uniform(0.5, 6, (boxes, 3))
    rest = np.concatenate([rng.uniform(-3, 3, (boxes, 1)), rng.normal(0, 4, (boxes, 2))], axis=1)
    lidar2cam = np.tile(np.array([[0, -1, 0, 0.1], [0, 0, -1, -0.3], [1, 0, 0, -0.6], [0, 0, 0, 1.0]]), (6, 1, 1))
    cam2img = np.array([[1266, 0, 816, 0], [0, 1266, 491, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    return {
        "points": LiDARPoints(torch.tensor(cloud, dtype=torch.float32), points_dim=5),
        "gt_bboxes_3d": LiDARInstance3DBoxes(np.concatenate([centre, size, rest], axis=1), box_dim=9),
        "gt_labels_3d": np.zeros(boxes, np.int64),
        "lidar2cam": lidar2cam,
        "lidar2img": cam2img @ lidar2cam,
        "img": [np.zeros((900, 1600, 3), np.uint8)] * 6,
    }


def project(matrix, points):
    uvd = points @ matrix[:3, :3].T + matrix[:3, 3]
    return uvd[:, :2] / uvd[:, 2:]


def test_reprojection_after_both_augmentations():
    """Raw point -> raw pixel -> image augmentation equals raw point -> BEV augmentation -> new projection."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    points = rng.uniform([2, -20, -3], [60, 20, 3], (200, 3))
    bev, images = AugmentBEV(), ResizeCropFlipImages((128, 352), (0.2, 0.3), 0.5, (-0.2, 0.2))
    for _ in range(50):
        results = sample(rng, 5, 1)
        raw = project(results["lidar2img"][0], points)
        images.transform(bev.transform(results))
        moved = points @ results["bev_aug"][:3, :3].T + results["bev_aug"][:3, 3]
        expected = np.concatenate([raw, np.ones((200, 1))], axis=1) @ results["img_aug"].T
        for view in results["lidar2img"]:
            assert np.abs(project(view, moved) - expected[:, :2]).max() < 1e-8  # pixels; asked for: 1e-4
        assert np.allclose(project(results["lidar2cam"][0], moved), project(sample(rng)["lidar2cam"][0], points))


def test_order_of_the_steps_by_hand():
    """(1, 0, 2): turned by 90 degrees (0, 1, 2), doubled (0, 2, 4), moved (10, 2, 4), flipped y, then x."""
    augmentation = BEVAugmentation(np.pi / 2, 2.0, (10.0, 0.0, 0.0), flip_y=True, flip_x=True)
    moved = transform_points(torch.tensor([[1.0, 0, 2, 7, 8]]), augmentation.matrix)
    assert torch.allclose(moved, torch.tensor([[-10.0, -2, 4, 7, 8]]), atol=1e-6)
    # heading 0 and 3 m/s forward: turned to +y, then mirrored to -y, x has nothing to mirror; sizes double
    box = torch.tensor([[1.0, 0, 2, 4, 2, 1, 0, 3, 0]])
    expected = torch.tensor([[-10.0, -2, 4, 8, 4, 2, -np.pi / 2, 0, -6]])
    assert torch.allclose(transform_boxes(box, augmentation), expected, atol=1e-5)


@pytest.mark.parametrize("flips", [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
def test_equals_the_steps_of_mmdet3d(flips):
    """mmdet3d's rotate, scale, translate and flip, one after the other, in their own float32 code."""
    torch.manual_seed(1)
    results = sample(np.random.default_rng(2))
    cloud, boxes = results["points"].clone(), results["gt_bboxes_3d"].clone()
    augmented = AugmentBEV((0.4, 0.4), (1.07, 1.07), 0.0, *flips).transform(results)
    cloud, _ = boxes.rotate(0.4, cloud)
    boxes.scale(1.07)
    cloud.scale(1.07)
    for direction, flipped in zip(("horizontal", "vertical"), flips, strict=True):
        if flipped:
            cloud = boxes.flip(direction, cloud)
    assert torch.allclose(augmented["points"].tensor, cloud.tensor, atol=1e-4)
    found, expected = augmented["gt_bboxes_3d"].tensor, boxes.tensor
    turn = (found[:, 6] - expected[:, 6] + np.pi) % (2 * np.pi) - np.pi
    assert turn.abs().max() < 1e-5
    assert torch.allclose(found[:, [0, 1, 2, 3, 4, 5, 7, 8]], expected[:, [0, 1, 2, 3, 4, 5, 7, 8]], atol=1e-4)


def inside(results):
    boxes = results["gt_bboxes_3d"]
    centred = torch.cat([boxes.gravity_center, boxes.tensor[:, 3:7]], dim=1)
    return points_in_boxes(results["points"].tensor.numpy(), centred.numpy())


def test_boxes_keep_their_points():
    torch.manual_seed(5)
    for _ in range(10):
        results = sample(np.random.default_rng(3), points=3000, boxes=15)
        results["points"].tensor[:, :3] = results["gt_bboxes_3d"].gravity_center.repeat(200, 1) + 2 * torch.randn(
            3000, 3
        )
        before = inside(results)
        AugmentBEV().transform(results)
        assert before.sum() > 200
        assert (before != inside(results)).sum() <= 1  # a point on a face may change sides in float32


def test_published_ranges():
    torch.manual_seed(0)
    found = []
    for _ in range(1500):
        results = AugmentBEV().transform({})
        found.append(results["bev_aug"])
    found = np.stack(found)
    scale = np.cbrt(np.abs(np.linalg.det(found[:, :3, :3])))
    assert 0.9 <= scale.min() < 0.905 and 1.095 < scale.max() <= 1.1
    mirrored = np.linalg.det(found[:, :2, :2]) < 0
    assert mirrored.mean() == pytest.approx(0.5, abs=0.05)
    assert np.abs(found[:, :3, 3].std(axis=0) - 0.5).max() < 0.05
    # without flips the angle lies in +-0.785; the two flips together add half a turn
    angle = np.arctan2(found[:, 1, 0], found[:, 0, 0])[~mirrored]
    folded = np.minimum(np.abs(angle), np.pi - np.abs(angle))
    assert 0.77 < folded.max() <= 0.785


def test_what_a_sample_lacks_is_left_out():
    results = AugmentBEV().transform({"lidar2img": np.eye(4)[None]})
    assert set(results) == {"lidar2img", "bev_aug"}
    empty = {
        "points": LiDARPoints(torch.zeros(0, 5), points_dim=5),
        "gt_bboxes_3d": LiDARInstance3DBoxes(torch.zeros(0, 9), box_dim=9),
    }
    AugmentBEV().transform(empty)
    assert empty["points"].tensor.shape == (0, 5) and empty["gt_bboxes_3d"].tensor.shape == (0, 9)


def test_reverse_angle_repeats_the_published_fault():
    """Boxes turn by -a, projections by +a: hundreds of pixels apart at 0.3 rad, none at zero."""
    for angle, low, high in ((0.3, 300, 5000), (0.0, 0, 1e-6)):
        results = sample(np.random.default_rng(0), 5, 1)
        point = np.array([[20.0, 1, 0]])
        raw = project(results["lidar2img"][0], point)
        AugmentBEV((angle, angle), (1.0, 1.0), 0.0, 0.0, 0.0, reverse_angle=True).transform(results)
        cos, sin = np.cos(-angle), np.sin(-angle)
        turned_back = point @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]).T
        turned = point @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]]).T
        assert low <= np.abs(project(results["lidar2img"][0], turned_back) - raw).max() <= high
        assert np.abs(project(results["lidar2img"][0], turned) - raw).max() < 1e-8
        assert np.allclose(results["bev_aug"][:2, :2], [[cos, -sin], [sin, cos]])
