from __future__ import annotations

import os

import numpy as np
import pytest

import corruptions
from corruptions import InputError, Scan, pictures
from corruptions.core import ADDED, KEPT, MOVED, Corrupted
from corruptions.sensors import SENSORS


def test_view_from_above_is_oriented_like_the_car():
    points = np.array([[10.1, 5.1, 0], [10.1, 5.1, 2], [-39.9, -39.9, 0], [50, 0, 0]], np.float32)
    rgb = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]], float)
    image = pictures.view_from_above(points, rgb)
    assert image.shape == (400, 400, 3)
    # 40 - 10.1 = 29.9 m from the upper edge, 149.5 cells of 0.2 m; 40 - 5.1 = 34.9 m from the left, 174.5 cells
    assert image[149, 174].tolist() == [0, 1, 0]  # the higher of two points
    assert image[399, 399].tolist() == [0, 0, 1]  # behind to the right
    assert (image != 1).any(axis=2).sum() == 2  # the point at 50 m is outside


def test_range_image_holds_the_nearest_range_at_its_direction():
    elevation = np.radians(-10.0)
    ray = np.array([np.cos(elevation), 0, np.sin(elevation)])
    left = np.array([0, np.cos(elevation), np.sin(elevation)])
    points = np.zeros((4, 4), np.float32)
    points[:3, :3] = [20 * ray, 8 * ray, 5 * left]
    image = pictures.range_image(points, "HDL-64E")
    assert image.shape == (32, 720)
    # from 1.93 + 0.5 degrees down to -25.09 - 0.5: 12.43 of 28.02 degrees
    row = int(12.43 / 28.02 * 32)
    assert image[row, 360] == pytest.approx(8)
    assert image[row, 180] == pytest.approx(5)
    assert np.isfinite(image).sum() == 2


@pytest.mark.parametrize("name", SENSORS)
def test_range_image_of_every_sensor(name):
    model = SENSORS[name]
    elevation = np.radians(model.elevations_deg)
    points = np.zeros((model.num_rings, 4), np.float32)
    points[:, 0], points[:, 2] = 10 * np.cos(elevation), 10 * np.sin(elevation)
    image = pictures.range_image(points, name)
    assert np.allclose(image[:, 360][np.isfinite(image[:, 360])], 10)
    assert np.isfinite(image[0, 360])
    assert np.isfinite(image[-1, 360])


def test_changes_in_words():
    scan = Scan(np.ones((5, 4), np.float32), 1.0)
    out = Corrupted(np.ones((4, 4), np.float32), np.array([0, 1, 2, -1]), np.array([KEPT, KEPT, MOVED, ADDED]))
    assert pictures.changes(scan, out) == "5 points: 2 in place, 1 moved, 2 lost; 1 added"


def test_status_has_its_own_colours():
    points = np.array([[0, 0, 0, 1.0], [0, 0, 0, 0.0], [0, 0, 0, 1], [0, 0, 0, 1]], np.float32)
    rgb = pictures._colours(points, np.array([KEPT, KEPT, MOVED, ADDED]), 1.0)
    assert rgb[0].sum() < rgb[1].sum()  # strong returns are dark
    assert rgb[2].tolist() == list(pictures.MOVED_RGB)
    assert rgb[3].tolist() == list(pictures.ADDED_RGB)


def test_no_picture_is_half_written(tmp_path, street_scan, monkeypatch):
    figure = pictures.lidar_sheet([("clean", street_scan, None)], "title")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="expected to write this file, found: File exists"):
        pictures.save(figure, tmp_path / "file" / "a.png")

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match="No space left on device"):
        pictures.save(figure, tmp_path / "a.png", dpi=40)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_empty_result_can_be_shown(tmp_path, street_scan):
    out = corruptions.corrupt(street_scan, "missing_lidar", "heavy", seed=0, sample="a")
    path = pictures.save(pictures.lidar_figure(street_scan, out, "nothing left"), tmp_path / "a.png", dpi=40)
    assert path.read_bytes().startswith(b"\x89PNG")
