import importlib.util
from pathlib import Path

import pytest
from semantickitti_files import write_root

SPEC = importlib.util.spec_from_file_location(
    "compare_simulation_tool", Path(__file__).resolve().parents[2] / "tools" / "compare_simulation.py"
)
tool = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(tool)


def rows_of(output):
    """Cells of all rows by their first cell."""
    lines = [line.strip().strip("|").split(" | ") for line in output.splitlines() if line.startswith("| ")]
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in lines}


def test_a_data_set_equals_itself_and_has_the_figures_of_its_annotations(data_root, capsys):
    root = data_root / "nuscenes"
    if not (root / "v1.0-mini").is_dir():
        pytest.skip("no nuScenes keyframes")
    tool.main(["nuscenes", "--real", str(root), "--simulated", str(root), "--limit", "3"])
    out = capsys.readouterr().out
    rows = rows_of(out)
    assert out.count("**") == 12  # six titles
    for name, cells in rows.items():
        assert name in ("", "ring", "azimuth", "class", "---") or cells[0] == cells[1], name
    assert rows["keyframes"] == ["3", "3"]
    counts = [float(value) for value in rows["points per scan, min / median / max"][0].split(" / ")]
    assert 34000 < counts[0] <= counts[1] <= counts[2] < 35000
    # ring 0 is the lowest of an HDL-32E: -30.67 degrees
    assert rows["0"][0].startswith("-30.") and rows["31"][0].startswith("10.")
    ahead, back = (sum(int(part) for part in rows[name][0].split(" / ")) for name in ("0°", "180°"))
    assert back > 2 * ahead  # beams without a return are filed near the sensor, to the back


def test_scans_and_classes(tmp_path, capsys):
    root = write_root(tmp_path)
    tool.main(["semantickitti", "--real", str(root), "--simulated", str(root)])
    rows = rows_of(capsys.readouterr().out)
    # 3 of 16 labelled points in 4 scans each: road of raw 40 and 60 (lane marking), cars of 252 and 10
    assert rows["road"][0].startswith("18.75 %; 1;")
    assert rows["car"][0].startswith("18.75 %; 1;")
    assert rows["points per scan, min / median / max"] == ["3 / 5 / 7"] * 2


def test_bad_input_is_one_line(tmp_path, capsys):
    for arguments, message in (
        (["nuscenes"], "expected the folder of the tables, found none"),
        (["semantickitti"], "expected"),
    ):
        with pytest.raises(SystemExit) as stop:
            tool.main([*arguments, "--real", str(tmp_path), "--simulated", str(tmp_path)])
        assert stop.value.code == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1
    write_root(tmp_path)
    with pytest.raises(SystemExit):
        tool.main(["semantickitti", "--real", str(tmp_path), "--simulated", str(tmp_path), "--limit", "0"])
    assert "--limit: expected at least 1" in capsys.readouterr().err
