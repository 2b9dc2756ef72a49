"""sweep.py in two processes, and how many of them load the scans."""

import contextlib
import importlib.util
import multiprocessing
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from sweep_world import rows_and_scenes, write_mortal, write_world

from perception3d.launch import run

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = ["--corruptions", "noise", "--levels", "heavy"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("world"))


def main(*words):
    """Run the tool as from the command line; returns its exit status."""
    spec = importlib.util.spec_from_file_location("sweep_tool", ROOT / "tools" / "sweep.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    try:
        run(lambda: module.main([str(word) for word in words]))
    except SystemExit as end:
        return end.code
    return 0


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def rank(number, port, output, words):
    os.environ.update(RANK=str(number), WORLD_SIZE="2", LOCAL_RANK=str(number), MASTER_PORT=port)
    os.environ.update(MASTER_ADDR="127.0.0.1")
    torch.set_num_threads(1)  # threads do not survive a fork
    with output.open("w") as stream, contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
        code = main(*words, "--launcher", "pytorch")
    os._exit(code)


def in_two_processes(folder, *words):
    """Exit codes and outputs of two processes, forked so that they need not import torch again."""
    context, port = multiprocessing.get_context("fork"), str(free_port())
    outputs = [folder / f"output{number}" for number in (0, 1)]
    pair = [context.Process(target=rank, args=(number, port, outputs[number], words)) for number in (0, 1)]
    for process in pair:
        process.start()
    for process in pair:
        process.join(60)
        process.kill()
    return [process.exitcode for process in pair], [output.read_text() for output in outputs]


def test_two_processes_leave_the_rows_of_one(world, tmp_path):
    assert main(*world, *SETTINGS, "--seeds", "0", "1", "--work-dir", tmp_path / "one") == 0
    codes, said = in_two_processes(tmp_path, *world, *SETTINGS, "--seeds", "0", "1", "--work-dir", tmp_path / "two")
    assert codes == [0, 0], said
    assert rows_and_scenes(tmp_path / "two") == rows_and_scenes(tmp_path / "one")
    assert len(rows_and_scenes(tmp_path / "two")) == 2 * 2 * 3
    assert said[0].count("semantickitti_c, 3 scans: 3 settings to run, 0 done\n") == 2
    assert said[0].count("[3/3] ") == 2
    assert "semantickitti_c_seeds.md" in said[0]
    assert "[" not in said[1] and "written" not in said[1]


def test_failed_settings_end_with_1(world, tmp_path, monkeypatch):
    """What is patched here is so in the forked processes too."""

    def fail(self, *given, **options):
        raise RuntimeError("no scan today")

    monkeypatch.setattr("perception3d.transforms.corrupt.CorruptPoints.transform", fail)
    codes, said = in_two_processes(tmp_path, *world, *SETTINGS, "--work-dir", tmp_path / "two")
    assert codes == [1, 0]
    assert re.search(r"failed: (local|global)_heavy, (local|global)_heavy; the same command tries them again", said[0])


def test_workers_are_those_of_the_loader(world, tmp_path, monkeypatch, capsys):
    from torch.utils.data import DataLoader

    counts, init = [], DataLoader.__init__

    def count(self, *given, **options):
        counts.append(options["num_workers"])
        init(self, *given, **options)

    monkeypatch.setattr(DataLoader, "__init__", count)
    assert main(*world, "--corruptions", "local_heavy", "--workers", "1", "--work-dir", tmp_path / "one") == 0
    assert counts == [1, 1]
    assert main(*world, "--corruptions", "local_heavy", "--work-dir", tmp_path / "none") == 0
    assert counts == [1, 1, 0, 0]
    assert rows_and_scenes(tmp_path / "one") == rows_and_scenes(tmp_path / "none")
    assert main(*world, "--workers", "-1", "--work-dir", tmp_path) == 2
    assert "--workers: expected a whole number of at least 0, found -1" in capsys.readouterr().err


def test_one_way_at_a_time(world, tmp_path, capsys):
    assert main(*world, "--launcher", "pytorch", "--ray", "auto", "--work-dir", tmp_path) == 2
    assert "not allowed with argument" in capsys.readouterr().err


@pytest.mark.slow
def test_torchrun_and_a_killed_process(world, tmp_path):
    """One process is killed at its work: torchrun ends all, and the same command goes on."""
    config, file = write_mortal(world[0])
    assert main(config, world[1], *SETTINGS, "--work-dir", tmp_path / "one") == 0
    words = [config, world[1], 2, *SETTINGS, "--work-dir", tmp_path / "two"]
    environment = {
        **os.environ,
        "PYTHON": sys.executable,
        "PORT": str(free_port()),
        "PYTHONPATH": str(ROOT / "tests"),
        "OMP_NUM_THREADS": "1",
    }
    command = ["bash", str(ROOT / "tools/dist_sweep.sh"), *map(str, words)]
    file.touch()
    first = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert first.returncode == 1
    assert "Signal 9 (SIGKILL)" in first.stderr
    assert not file.exists()
    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr[-2000:]
    assert rows_and_scenes(tmp_path / "two") == rows_and_scenes(tmp_path / "one")
