import importlib.util
from pathlib import Path

import numpy as np
import pytest

SPEC = importlib.util.spec_from_file_location(
    "compare_weather_tool", Path(__file__).resolve().parents[2] / "tools" / "compare_weather.py"
)
tool = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(tool)


def test_measures_by_hand():
    # ranges 1 (the vehicle), 2, 5, 9, 20, 40; the returns at 2 and 5 m are weather
    points = np.zeros((6, 4), np.float32)
    points[:, 1] = [-1, 2, 5, 9, 20, 40]
    points[:, 3] = [0, 0, 2, 10, 100, 200]
    found = tool.measures(points, np.array([False, True, True, False, False, False]))
    assert found["returns"] == 5
    assert found["weather"] == pytest.approx(2 / 5)
    assert found["weather inside 10 m"] == pytest.approx(2 / 3)
    assert found["range 50 %"] == pytest.approx(3.5)
    assert found["beyond 30 m"] == pytest.approx(1 / 5)
    assert found["weak"] == pytest.approx(2 / 5)  # 0 and 2 of 2.55
    assert found["median intensity"] == 10
    assert found["median intensity of weather"] == 1
    unlabelled = tool.measures(points, None)
    assert np.isnan(unlabelled["weather"]) and np.isnan(unlabelled["range 5 %"])
    assert unlabelled["beyond 30 m"] == found["beyond 30 m"]


def test_distance_is_the_mean_size_of_the_log_ratios():
    # twice and a quarter: (ln 2 + ln 4) / 2 = 1.0397
    assert tool.distance({"a": 2.0, "b": 1.0}, {"a": 1.0, "b": 4.0}, ("a", "b")) == pytest.approx(1.0397, abs=1e-4)
    assert tool.distance({"a": 0.0}, {"a": 1.0}, ("a",)) == np.inf


def rows_of(table):
    return [[cell.strip() for cell in line.strip().split("|")[1:-1]] for line in table.splitlines()]


def test_tables_of_the_recorded_scans(data_root, capsys):
    if not all((data_root / name).is_dir() for name in ("nuscenes", "radiate", "wads", "other")):
        pytest.skip("no nuScenes, RADIATE, WADS or Hesai scans")
    assert tool.main(["--data", str(data_root)]) == 0
    title, fog, snow = capsys.readouterr().out.strip().split("\n\n")
    assert "percent" in title
    for table, name in ((fog, "fog"), (snow, "snowfall")):
        header, _, clear, recorded, *levels, nearest = rows_of(table)
        assert [row[0] for row in levels] == ["light", "moderate", "heavy"]
        assert (clear[0], recorded[0]) == ("clear, recorded", f"{name}, recorded")
        assert "distance" in nearest[0]
        fitted = [k for k, title in enumerate(header) if title.endswith("*")]

        def far(row, recorded=recorded, fitted=fitted):
            ratios = np.array([float(row[k]) / float(recorded[k]) for k in fitted])
            return np.abs(np.log(np.maximum(ratios, 1e-9))).mean()

        # what the levels of the catalog cannot reach, a physical setting does
        assert far(nearest) < min(far(row) for row in levels)
    # the share of falling snow by the labels of WADS: 5.9 and 7.5 % with the vehicle's own returns
    assert 5.5 < float(rows_of(snow)[3][2]) < 8.5


def test_missing_scans_are_named(tmp_path, capsys):
    assert tool.main(["--data", str(tmp_path)]) == 2
    assert "expected nuScenes sweeps, found none" in capsys.readouterr().err
