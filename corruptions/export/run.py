"""Do the jobs of an export: measure, say what it will take, work in parallel, record every file."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import platform
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from corruptions.cluster import Cluster, Lost
from corruptions.core import InputError
from corruptions.export.files import PARTIAL, inside, write_whole
from corruptions.export.jobs import Job
from corruptions.export.manifest import MANIFEST, Entry, Manifest, installed
from corruptions.export.progress import Progress, duration, size

Finished = dict[str, Entry]

# Jobs handed out ahead of time for each worker.
AHEAD = 4


@dataclass(frozen=True)
class Report:
    """What an export has done.

    Attributes:
        root: folder of the export.
        made: files made in this run.
        skipped: files that an earlier run had made.
        bytes: size of the whole export.
        seconds: time of this run.
    """

    root: Path
    made: int
    skipped: int
    bytes: int
    seconds: float

    def __str__(self) -> str:
        kept = f", {self.skipped} were there already" if self.skipped else ""
        return f"{self.root}: {self.made} files made{kept}; {size(self.bytes)} in all, {duration(self.seconds)}"


def run_jobs(
    root: Path,
    jobs: Sequence[Job],
    description: Mapping[str, Any],
    workers: int = 1,
    stream: TextIO | None = None,
    cluster: Cluster | None = None,
) -> Report:
    """Do all jobs that have not been done, and record each file that is finished.

    Args:
        root: folder of the export.
        jobs: the work.
        description: content of the manifest (``manifest.describe``).
        workers: number of processes.
        stream: where to say what it will take and how far it has come, or None.
        cluster: does the jobs in place of processes of this machine; ``root`` must be one folder for all its nodes.

    Raises:
        InputError: for bad input, an output folder that belongs to something else or cannot be written, too little disk
            space, or a worker that died. What is finished stays, and the same call goes on from there.
    """
    if workers < 1:
        raise InputError(f"workers: expected at least 1, found {workers}")
    start_s = time.monotonic()
    _check_outputs(root, jobs)
    with Manifest(root, description) as manifest:
        todo = [job for job in jobs if not manifest.is_done(job.outputs)]
        skipped = sum(len(job.outputs) for job in jobs) - sum(len(job.outputs) for job in todo)
        if todo:
            _announce(root, todo, cluster.places(cpus=1) if cluster else workers, stream)
            progress = Progress(len(todo), stream)
            work = _work(root, todo, workers) if cluster is None else _work_on(cluster, root, todo, description)
            try:
                for finished in work:
                    manifest.record(finished)
                    progress.advance()
            finally:
                progress.close()
        manifest.sort()
        total = sum(entry.bytes for entry in manifest.entries.values())
    return Report(root, sum(len(job.outputs) for job in todo), skipped, total, time.monotonic() - start_s)


def _check_outputs(root: Path, jobs: Iterable[Job]) -> None:
    """Every file has one maker and stays below ``root``."""
    seen: set[str] = set()
    folders: set[str] = set()
    for name in chain.from_iterable(job.outputs for job in jobs):
        if name in seen:
            raise InputError(f"{name}: two samples would write this file; sample names must differ")
        seen.add(name)
        folder = name.rpartition("/")[0]
        if folder not in folders or ".." in name:  # looking for links takes time; once per folder is enough
            inside(root, name)
            folders.add(folder)


def _announce(root: Path, todo: Sequence[Job], workers: int, stream: TextIO | None) -> None:
    """Measure one job of each kind, say what all will take, and refuse when the disk is too small."""
    kinds: dict[tuple[str, str, int], list[Job]] = {}
    for job in todo:
        kinds.setdefault((job.folder, job.sensor, len(job.outputs)), []).append(job)
    folders = len({job.folder for job in todo})
    if stream is not None:
        stream.write(f"measuring one sample of each of {folders} settings ...\n")
        stream.flush()
    seconds = total = 0.0
    for of_kind in kinds.values():
        # Compiles, before workers would each do it, and fills the file cache: not what the others will take.
        of_kind[0].make()
        start_s = time.perf_counter()
        for content in of_kind[0].make():
            write_whole(root, f"{PARTIAL}/measured", content)
            total += len(content) * len(of_kind)
        seconds += (time.perf_counter() - start_s) * len(of_kind)
    free = shutil.disk_usage(root).free
    if stream is not None:
        stream.write(
            f"{root}: {len(todo)} samples in {folders} settings, about {size(total)} ({size(free)} free), about "
            f"{duration(seconds / workers)} with {workers} worker{'s' * (workers > 1)}\n"
        )
        stream.flush()
    if total > free:
        raise InputError(
            f"{root}: expected room for about {size(total)}, found {size(free)}; export fewer settings or choose "
            "another --out"
        )


def _work(root: Path, todo: Sequence[Job], workers: int) -> Iterator[Finished]:
    """Do the jobs, here or in processes, and give what each has written, in the order of completion."""
    if workers == 1:
        for job in todo:
            yield _do(root, job)
        return
    # Spawned and not forked: opencv and BLAS own threads, which do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker, initargs=(root, todo)) as pool:
        pending: set[Future[Finished]] = set()
        remaining = iter(range(len(todo)))
        try:
            while True:
                for index in remaining:
                    with _interrupts_held():
                        pending.add(pool.submit(_do_indexed, index))
                    if len(pending) >= AHEAD * workers:
                        break
                if not pending:
                    return
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        except BrokenProcessPool:
            raise InputError(
                "a worker process died, perhaps for lack of memory; run the same command again with fewer --workers"
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _work_on(cluster: Cluster, root: Path, todo: Sequence[Job], description: Mapping[str, Any]) -> Iterator[Finished]:
    """Do the jobs on a cluster, and give what each has written, in the order of completion."""
    prepare = _Node(root, tuple(todo), dict(description))  # goes to each worker once, the jobs with it
    for index, finished in cluster.spread(prepare, range(len(todo)), ahead=2):
        if isinstance(finished, Lost):
            raise InputError(f"{todo[index].outputs[0]}: {finished.reason}; run the same command again")
        yield finished


@dataclass(frozen=True)
class _Node:
    """What a worker of a cluster needs; it checks that its machine sees the export and would write the same bytes."""

    root: Path
    todo: tuple[Job, ...]
    description: Mapping[str, Any]

    def __call__(self) -> Callable[[int], Finished]:
        node = platform.node()
        if not (self.root / MANIFEST).is_file():
            raise InputError(
                f"node {node}: expected {self.root / MANIFEST}, found none; --out must be on a file system that all "
                "nodes share"
            )
        expected, found = self.description["packages"], installed(with_camera="opencv" in self.description["packages"])
        if found != expected:
            raise InputError(
                f"node {node}: expected the packages {expected}, found {found}; install the same versions on every node"
            )
        return lambda index: _do(self.root, self.todo[index])


def _do(root: Path, job: Job) -> Finished:
    contents = job.make()
    return {
        name: Entry(len(content), write_whole(root, name, content))
        for name, content in zip(job.outputs, contents, strict=True)
    }


# What a worker process works on: sent once when it starts, not with every job.
_ASSIGNED: list[tuple[Path, Sequence[Job]]] = []


def _start_worker(root: Path, todo: Sequence[Job]) -> None:
    _ASSIGNED[:] = [(root, todo)]
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C is for this process: workers, which may be started in this block, inherit that they do not hear it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _do_indexed(index: int) -> Finished:
    ((root, todo),) = _ASSIGNED
    return _do(root, todo[index])
