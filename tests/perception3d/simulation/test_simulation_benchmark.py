"""The benchmark of the simulation measures what it says, on the smallest data sets."""

from perception3d.simulation import benchmark


def test_parts_are_measured_and_add_up(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "HEIGHT_PX", 24)
    monkeypatch.setattr(benchmark, "WIDTH_PX", 40)
    rows = list(benchmark.measure(1, 1, tmp_path))
    times = {row.what: row.cpu_s for row in rows}
    whole = times["nuScenes keyframe, one process, files included"]
    turns = times["- its 10 LiDAR turns"]
    assert 0 < turns < 1.5 * whole  # boxes, labels, pictures and files are the rest
    assert all(row.wall_s > 0 for row in rows)
    # one street, three parts, bare rays, two sizes of data set, scans
    assert len(rows) == 8
    table = benchmark.markdown(rows).splitlines()
    assert len(table) == 2 + len(rows) and all(line.count("|") == 5 for line in table)
    # files as users get them: keyframes 0 and 1 of the larger set, with a picture of each camera
    assert len(list((tmp_path / "nuscenes2").glob("samples/CAM_*/*.jpg"))) == 12
