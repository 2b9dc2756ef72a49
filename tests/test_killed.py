"""Processes that are killed (SIGKILL) dozens of times leave in the end what an uninterrupted one leaves."""

import json
import os
import subprocess
import sys
from pathlib import Path

from sweep_world import rows_and_scenes, write_scan

TESTS = Path(__file__).resolve().parent


def kill_often(program, folder, kills, seed=0):
    """Run ``killed.py``; gives its numbers and the folders of the runs."""
    command = [sys.executable, str(TESTS / "killed.py"), program, str(folder), str(seed), str(kills)]
    environment = {**os.environ, "PYTHONPATH": str(TESTS.parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    numbers = json.loads(done.stdout)
    by_kind = [numbers[kind] for kind in ("at random", "before an operation", "while writing")]
    assert sum(by_kind) >= kills
    assert min(by_kind) > kills / 6
    assert numbers["heavy"] == []
    return numbers, [folder / str(run) for run in range(numbers["runs"])]


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_sweeps(tmp_path):
    numbers, runs = kill_often("sweep", tmp_path, 48)
    assert numbers["left temporary files"] > 0
    whole = rows_and_scenes(tmp_path / "whole")
    assert len(whole) == 2 * (24 + 1)
    for run in runs:
        assert rows_and_scenes(run) == whole
        assert files(run) == set(whole)


def test_exports(tmp_path):
    for frame in range(3):
        write_scan(tmp_path / "kitti", frame)
    _, runs = kill_often("export", tmp_path, 36)
    expected = {name: (tmp_path / "whole" / name).read_bytes() for name in files(tmp_path / "whole")}
    assert len(expected) == 6 * 3 * 2 + 2
    for run in runs:
        assert {name: (run / name).read_bytes() for name in files(run)} == expected
        assert not (run / "SemanticKITTI-C/.partial").exists()
