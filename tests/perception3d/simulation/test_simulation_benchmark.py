"""The benchmark of the simulation measures what it says, on the smallest data sets."""

import pytest

from perception3d.simulation import benchmark

pytest.importorskip("open3d", reason="ray casting needs the extra `simulation`")


def test_parts_are_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "HEIGHT_PX", 24)
    monkeypatch.setattr(benchmark, "WIDTH_PX", 40)
    rows = list(benchmark.measure(1, 1, tmp_path))
    names = [row.what for row in rows]
    whole = names.index("nuScenes keyframe, one process, files included")
    assert names[whole + 1 : whole + 3] == ["- its 10 LiDAR turns", "- its six pictures"]
    assert all(row.wall_s > 0 for row in rows)
    # one street, three parts, bare rays, two sizes of data set, scans
    assert len(rows) == 8
    table = benchmark.markdown(rows).splitlines()
    assert len(table) == 2 + len(rows) and all(line.count("|") == 5 for line in table)
    # files as users get them: keyframes 0 and 1 of the larger set, with a picture of each camera
    assert len(list((tmp_path / "nuscenes2").glob("samples/CAM_*/*.jpg"))) == 12
