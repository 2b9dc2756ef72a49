"""Writes simulated scenes in the nuScenes format: samples, sweeps, lidarseg, maps and the tables of version 1.0.

A keyframe and the sweeps before it are a function of seed, scene, keyframe number and resolution alone. They are made
in chunks of fixed size, one process each; the tables are put together at the end.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

from corruptions.core import InputError
from corruptions.files import write_atomically
from perception3d.simulation import jobs
from perception3d.simulation.jobs import Report, Units, check_ready, run
from perception3d.simulation.nuscenes.drive import Drive
from perception3d.simulation.nuscenes.keyframes import SceneMaker, part_path
from perception3d.simulation.nuscenes.maps import map_png
from perception3d.simulation.nuscenes.request import Request
from perception3d.simulation.nuscenes.tables import Row, fixed_tables, map_name, scene_tables, write_tables

CHUNK = 10
UNITS = Units("scene", "keyframe", "samples")


@dataclass(frozen=True)
class Chunk:
    """Consecutive keyframes of one scene, made by one process."""

    request: Request
    scene: str
    keyframes: tuple[int, ...]


def write(request: Request, workers: int, report: Report) -> int:
    """Write what is missing of the request, then all tables.

    Args:
        request: what to write.
        workers: number of processes; the files do not depend on it.
        report: called as ``report(done, total)`` with numbers of keyframes, first with those already there.

    Returns:
        Number of keyframes written now.

    Raises:
        InputError: for a folder made with other parameters or one that cannot be written.
    """
    check_ready(workers)
    try:
        # What earlier runs left unfinished belongs to it: the tables list all that lies in the folder.
        counts = jobs.claim(request.out, request.parameters, request.keyframes, UNITS)
        request = replace(request, keyframes=dict(sorted(counts.items())))
        chunks = [chunk for scene in request.keyframes for chunk in missing(request, scene)]
        total, todo = sum(request.keyframes.values()), sum(len(chunk.keyframes) for chunk in chunks)
        done = total - todo
        report(done, total)
        for count in run(chunks, simulate, workers, "keyframes"):
            done += count
            report(done, total)
        scenes = (_scene(request, scene) for scene in request.keyframes)
        write_tables(request.out / request.version, fixed_tables(request), scenes)
    except OSError as error:
        raise InputError(
            f"{error.filename or request.out}: cannot write ({error.strerror}); choose another --out or free it"
        ) from error
    return todo


def missing(request: Request, scene: str) -> Iterator[Chunk]:
    """The chunks of a scene that lack keyframes, with the keyframes they lack."""
    for first in range(0, request.keyframes[scene], CHUNK):
        keyframes = range(first, min(first + CHUNK, request.keyframes[scene]))
        absent = tuple(keyframe for keyframe in keyframes if not part_path(request, scene, keyframe).exists())
        if absent:
            yield Chunk(request, scene, absent)


def _scene(request: Request, scene: str) -> dict[str, list[Row]]:
    """The records of one scene; writes its map."""
    paths = (part_path(request, scene, keyframe) for keyframe in range(request.keyframes[scene]))
    parts = [json.loads(path.read_text()) for path in paths]
    drive = Drive.of(request.seed, scene)
    target = request.out / "maps" / map_name(request.seed, scene)
    if not target.exists():
        write_atomically(target, map_png(drive))
    return scene_tables(scene, request.seed, f"Simulated street, {drive.street.theme}", parts)


def simulate(chunk: Chunk) -> int:
    """Make and write the keyframes of a chunk and the sweeps before each; returns how many keyframes."""
    # All of the chunk's street even if only some keyframes are missing: triangles must not depend on what was there.
    first = chunk.keyframes[0] // CHUNK * CHUNK
    maker = SceneMaker(chunk.request, chunk.scene, first, first + CHUNK - 1)
    for keyframe in chunk.keyframes:
        maker.write(keyframe)
    return len(chunk.keyframes)
