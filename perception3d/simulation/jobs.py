"""What the writers of data sets share: the manifest of a folder, and chunks of work spread over processes.

A chunk is made by one process and its files depend on the chunk alone, so that neither the number of processes nor
what was there before shows in them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from corruptions.core import InputError
from corruptions.files import write_atomically

MANIFEST = "simulation.json"

Chunk = TypeVar("Chunk")
Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Units:
    """What a data set counts, in the words of its messages.

    Attributes:
        group: "sequence" or "scene".
        unit: "scan" or "keyframe".
        folder: what lies in the root folder of such a data set.
    """

    group: str
    unit: str
    folder: str


def check_ready(workers: int) -> None:
    """Raise :class:`InputError` without Open3D or without a worker."""
    if workers < 1:
        raise InputError(f"workers: expected at least 1, found {workers}")
    if find_spec("open3d") is None:
        raise InputError("the simulation needs Open3D: pip install 'perception3d[simulation]'")


def claim(out: Path, parameters: Mapping[str, Any], counts: Mapping[str, int], units: Units) -> dict[str, int]:
    """Make the folder ours: write its manifest, or check that an earlier one agrees.

    More units or groups than before extend the folder; other parameters, or fewer units, are refused.

    Args:
        out: root folder of the data set.
        parameters: what the files depend on, as json can hold it.
        counts: number of units of each group asked for.
        units: words of the messages.

    Returns:
        Number of units of each group in the folder, those of earlier runs included.
    """
    out.mkdir(parents=True, exist_ok=True)
    path, table = out / MANIFEST, f"{units.unit}s"
    counts = dict(counts)
    if path.exists():
        theirs = _read_manifest(path, table)
        for key, value in parameters.items():
            if theirs.get(key) != value:
                raise InputError(
                    f"{path}: this folder was simulated with {key} {theirs.get(key)}, now asked for {value}; "
                    "use the same parameters or another --out"
                )
        for name, count in theirs[table].items():
            if count > counts.setdefault(name, count):
                raise InputError(
                    f"{path}: {units.group} {name} has {count} {table}, now asked for {counts[name]}; "
                    "ask for as many or more, or use another --out"
                )
    elif (out / units.folder).exists():
        raise InputError(f"{out}: holds {units.folder} that were not simulated here (no {MANIFEST}); use another --out")
    content = {**parameters, table: dict(sorted(counts.items()))}
    write_atomically(path, json.dumps(content, indent=1).encode())
    return counts


def _read_manifest(path: Path, table: str) -> dict:
    try:
        manifest = json.loads(path.read_text())
        # Another format's manifest has another table; its format is named first, as a parameter that differs.
        if not isinstance(manifest.setdefault(table, {}) if "format" in manifest else manifest[table], dict):
            raise TypeError(table)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: expected the manifest of a simulation, found something else; use another --out"
        ) from error
    return manifest


def run(chunks: Sequence[Chunk], simulate: Callable[[Chunk], int], workers: int, what: str) -> Iterator[int]:
    """Simulate the chunks; yields the number of units of each as it is done.

    Args:
        chunks: work that can be sent to another process.
        simulate: makes the files of a chunk and returns how many units it held; a function of a module.
        workers: number of processes; 1 stays in this one.
        what: the units in plural, for the message after a worker died.
    """
    if workers == 1 or len(chunks) < 2:
        yield from map(simulate, chunks)
        return
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    # Spawned, not forked: the parent may hold threads (Open3D, numba), which a fork would copy in an unknown state.
    with ProcessPoolExecutor(min(workers, len(chunks)), mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(simulate, chunk) for chunk in chunks]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise InputError(
                f"a worker process died, perhaps for lack of memory; finished {what} are kept: "
                "run the same command again with fewer --workers"
            ) from error
        finally:
            for future in futures:
                future.cancel()
