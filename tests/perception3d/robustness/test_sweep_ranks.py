"""Several ranks that share the settings of a sweep: threads with a store in memory."""

import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from torch.distributed import HashStore

from corruptions.core import InputError
from corruptions.suites import SEMANTICKITTI_C
from perception3d.robustness.plan import clean_setting
from perception3d.robustness.ranks import Ranks, join
from perception3d.robustness.rows import Fingerprint, Score, read_rows
from perception3d.robustness.run import run_settings, score_setting
from perception3d.robustness.scenes import Scene, scene_path

FINGERPRINT = Fingerprint("semantickitti_c", 0, "c", "d", "e", "1.0.0")
SETTINGS = [clean_setting(SEMANTICKITTI_C), *SEMANTICKITTI_C.settings]


class Scores:
    """Stands for a model: a score that follows from the setting's name; some settings fail or wait."""

    def __init__(self, fail=(), error=None, wait=None):
        self.fail, self.error, self.wait = fail, error or RuntimeError("broken"), wait
        self.prepared = 0
        self.by_thread = {}

    def prepare(self):
        self.prepared += 1
        return lambda setting: score_setting(setting, self.evaluate, FINGERPRINT, {"command": "x"})

    def evaluate(self, setting):
        self.by_thread.setdefault(threading.get_ident(), []).append(setting.folder)
        if self.wait and setting.folder == "clean_data":
            self.wait()
        time.sleep(0.01)
        if setting.folder in self.fail:
            raise self.error
        metrics = dict.fromkeys(("mIoU", "mIoU_present", "acc"), float(len(setting.folder)))
        scene = Scene(setting.folder, np.zeros((2, 3), np.float32), np.zeros(2, np.uint8), np.zeros(2, np.uint8), None)
        return Score(metrics, {"road": 40.0}, ["road"], [[1, 0]], 2), scene


def on_ranks(count, scores, folder, todo=SETTINGS, sweeps=1):
    """Run sweeps on so many ranks; what each returns or raises, and what each has said."""
    store, said = HashStore(), [[] for _ in range(count)]

    def rank(number):
        try:
            with Ranks(store, number, count) as ranks:
                failed = []
                for sweep in range(sweeps):
                    names = ranks.agree(lambda: {"todo": [setting.folder for setting in todo]})["todo"]
                    chosen = [setting for setting in SETTINGS if setting.folder in names]
                    failed += ranks.run(scores, chosen, folder / str(sweep), said[number].append)
                return failed
        except (InputError, SystemExit, ZeroDivisionError) as end:
            return end

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(rank, range(count))), said


def without_run(rows):
    return {name: (row.setting, row.score, row.error and row.error["message"]) for name, row in rows.items()}


@pytest.mark.parametrize("count", [1, 3])
def test_the_same_rows_as_from_one_process(tmp_path, count):
    scores = Scores(fail=["fog_heavy", "sparse_16beam"])
    ends, said = on_ranks(count, scores, tmp_path, sweeps=2)
    score = Scores(fail=scores.fail).prepare()
    alone = run_settings(SETTINGS, map(score, SETTINGS), tmp_path / "alone", lambda line: None)
    expected = without_run({row.setting["folder"]: row for row in alone})
    for sweep in ("0", "1"):
        assert without_run(read_rows(tmp_path / sweep, "semantickitti_c")) == expected
        for name in set(expected) - set(scores.fail):
            ours, theirs = (scene_path(tmp_path / part, "semantickitti_c", name) for part in (sweep, "alone"))
            assert ours.read_bytes() == theirs.read_bytes()
    assert sorted(ends[0]) == sorted(2 * scores.fail)
    assert ends[1:] == [[]] * (count - 1) and said[1:] == [[]] * (count - 1)
    assert [line.split("]")[0] for line in said[0]] == [f"[{place:2}/17" for place in range(1, 18)] * 2
    assert sum("FAILED: RuntimeError: broken" in line for line in said[0]) == 4
    assert said[0][-1].endswith("ETA 0 s")
    assert scores.prepared == 2 * count
    done = [name for names in scores.by_thread.values() for name in names]
    assert sorted(done) == sorted(2 * [setting.folder for setting in SETTINGS])  # none by two
    assert len(scores.by_thread) == count


def test_errors_wait_for_the_clean_setting(tmp_path):
    """All scans are bad: the clean setting says so, and no error rows are left."""
    others = threading.Event()

    def wait():
        others.wait(10)

    scores = Scores([setting.folder for setting in SETTINGS], InputError("a.bin: expected finite values"), wait)
    timer = threading.Timer(0.5, others.set)
    timer.start()
    ends, _ = on_ranks(3, scores, tmp_path)
    assert sorted(type(end).__name__ for end in ends) == ["InputError", "SystemExit", "SystemExit"]
    assert {end.code for end in ends if isinstance(end, SystemExit)} == {2}
    assert len([name for names in scores.by_thread.values() for name in names]) > 2
    assert list(tmp_path.iterdir()) == []
    scores = Scores([setting.folder for setting in SETTINGS[1:]], InputError("a.bin: expected finite values"), wait)
    ends, _ = on_ranks(3, scores, tmp_path)
    assert sorted(ends[0]) == sorted(scores.fail)
    assert len(read_rows(tmp_path / "0", "semantickitti_c")) == 17


def test_a_resumed_sweep_without_the_clean_setting(tmp_path):
    scores = Scores(fail=["fog_light"])
    ends, _ = on_ranks(2, scores, tmp_path, todo=SETTINGS[1:4])
    assert ends[0] == ["fog_light"]
    assert sorted(read_rows(tmp_path / "0", "semantickitti_c")) == ["fog_heavy", "fog_light", "fog_moderate"]


def test_an_unwritable_folder_ends_all(tmp_path):
    (tmp_path / "0").write_text("in the way")
    ends, _ = on_ranks(3, Scores(), tmp_path)
    assert "InputError" in {type(end).__name__ for end in ends}
    assert {type(end).__name__ for end in ends} <= {"InputError", "SystemExit"}


def test_launchers_without_their_environment(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match="expected its environment, found no RANK, .*; start with tools/dist_sweep.sh"):
        join("pytorch")
    with pytest.raises(InputError, match="found no RANK, WORLD_SIZE, MASTER_ADDR; start with tools/slurm_sweep.sh"):
        join("slurm")


def test_slurm_tells_who_is_who(monkeypatch, tmp_path):
    scontrol = tmp_path / "scontrol"
    scontrol.write_text('#!/bin/sh\n[ "$*" = "show hostnames node[1-2]" ] && printf "127.0.0.1\\nnode2\\n"\n')
    scontrol.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    environment = {"PROCID": "0", "NTASKS": "1", "LOCALID": "0", "NODELIST": "node[1-2]"}
    for name, value in environment.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "")  # so that it is as before afterwards
        monkeypatch.delenv(name)
    with socket.create_server(("127.0.0.1", 0)) as free:
        monkeypatch.setenv("MASTER_PORT", str(free.getsockname()[1]))
    ranks = join("slurm")
    assert ranks.first
    assert os.environ["MASTER_ADDR"] == "127.0.0.1"
    assert ranks.agree(lambda: {"todo": [1]}) == {"todo": [1]}
