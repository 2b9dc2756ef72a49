import csv
import io

import pytest

from corruptions.core import InputError
from corruptions.suites import SEMANTICKITTI_C
from perception3d.robustness.collect import collect, settings_csv, settings_markdown, types_csv, types_markdown


def cells(markdown):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines()]


def test_scores_against_hand_arithmetic(all_rows):
    table = collect(SEMANTICKITTI_C, all_rows)
    assert table.clean.metric("mIoU_present") == 80
    # levels cancel within a type: R = 72/80, 60/80, 40/80, 76/80, 64/80, 48/80
    assert {line.name: line.headline for line in table.types} == pytest.approx(
        {"fog": 72, "snowfall": 60, "local_distortion": 40, "global_outliers": 76, "32beam": 64, "16beam": 48}
    )
    assert [line.r for line in table.types] == pytest.approx([90, 75, 50, 95, 80, 60])
    assert table.overall.headline == pytest.approx(60)  # (72 + 60 + 40 + 76 + 64 + 48) / 6 = 360 / 6
    assert table.overall.r == pytest.approx(75)  # (90 + 75 + 50 + 95 + 80 + 60) / 6 = 450 / 6
    assert table.overall.second == pytest.approx(45)  # three quarters of 60
    fog_light = table.settings[0]
    assert (fog_light.folder, fog_light.metric("mIoU_present"), fog_light.r) == ("fog_light", 76, pytest.approx(95))


def test_tables_for_people(all_rows):
    table = collect(SEMANTICKITTI_C, all_rows)
    lines = cells(types_markdown(table))
    assert lines[0] == ["type", "mIoU_present", "R", "mIoU"]
    assert lines[2] == ["clean", "80.0", "100.0", "60.0"]
    assert lines[3] == ["fog", "72.0", "90.0", "54.0"]
    assert lines[-1] == ["**RmIoU, mR**", "60.0", "75.0", "45.0"]
    lines = cells(settings_markdown(table))
    assert lines[0] == ["setting", "mIoU_present", "R", "mIoU", "acc", "s/scan"]
    assert lines[5] == ["fog_heavy", "68.0", "85.0", "51.0", "90.0", "2.00"]
    assert len({len(line) for line in settings_markdown(table).splitlines()}) == 1


@pytest.mark.parametrize("failed", [True, False])
def test_a_missing_setting_takes_every_mean_over_it_along(all_rows, make_row, failed):
    del all_rows["fog_moderate"]
    if failed:
        all_rows["fog_moderate"] = make_row("fog_moderate", None)
    table = collect(SEMANTICKITTI_C, all_rows)
    assert [line.headline is None for line in table.types] == [True] + [False] * 5
    assert (table.types[0].r, table.overall.headline, table.overall.r) == (None, None, None)
    lines = cells(settings_markdown(table))
    name = "fog_moderate (failed)" if failed else "fog_moderate"
    assert lines[4] == [name, "-", "-", "-", "-", "2.00" if failed else "-"]
    assert cells(types_markdown(table))[3] == ["fog", "-", "-", "-"]
    assert cells(types_markdown(table))[-1] == ["**RmIoU, mR**", "-", "-", "-"]


def test_without_the_clean_score_there_is_no_r(all_rows):
    del all_rows["clean_data"]
    table = collect(SEMANTICKITTI_C, all_rows)
    assert table.overall.headline == pytest.approx(60)
    assert table.overall.r is None
    assert {line.r for line in table.lines} == {None}


def test_csv_holds_the_numbers_of_the_rows(all_rows):
    del all_rows["snowfall_heavy"]
    table = collect(SEMANTICKITTI_C, all_rows)
    lines = {line["setting"]: line for line in csv.DictReader(io.StringIO(settings_csv(table)))}
    assert list(lines) == ["clean_data", *(setting.folder for setting in SEMANTICKITTI_C.settings)]
    for folder, row in all_rows.items():
        assert float(lines[folder]["mIoU"]) == row.score.metrics["mIoU"]
        assert float(lines[folder]["IoU car"]) == row.score.class_iou["car"]
        assert lines[folder]["IoU truck"] == ""
    assert lines["snowfall_heavy"]["mIoU_present"] == lines["snowfall_heavy"]["R"] == ""
    types = {line["type"]: line for line in csv.DictReader(io.StringIO(types_csv(table)))}
    assert float(types["fog"]["R"]) == pytest.approx(90)
    assert types["snowfall"]["R"] == types["RmIoU, mR"]["R"] == ""


def test_rows_of_two_runs_make_no_table(all_rows, make_row):
    all_rows["fog_heavy"] = make_row("fog_heavy", 50.0, seed=1)
    with pytest.raises(InputError, match="expected one run, found rows of 2"):
        collect(SEMANTICKITTI_C, all_rows)


def test_rows_of_no_setting_are_refused(make_row):
    with pytest.raises(InputError, match="unknown setting 'fog_hevy' .*did you mean fog_heavy"):
        collect(SEMANTICKITTI_C, {"fog_hevy": make_row("fog_heavy", 50.0)})
