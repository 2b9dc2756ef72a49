import numpy as np
import pytest

from corruptions.core import InputError
from corruptions.suites import SEMANTICKITTI_C
from perception3d.robustness import plots
from perception3d.robustness.collect import collect
from perception3d.robustness.report import write_report
from perception3d.robustness.rows import write_atomically, write_row
from perception3d.robustness.scenes import Scene, scene_bytes, scene_path

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
    report = write_report(tmp_path, tmp_path / "out", "python tools/report.py W")
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
    names = pictures | {"settings.csv", "types.csv"}
    assert written == {"report.md", *(f"semantickitti_c/{name}" for name in names)}
    for name in pictures:
        assert f"(semantickitti_c/{name})" in text
        assert (report.parent / "semantickitti_c" / name).read_bytes().startswith(PNG)


def test_a_run_in_which_all_failed_still_has_a_report(tmp_path, make_row):
    write_run(tmp_path, [make_row("clean_data", None)])
    text = write_report(tmp_path, tmp_path / "out", "x").read_text()
    assert "- clean_data: `TypeError: broken`" in text
    assert "Before and after" not in text


def test_a_missing_example_scan_is_named(tmp_path, make_row):
    write_row(tmp_path, make_row("clean_data", 80.0))
    with pytest.raises(InputError, match=r"examples/semantickitti_c/clean_data\.npz: expected the example scan"):
        write_report(tmp_path, tmp_path / "out", "x")


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
