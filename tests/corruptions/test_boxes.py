import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from corruptions.boxes import points_in_boxes, points_left
from corruptions.core import InputError, append, replace, select
from corruptions.files import read_points
from corruptions.noise.jitter import gaussian_noise


def test_a_turned_box_by_hand():
    # Length 4 along 30 degrees, width 2, height 1, about (10, 0, 0): 2 m ahead and 1 m to the left are faces.
    box = np.array([[10, 0, 0, 4, 2, 1, np.radians(30)]])
    ahead, left = np.array([np.cos(np.radians(30)), 0.5, 0]), np.array([-0.5, np.cos(np.radians(30)), 0])
    centre, up = np.array([10.0, 0, 0]), np.array([0, 0, 1.0])
    inside = [
        centre,
        centre + 1.99 * ahead,
        centre - 0.99 * left,
        centre + 1.99 * ahead + 0.99 * left,
        centre + 0.49 * up,
    ]
    outside = [centre + 2.01 * ahead, centre + 1.01 * left, centre + 0.51 * up, centre - 2.01 * ahead, np.zeros(3)]
    # Inside if the box were not turned, but not now: (12, 0.9) is 2.2 m ahead
    outside.append(np.array([11.9, 0.9, 0]))
    found = points_in_boxes(np.array(inside + outside), box)
    assert found.tolist() == [[True] * 5 + [False] * 6]


def test_faces_belong_to_the_box_and_columns_beyond_z_do_not_matter():
    points = np.array([[1.0, 0, 0, 9], [0, 0.5, 0, 9], [0, 0, 0.25, 9], [1, 0.5, 0.25, 9], [1.001, 0, 0, 9]])
    assert points_in_boxes(points, np.array([[0, 0, 0, 2, 1, 0.5, 0]])).tolist() == [[True, True, True, True, False]]


def test_overlapping_boxes_share_points_and_no_box_is_no_row():
    points = np.zeros((2, 3))
    assert points_in_boxes(points, np.array([[0, 0, 0, 1, 1, 1, 0], [0.2, 0, 0, 1, 1, 1, 1]])).all()
    assert points_in_boxes(points, np.zeros((0, 7))).shape == (0, 2)


def test_points_left_counts_own_points_that_are_still_inside(street_scan):
    # The car of the street, 4 x 2 m about (8, 3), widened by noise of the ranges
    box = np.array([[8.0, 3.0, -1.0, 4.2, 2.2, 1.4, 0.0]])
    inside = points_in_boxes(street_scan.points, box)[0]
    assert inside.sum() > 100
    assert (street_scan.labels[inside] == 10).mean() > 0.95

    kept = np.ones(len(inside), dtype=bool)
    kept[np.flatnonzero(inside)[:40]] = False
    assert points_left(street_scan.points, select(street_scan, kept), box).tolist() == [
        [inside.sum(), inside.sum() - 40]
    ]

    # Points added inside the box are not the object's
    ghosts = np.tile(np.float32([8, 3, -1, 0.5]), (25, 1))
    assert points_left(street_scan.points, append(street_scan, ghosts), box).tolist() == [[inside.sum()] * 2]

    # Nor are others that moved in; and those that moved out are lost
    points = street_scan.points.copy()
    stranger, leaver = np.flatnonzero(~inside)[0], np.flatnonzero(inside)[0]
    points[stranger, :3], points[leaver, :3] = (8, 3, -1), (0, 0, 0)
    moved = np.zeros(len(points), dtype=bool)
    moved[[stranger, leaver]] = True
    assert points_left(street_scan.points, replace(street_scan, points, moved), box).tolist() == [
        [inside.sum(), inside.sum() - 1]
    ]


def test_small_noise_keeps_nearly_all_points_of_a_box(street_scan):
    box = np.array([[8.0, 3.0, -1.0, 5.0, 3.0, 2.0, 0.0]])
    before, after = points_left(
        street_scan.points, gaussian_noise(street_scan, np.random.default_rng(0), sigma_m=0.02), box
    )[0]
    assert 0.95 * before < after <= before


def rigid(record):
    """Rotation and translation of a nuScenes record; its quaternions are w, x, y, z."""
    w, x, y, z = record["rotation"]
    return Rotation.from_quat([x, y, z, w]), np.array(record["translation"])


def test_counts_equal_num_lidar_pts_of_nuscenes(data_root: Path):
    root = data_root / "nuscenes"
    names = ("sample_data", "ego_pose", "calibrated_sensor", "sample_annotation")
    tables = {name: json.loads((root / "v1.0-mini" / f"{name}.json").read_text()) for name in names}
    by_token = {record["token"]: record for name in names for record in tables[name]}
    sweeps = [record for record in tables["sample_data"] if "/LIDAR_TOP/" in record["filename"]]
    for sweep in (sweeps[0], sweeps[-1]):
        points = read_points(root / sweep["filename"], columns=5)[:, :3].astype(np.float64)
        for step in ("calibrated_sensor_token", "ego_pose_token"):
            rotation, translation = rigid(by_token[sweep[step]])
            points = rotation.apply(points) + translation
        annotations = [a for a in tables["sample_annotation"] if a["sample_token"] == sweep["sample_token"]]
        assert len(annotations) > 10
        boxes = []
        for annotation in annotations:
            rotation, centre = rigid(annotation)
            width, length, height = annotation["size"]
            boxes.append([*centre, length, width, height, rotation.as_euler("zyx")[0]])
        counts = points_in_boxes(points, np.array(boxes)).sum(axis=1)
        assert counts.tolist() == [annotation["num_lidar_pts"] for annotation in annotations]


@pytest.mark.parametrize(
    ("points", "boxes", "name"),
    [(np.zeros((3, 2)), np.zeros((1, 7)), "points"), (np.zeros((3, 3)), np.zeros((1, 9)), "boxes")],
)
def test_wrong_shapes_are_named(points, boxes, name):
    with pytest.raises(InputError, match=name):
        points_in_boxes(points, boxes)
