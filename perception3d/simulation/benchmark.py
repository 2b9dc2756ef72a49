"""Speed and memory of the simulation, by the writers themselves and beside the ray casting that nothing can avoid."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from perception3d.simulation import semantickitti
from perception3d.simulation.nuscenes import rig, writer
from perception3d.simulation.nuscenes.keyframes import SceneMaker
from perception3d.simulation.nuscenes.lidar_top import HDL_32E
from perception3d.simulation.nuscenes.request import SWEEPS, Request, scene_names

VERSION = "v1.0-trainval"
HEIGHT_PX, WIDTH_PX = 450, 800


@dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        what: of what, in words.
        wall_s: seconds on the clock, per unit.
        cpu_s: seconds of all cores, per unit.
        peak_mb: largest resident memory of one process so far, or None where it says nothing.
    """

    what: str
    wall_s: float
    cpu_s: float
    peak_mb: float | None = None


def measure(units: int, workers: int, folder: Path) -> Iterator[Row]:
    """Measure keyframes and scans.

    Args:
        units: keyframes of a scene, and scans of a sequence; as many scenes and sequences are made as there are
            workers.
        workers: processes of the data sets as users write them.
        folder: an empty folder for the files.
    """
    _keyframes(folder / "warm", 1, 1, 1)  # compiles the kernels
    yield from _parts(folder / "parts", units)
    for name, count in (("", units), (", twice as many", 2 * units)):
        wall_s, cpu_s = _timed(partial(_keyframes, folder / f"nuscenes{count}", workers, count, workers))
        label = f"nuScenes keyframe, {workers} processes from start to tables{name}"
        yield Row(label, wall_s / (workers * count), cpu_s / (workers * count), _peak_mb(resource.RUSAGE_CHILDREN))
    scans = {f"{number:02d}": units for number in range(workers)}
    request = semantickitti.Request(folder / "semantickitti", 0, scans)
    wall_s, cpu_s = _timed(lambda: semantickitti.write(request, workers, _silent))
    total = units * workers
    yield Row(f"SemanticKITTI scan, {workers} processes from start to end", wall_s / total, cpu_s / total)


def markdown(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| | wall s | CPU s | peak MB of a process |", "|---|---:|---:|---:|"]
    for row in rows:
        peak = "-" if row.peak_mb is None else f"{row.peak_mb:.0f}"
        lines.append(f"| {row.what} | {row.wall_s:.2f} | {row.cpu_s:.2f} | {peak} |")
    return "\n".join(lines)


def _keyframes(out: Path, scenes: int, keyframes: int, workers: int) -> None:
    """Write a small data set with cameras."""
    names = scene_names(VERSION, scenes)
    request = Request(out, VERSION, 0, dict.fromkeys(names, keyframes), HEIGHT_PX, WIDTH_PX)
    writer.write(request, workers, _silent)


def _parts(out: Path, keyframes: int) -> Iterator[Row]:
    """The work on one keyframe in this process, whole and in parts, and its bare ray casting."""
    name = scene_names(VERSION, 1)[0]
    request = Request(out, VERSION, 0, {name: keyframes + 1}, HEIGHT_PX, WIDTH_PX)
    began = time.perf_counter(), time.process_time()
    maker = SceneMaker(request, name, 0, keyframes)
    yield Row("nuScenes scene: its street", time.perf_counter() - began[0], time.process_time() - began[1])
    sweeps = [keyframe * SWEEPS for keyframe in range(1, keyframes + 1)]
    rays = HDL_32E.sensor.num_rings * HDL_32E.sensor.steps_per_turn * SWEEPS + 6 * HEIGHT_PX * WIDTH_PX
    parts: dict[str, Callable[[int], object]] = {
        "nuScenes keyframe, one process, files included": lambda sweep: maker.write(sweep // SWEEPS),
        f"- its {SWEEPS} LiDAR turns": lambda last: [
            maker.lidar(maker.scenes(sweep), sweep) for sweep in range(last - SWEEPS + 1, last + 1)
        ],
        "- its six pictures": lambda sweep: [
            maker.view(maker.scenes(sweep), channel, sweep) for channel in rig.CAMERAS
        ],
        f"Open3D casting as many first rays ({rays / 1e6:.1f} million)": lambda sweep: _cast(maker, sweep, rays),
    }
    for what, work in parts.items():
        wall_s, cpu_s = _timed(partial(_each, work, sweeps))
        yield Row(what, wall_s / keyframes, cpu_s / keyframes)


def _cast(maker: SceneMaker, sweep: int, rays: int) -> None:
    """Cast rays in all directions from the middle of the road, through what stands and what moves."""
    directions = np.random.Generator(np.random.PCG64(sweep)).normal(size=(rays // 2, 3))
    directions[:, 2] *= 0.2  # about the field of view of the sensors
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    origin = maker.world_from_ego(sweep)[:3, 3] + [0.0, 0.0, 1.6]
    packed = np.concatenate([np.broadcast_to(origin, directions.shape), directions], axis=1).astype(np.float32)
    for scene in maker.scenes(sweep):
        for _ in range(2):
            scene.trace(packed)


def _each(work: Callable[[int], object], sweeps: Iterable[int]) -> None:
    for sweep in sweeps:
        work(sweep)


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds on the clock and of all cores, those of ended children included."""
    wall, cpu = time.perf_counter(), _cpu_s()
    work()
    return time.perf_counter() - wall, _cpu_s() - cpu


def _cpu_s() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _peak_mb(who: int) -> float:
    return resource.getrusage(who).ru_maxrss / 1024


def _silent(done: int, total: int) -> None:
    """Report nothing."""
