"""Writes SemanticKITTI sequences: velodyne, labels with instances, calib.txt, poses.txt, times.txt.

Every scan is a function of seed, sequence, scan number and interval alone. Scans are made in chunks of fixed size, one
process each, so the files do not depend on how many processes there are or on what was there before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError
from corruptions.files import write_atomically
from corruptions.sensors import SENSORS
from perception3d.simulation import jobs
from perception3d.simulation.jobs import Report, Units, check_ready, run
from perception3d.simulation.labels import semantickitti_ids
from perception3d.simulation.lidar import Beams, BlindSector, Mounting, Sweep, beams, sensitivities, sweep
from perception3d.simulation.street import START_M, Frame, Street
from perception3d.simulation.world import Stretch, ego_pose

VERSION = 1  # of the world: a change of bytes is a new one
CHUNK = 10
UNITS = Units("sequence", "scan", "sequences")

# Height of the Velodyne above the road: Geiger et al., Vision meets Robotics: The KITTI Dataset (IJRR 2013), fig. 3.
# Range limits, noise and blind sectors (roof, masts of the rig) are read off the SemanticKITTI scans.
KITTI_VELODYNE = Mounting(
    # 20 833 firings per second and laser in turns of 0.1037 s (KITTI's times.txt): the fullest rings of the real
    # scans hold 2160 to 2172 points.
    sensor=replace(SENSORS["HDL-64E"], steps_per_turn=2160),
    height_m=1.73,
    max_range_m=80.0,
    range_sigma_m=0.012,
    blind=(
        BlindSector(0.5, -20.6, -25.2, 12.0, 24.0),
        BlindSector(182.0, -17.0, -22.4, 11.0, 29.0),
        BlindSector(182.0, -22.4, -25.2, 29.0, 50.0),
        BlindSector(164.0, -13.5, -17.0, 3.0, 3.0),
        BlindSector(206.0, -13.5, -17.0, 4.0, 4.0),
        BlindSector(295.0, -15.5, -23.6, 8.0, 11.0),
        BlindSector(136.0, -19.0, -25.2, 3.5, 5.0),
    ),
)
# A KITTI-like camera rig (same paper, fig. 3): left colour camera 6 cm, right grey camera 54 cm beside the left grey
# one, which sits 0.27 m ahead of and 0.08 m below the Velodyne; axes exactly aligned.
FOCAL_PX, CENTRE_PX = 718.856, (607.1928, 185.2157)
BASELINES_M = {"P0": 0.0, "P1": 0.54, "P2": -0.06, "P3": 0.48}
CAMERA_FROM_VELODYNE = np.array(
    [[0.0, -1.0, 0.0, 0.0], [0.0, 0.0, -1.0, -0.08], [1.0, 0.0, 0.0, -0.27], [0.0, 0.0, 0.0, 1.0]]
)


@dataclass(frozen=True)
class Request:
    """What to write.

    Attributes:
        out: root folder; the sequences go to ``out/sequences``.
        seed: one integer makes one set of worlds.
        scans: number of scans of each sequence, by name.
        interval_s: time between two scans.
    """

    out: Path
    seed: int
    scans: dict[str, int]
    interval_s: float = 1.0

    def __post_init__(self) -> None:
        for name, count in self.scans.items():
            if not (len(name) == 2 and name.isdigit()):
                raise InputError(f"sequence: expected two digits such as 08, found {name!r}")
            if count < 1:
                raise InputError(f"sequence {name}: expected at least one scan, found {count}")
        # A longer interval would make the stretch of street that one process holds unreasonably long.
        if not 0 < self.interval_s <= 10:
            raise InputError(f"interval: expected seconds in 0 ... 10, found {self.interval_s:g}")


@dataclass(frozen=True)
class Chunk:
    """Consecutive scans of one sequence, made by one process."""

    request: Request
    sequence: str
    scans: tuple[int, ...]


def write(request: Request, workers: int, report: Report) -> int:
    """Write what is missing of the request.

    Args:
        request: what to write.
        workers: number of processes; the files do not depend on it.
        report: called as ``report(done, total)`` with numbers of scans, first with those already there.

    Returns:
        Number of scans written now.

    Raises:
        InputError: for a folder made with other parameters or one that cannot be written.
    """
    check_ready(workers)
    try:
        claim(request)
        for name, count in request.scans.items():
            write_sequence_files(request, name, count)
        chunks = [chunk for name in request.scans for chunk in missing(request, name)]
        total = sum(request.scans.values())
        todo = sum(len(chunk.scans) for chunk in chunks)
        done = total - todo
        report(done, total)
        for count in run(chunks, simulate, workers, "scans"):
            done += count
            report(done, total)
    except OSError as error:
        raise InputError(
            f"{error.filename or request.out}: cannot write ({error.strerror}); choose another --out or free it"
        ) from error
    return todo


def claim(request: Request) -> None:
    """Make the folder of a request ours (:func:`perception3d.simulation.jobs.claim`)."""
    parameters = {"format": "semantickitti", "version": VERSION, "seed": request.seed, "interval_s": request.interval_s}
    jobs.claim(request.out, parameters, request.scans, UNITS)


def missing(request: Request, sequence: str) -> Iterator[Chunk]:
    """The chunks of a sequence that lack scans, with the scans they lack."""
    for first in range(0, request.scans[sequence], CHUNK):
        scans = range(first, min(first + CHUNK, request.scans[sequence]))
        absent = tuple(scan for scan in scans if not _is_complete(request, sequence, scan))
        if absent:
            yield Chunk(request, sequence, absent)


def simulate(chunk: Chunk) -> int:
    """Make and write the scans of a chunk; returns how many."""
    request, street = chunk.request, Street.of(chunk.request.seed, chunk.sequence)
    first = chunk.scans[0] // CHUNK * CHUNK
    # The whole chunk's stretch even if only some scans are missing: triangles must not depend on what was there.
    stretch = Stretch(street, first * request.interval_s, (first + CHUNK - 1) * request.interval_s)
    laser_gain = sensitivities(street.rng("lasers"), KITTI_VELODYNE.sensor.num_rings)
    for scan in chunk.scans:
        time_s = scan * request.interval_s
        scenes = (stretch.standing, stretch.moving(time_s))
        pose = stretch.pose(time_s, KITTI_VELODYNE.height_m)
        turn = sweep(scenes, pose, KITTI_VELODYNE, _rays(), laser_gain, street.rng("sweep", scan, request.interval_s))
        write_scan(request, chunk.sequence, scan, turn)
    return len(chunk.scans)


@lru_cache(maxsize=1)
def _rays() -> Beams:
    return beams(KITTI_VELODYNE)


def write_scan(request: Request, sequence: str, scan: int, turn: Sweep) -> None:
    """Write one scan, labels first, so that a scan whose points are there is complete."""
    points, labels = _scan_paths(request, sequence, scan)
    packed = semantickitti_ids(turn.label).astype(np.uint32) | turn.instance.astype(np.uint32) << 16
    write_atomically(labels, packed.astype("<u4").tobytes())
    write_atomically(points, turn.points.astype("<f4").tobytes())


def _scan_paths(request: Request, sequence: str, scan: int) -> tuple[Path, Path]:
    folder = request.out / "sequences" / sequence
    return folder / "velodyne" / f"{scan:06d}.bin", folder / "labels" / f"{scan:06d}.label"


def _is_complete(request: Request, sequence: str, scan: int) -> bool:
    points, labels = _scan_paths(request, sequence, scan)
    # 16 bytes a point, 4 bytes a label
    return points.exists() and labels.exists() and 0 < points.stat().st_size == 4 * labels.stat().st_size


def write_sequence_files(request: Request, sequence: str, count: int) -> None:
    """Write the folders, calib.txt, poses.txt and times.txt of one sequence."""
    folder = request.out / "sequences" / sequence
    for name in ("velodyne", "labels"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    times = np.arange(count) * request.interval_s
    poses = camera_poses(Street.of(request.seed, sequence), times)
    write_atomically(folder / "calib.txt", calibration().encode())
    write_atomically(folder / "poses.txt", "".join(f"{_numbers(pose[:3])}\n" for pose in poses).encode())
    write_atomically(folder / "times.txt", "".join(f"{time:.6e}\n" for time in times).encode())


def camera_poses(street: Street, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 4, 4) from the left camera at each time to the left camera at time 0, as in KITTI's odometry poses."""
    last = START_M + street.ego_speed_mps * float(times_s[-1])
    frame = Frame(street, last + 1.0, START_M)
    world = np.array([ego_pose(frame, street, time, KITTI_VELODYNE.height_m) for time in (0.0, *times_s)])
    inverse = np.linalg.inv(CAMERA_FROM_VELODYNE)
    return CAMERA_FROM_VELODYNE @ np.linalg.inv(world[0]) @ world[1:] @ inverse


def calibration() -> str:
    """Text of calib.txt: projections of the four cameras and Tr from the Velodyne to the left camera."""
    lines = []
    for name, baseline in BASELINES_M.items():
        projection = np.zeros((3, 4))
        projection[:, :3] = [[FOCAL_PX, 0, CENTRE_PX[0]], [0, FOCAL_PX, CENTRE_PX[1]], [0, 0, 1]]
        projection[0, 3] = -FOCAL_PX * baseline
        lines.append(f"{name}: {_numbers(projection)}\n")
    return "".join([*lines, f"Tr: {_numbers(CAMERA_FROM_VELODYNE[:3])}\n"])


def _numbers(matrix: NDArray[np.float64]) -> str:
    return " ".join(f"{value:.12e}" for value in matrix.ravel())
