"""A study with tools that only leave what the real ones leave; one cell by the real ones."""

import fcntl
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sweep_world import CONFIG, write_world

from corruptions.core import InputError
from corruptions.suites import SEMANTICKITTI_C
from perception3d.launch import run
from perception3d.robustness.rows import Fingerprint, Row, Score, write_row
from perception3d.robustness.study import cells_of, locked, read_study, state

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = [SEMANTICKITTI_C.clean_folder, *(setting.folder for setting in SEMANTICKITTI_C.settings)]
TRAINING = """
train_cfg = dict(type="IterBasedTrainLoop", max_iters=4)
"""


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("study_tool", ROOT / "tools" / "study.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def study(tmp_path):
    """A study of two models, the second with two seeds."""
    config = CONFIG.format(root=str(tmp_path), ann_file="infos.pkl") + TRAINING
    for name in ("plain_1xb1.py", "robust_1xb1.py"):
        (tmp_path / name).write_text(config)
    path = tmp_path / "study.yaml"
    path.write_text("suite: semantickitti_c\nmodels:\n  plain_1xb1.py: [0]\n  robust_1xb1.py: [0, 3]\n")
    return path


def leave_checkpoint(folder, step):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"iter_{step}.pth").write_bytes(b"weights")
    (folder / "last_checkpoint").write_text(str(folder / f"iter_{step}.pth"))


def leave_row(folder, setting, miou):
    score = Score({"mIoU": miou, "mIoU_present": miou, "acc": miou}, {"road": miou}, ["road"], [[1, 0]], 1)
    fingerprint = Fingerprint("semantickitti_c", 0, "c", "w", "d", "1")
    write_row(folder, Row({"folder": setting}, fingerprint, score, None, {"seconds": 1, "seconds_per_scan": 1}))


class Tools:
    """Stands for train.py and sweep.py: leaves their files, remembers the calls, and fails where told to."""

    def __init__(self, failing=()):
        self.failing = failing
        self.calls = []

    def __call__(self, cell, step, command, lock):
        self.calls.append((cell.model, cell.seed, step))
        if (cell.model, step) in self.failing:
            return False
        if step == "train":
            assert command[1:] == [str(cell.config_file), "--work-dir", str(cell.train_dir), "--resume"]
            assert f"seed={cell.seed}" in cell.config_file.read_text()
            leave_checkpoint(cell.train_dir, 4)
        else:
            assert command[2] == str(cell.train_dir / "iter_4.pth")
            # clean 80, every setting 40 for "plain"; 10 more for "robust", 4 more for its second seed
            gain = (10 if cell.model == "robust" else 0) + (4 if cell.seed else 0)
            for setting in SETTINGS:
                leave_row(cell.sweep_dir, setting, (80 if setting == "clean_data" else 40) + gain)
        return True


@pytest.fixture
def command(tool, study, monkeypatch, capsys):
    """Runs the tool; returns exit status and what it printed."""

    def call(*options, tools=None):
        monkeypatch.setattr(tool, "run_step", tools or Tools())
        try:
            run(lambda: tool.main([str(study), "--work-dir", str(study.parent / "work"), *options]))
        except SystemExit as stop:
            return stop.code, capsys.readouterr()
        return 0, capsys.readouterr()

    return call


def line_of(text, model):
    return next([cell.strip() for cell in row.split("|")[1:-1]] for row in text.splitlines() if f"| {model} " in row)


def test_every_cell_is_trained_and_swept_first_seeds_first(command, study):
    tools = Tools()
    status, said = command(tools=tools)
    assert status == 0
    cells = [("plain", 0), ("robust", 0), ("robust", 3)]
    assert tools.calls == [(*cell, step) for cell in cells for step in ("train", "sweep")]
    # R of every type 50 % for "plain"; 50 / 90 and 54 / 94 for the seeds of "robust": mean 56.5 +- 1.3
    assert line_of(said.out, "plain") == ["plain", "80.0", "40.0", "50.0", *["40.0"] * 6, "1/1", "0"]
    robust = line_of(said.out, "robust")
    assert robust[:4] == ["robust", "92.0 +- 2.8", "52.0 +- 2.8", "56.5 +- 1.3"]
    assert robust[-2] == "2/2"
    assert (study.parent / "work/table.md").read_text().strip() in said.out


def test_finished_cells_are_skipped_and_unfinished_ones_show_a_dash(command):
    first = Tools(failing=[("robust", "train")])
    status, said = command(tools=first)
    assert status == 1
    assert "robust_1xb1 seed 0, robust_1xb1 seed 3" in said.err
    assert line_of(said.out, "robust")[1:] == [*["-"] * 9, "0/2", "-"]
    second = Tools(failing=[("robust", "sweep")])
    assert command(tools=second)[0] == 1
    assert {call[0] for call in second.calls} == {"robust"}
    third = Tools()
    assert command(tools=third)[0] == 0
    assert third.calls == [("robust", 0, "sweep"), ("robust", 3, "sweep")]


def test_a_part_of_the_study(command):
    tools = Tools()
    status, said = command("--models", "robust", "--seeds", "5", tools=tools)
    assert status == 0
    assert {call[:2] for call in tools.calls} == {("robust", 5)}
    assert line_of(said.out, "plain")[1] == "-"  # the table is always of the whole study
    status, said = command("--models", "robsut")
    assert status == 2
    assert "did you mean robust_1xb1" in said.err


def test_dry_run_says_how_far_each_cell_is_and_touches_nothing(command, study):
    status, said = command("--dry-run")
    assert status == 0
    assert "plain_1xb1 seed 0: to train" in said.out
    assert not (study.parent / "work").exists()
    command(tools=Tools(failing=[("robust", "sweep")]))
    cells = cells_of(read_study(study), study.parent / "work")
    leave_checkpoint(cells[1].train_dir, 2)
    assert [state(cell, SEMANTICKITTI_C) for cell in cells] == [
        "done",
        "trained iter 2 of 4",
        "trained, swept 0 of 17 settings",
    ]


def test_a_cell_that_another_process_works_on_is_left_to_it(command, study):
    cell = cells_of(read_study(study), study.parent / "work")[1]
    cell.folder.mkdir(parents=True)
    tools = Tools()
    with (cell.folder / ".lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        status, said = command(tools=tools)
    assert status == 0
    assert "robust_1xb1 seed 0: another process works on it" in said.out
    assert {call[:2] for call in tools.calls} == {("plain", 0), ("robust", 3)}
    tools = Tools()
    command(tools=tools)
    assert {call[:2] for call in tools.calls} == {("robust", 0)}


def test_the_lock_lives_as_long_as_a_child_that_holds_it(study):
    cell = cells_of(read_study(study), study.parent / "work")[0]
    with locked(cell) as lock:
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lock,))
    with locked(cell) as again:
        assert again is None
    child.communicate(b"\n")
    with locked(cell) as free:
        assert free is not None


def test_a_cell_begun_with_other_settings_is_refused(command):
    assert command()[0] == 0
    status, said = command("--cfg-options", "train_cfg.max_iters=9")
    assert status == 2
    assert "max_iters=9" in said.err
    assert "max_iters=4" in said.err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("suite: semantickitti_c\nmodels:\n  plane_1xb1.py: [0]\n", "plain_1xb1.py"),
        ("suite: robo4d\nmodels:\n  plain_1xb1.py: [0]\n", "robo3d"),
        ("suite: semantickitti_c\nmodels:\n  plain_1xb1.py: 0\n", "list of seeds"),
        ("suite: semantickitti_c\n", "expected the keys"),
        ("suite: [", "expected YAML"),
    ],
)
def test_bad_study_files(study, text, says):
    study.write_text(text)
    with pytest.raises(InputError, match=says):
        read_study(study)


def test_short_names_must_differ(study):
    (study.parent / "plain_8xb1.py").write_text((study.parent / "plain_1xb1.py").read_text())
    study.write_text("suite: semantickitti_c\nmodels:\n  plain_1xb1.py: [0]\n  plain_8xb1.py: [0]\n")
    with pytest.raises(InputError, match="differ before"):
        read_study(study)


def test_the_real_sweep_brings_a_trained_cell_to_its_end(tool, study, tmp_path):
    """The command lines fit the tools: a cell whose training is over is swept by tools/sweep.py."""
    config, checkpoint = write_world(tmp_path / "world")
    world = 'custom_imports = dict(imports=["sweep_world"])\n'  # registers the model in the processes too
    (tmp_path / "plain_1xb1.py").write_text(world + config.read_text() + TRAINING)
    study.write_text("suite: semantickitti_c\nmodels:\n  plain_1xb1.py: [0]\n")
    cell = cells_of(read_study(study), tmp_path / "work")[0]
    leave_checkpoint(cell.train_dir, 4)
    (cell.train_dir / "iter_4.pth").write_bytes(checkpoint.read_bytes())
    command = [sys.executable, str(ROOT / "tools/study.py"), str(study), "--work-dir", str(tmp_path / "work")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert state(cell, SEMANTICKITTI_C) == "done"
    assert json.loads((cell.folder / "times.json").read_text()).keys() == {"sweep"}
    assert "-" not in line_of(done.stdout, "plain")[1:4]
