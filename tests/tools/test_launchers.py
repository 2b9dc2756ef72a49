"""The shell tools: what reaches srun and torchrun, and how the set-up refuses a machine that lacks something."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"
NEEDED = ("bash", "cat", "cksum", "dirname", "grep", "head", "id", "sed")


def say_arguments(path):
    """A program that prints its arguments, one a line."""
    path.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    path.chmod(0o755)
    return path


def bash(script, *arguments, **environment):
    command = [shutil.which("bash"), str(TOOLS / script), *map(str, arguments)]
    environment = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def bare_machine(tmp_path):
    """A PATH without Python and compiler."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in NEEDED:
        (folder / name).symlink_to(shutil.which(name))
    return folder


@pytest.mark.parametrize(
    ("script", "own", "passed"),
    [
        ("slurm_train.sh", ["config.py", "work"], ["config.py", "--work-dir", "work"]),
        ("slurm_test.sh", ["config.py", "a.pth"], ["config.py", "a.pth"]),
        ("slurm_sweep.sh", ["config.py", "a.pth"], ["config.py", "a.pth"]),
    ],
)
def test_slurm(script, own, passed, tmp_path):
    say_arguments(tmp_path / "srun")
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = bash(
        script, "gpu", "job", *own, "--cfg-options", "a=b c", PATH=path, GPUS="4", GPUS_PER_NODE="2", SRUN_ARGS="-q x"
    )
    words = done.stdout.splitlines()
    assert words[:2] == ["-p", "gpu"]
    assert {"--job-name=job", "--ntasks=4", "--ntasks-per-node=2", "--gres=gpu:2", "--cpus-per-task=5"} <= set(words)
    tool = words.index(f"{TOOLS}/{script.removeprefix('slurm_').replace('.sh', '.py')}")
    assert words[tool - 4 : tool] == ["-q", "x", "python", "-u"]
    assert words[tool + 1 :] == [*passed, "--launcher", "slurm", "--cfg-options", "a=b c"]


@pytest.mark.parametrize(
    ("script", "own"),
    [
        ("dist_train.sh", ["config.py"]),
        ("dist_test.sh", ["config.py", "a.pth"]),
        ("dist_sweep.sh", ["config.py", "a.pth"]),
    ],
)
def test_torchrun(script, own, tmp_path):
    python = say_arguments(tmp_path / "python")
    done = bash(
        script, *own, "2", "--cfg-options", "a=b c", PYTHON=str(python), PORT="29700", NNODES="3", NODE_RANK="1"
    )
    words = done.stdout.splitlines()
    assert words[:2] == ["-m", "torch.distributed.run"]
    assert {"--nnodes=3", "--node_rank=1", "--master_port=29700", "--nproc_per_node=2"} <= set(words)
    tool = words.index(f"{TOOLS}/{script.removeprefix('dist_').replace('.sh', '.py')}")
    assert words[tool + 1 :] == [*own, "--launcher", "pytorch", "--cfg-options", "a=b c"]


@pytest.mark.parametrize(
    "script", [f"{kind}_{tool}.sh" for kind in ("dist", "slurm") for tool in ("train", "test", "sweep")]
)
def test_too_few_arguments_show_the_usage(script):
    done = bash(script, "config.py")
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")


@pytest.mark.parametrize("script", ["setup_env.sh", "demo.sh"])
def test_help_and_unknown_options(script):
    done = bash(script, "--help")
    assert done.returncode == 0
    assert f"usage: tools/{script}" in done.stdout
    done = bash(script, "--fast")
    assert done.returncode == 2
    assert "unknown option --fast" in done.stderr


def refusal(bare_machine, **environment):
    """The one line that the set-up says; nothing is made."""
    venv = bare_machine.parent / "venv"
    done = bash("setup_env.sh", "--venv", venv, PATH=str(bare_machine), **environment)
    assert done.returncode == 2
    assert not venv.exists()
    (line,) = done.stderr.splitlines()
    return line


def test_setup_names_a_missing_python(bare_machine):
    line = refusal(bare_machine)
    assert "error: expected Python 3.11, found none; install it (Debian: apt-get install python3.11" in line


def test_setup_names_a_wrong_python(bare_machine):
    python = bare_machine / "python3"
    python.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" || echo 3.9\n')
    python.chmod(0o755)
    assert "expected Python 3.11, found Python 3.9.2; install it" in refusal(bare_machine)


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the set-up takes Python 3.11 alone")
def test_setup_names_a_missing_compiler(bare_machine):
    line = refusal(bare_machine, PYTHON=sys.executable)
    assert "expected g++ (mmcv compiles its ops), found none; Debian: apt-get install g++" in line


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the set-up takes Python 3.11 alone")
def test_setup_names_missing_headers(bare_machine, tmp_path):
    say_arguments(bare_machine / "g++")
    python = bare_machine / "python3.11"
    include = f'case "$2" in *get_path*) echo {tmp_path}/include ;; *) exec {sys.executable} "$@" ;; esac'
    python.write_text(f"#!/bin/sh\n{include}\n")
    python.chmod(0o755)
    line = refusal(bare_machine)
    assert (
        f"expected the Python headers in {tmp_path}/include, found none; Debian: apt-get install python3.11-dev" in line
    )


def test_output_that_nobody_reads_ends_quietly(tmp_path):
    program = tmp_path / "long.py"
    program.write_text(
        "from perception3d import launch\n"
        "launch.repair_stack = lambda: None\n"
        "launch.run(lambda: [print('x' * 1000) for _ in range(10000)])\n"
    )
    command = f"set -o pipefail; {sys.executable} {program} | head -1"
    environment = {**os.environ, "PYTHONPATH": str(TOOLS.parent)}
    ended = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 141
    assert ended.stdout == "x" * 1000 + "\n" and "Traceback" not in ended.stderr and "Exception" not in ended.stderr
