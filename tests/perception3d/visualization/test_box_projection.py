import numpy as np
import pytest

from corruptions.core import InputError
from perception3d.visualization.geometry import (
    EDGES,
    FRONT_EDGES,
    NEAR_M,
    BoxSet,
    clip_segments,
    corners,
    project,
    project_segments,
)

# A camera at the origin that looks along x: focal length 100 px, middle at (50, 40); right is -y, down is -z.
CAMERA = np.array([[50, -100, 0, 0], [40, 0, -100, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])


def test_corners_by_hand():
    # 4 m long, 2 m wide, 1 m high, turned a quarter to the left: its front looks along y
    box = np.array([[10, 20, 3, 4, 2, 1, np.pi / 2]])
    found = corners(box)[0]
    assert sorted(map(tuple, found.round(9))) == sorted(
        (x, y, z) for x in (9.0, 11.0) for y in (18.0, 22.0) for z in (2.5, 3.5)
    )
    assert found[:4, 1] == pytest.approx(22)  # the front face first
    lengths = [np.linalg.norm(found[a] - found[b]) for a, b in EDGES]
    assert sorted(np.round(lengths, 9)) == [1] * 4 + [2] * 4 + [4] * 4
    assert {corner for edge in FRONT_EDGES for corner in edge} == {0, 1, 2, 3}


def test_points_project_as_the_pinhole_does():
    pixels, depth_m = project(np.array([[10, 1, -2, 9.0], [-5, 0, 0, 9]])[:, :3], CAMERA)
    # 50 - 100 * 1 / 10 and 40 + 100 * 2 / 10
    assert pixels[0].tolist() == [40, 60]
    assert np.isnan(pixels[1]).all()
    assert depth_m.tolist() == [10, -5]


def test_an_edge_that_passes_the_camera_is_cut_in_front_of_it():
    # from 10 m ahead to 10 m behind, 1 m to the left and 1 m below: cut at x = NEAR_M
    segments = np.array([[[10, 1, -1], [-10, 1, -1]], [[-1, 0, 0], [-2, 0, 0]]], float)
    pixels, kept = project_segments(segments, CAMERA)
    assert kept.tolist() == [True, False]
    assert pixels[0, 0] == pytest.approx([40, 50])
    assert pixels[0, 1] == pytest.approx([50 - 100 / NEAR_M, 40 + 100 / NEAR_M])
    turned_round, _ = project_segments(segments[:, ::-1], CAMERA)
    assert turned_round[0, ::-1] == pytest.approx(pixels[0])
    assert np.isnan(pixels[1]).all()


def test_segments_are_cut_at_the_borders_of_the_image():
    segments = np.array(
        [
            [[-10, 10], [30, 50]],  # enters the 100 x 40 image at column 0, row 20, leaves at row 40, column 20
            [[10, 10], [20, 20]],
            [[-5, 5], [-5, 30]],  # left of it
            [[-50, 60], [60, -50]],  # passes the corner (0, 0) at a distance of 10: from (0, 10) to (10, 0)
            [[-50, 20], [150, 20]],
            [[np.nan, np.nan], [np.nan, np.nan]],
        ],
        float,
    )
    found, kept = clip_segments(segments, 100, 40)
    assert kept.tolist() == [True, True, False, True, True, False]
    assert found[0].tolist() == [[0, 20], [20, 40]]
    assert found[1].tolist() == [[10, 10], [20, 20]]
    assert found[3] == pytest.approx(np.array([[0, 10], [10, 0]]))
    assert found[4].tolist() == [[0, 20], [100, 20]]


def test_clipped_segments_agree_with_dense_sampling():
    rng = np.random.default_rng(0)
    segments = rng.uniform(-150, 250, (200, 2, 2))
    found, kept = clip_segments(segments, 120, 80)
    shares = np.linspace(0, 1, 20001)[:, None, None]
    samples = segments[:, 0] + shares * (segments[:, 1] - segments[:, 0])
    inside = ((samples >= 0) & (samples <= [120, 80])).all(axis=2)
    assert (inside.any(axis=0) & ~kept).sum() == 0
    for row in np.flatnonzero(inside.any(axis=0)):
        first, last = samples[np.flatnonzero(inside[:, row])[[0, -1]], row]
        assert np.abs(found[row] - [first, last]).max() < 0.05
    assert ((found[kept] >= -1e-9) & (found[kept] <= np.array([120, 80]) + 1e-9)).all()


def test_box_sets_are_checked():
    with pytest.raises(InputError, match=r"expected \(M, 7\) or \(M, 9\) values, found \(1, 8\)"):
        BoxSet(np.zeros((1, 8)), ("car",))
    with pytest.raises(InputError, match="expected 2 names and scores, found 1 names"):
        BoxSet(np.zeros((2, 7)), ("car",))
    with pytest.raises(InputError, match="found 2 names and 1 scores"):
        BoxSet(np.zeros((2, 7)), ("car", "bus"), np.zeros(1))


@pytest.fixture(scope="module")
def nusc(data_root):
    from nuscenes import NuScenes

    if not (data_root / "nuscenes" / "v1.0-mini").is_dir():
        pytest.skip("no nuScenes keyframes")
    return NuScenes("v1.0-mini", str(data_root / "nuscenes"), verbose=False)


def test_real_boxes_are_where_the_devkit_has_them(nusc):
    from nuscenes.utils.geometry_utils import BoxVisibility, view_points

    from corruptions.nuscenes import CAMERAS
    from perception3d.visualization.nuscenes import annotated_boxes, img_from_lidar

    compared = 0
    for sample in nusc.sample[::6]:
        lidar = nusc.get("sample_data", sample["data"]["LIDAR_TOP"])
        _, devkit, _ = nusc.get_sample_data(lidar["token"])
        found = corners(annotated_boxes(nusc, lidar).values)
        expected = np.stack([box.corners().T for box in devkit])
        # annotations are upright in the world and the LiDAR leans: their corners are off by that lean and no more
        assert np.abs(found - expected).max() < 0.35
        assert np.median(np.abs(found - expected)) < 0.05
        for name in CAMERAS:
            camera = nusc.get("sample_data", sample["data"][name])
            _, seen, intrinsic = nusc.get_sample_data(camera["token"], box_vis_level=BoxVisibility.ALL)
            for box in seen:
                row = next(k for k, other in enumerate(devkit) if other.token == box.token)
                pixels, depth_m = project(expected[row], img_from_lidar(nusc, camera, lidar))
                assert pixels == pytest.approx(view_points(box.corners(), intrinsic, True)[:2].T, abs=1e-6)
                assert depth_m == pytest.approx(box.corners()[2], abs=1e-9)
                compared += 1
    assert compared > 50


def test_real_points_lie_in_the_boxes_that_are_drawn(nusc):
    from corruptions.boxes import points_in_boxes
    from perception3d.visualization.nuscenes import read_frame

    frame = read_frame(nusc, nusc.sample[0])
    _, boxes, _ = nusc.get_sample_data(nusc.sample[0]["data"]["LIDAR_TOP"])
    listed = np.array([nusc.get("sample_annotation", box.token)["num_lidar_pts"] for box in boxes])
    inside = points_in_boxes(frame.points, frame.boxes[0].values[:, :7]).sum(axis=1)
    assert len(frame.views) == 6
    assert np.abs(inside - listed).sum() < 0.05 * listed.sum()  # the lean again
