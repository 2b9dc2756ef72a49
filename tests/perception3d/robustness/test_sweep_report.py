import re
from dataclasses import replace

import numpy as np
import pytest

from corruptions.core import InputError
from corruptions.suites import SEMANTICKITTI_C
from perception3d.robustness import plots
from perception3d.robustness.collect import collect
from perception3d.robustness.report import read_entries, write_report
from perception3d.robustness.rows import Score, write_atomically, write_row
from perception3d.robustness.scenes import Scene, scene_bytes, scene_path

FORMS = ("csv", "tex")
PNG = b"\x89PNG\r\n\x1a\n"


def write_run(folder, rows):
    points = np.random.default_rng(0).uniform(-40, 40, (200, 3)).astype(np.float32)
    labels = np.arange(200, dtype=np.uint8) % 4
    for row in rows:
        write_row(folder, row)
        if row.score:
            scan = Scene("08/000000", points, labels, np.zeros(200, np.uint8), labels)
            write_atomically(scene_path(folder, "semantickitti_c", row.setting["folder"]), scene_bytes(scan))


def test_a_report_of_part_of_a_suite(tmp_path, make_row):
    rows = [make_row("clean_data", 80.0), make_row("fog_light", 60.0), make_row("fog_heavy", None)]
    write_run(tmp_path, rows)
    page = write_report([tmp_path], tmp_path / "out", "python tools/report.py W")
    report = page.with_name("report.md")
    text = report.read_text()
    for part in (
        "Clean mIoU_present **80.0**, RmIoU **-**, mR **-**.",
        "Without a score: fog_moderate, fog_heavy, snowfall_light",
        "over the 3 classes that occur in the clean ground truth",
        "mean over all 4 classes",
        "- fog_heavy: `TypeError: broken`",
        "python tools/sweep.py a.py b.pth\n",
        f"checkpoint: b.pth (sha256 {'d' * 64})",
        "- scans per setting: 3 ",
        "- seed: 0",
        "python 3.11, torch 2.13",
        "time: 18 s",
        "`python tools/report.py W`",
    ):
        assert part in text
    written = {path.relative_to(report.parent).as_posix() for path in report.parent.rglob("*") if path.is_file()}
    pictures = {"before_after/fog_light.png", "heat_map.png", "overview.png", "severity.png"}
    tables = {f"{name}.{form}" for name in ("comparison", "types_score", "types_retention", "levels") for form in FORMS}
    names = pictures | {"settings.csv", "types.csv"} | tables
    assert written == {"report.html", "report.md", *(f"semantickitti_c/{name}" for name in names)}
    for name in pictures:
        assert f"(semantickitti_c/{name})" in text
        assert (report.parent / "semantickitti_c" / name).read_bytes().startswith(PNG)


def test_a_run_in_which_all_failed_still_has_a_report(tmp_path, make_row):
    write_run(tmp_path, [make_row("clean_data", None)])
    page = write_report([tmp_path], tmp_path / "out", "x")
    text = page.with_name("report.md").read_text()
    assert "- clean_data: `TypeError: broken`" in text
    assert "Before and after" not in text
    assert "<code>TypeError: broken</code>" in page.read_text()


def test_a_missing_example_scan_is_named(tmp_path, make_row):
    write_row(tmp_path, make_row("clean_data", 80.0))
    with pytest.raises(InputError, match=r"examples/semantickitti_c/clean_data\.npz: expected the example scan"):
        write_report([tmp_path], tmp_path / "out", "x")


def test_several_runs_are_compared_first(tmp_path, make_row):
    for name, clean in (("a", 80.0), ("b", 70.0)):
        write_run(tmp_path / name / "sweep", [make_row("clean_data", clean), make_row("fog_light", clean / 2)])
    runs = [tmp_path / name / "sweep" for name in ("a", "b")]
    page = write_report(runs, tmp_path / "out", "x", baseline="a (b/sweep)")
    text = page.with_name("report.md").read_text()
    # the configs have one name, so that the paths tell the runs apart
    first, second = text.index("## semantickitti_c: models compared"), text.index("## semantickitti_c: a (a/sweep)")
    assert first < second < text.index("## semantickitti_c: a (b/sweep)")
    assert "80.0** (+10.0)" in text
    assert "a (b/sweep) (baseline)" in text
    for slug in ("a-a-sweep", "a-b-sweep"):
        assert (tmp_path / "out" / "semantickitti_c" / slug / "before_after" / "fog_light.png").is_file()
    levels = (tmp_path / "out" / "semantickitti_c" / "levels.csv").read_text().splitlines()
    assert levels[0].startswith("suite,model,source,clean_data,fog_light,")
    assert levels[1].startswith("semantickitti_c,a (a/sweep),measured,80.0,40.0,,")


def test_seeds_of_a_sweep_are_models_of_their_own(tmp_path, make_row):
    for seed in (0, 1):
        write_run(tmp_path / f"seed{seed}", [make_row("clean_data", 80.0 + seed, seed=seed)])
    (entries,) = read_entries([tmp_path], ["mine"]).values()
    assert [entry.result.model for entry in entries] == ["mine, seed0", "mine, seed1"]
    assert [entry.result.score("clean_data") for entry in entries] == [80.0, 81.0]


def test_tasks_under_one_suite_have_sections_of_their_own(tmp_path, make_row):
    write_run(tmp_path / "seg", [make_row("clean_data", 80.0)])
    row = make_row("clean_data", 80.0)
    errors = dict.fromkeys(("mATE", "mASE", "mAOE", "mAVE", "mAAE"), 0.5)
    detection = Score({"NDS": 50.0, "mAP": 40.0, **errors}, {}, ["car"], [], 3, {"car": 40.0})
    write_row(tmp_path / "det", replace(row, score=detection))
    page = write_report([tmp_path / "seg", tmp_path / "det"], tmp_path / "out", "x", ["a", "b"], "a")
    text = page.read_text()
    for task in ("segmentation", "detection"):
        assert f'<section id="semantickitti_c_{task}" class="suite">' in text
        assert (tmp_path / "out" / f"semantickitti_c_{task}" / "heat_map.png").is_file()
    assert text.count("small: difference to a") == 1  # the baseline is in one of them


def test_names_that_do_not_fit(tmp_path, make_row):
    for name in ("a", "b"):
        write_run(tmp_path / name, [make_row("clean_data", 80.0)])
    runs, out = [tmp_path / "a", tmp_path / "b"], tmp_path / "out"
    with pytest.raises(InputError, match="--names: expected one for each of the 2 runs, found 1"):
        write_report(runs, out, "x", names=["mine"])
    with pytest.raises(InputError, match="--names: expected names that differ, found mine, mine"):
        write_report(runs, out, "x", names=["mine", "mine"])
    with pytest.raises(InputError, match="baseline 'mime'.*mine"):
        write_report(runs, out, "x", names=["mine", "theirs"], baseline="mime")
    with pytest.raises(InputError, match="expected each run once"):
        write_report([runs[0], runs[0]], out, "x")
    assert not out.exists()


def test_models_of_similar_names_have_folders_of_their_own(tmp_path, make_row):
    for name in ("a", "b"):
        write_run(tmp_path / name, [make_row("clean_data", 80.0)])
    write_report([tmp_path / "a", tmp_path / "b"], tmp_path / "out", "x", names=["m 1", "m/1"])
    assert {path.name for path in (tmp_path / "out" / "semantickitti_c").iterdir() if path.is_dir()} == {
        "m-1-1", "m-1-2"
    }  # fmt: skip


def test_the_heat_map_shows_the_numbers_of_the_rows(all_rows):
    del all_rows["snowfall_light"]
    table = collect(SEMANTICKITTI_C, all_rows)
    axis = plots.heat_map(table).axes[0]
    # the class that does not occur in the clean ground truth is left out
    assert [label.get_text() for label in axis.get_xticklabels()] == ["mIoU_present", "R", "road", "building", "car"]
    assert [label.get_text() for label in axis.get_yticklabels()] == [line.folder for line in table.lines]
    shown = {(round(text.get_position()[1]), round(text.get_position()[0])): text.get_text() for text in axis.texts}
    assert [shown[0, column] for column in range(5)] == ["80.0", "100.0", "85.0", "80.0", "75.0"]
    assert [shown[3, column] for column in range(5)] == ["68.0", "85.0", "73.0", "68.0", "63.0"]
    assert {shown[4, column] for column in range(5)} == {"-"}


def test_the_curves_start_at_the_clean_score(all_rows):
    del all_rows["snowfall_moderate"]
    axes = plots.severity_curves(collect(SEMANTICKITTI_C, all_rows)).axes
    assert [axis.get_title() for axis in axes][:3] == ["fog", "snowfall", "local distortion"]
    assert axes[0].lines[0].get_ydata().tolist() == [80, 76, 72, 68]
    np.testing.assert_array_equal(axes[1].lines[0].get_ydata(), [80, 64, np.nan, 56])
    assert [label.get_text() for label in axes[4].get_xticklabels()] == ["clean", "dense", "sparse"]


def test_curves_of_two_models_stand_in_one_picture(tmp_path, make_row):
    kept = {"1000": 76.0, "100": 64.0, "20": 16.0}
    for name, loss in (("a", 0.0), ("b", 4.0)):
        rows = {"clean": 80.0, **{f"visibility_m={value}": score - loss for value, score in kept.items()}}
        for folder, score in rows.items():
            row = make_row("clean_data", score, suite="curve_weather.visibility_m")
            setting = {**row.setting, "folder": folder, "type": "weather"}
            write_row(tmp_path / name / "curves", replace(row, setting=setting))
    runs = [tmp_path / name for name in ("a", "b")]
    page = write_report(runs, tmp_path / "out", "x", names=["first", "second"], share=50.0)
    text = page.read_text()
    (table,) = re.findall(r'<th scope="col">curve</th>.*?</table>', text, re.DOTALL)
    cells = re.findall(r">([^<\n]+)</t[hd]>", table)
    assert cells[:7] == ["curve", "clean", "below 50 % at", "area %", "1000", "100", "20"]
    # on the logarithm of the value: from 80 % at 100 m to 20 % at 20 m, 50 % is half-way, at sqrt(100 x 20) = 44.7 m
    assert cells[7:10] == ["first", "80.0", "44.7"]
    # 95, 80, 20 % over steps of ln 10 and ln 5: (87.5 ln 10 + 50 ln 5) / ln 50
    assert float(cells[10]) == pytest.approx((87.5 * np.log(10) + 50 * np.log(5)) / np.log(50), abs=0.05)
    assert cells[11:15] == ["76.0", "64.0", "16.0", "second"]
    markdown = page.with_name("report.md").read_text()
    assert "Below 50 % of clean: visibility_m = 44.7" in markdown
    assert (tmp_path / "out" / "curves" / "curve_weather.visibility_m.png").read_bytes().startswith(PNG)
