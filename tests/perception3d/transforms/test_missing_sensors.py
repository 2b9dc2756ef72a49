"""Missing sensors: what is drawn how often, and what a sample then holds."""

import numpy as np
import pytest
import torch
from mmdet3d.structures import LiDARPoints

from corruptions.core import InputError
from perception3d.transforms.missing_sensors import DropSensors, ModalMask, draw_missing

NAMES = ["CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_FRONT_LEFT", "CAM_BACK", "CAM_BACK_LEFT", "CAM_BACK_RIGHT"]


def sample():
    return {
        "img": [np.full((4, 6, 3), 10 + view, np.uint8) for view in range(6)],
        "camera_names": NAMES,
        "points": LiDARPoints(torch.rand(30, 5) + 1, points_dim=5),
    }


def test_published_shares():
    rng = np.random.default_rng(0)
    drawn = [draw_missing(6, 0.25, 0.25, 0.0, rng) for _ in range(4000)]
    no_lidar, lost = np.array([item[0] for item in drawn]), np.stack([item[1] for item in drawn])
    assert no_lidar.mean() == pytest.approx(0.25, abs=0.025)  # 3.6 sigma
    assert lost.all(axis=1).mean() == pytest.approx(0.25, abs=0.025)
    assert (lost.any(axis=1) == lost.all(axis=1)).all()
    assert not (no_lidar & lost.any(axis=1)).any()


def test_single_cameras_go_one_by_one_and_something_is_left():
    rng = np.random.default_rng(1)
    drawn = [draw_missing(6, 0.25, 0.0, 0.3, rng) for _ in range(4000)]
    no_lidar, lost = np.array([item[0] for item in drawn]), np.stack([item[1] for item in drawn])
    assert lost[~no_lidar].mean() == pytest.approx(0.3, abs=0.015)
    assert np.corrcoef(lost.T)[0, 1] == pytest.approx(0.0, abs=0.06)
    certain = [draw_missing(6, 1.0, 0.0, 1.0, rng) for _ in range(200)]
    assert all(no_lidar and lost.sum() == 5 for no_lidar, lost in certain)
    assert len({int(np.flatnonzero(~lost)[0]) for _, lost in certain}) == 6


@pytest.mark.parametrize(("lidar_prob", "cameras_prob"), [(1.0, 0.0), (0.0, 1.0), (0.0, 0.0)])
def test_modal_mask_on_a_sample(lidar_prob, cameras_prob):
    results = ModalMask(lidar_prob, cameras_prob).transform(sample())
    assert results["points"].tensor.shape == (0 if lidar_prob else 30, 5)
    assert results["camera_present"].tolist() == [not cameras_prob] * 6
    assert [int(image.max()) for image in results["img"]] == ([0] * 6 if cameras_prob else [10, 11, 12, 13, 14, 15])


def test_modal_mask_as_published_keeps_the_sensors_blank():
    results = ModalMask(1.0, 0.0, blank=True).transform(sample())
    assert results["points"].tensor.shape == (30, 5) and not results["points"].tensor.any()
    results = ModalMask(0.0, 1.0, blank=True).transform(sample())
    assert "camera_present" not in results and not np.any(results["img"])


def test_drop_sensors_by_name():
    results = DropSensors(cameras=["CAM_BACK", "CAM_FRONT"]).transform(sample())
    assert results["camera_present"].tolist() == [False, True, True, False, True, True]
    assert [int(image.max()) for image in results["img"]] == [0, 11, 12, 0, 14, 15]
    assert len(results["points"]) == 30
    again = DropSensors(lidar=True, cameras=["CAM_FRONT_LEFT"]).transform(results)
    assert again["camera_present"].tolist() == [False, True, False, False, True, True]
    assert len(again["points"]) == 0
    assert not DropSensors(cameras="all").transform(sample())["camera_present"].any()
    assert "camera_present" not in DropSensors().transform(sample())


def test_bad_settings_are_named():
    with pytest.raises(InputError, match="unknown camera 'CAM_FRNT': did you mean CAM_FRONT"):
        DropSensors(cameras=["CAM_FRNT"]).transform(sample())
    with pytest.raises(InputError, match="expected a list of camera names or 'all', found 'CAM_FRONT'"):
        DropSensors(cameras="CAM_FRONT")
    with pytest.raises(InputError, match="points: expected a loaded point cloud"):
        DropSensors(lidar=True).transform({"img": []})
    with pytest.raises(InputError, match=r"lidar_prob_plus_cameras_prob: expected a probability in 0..1, found 1.2"):
        ModalMask(0.6, 0.6)


def test_seed_repeats():
    found = []
    for _ in range(2):
        torch.manual_seed(4)
        mask = ModalMask(0.3, 0.3, 0.3)
        found.append([(len(r["points"]), *r["camera_present"]) for r in (mask.transform(sample()) for _ in range(20))])
    assert found[0] == found[1] and len(set(found[0])) > 5
