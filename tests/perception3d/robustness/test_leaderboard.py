import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from corruptions.core import InputError
from corruptions.scores import mce, mra
from perception3d.robustness.comparison import (
    grid_csv,
    grid_latex,
    grid_markdown,
    latex_text,
    make_grid,
    overall_columns,
)
from perception3d.robustness.leaderboard import README, RESULTS, with_tables
from perception3d.robustness.results import QUOTED, layout_of, read_result, read_results, result_of_rows, write_result

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def published():
    """The results of the repository by suite and model."""
    results = read_results(ROOT / RESULTS)
    return {suite: {(r.model, r.dataset): r for r in of_suite} for suite, of_suite in results.items()}


@pytest.fixture
def result(all_rows):
    return result_of_rows(all_rows, "Mine & yours", "SemanticKITTI", "val")


def test_the_tables_of_the_readme_are_those_of_the_files():
    text = (ROOT / README).read_text()
    assert with_tables(text, read_results(ROOT / RESULTS), ROOT / README) == text


def test_each_file_has_the_documented_keys():
    text = (ROOT / README).read_text()
    documented = set(re.findall(r"`([\w.]+)`", "".join(re.findall(r"^\| (`.+?) \|", text, re.MULTILINE))))
    documented = {key.removeprefix("source.") for key in documented}
    for path in (ROOT / RESULTS).glob("*/*.json"):
        data = json.loads(path.read_text())
        assert {*data, *data["source"]} - {"source"} == documented


def test_published_means_follow_from_their_parts(published):
    assert len(published["semantickitti_c"]) >= 12
    for result in published["semantickitti_c"].values():
        if result.source.kind != QUOTED:
            continue
        means = [result.types[kind]["mIoU"] for kind in layout_of("semantickitti_c").types]
        assert result.summary["RmIoU"] == pytest.approx(sum(means) / 6, abs=0.1)
        clean = result.settings["clean_data"]["mIoU"]
        assert result.summary["mR"] == pytest.approx(sum(100 * mean / clean for mean in means) / 6, abs=0.1)


def test_published_errors_follow_from_those_of_the_baseline(published):
    kitti = {model: result for (model, data), result in published["robo3d"].items() if data == "SemanticKITTI"}
    base = {kind: [kitti["MinkUNet18"].types[kind]["mIoU"]] for kind in layout_of("robo3d").types}
    assert len(kitti) >= 23
    for result in kitti.values():
        if result.source.kind == QUOTED:
            own = {kind: [result.types[kind]["mIoU"]] for kind in base}
            assert result.summary["mCE"] == pytest.approx(mce(own, base), abs=0.05)
            clean = result.settings["clean"]["mIoU"]
            assert result.summary["mRR"] == pytest.approx(sum(100 * v[0] / clean for v in own.values()) / 8, abs=0.05)


def test_published_levels_give_the_published_resistance(published):
    for model, printed in (("CMT", 0.865), ("MEFormer", 0.856)):
        result = published["multicorrupt"][model, "nuScenes"]
        levels = {
            kind: [result.settings[folder]["NDS"] for folder, _ in settings]
            for kind, settings in layout_of("multicorrupt").types.items()
        }
        assert mra(levels, result.settings["clean"]["NDS"]) == pytest.approx(printed, abs=6e-4)
        assert result.summary["mRA"] == pytest.approx(100 * printed)


def test_a_result_survives_its_file(tmp_path, result):
    path = write_result(result, tmp_path)
    assert path == tmp_path / "semantickitti_c" / "mine-yours_semantickitti.json"
    again = read_result(path)
    assert again == result
    assert again.summary == {"RmIoU": 60.0, "mR": 75.0}
    assert read_results(tmp_path) == {"semantickitti_c": [result]}


def changed(tmp_path, result, change):
    path = write_result(result, tmp_path)
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    return path


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda data: data.update(schema=2), "expected schema 1, found 2"),
        (lambda data: data.update(task="depth"), "task 'depth'"),
        (lambda data: data.update(extra=1), "unexpected keyword argument 'extra'"),
        (lambda data: data.pop("seed"), "seed"),
        (lambda data: data.update(model=""), "model ''"),
        (lambda data: data.update(checkpoint="abc"), "no sha256"),
        (lambda data: data["source"].update(kind="guessed"), "source kind 'guessed'"),
        (lambda data: data["source"].update(kind="quoted"), "without citation"),
        (lambda data: data["settings"].update(fog={"mIoU": 1.0}), "setting 'fog', which semantickitti_c has not"),
        (lambda data: data["types"].update(rain={"mIoU": 1.0}), "type 'rain'"),
        (lambda data: data["summary"].update(mR="75"), "mR = '75', no number"),
        (lambda data: data["summary"].update(mR=True), "mR = True, no number"),
        (
            lambda data: data["types"]["fog"].update(mIoU_present=71.9),
            "fog mIoU_present 71.9 where its parts give 72.0",
        ),
        (lambda data: data["types"]["fog"].update(R=90.5), "fog R 90.5 where its parts give 90.0"),
        (lambda data: data["summary"].update(RmIoU=61.0), "RmIoU 61.0 where its parts give 60.0"),
    ],
)
def test_faults_of_a_file_are_named(tmp_path, result, change, fault):
    path = changed(tmp_path, result, change)
    with pytest.raises(InputError, match=re.escape(fault)) as raised:
        read_result(path)
    assert str(raised.value).startswith(f"{path}: expected")


def test_files_that_hold_no_result(tmp_path, result):
    with pytest.raises(InputError, match="found no file"):
        read_result(tmp_path / "none.json")
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(InputError, match="found another file"):
        read_result(tmp_path / "list.json")
    write_result(result, tmp_path).rename(tmp_path / "semantickitti_c" / "other.json")
    with pytest.raises(InputError, match="expected the name semantickitti_c/mine-yours_semantickitti.json"):
        read_results(tmp_path)


def test_missing_settings_leave_no_mean(make_row):
    result = result_of_rows({"clean_data": make_row("clean_data", 80.0), "fog_light": make_row("fog_light", 60.0)}, "m")
    assert result.types["fog"] == {"mIoU": None, "mIoU_present": None, "acc": None, "R": None}
    assert result.summary == {"RmIoU": None, "mR": None}


def test_a_readme_without_markers_or_with_an_unknown_suite(result):
    with pytest.raises(InputError, match="expected tables between"):
        with_tables("# Title\n", {"semantickitti_c": [result]}, Path("README.md"))
    with pytest.raises(InputError, match="'semantickiti_c'.*semantickitti_c"):
        text = "<!-- results: semantickiti_c -->\n<!-- end of results -->"
        with_tables(text, {"semantickitti_c": [result]}, Path("README.md"))


@pytest.fixture
def grid(result, make_row, all_rows):
    """The result as the baseline, another two points better, and a third with one setting."""
    better = {folder: make_row(folder, row.score.metrics["mIoU_present"] + 2) for folder, row in all_rows.items()}
    others = [result_of_rows(better, "a_b|c"), result_of_rows({"clean_data": make_row("clean_data", 10.0)}, "part")]
    columns = overall_columns(layout_of("semantickitti_c"), "segmentation", "mIoU_present", result)
    return make_grid("Overall", columns, [result, *others], result)


def test_markdown_shows_best_and_difference(grid):
    lines = grid_markdown(grid).splitlines()
    assert [line.count("|") - line.count(r"\|") for line in lines] == [9] * 5
    cells = [cell.strip() for cell in lines[3].replace(r"\|", "/").strip("|").split("|")]
    assert cells[:3] == ["a_b/c", "**82.0** (+2.0)", "**62.0** (+2.0)"]
    assert [cell.strip() for cell in lines[4].strip("|").split("|")][2:] == ["-"] * 6


def test_csv_has_all_digits(grid):
    header, *lines = csv.reader(grid_csv(grid, "semantickitti_c").splitlines())
    assert header == ["suite", "model", "source", "clean", "RmIoU", "mR", "mCE", "weather", "noise", "device"]
    assert lines[0][:6] == ["semantickitti_c", "Mine & yours", "measured", "80.0", "60.0", "75.0"]
    # mR of the better one: (74 + 62 + 42 + 78 + 66 + 50) / 6 = 62 of 82
    assert float(lines[1][5]) == pytest.approx(100 * 62 / 82)
    assert lines[2][4:] == [""] * 6


def test_latex_is_balanced_and_escaped(grid):
    text = grid_latex(grid, "50 % of a_b")
    assert text.count(r"\begin{") == text.count(r"\end{") == 2
    assert re.findall(r"\\(\w+rule)", text) == ["toprule", "midrule", "bottomrule"]
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    rows = [line for line in body.splitlines() if line.endswith(r"\\")]
    columns = re.search(r"\\begin\{tabular\}\{(\w+)\}", text)[1]
    assert len(rows) == 4
    for row in rows:
        assert len(re.findall(r"(?<!\\)&", row)) + 1 == len(columns) == 8
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", text):
        depth += 1 if brace == "{" else -1
        assert depth >= 0
    assert depth == 0
    assert r"Mine \& yours" in text
    assert r"a\_b\textbar{}c & \textbf{82.0}" in text
    assert r"\caption{50 \% of a\_b}" in text
    assert not re.search(r"(?<![\\])[%#$_^~]", re.sub(r"^% .*$", "", text, flags=re.MULTILINE))


def test_every_special_character_of_latex_is_escaped():
    assert latex_text(r"\{}") == r"\textbackslash{}\{\}"
    assert latex_text("~^<>|") == r"\textasciitilde{}\textasciicircum{}\textless{}\textgreater{}\textbar{}"
    assert latex_text("&%$#_") == r"\&\%\$\#\_"


def test_results_of_other_data_have_neither_difference_nor_rank(result):
    other = replace(result, model="other", data="f" * 64)
    columns = overall_columns(layout_of("semantickitti_c"), "segmentation", "mIoU_present", result)
    made = make_grid("", columns, [result, other], result)
    assert {cell.difference for line in made.lines for cell in line.cells} == {""}
    assert not any(cell.best for line in made.lines for cell in line.cells)
