import importlib.util
import json
from html import escape
from pathlib import Path

import pytest
from sweep_world import write_world

ROOT = Path(__file__).resolve().parents[2]


def load(name):
    spec = importlib.util.spec_from_file_location(f"{name}_tool", ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    config, checkpoint = write_world(folder)
    load("sweep").main(
        [str(config), str(checkpoint), "--work-dir", str(folder), "--corruptions", "local_light", "dense_32beam"]
    )
    return folder


def test_the_report_shows_the_numbers_of_the_rows(run_folder, capsys):
    assert load("report").main([str(run_folder)]) == 0
    report = run_folder / "report" / "report.md"
    assert capsys.readouterr().out == f"report: {report.with_name('report.html')}\ntext:   {report}\n"
    text = report.read_text()
    page = report.with_name("report.html").read_text()
    table = (run_folder / "semantickitti_c.md").read_text()
    for part in table.strip().split("\n\n"):
        assert part in text
    for folder in ("clean_data", "local_light", "dense_32beam"):
        row = json.loads((run_folder / "rows" / "semantickitti_c" / f"{folder}.json").read_text())
        line = next(line for line in text.splitlines() if line.startswith(f"| {folder} "))
        assert float(line.split("|")[2]) == round(row["score"]["metrics"]["mIoU_present"], 1)
        assert row["run"]["command"] in text
        assert f'<th scope="row">{folder}</th>' in page
        assert escape(row["run"]["command"]) in page
    pictures = report.parent / "semantickitti_c"
    assert sorted(path.name for path in (pictures / "before_after").iterdir()) == [
        "dense_32beam.png",
        "local_light.png",
    ]


def test_bad_input_is_one_line(run_folder, tmp_path, capsys):
    report = load("report")
    assert report.main([str(tmp_path)]) == 2
    assert "expected rows of a sweep" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert report.main([str(run_folder), "--out", str(tmp_path / "file")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {tmp_path}/file/semantickitti_c/comparison.csv: expected to write this file")


def test_a_run_beside_a_published_result(run_folder, tmp_path, capsys):
    quoted = ROOT / "configs" / "robustness" / "results" / "semantickitti_c" / "rlseg_semantickitti_quoted.json"
    arguments = [str(run_folder), str(quoted), "--names", "mine", "RLSeg", "--out", str(tmp_path / "out")]
    assert load("report").main([*arguments, "--baseline", "mine"]) == 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert '<span class="tag">quoted</span>' in page
    assert "Benchmarking the Robustness of LiDAR Semantic Segmentation Models" in page
    assert "RLSeg (quoted)" in (tmp_path / "out" / "report.md").read_text()
    assert load("report").main([*arguments, "--baseline", "other"]) == 2
    assert "other" in capsys.readouterr().err
