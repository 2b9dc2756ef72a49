import numpy as np
import pytest

from perception3d.simulation import comparison as table


def at(*ranges_m, intensity=10.0):
    """Points straight to the right at these ranges."""
    points = np.zeros((len(ranges_m), 4), np.float32)
    points[:, 0], points[:, 3] = ranges_m, intensity
    return points


def test_a_table_keeps_rows_that_one_side_lacks():
    found = table.markdown("what", {"real": {"a": "1", "b": "2"}, "simulated": {"b": "3", "c": "4"}})
    assert found.splitlines() == [
        "| what | real | simulated |",
        "| --- | --- | --- |",
        "| a | 1 | - |",
        "| b | 2 | 3 |",
        "| c | - | 4 |",
    ]


def test_scans_by_hand():
    # 0.5 m is the vehicle; of 8 points one each in the bins up to 10 m, two each in the next two
    rows = table.scan_rows([at(0.5, 3, 7, 15, 15), at(30, 35, 90, intensity=0)])
    assert rows["points per scan, min / median / max"] == "3 / 4 / 5"
    assert rows["points per scan beyond 2.5 m"] == "4"  # 7 of two scans, 3.5
    shares = [rows[f"share of points at {name}, %"] for name in ("0-1 m", "5-10 m", "10-20 m", "20-40 m", "80-inf m")]
    assert shares == ["12.50", "12.50", "25.00", "25.00", "12.50"]
    assert rows["intensity exactly 0, %"] == "42.9"  # 3 of 7
    assert rows["median intensity at 20-40 m"] == "0"
    assert rows["median intensity at 40-80 m"] == "-"


def test_lasers_and_directions_by_hand():
    scan = np.array([[10, 0, 0, 1], [0, 10, 10, 1], [-10, 0.1, 0, 1], [-1, 0, 0, 1]], np.float32)
    rings = table.ring_rows([scan], [np.array([0, 1, 0, 1])], 3)
    assert rings == {"0": "0.0°: 2 / 0", "1": "45.0°: 1 / 1", "2": "-: 0 / 0"}
    along_x = table.sector_rows([scan], 0.0)
    assert {name: value for name, value in along_x.items() if value != "0 / 0"} == {
        "0°": "1 / 0", "90°": "1 / 0", "180°": "1 / 1",
    }  # fmt: skip
    along_y = table.sector_rows([scan], 90.0)
    assert (along_y["0°"], along_y["270°"], along_y["90°"]) == ("1 / 0", "1 / 0", "1 / 1")


def boxes():
    return table.Boxes(
        keyframes=2,
        names=np.array(["car", "car", "bus", "debris"]),
        range_m=np.array([5.0, 30, 15, 90]),
        size_m=np.array([[4, 2, 1.5], [5, 2, 1.5], [12, 3, 3], [1, 1, 1]]),
        num_points=np.array([100, 0, 50, 0]),
        speed_m_per_s=np.array([0.1, 8.0, np.nan, 0.0]),
    )


def test_boxes_by_hand():
    rows = table.box_rows(boxes(), ["car", "bus", "trailer"])
    assert rows["boxes per keyframe"] == "2.0"
    assert rows["without a LiDAR point, %"] == "50.0"
    assert (rows["car per keyframe"], rows["bus per keyframe"], rows["trailer per keyframe"]) == (
        "1.00",
        "0.50",
        "0.00",
    )
    assert (rows["boxes per keyframe at 10-20 m"], rows["median points in a box at 10-20 m"]) == ("0.5", "50")
    assert rows["median points in a box at 40-80 m"] == "-"
    assert table.class_rows(boxes(), ["car", "bus", "trailer"]) == {
        "car": "4.50 x 2.00 x 1.50; 100 / - / 0 / -; 50.0 % at 8.0 m/s (95 %: 8.0)",
        "bus": "12.00 x 3.00 x 3.00; - / 50 / - / -; - %",
    }


def test_images_by_hand():
    flat = np.full((900, 1600, 3), (200, 100, 100), np.uint8)
    measured = table.image_measures(flat)
    assert (measured["mean red"], measured["mean green"]) == (200, 100)
    assert measured["saturation (of 255)"] == pytest.approx(255 * 100 / 200, abs=1)
    assert measured["contrast (standard deviation of grey)"] == measured["edge pixels, %"] == 0
    halves = np.zeros((450, 800, 3), np.uint8)
    halves[:, 400:] = 255
    measured = table.image_measures(halves)
    # Sobel's operator sees the step in the two columns beside it, as half of 255 a pixel
    assert measured["edge pixels, %"] == pytest.approx(100 * 2 / 800)
    assert measured["contrast (standard deviation of grey)"] == pytest.approx(127.5)
    assert measured["black or white pixels (0-4, 251-255), %"] == 100
    rows = table.image_rows([{"mean": value} for value in (1.0, 2.0, 6.0)])
    assert rows == {"mean": "2.0 (1.2 to 5.2)"}
    assert table.image_rows([]) == {}


def test_classes_by_hand():
    scans = [at(5, 6, intensity=0.2), at(7, 8, intensity=0.4)]
    rows = table.label_rows(scans, [np.array([0, 0]), np.array([0, 2])], ["car", "road"], 1)
    assert rows["car"] == "75.00 %; 2; 0.2 / 0.2 / 0.3"
    assert rows["road"] == "0.00 %; 0; -"
    assert rows["not scored"].startswith("25.00 %; 0")  # one point of two scans
