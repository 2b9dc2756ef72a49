import numpy as np
import pytest

from corruptions.core import InputError
from corruptions.suites import SEMANTICKITTI_C, select
from perception3d.robustness.plan import clean_setting
from perception3d.robustness.rows import Fingerprint, Score, read_rows
from perception3d.robustness.run import duration, message, run_settings, score_setting
from perception3d.robustness.scenes import Scene, read_scene, scene_path

FINGERPRINT = Fingerprint("semantickitti_c", 0, "c", "d", "e", "1.0.0")
SCENE = Scene("08/000000", np.zeros((2, 3), np.float32), np.zeros(2, np.uint8), np.zeros(2, np.uint8), None)
SCORE = Score({"mIoU": 30.0, "mIoU_present": 40.0, "acc": 90.0}, {"road": 40.0}, ["road"], [[1, 0]], 2)
LOCAL = select(SEMANTICKITTI_C, ["local_distortion"])


def run(todo, evaluate, folder):
    lines = []
    results = (score_setting(setting, evaluate, FINGERPRINT, {"command": "x"}) for setting in todo)
    rows = run_settings(todo, results, folder, lines.append)
    return rows, lines


def test_each_setting_leaves_its_row_and_its_example_scan(tmp_path):
    rows, lines = run(LOCAL, lambda setting: (SCORE, SCENE), tmp_path)
    assert read_rows(tmp_path, "semantickitti_c") == {row.setting["folder"]: row for row in rows}
    assert [row.setting["severity"] for row in rows] == ["light", "moderate", "heavy"]
    assert rows[0].score == SCORE
    assert rows[0].run["command"] == "x"
    assert rows[0].run["seconds"] >= rows[0].run["seconds_per_scan"] >= 0
    assert read_scene(scene_path(tmp_path, "semantickitti_c", "local_heavy")).sample == "08/000000"
    assert lines[0].startswith("[1/3] local_light        mIoU_present  40.0  mIoU  30.0  acc  90.0")
    assert lines[2].endswith("ETA 0 s")


def test_a_failing_setting_leaves_an_error_row_and_the_others_go_on(tmp_path):
    def evaluate(setting):
        if setting.severity == "moderate":
            raise ZeroDivisionError("float division by zero\nmore")
        return SCORE, SCENE

    rows, lines = run(LOCAL, evaluate, tmp_path)
    assert [row.score is None for row in rows] == [False, True, False]
    assert rows[1].error["message"] == "ZeroDivisionError: float division by zero"
    assert "in evaluate" in rows[1].error["traceback"]
    assert "local_moderate" in lines[1]
    assert "FAILED: ZeroDivisionError: float division by zero" in lines[1]
    assert read_rows(tmp_path, "semantickitti_c")["local_moderate"] == rows[1]
    assert not scene_path(tmp_path, "semantickitti_c", "local_moderate").exists()


def test_bad_clean_scans_end_the_sweep_before_any_row(tmp_path):
    def evaluate(setting):
        raise InputError("08/velodyne/000001.bin: expected finite values")

    with pytest.raises(InputError, match="expected finite values"):
        run([clean_setting(SEMANTICKITTI_C), *LOCAL], evaluate, tmp_path)
    assert list(tmp_path.iterdir()) == []
    rows, _ = run(LOCAL[:1], evaluate, tmp_path)  # a corruption that refuses its parameters costs one row
    assert rows[0].error["message"].startswith("InputError: 08/velodyne")


def test_an_interruption_keeps_the_finished_rows(tmp_path):
    def evaluate(setting):
        if setting.severity == "heavy":
            raise KeyboardInterrupt
        return SCORE, SCENE

    with pytest.raises(KeyboardInterrupt):
        run(LOCAL, evaluate, tmp_path)
    assert sorted(read_rows(tmp_path, "semantickitti_c")) == ["local_light", "local_moderate"]
    assert len(list((tmp_path / "rows" / "semantickitti_c").iterdir())) == 2


def test_rows_that_cannot_be_written_end_the_sweep(tmp_path):
    (tmp_path / "rows").write_text("in the way")
    with pytest.raises(InputError, match="expected to write this file"):
        run(LOCAL, lambda setting: (SCORE, SCENE), tmp_path)


def test_errors_of_dataloader_workers_name_the_cause():
    worker = (
        "Caught InputError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n"
        '  File "x.py", line 1\ncorruptions.core.InputError: a.bin: expected a file\n'
    )
    assert message(InputError(worker)) == "corruptions.core.InputError: a.bin: expected a file"
    assert message(ValueError("")) == "ValueError: no message"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (3599, "59 min 59 s"), (7500, "2 h 05 min")],
)
def test_durations_for_people(seconds, text):
    assert duration(seconds) == text
