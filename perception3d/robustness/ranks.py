"""The processes of a launcher (torchrun, Slurm) share the settings of a sweep.

They meet in torch.distributed's key-value store: a counter hands out the settings, so that a process that is through
takes the next one, and the first process hears there how the others get on. There is no process group: in one, mmengine
would split every test set over the processes, and a collective of NCCL or gloo times out while the others still work.
Rows go to the work dir, which all see.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType

import torch
from torch.distributed import Store, rendezvous

from corruptions.core import InputError
from corruptions.suites import Setting
from perception3d.robustness.plan import is_clean
from perception3d.robustness.processes import Plan, Say
from perception3d.robustness.run import Countdown, Finished, keep, progress
from perception3d.robustness.scoring import Scoring

NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
LOOK_EVERY_S = 0.1


class Ranks:
    """This process among those of a launcher; use it in a ``with`` block, whose errors end the others too.

    Args:
        store: what the processes share.
        rank: number of this process.
        count: number of processes.
    """

    def __init__(self, store: Store, rank: int, count: int) -> None:
        self.first = rank == 0
        self._store, self._count = store, count
        self._sweep = 0  # several seeds are several sweeps, each with its own keys

    def __enter__(self) -> Ranks:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and not issubclass(kind, SystemExit):
            self._store.set("stopped", "2" if issubclass(kind, InputError) else "1")

    def agree(self, plan: Callable[[], Plan]) -> Plan:
        """What the first process plans."""
        self._sweep += 1
        if self.first:
            self._set("plan", json.dumps(plan()))
        self._wait("plan")
        return json.loads(self._get("plan"))

    def run(self, scoring: Scoring, todo: Sequence[Setting], work_dir: Path, say: Say) -> list[str]:
        """Score those settings that fall to this process; the first one waits for the others."""
        countdown = Countdown(len(todo), say)
        failed: list[str] = []
        if not (todo and is_clean(todo[0])):
            self._set("clean", "")
        for finished in self._results(scoring.prepare(), todo):
            keep(work_dir, finished)
            row = finished[0]
            failure = [row.setting["folder"]] if row.score is None else []
            self._tell({"text": progress(row), "seconds": row.run["seconds"], "failed": failure})
            failed += self._hear(countdown)
        while self.first and countdown.done < len(todo):
            failed += self._hear(countdown)
            self._look()
        self._leave()
        return failed

    def _results(self, score: Callable[[Setting], Finished], todo: Sequence[Setting]) -> Iterator[Finished]:
        """Results of the settings that fall to this process; failed ones wait until the clean one is through."""
        held: list[Finished] = []
        for setting in self._claims(todo):
            finished = score(setting)
            if is_clean(setting):
                self._set("clean", "")
            if finished[0].score is None and not self._is_set("clean"):
                held.append(finished)
            else:
                yield finished
        if held:
            self._wait("clean")
        yield from held

    def _claims(self, todo: Sequence[Setting]) -> Iterator[Setting]:
        """One setting after another that nobody else has."""
        while (place := self._add("next")) <= len(todo):
            self._stop_with_the_others()
            yield todo[place - 1]

    def _tell(self, news: dict) -> None:
        self._set(f"news{self._add('told')}", json.dumps(news))

    def _hear(self, countdown: Countdown) -> list[str]:
        """In the first process: say what is new; the settings of it that failed."""
        failed: list[str] = []
        while self.first and self._is_set(key := f"news{countdown.done + 1}"):
            news = json.loads(self._get(key))
            countdown.advance(news["text"], news["seconds"])
            failed += news["failed"]
        return failed

    def _leave(self) -> None:
        """The first process, which may hold the store, stays until the others need it no more."""
        if not self.first:
            self._add("left")
        while self.first and self._add("left", 0) < self._count - 1:
            self._look()

    def _wait(self, key: str) -> None:
        while not self._is_set(key):
            self._look()

    def _look(self) -> None:
        self._stop_with_the_others()
        time.sleep(LOOK_EVERY_S)

    def _stop_with_the_others(self) -> None:
        """One process has said why it ends; the others need not repeat it."""
        if self._store.check(["stopped"]):
            raise SystemExit(int(self._store.get("stopped")))

    def _set(self, key: str, value: str) -> None:
        self._store.set(f"{self._sweep}/{key}", value)

    def _get(self, key: str) -> str:
        return self._store.get(f"{self._sweep}/{key}").decode()

    def _is_set(self, key: str) -> bool:
        return self._store.check([f"{self._sweep}/{key}"])

    def _add(self, key: str, value: int = 1) -> int:
        return self._store.add(f"{self._sweep}/{key}", value)


def join(launcher: str) -> Ranks:
    """Meet the other processes, and take one of the machine's GPUs where there are any.

    Args:
        launcher: "pytorch" (torchrun) or "slurm" (srun).

    Raises:
        InputError: without the environment that the launcher gives.
    """
    if launcher == "slurm":
        _use_slurm()
    missing = [name for name in NEEDED if name not in os.environ]
    if missing:
        raise InputError(
            f"--launcher {launcher}: expected its environment, found no {', '.join(missing)}; start with "
            f"tools/{'slurm' if launcher == 'slurm' else 'dist'}_sweep.sh"
        )
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    return Ranks(*next(rendezvous("env://")))


def _use_slurm() -> None:
    """Slurm's variables under the names of torch.distributed."""
    names = {"RANK": "SLURM_PROCID", "WORLD_SIZE": "SLURM_NTASKS", "LOCAL_RANK": "SLURM_LOCALID"}
    os.environ.update({name: os.environ[theirs] for name, theirs in names.items() if theirs in os.environ})
    if "MASTER_ADDR" not in os.environ and "SLURM_NODELIST" in os.environ:
        command = ["scontrol", "show", "hostnames", os.environ["SLURM_NODELIST"]]
        hosts = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        os.environ["MASTER_ADDR"] = hosts[0]
    os.environ.setdefault("MASTER_PORT", "29500")
