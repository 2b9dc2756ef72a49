"""Depth of images from the ground plane and from LiDAR sweeps, against closed forms and a real sweep."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from corruptions import InputError
from corruptions.camera.depth import SKY_M, from_lidar, ground_plane

INTRINSICS = np.array([[100.0, 0.0, 80.0], [0.0, 100.0, 45.0], [0.0, 0.0, 1.0]])
UP = np.array([0.0, -1.0, 0.0])  # camera level: y of the optical frame points down
SHAPE = (90, 160)


def test_ground_plane_is_height_over_sine() -> None:
    depth = ground_plane(SHAPE, INTRINSICS, UP, 1.5)
    # straight ahead and 40 px down: ray (0, 0.4, 1), length sqrt(1.16), sine 0.4 / 1.07703 -> 1.5 * 1.07703 / 0.4
    assert depth[85, 80] == pytest.approx(4.03887, rel=1e-4)
    # 50 px right and 20 down: ray (0.5, 0.2, 1), length 1.13578 -> 1.5 * 1.13578 / 0.2
    assert depth[65, 130] == pytest.approx(8.51837, rel=1e-4)
    assert (depth[:46] == SKY_M).all()


def test_ground_plane_of_a_camera_that_looks_down() -> None:
    # pitched down by 30 degrees: the middle ray meets the ground at 2 / sin(30 deg) = 4 m
    up = np.array([0.0, -np.cos(np.radians(30)), -np.sin(np.radians(30))])
    assert ground_plane(SHAPE, INTRINSICS, up, 2.0)[45, 80] == pytest.approx(4.0, rel=1e-5)


def wall(distance_m: float, top_m: float) -> np.ndarray:
    """Points of a wall square to the optical axis, as a LiDAR (x forward, y left, z up) at the camera sees it."""
    y, z = np.meshgrid(np.arange(-6, 6, 0.1), np.arange(-1.0, top_m, 0.3))
    return np.column_stack([np.full(y.size, distance_m), y.ravel(), z.ravel()])


CAM_FROM_LIDAR = np.array([[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])


def test_wall_of_lidar_points_has_its_distance() -> None:
    depth = from_lidar(wall(10.0, 1.0), CAM_FROM_LIDAR, INTRINSICS, np.full(SHAPE, 77.0), gap_px=3)
    # the wall covers columns 80 +- 60 and rows 45 - 9 ... 45 + 10; its middle is 10 m away
    assert depth[45, 80] == pytest.approx(10.0, rel=1e-3)
    # 50 px right of the middle: 10 * sqrt(1 + 0.5^2)
    assert depth[45, 130] == pytest.approx(11.1803, rel=0.01)
    assert (depth[:, :5] == 77.0).all() and (depth[70:] == 77.0).all()


def test_nearer_return_hides_the_farther() -> None:
    both = np.array([[10.0, 0.0, 0.0], [5.0, 0.0, 0.0], [7.0, 0.0, 0.0]])  # one behind the other
    depth = from_lidar(both, CAM_FROM_LIDAR, INTRINSICS, np.full(SHAPE, SKY_M), gap_px=3)
    assert depth[45, 80] == 5.0


def test_what_the_top_ring_met_goes_on_upward_and_sky_stays() -> None:
    # a tall wall ends where the sensor stops looking; beyond its right end there is nothing
    tall = wall(10.0, 2.0)
    tall = tall[tall[:, 1] > -1.0]
    depth = from_lidar(tall, CAM_FROM_LIDAR, INTRINSICS, np.full(SHAPE, SKY_M), gap_px=3)
    assert depth[0, 60] == pytest.approx(depth[28, 60], rel=0.1)
    assert (depth[:, 120:] == SKY_M).all()


def test_a_hole_between_returns_is_no_view_of_the_sky() -> None:
    y, z = np.meshgrid(np.arange(-6, 6, 0.1), np.concatenate([np.arange(-2.0, -1.2, 0.2), np.arange(1.2, 2.0, 0.2)]))
    windows = np.column_stack([np.full(y.size, 10.0), y.ravel(), z.ravel()])
    depth = from_lidar(windows, CAM_FROM_LIDAR, INTRINSICS, np.full(SHAPE, SKY_M), gap_px=3)
    # the hole spans rows 45 +- 12, further than 3 px from any return
    assert depth[45, 80] == pytest.approx(10.0, rel=0.05)


def test_depth_follows_the_edges_of_the_image() -> None:
    """A near thing left of column 80 is dark, a far wall right of it bright; the returns say so 4 px too far right."""
    y, z = np.meshgrid(np.arange(-16, 16, 0.1), np.arange(-8, 8, 0.2))
    wall_m = np.column_stack([np.full(y.size, 20.0), y.ravel(), z.ravel()])
    near = wall_m[wall_m[:, 1] > -0.8] * 0.5  # 10 m; columns left of 80 + 100 * 0.8 / 20 = 84
    image = np.where(np.arange(160)[None, :, None] < 80, 40, 210).repeat(90, 0).repeat(3, 2).astype(np.uint8)
    with_image, without = (
        from_lidar(np.concatenate([wall_m, near]), CAM_FROM_LIDAR, INTRINSICS, np.full(SHAPE, SKY_M), 3, image=guide)
        for guide in (image, None)
    )
    assert without[45, 82] < 11 and with_image[45, 82] > 12.5
    assert with_image[45, 60] == pytest.approx(without[45, 60], rel=0.05)
    assert with_image[45, 110] == pytest.approx(without[45, 110], rel=0.05)


def test_points_behind_and_empty_sweeps_leave_the_background() -> None:
    background = ground_plane(SHAPE, INTRINSICS, UP, 1.5)
    for points in (np.zeros((0, 3)), wall(-10.0, 1.0)):
        assert np.array_equal(from_lidar(points, CAM_FROM_LIDAR, INTRINSICS, background), background)


def test_bad_calibration_is_refused() -> None:
    with pytest.raises(InputError, match="inverted"):
        ground_plane(SHAPE, np.zeros((3, 3)), UP, 1.5)
    with pytest.raises(InputError, match="direction"):
        ground_plane(SHAPE, INTRINSICS, np.zeros(3), 1.5)
    with pytest.raises(InputError, match=r"\(4, 4\)"):
        from_lidar(wall(5.0, 1.0), np.eye(3), INTRINSICS, np.ones(SHAPE))


def test_every_second_ring_predicts_the_others_on_a_real_keyframe(data_root: Path) -> None:
    folder = data_root / "nuscenes" / "v1.0-mini"
    if not folder.exists():
        pytest.skip("no nuScenes keyframes")
    sensors = {row["token"]: row for row in json.loads((folder / "sensor.json").read_text())}
    calibrated = json.loads((folder / "calibrated_sensor.json").read_text())
    by_channel = {sensors[row["sensor_token"]]["channel"]: row for row in reversed(calibrated)}
    lidar, camera = by_channel["LIDAR_TOP"], by_channel["CAM_FRONT"]
    cam_from_lidar = np.linalg.inv(_pose(camera)) @ _pose(lidar)
    intrinsics = np.array(camera["camera_intrinsic"])
    path = sorted((data_root / "nuscenes" / "samples" / "LIDAR_TOP").glob("*.bin"))[0]
    points = np.fromfile(path, "<f4").reshape(-1, 5)
    points = points[np.linalg.norm(points[:, :3], axis=1) > 2.5]  # without the own vehicle
    even = points[:, 4] % 2 == 0
    up = np.linalg.inv(_pose(camera))[:3, :3] @ [0.0, 0.0, 1.0]
    background = ground_plane((900, 1600), intrinsics, up, camera["translation"][2])
    others = points[~even, :3] @ cam_from_lidar[:3, :3].T + cam_from_lidar[:3, 3]
    others = others[others[:, 2] > 1]
    column, row = np.rint((others @ intrinsics.T)[:, :2] / others[:, 2:]).astype(int).T
    seen = (column >= 0) & (column < 1600) & (row >= 0) & (row < 900)
    assert seen.sum() > 1000
    image = cv2.imread(str(sorted((data_root / "nuscenes" / "samples" / "CAM_FRONT").glob("*.jpg"))[0]))
    errors = []
    for guide in (None, image):
        predicted = from_lidar(points[even], cam_from_lidar, intrinsics, background, gap_px=60, image=guide)
        errors.append(np.abs(np.log(predicted[row[seen], column[seen]] / np.linalg.norm(others[seen], axis=1))))
        # among the others are many that the camera does not see, behind nearer things
        assert np.median(errors[-1]) < 0.15
    assert errors[1].mean() < errors[0].mean()


def _pose(row: dict) -> np.ndarray:
    """(4, 4) of a calibrated_sensor record; quaternion w, x, y, z."""
    from pyquaternion import Quaternion

    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = Quaternion(row["rotation"]).rotation_matrix, row["translation"]
    return pose
