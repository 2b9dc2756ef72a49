"""GT sampling: what is drawn, where it lands in points and pixels, and the database it comes from."""

import pickle

import cv2
import numpy as np
import pytest
import torch
from mmdet3d.structures import LiDARPoints
from object_world import CAMERA, CLASSES, box, sample

from corruptions.boxes import points_in_boxes
from corruptions.core import InputError
from perception3d.datasets.gt_database import best_crops, cut_objects, write_gt_database
from perception3d.transforms.object_paste import (
    Patch,
    box_hulls,
    centred,
    free_places,
    overlap_from_above,
    paste_patches,
)
from perception3d.transforms.object_sample import SampleObjects


def write_database(folder, objects):
    """Objects as (name, box, points, grey of the image or None)."""
    index = {name: [] for name in CLASSES}
    for row, (name, values, points, grey) in enumerate(objects):
        np.asarray(points, np.float32).tofile(folder / f"{row}.bin")
        entry = {"name": name, "path": f"{row}.bin", "box3d_lidar": np.array(values, np.float32)}
        entry |= {"num_points_in_gt": len(points), "num_pts_feats": 5}
        if grey is not None:
            cv2.imwrite(str(folder / f"{row}.png"), np.full((8, 6, 3), grey, np.uint8))
            entry["image_path"] = f"{row}.png"
        index[name].append(entry)
    path = folder / "dbinfos.pkl"
    path.write_bytes(pickle.dumps(index))
    return str(path)


CLOUD = np.array([[0.1 * i, 0, 0.3, 7, 0.05] for i in range(6)])


def test_hull_by_hand():
    """Box x 9..11, y -0.5..0.5, z -0.5..0.5: the near face at 9 m spans 100 -+ 50 / 9 = 94.4..105.6 px."""
    hulls = box_hulls(centred(np.array([box(10, 0), box(-10, 0), box(0.5, 0), box(10, 50)])), CAMERA, (100, 200))
    assert hulls.rectangles[0].tolist() == [94, 44, 106, 56]
    assert hulls.depth_m.tolist() == [10, -10, 0.5, 10]
    assert hulls.seen.tolist() == [True, False, False, False]  # behind, around the camera, beside the image


def test_overlap_by_hand():
    # 2 x 1 boxes: side by side at 1.1 m, nose to tail at 1.9 m, crossed, and a diagonal that misses a corner
    reference = np.array([box(0, 0)])
    others = np.array([box(0, 1.1), box(1.9, 0), box(0.9, 0.9, yaw=np.pi / 2), box(2.0, 1.3, yaw=np.pi / 4)])
    assert overlap_from_above(reference, others).tolist() == [[False, True, True, False]]
    assert np.array_equal(overlap_from_above(others, reference), overlap_from_above(reference, others).T)


def test_overlap_against_sampled_points():
    rng = np.random.default_rng(0)
    boxes = np.array([box(*rng.uniform(-3, 3, 2), yaw=rng.uniform(-3, 3)) for _ in range(30)])
    grid = np.mgrid[-5:5:0.05, -5:5:0.05].reshape(2, -1).T
    grid = np.concatenate([grid, np.zeros((len(grid), 1))], axis=1)
    inside = points_in_boxes(grid, centred(boxes)[:, :7]).astype(np.float32)
    shared = inside @ inside.T
    found = overlap_from_above(boxes, boxes)
    assert found[shared > 0].all()
    assert (shared[found] == 0).mean() < 0.05  # overlaps smaller than the grid


def test_free_places_are_given_in_order():
    taken = np.array([box(0, 0)])
    candidates = np.array([box(0.5, 0), box(5, 0), box(5.5, 0), box(9, 0)])
    assert free_places(candidates, taken).tolist() == [False, True, False, True]
    assert free_places(candidates, taken[:0]).tolist() == [True, True, False, True]


def test_patches_lie_in_depth_order():
    """A far object under a near one of the scene under a nearer pasted one, each half transparent."""
    boxes = centred(np.array([box(20, 0), box(10, 0), box(5, 0)]))
    image = np.full((100, 200, 3), 100, np.uint8)
    far, near = Patch(np.full((9, 9, 3), 200, np.uint8)), Patch(np.full((4, 7, 3), 0, np.uint8))
    hulls = box_hulls(boxes, CAMERA, (100, 200))
    result = paste_patches(image, hulls, [far, None, near], 0.5)
    # (200 + 100) / 2 = 150, then the scene's own (100 + 150) / 2 = 125, then (0 + 125) / 2 = 62.5 -> 62
    assert result[50, 100].tolist() == [62] * 3
    left, top = hulls.rectangles[2, :2]
    assert (result[top, left] == 50).all() and (result[top - 1, left - 1] == 100).all()
    assert (image == 100).all()
    assert paste_patches(image, hulls, [far, None, near], 1.0)[50, 100].tolist() == [0] * 3
    without_near = paste_patches(image, hulls, [far, None, None], 1.0)
    assert (without_near == 100).all()  # what is pasted behind an object is hidden by it


def test_a_patch_keeps_its_place_in_the_hull():
    """Left half of a hull that leaves the image: columns and rows as a plain resize of the patch gives them."""
    values = centred(np.array([box(4, 3.6)]))
    hulls = box_hulls(values, CAMERA, (100, 200))
    left, top, right, bottom = hulls.rectangles[0]
    assert left < 0 < right
    rng = np.random.default_rng(0)
    patch = cv2.resize(rng.integers(0, 255, (6, 6, 3), dtype=np.uint8), (60, 60), interpolation=cv2.INTER_LINEAR)
    result = paste_patches(np.zeros((100, 200, 3), np.uint8), hulls, [Patch(patch)], 1.0)
    whole = cv2.resize(patch, (int(right - left), int(bottom - top)), interpolation=cv2.INTER_LINEAR)
    assert np.abs(result[top:bottom, :right].astype(int) - whole[:, -left:]).max() <= 3
    half = paste_patches(np.zeros((100, 200, 3), np.uint8), hulls, [Patch(patch + 1, (0.5, 0, 1, 1))], 1.0)
    middle = round((left + right) / 2)
    assert not half[:, : max(middle, 0)].any() or middle <= 0
    assert half[top:bottom, max(middle, 0) : right].any()


def test_a_sample_is_filled_up(tmp_path):
    objects = [("car", box(20 + 4 * i, 4), CLOUD + [0, 0, 0, i, 0], 200) for i in range(4)]
    objects += [("car", box(10, 0), CLOUD, 200)]  # where the scene has one
    database = write_database(tmp_path, objects)
    transform = SampleObjects(database, CLASSES, {"car": 6, "pedestrian": 2})
    results = sample([box(10, 0)], [0])
    before = results["points"].tensor.numpy()
    transform.transform(results)
    boxes = results["gt_bboxes_3d"].tensor.numpy()
    # 5 of the 5 cars are tried, 4 stand free; there is no pedestrian to add
    assert len(boxes) == 5 and results["gt_labels_3d"].tolist() == [0] * 5
    assert sorted(boxes[1:, 0]) == [20, 24, 28, 32]
    points = results["points"].tensor.numpy()
    own = points[points[:, 4] > 0]
    assert len(own) == 24
    for values in boxes[1:]:
        cloud = own[own[:, 3] == 7 + (values[0] - 20) / 4]
        assert np.allclose(cloud[:, :3] - values[:3], CLOUD[:, :3], atol=1e-5)
    # what was in the pasted boxes is gone, everything else is there
    inside = points_in_boxes(before, centred(boxes[1:])[:, :7]).any(axis=0)
    assert inside.sum() > 10
    assert np.array_equal(points[points[:, 4] == 0], before[~inside])
    assert results["img"][0].max() > 100 and results["img"][0].min() == 100


def test_few_points_no_image_absent_camera(tmp_path):
    objects = [("car", box(20, 4), CLOUD[:4], 200), ("car", box(25, 0), CLOUD, None)]
    database = write_database(tmp_path, objects)
    results = SampleObjects(database, CLASSES, {"car": 3}).transform(sample([box(10, 0)], [0]))
    assert len(results["gt_bboxes_3d"]) == 1
    # without images the second one is usable, and images may be absent
    results = sample(np.zeros((0, 9)), [])
    del results["img"]
    results = SampleObjects(database, CLASSES, {"car": 3}, with_images=False).transform(results)
    assert results["gt_bboxes_3d"].tensor[:, 0].tolist() == [25] and results["gt_labels_3d"].tolist() == [0]
    dark = sample([box(10, 0)], [0], grey=0) | {"camera_present": np.zeros(1, dtype=bool)}
    full = write_database(tmp_path, [("car", box(20, 4), CLOUD, 200)])
    dark = SampleObjects(full, CLASSES, {"car": 3}).transform(dark)
    assert len(dark["gt_bboxes_3d"]) == 2 and not dark["img"][0].any()


def test_switched_off_it_changes_nothing(tmp_path):
    database = write_database(tmp_path, [("car", box(20, 4), CLOUD, 200)])
    transform = SampleObjects(database, CLASSES, {"car": 3})
    transform.active = False
    results = sample([box(10, 0)], [0])
    before = dict(results)
    assert all(value is before[key] for key, value in transform.transform(results).items())


def test_seed_repeats(tmp_path):
    objects = [("car", box(12 + 3 * i, 4), CLOUD, 200) for i in range(6)]
    transform = SampleObjects(write_database(tmp_path, objects), CLASSES, {"car": 2})
    found = []
    for _ in range(2):
        torch.manual_seed(0)
        found.append([transform.transform(sample([], []))["gt_bboxes_3d"].tensor[:, 0].tolist() for _ in range(5)])
    assert found[0] == found[1] and len({tuple(row) for row in found[0]}) > 1


def test_what_is_cut_out_can_be_pasted_back():
    """Points relative to the bottom centre; the crop is the hull; half of a hull outside is said in ``part``."""
    results = sample([box(10, 0), box(10, 0.2, z=50), box(4, 3.62)], [1, 0, 0])
    results["img"][0][44:56, 94:106] = 222
    first, high, edge = cut_objects(results, CLASSES)
    assert (first["name"], high["name"]) == ("pedestrian", "car")
    inside = points_in_boxes(results["points"].tensor.numpy(), np.array([[10, 0, 0, 2, 1, 1, 0.0]]))[0]
    assert np.allclose(first["points"][:, :3] + [10, 0, -0.5], results["points"].tensor[inside][:, :3], atol=1e-6)
    image, part = first["crop"]
    assert image.shape == (12, 12, 3) and (image == 222).all() and part == (0, 0, 1, 1)
    assert high["crop"] is None and len(high["points"]) == 0
    # x 3..5, y 3.12..4.12: 100 - 412 / 3 = -37.3 .. 100 - 312 / 5 = 37.6: -38 .. 38, of which half is seen
    image, part = edge["crop"]
    assert image.shape[1] == 38 and part == (0.5, 0, 1, 1)


def test_the_camera_that_shows_most_gives_the_crop():
    results = sample([], [])
    half = np.diag([0.5, 0.5, 1, 1]) @ CAMERA
    results |= {"lidar2img": np.stack([half, CAMERA, CAMERA]), "camera_present": np.array([True, True, False])}
    results["img"] = [np.full((100, 200, 3), grey, np.uint8) for grey in (1, 2, 3)]
    ((image, _),) = best_crops(centred(np.array([box(10, 0)])), results)
    assert (image == 2).all()


class OneSample:
    """A data set of one sample with one pedestrian."""

    metainfo, box_type_3d, box_mode_3d = {"classes": CLASSES}, None, None

    def __len__(self):
        return 1

    def get_data_info(self, number):
        return {"token": "abc"}

    def pipeline(self, info):
        return sample([box(10, 0)], [1])


def test_a_written_object_is_read_back_and_a_file_that_cannot_be_written_is_named(tmp_path):
    path = write_gt_database(OneSample(), tmp_path)
    ((_, row),) = ((name, objects[0]) for name, objects in pickle.loads(path.read_bytes()).items() if objects)
    (found,) = cut_objects(OneSample().pipeline({}), CLASSES)
    stored = SampleObjects(str(path), CLASSES, {"pedestrian": 1}).records["pedestrian"].load(0, with_image=True)
    assert np.array_equal(stored.points, found["points"]) and np.array_equal(stored.patch.image, found["crop"][0])
    image = tmp_path / row["image_path"]
    image.unlink()
    image.mkdir()
    with pytest.raises(InputError, match=r"abc_0.png: expected to write this file, found: "):
        write_gt_database(OneSample(), tmp_path)


def test_bad_databases_are_named(tmp_path):
    with pytest.raises(InputError, match=r"no file; write the database with tools/create_data.py nuscenes --gt-datab"):
        SampleObjects(str(tmp_path / "nothing.pkl"), CLASSES, {"car": 1})
    with pytest.raises(InputError, match="unknown class 'cra' of SampleObjects groups: did you mean car"):
        SampleObjects(str(tmp_path / "nothing.pkl"), CLASSES, {"cra": 1})
    database = write_database(tmp_path, [("car", box(20, 4), CLOUD, 200)])
    with pytest.raises(InputError, match="expected objects of bus, found car, pedestrian"):
        SampleObjects(database, (*CLASSES, "bus"), {"bus": 1})
    transform = SampleObjects(database, CLASSES, {"car": 1})
    (tmp_path / "0.png").unlink()
    with pytest.raises(InputError, match=r"0.png: expected the image of an object, found none"):
        transform.transform(sample([], []))
    results = sample([], [])
    results["points"] = LiDARPoints(results["points"].tensor[:, :4], points_dim=4)
    transform = SampleObjects(database, CLASSES, {"car": 1}, with_images=False)
    with pytest.raises(InputError, match="found 4 in the sample and 5 in the database"):
        transform.transform(results)
