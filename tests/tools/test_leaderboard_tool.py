import importlib.util
import json
from pathlib import Path

import pytest
from sweep_world import write_world

ROOT = Path(__file__).resolve().parents[2]
README = "# Scores\n\n<!-- results: semantickitti_c -->\n<!-- end of results -->\n\nThe end.\n"


def load(name):
    spec = importlib.util.spec_from_file_location(f"{name}_tool", ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    config, checkpoint = write_world(folder)
    load("sweep").main([str(config), str(checkpoint), "--work-dir", str(folder), "--corruptions", "32beam"])
    return folder


def test_from_a_sweep_to_the_table(run_folder, tmp_path, capsys):
    leaderboard = load("leaderboard")
    results = ["--results", str(tmp_path / "results")]
    readme = tmp_path / "README.md"
    readme.write_text(README)
    add = ["add", str(run_folder), "--model", "Heights", "--dataset", "Street", "--note", "Three scans."]
    assert leaderboard.main([*add, *results]) == 0
    path = tmp_path / "results" / "semantickitti_c" / "heights_street.json"
    assert capsys.readouterr().out == f"written: {path}\n"
    assert leaderboard.main(["tables", str(readme), "--check", *results]) == 1
    assert readme.read_text() == README
    assert leaderboard.main(["tables", str(readme), *results]) == 0
    assert leaderboard.main(["tables", str(readme), "--check", *results]) == 0
    text = readme.read_text()
    assert text.startswith("# Scores\n")
    assert text.endswith("\n\nThe end.\n")
    row = json.loads((run_folder / "rows" / "semantickitti_c" / "clean_data.json").read_text())
    (line,) = (line for line in text.splitlines() if line.startswith("| Heights"))
    name, source, clean, *others = (cell.strip() for cell in line.strip("|").split("|"))
    assert source == "measured [1]"
    assert float(clean) == round(row["score"]["metrics"]["mIoU_present"], 1)
    assert len(others) == 1  # 32beam: RmIoU and mR need all types, and columns without a number are left out
    assert "1. Measured with this project, corruption engine" in text
    assert "Three scans." in text
    stored = json.loads(path.read_text())
    assert stored["checkpoint"] == row["fingerprint"]["checkpoint"]
    assert stored["settings"]["clean_data"]["acc"] == round(row["score"]["metrics"]["acc"], 4)


def test_bad_input_is_one_line(tmp_path, capsys):
    leaderboard = load("leaderboard")
    assert leaderboard.main(["add", str(tmp_path), "--model", "m", "--dataset", "d"]) == 2
    assert "expected rows of a sweep" in capsys.readouterr().err
    assert leaderboard.main(["tables", str(tmp_path / "none.md"), "--results", str(tmp_path)]) == 2
    assert "none.md: expected a README with tables, found no file" in capsys.readouterr().err
