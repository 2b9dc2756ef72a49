"""A program that is killed, and started again, until it is through: python killed.py sweep|export FOLDER SEED KILLS.

Each start is a fork of this process, which imports no torch, so that a start takes milliseconds. By turns a start is
killed (SIGKILL) from outside at a random moment; from inside before a certain file operation; and by the kernel in the
middle of writing a certain file, which then has its first bytes alone. FOLDER/0, FOLDER/1, ... each hold a run from
nothing to the end; there are so many that KILLS are reached. FOLDER/whole is an uninterrupted run. Prints numbers as
JSON.
"""

import contextlib
import importlib.util
import io
import json
import os
import random
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from corruptions.suites import ROBO3D, Setting
from corruptions.synthetic import synthetic_scan
from perception3d.robustness.plan import clean_setting, is_clean, resume
from perception3d.robustness.rows import Fingerprint, Score
from perception3d.robustness.run import run_settings, score_setting
from perception3d.robustness.scenes import Scene

ROOT = Path(__file__).resolve().parents[1]
SCAN = synthetic_scan(seed=0, steps=12)
SETTINGS = [clean_setting(ROBO3D), *ROBO3D.settings]
FINGERPRINT = Fingerprint(ROBO3D.name, 0, "c", "d", "e", "1.0.0")
WRITES = ("os.rename", "os.remove", "os.mkdir")


def evaluate(setting: Setting) -> tuple[Score, Scene]:
    """A score that follows from the corrupted points, as that of a model does."""
    points, status = SCAN.points, np.zeros(len(SCAN.points), np.uint8)
    if not is_clean(setting):
        corrupted = setting.corrupt(SCAN, seed=0, sample="08/000000")
        points, status = corrupted.points, corrupted.status
    counts = np.bincount(status, minlength=3)
    metrics = dict.fromkeys(("mIoU", "mIoU_present", "acc"), float(np.abs(points[:, :3]).mean()))
    score = Score(metrics, {"road": 40.0}, ["road"], [counts.tolist()], 1)
    return score, Scene("08/000000", points[:, :3].copy(), status, status, None)


def sweep(folder: Path) -> None:
    """What tools/sweep.py does without a model."""
    todo = resume(folder, ROBO3D, SETTINGS, FINGERPRINT).todo
    results = (score_setting(setting, evaluate, FINGERPRINT, {}) for setting in todo)
    run_settings(todo, results, folder, lambda line: None)


def export(folder: Path) -> None:
    """tools/corrupt.py on the sweeps in the folder above."""
    words = ["semantickitti", "--root", str(folder.parent / "kitti"), "--out", str(folder), "--corruptions", "noise"]
    nowhere = io.StringIO()
    with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        TOOL.main(words)


def start(program: Callable[[Path], None], folder: Path, hook: Callable[[str, tuple], None] | None) -> int:
    """Fork; the child is through with exit code 0, or is killed by an audit hook."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # a file beyond its limit kills
        if hook is not None:
            sys.addaudithook(hook)
        program(folder)
        code = 0
    except BaseException:
        traceback.print_exc(file=sys.__stderr__)
    os._exit(code)


def killer(place: int, torn: bool) -> Callable[[str, tuple], None]:
    """An audit hook that kills this process before the file operation of that place, counted from 1.

    Args:
        place: number of the operation.
        torn: count files that are opened for writing, and kill when that one reaches some hundred bytes.
    """
    operations = count(1)

    def look(event: str, details: tuple) -> None:
        writes = event == "open" and isinstance(details[1], str) and set(details[1]) & set("wa+")
        if (writes or (event in WRITES and not torn)) and next(operations) == place:
            if not torn:
                os.kill(os.getpid(), signal.SIGKILL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400))

    return look


def deaths(rng: random.Random, operations: int, seconds: float) -> Iterator[tuple[str, Any]]:
    """Kinds of death by turns: an audit hook for every operation, or after how many seconds."""
    for place in count():
        yield "before an operation", killer(1 + 7 * place % operations, torn=False)
        yield "at random", rng.uniform(0, seconds)
        yield "while writing", killer(1 + 7 * place % (operations // 2), torn=True)


def run_to_the_end(program: Callable[[Path], None], folder: Path, chosen: Iterator, numbers: Counter) -> None:
    """Start and kill until the program is through."""
    while True:
        kind, how = next(chosen)
        pid = start(program, folder, None if kind == "at random" else how)
        if kind == "at random":
            time.sleep(how)
            os.kill(pid, signal.SIGKILL)  # not yet waited for: the process is there, perhaps through
        status = os.waitpid(pid, 0)[1]
        if os.WIFSIGNALED(status):
            numbers[kind] += 1
            numbers["left temporary files"] += any(path.name.startswith(".") for path in folder.rglob(".*"))
        elif os.WEXITSTATUS(status):
            sys.exit("the program failed")
        else:
            return


def main() -> None:
    """Run the program in one folder after another until it was killed often enough."""
    name, folder, seed, enough = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    # an export first writes what it measures: one that dies in its first 40 operations has made no file
    program, operations, share = {"sweep": (sweep, 11, 0.3), "export": (export, 60, 0.8)}[name]
    program(folder / "warm")  # compiles
    begin_s = time.perf_counter()
    os.waitpid(start(program, folder / "whole", None), 0)
    seconds = time.perf_counter() - begin_s
    chosen, numbers = deaths(random.Random(seed), operations, share * seconds), Counter()
    for run in count():
        run_to_the_end(program, folder / str(run), chosen, numbers)
        if numbers.total() - numbers["left temporary files"] >= enough:
            break
    heavy = {"torch", "mmengine", "mmcv", "mmdet3d"} & {module.partition(".")[0] for module in sys.modules}
    print(json.dumps({**numbers, "runs": run + 1, "seconds": seconds, "heavy": sorted(heavy)}))


def load_tool():
    """tools/corrupt.py as a module."""
    spec = importlib.util.spec_from_file_location("corrupt", ROOT / "tools/corrupt.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOL = load_tool()

if __name__ == "__main__":
    main()
