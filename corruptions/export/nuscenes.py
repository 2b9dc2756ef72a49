"""A corrupted copy of nuScenes that its devkit loads: LiDAR sweeps, lidarseg labels, camera images, and the rest."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from corruptions.cluster import Cluster
from corruptions.core import InputError
from corruptions.export.files import inside
from corruptions.export.images import CorruptImages
from corruptions.export.jobs import Job, sweep_jobs
from corruptions.export.manifest import describe
from corruptions.export.run import Report, run_jobs
from corruptions.export.settings import corrupts_camera, corrupts_lidar, manifest_settings
from corruptions.nuscenes import CAMERAS, LIDAR, NuScenes, lidar_reader, view_groups
from corruptions.readers import reading
from corruptions.suites import Setting, Suite

SENSORS = ("lidar", "camera")


def export_nuscenes(
    data: NuScenes,
    suite: Suite,
    out: Path,
    *,
    settings: Sequence[Setting] | None = None,
    sensors: Sequence[str] = SENSORS,
    seed: int = 0,
    workers: int = 1,
    stream: TextIO | None = None,
    cluster: Cluster | None = None,
) -> Report:
    """Corrupt nuScenes at every setting; ``out/nuScenes-C/<folder of the setting>`` is a data root for the devkit.

    A setting applies to the sensors that have a corruption of its name. Tables, maps and untouched sensors are symbolic
    links to the source. Ground truth boxes and their point counts stay those of the clean data, so that every setting
    is scored on the same objects.

    Args:
        data: the tables, from ``corruptions.nuscenes.load``.
        suite: benchmark that gives folders and label rule.
        out: folder to write to.
        settings: settings of the suite; all of them by default.
        sensors: which sensors are corrupted: "lidar", "camera".
        seed: base seed.
        workers: number of processes; it does not change a byte.
        stream: where to say what it will take and how far it has come, or None.
        cluster: does the work in place of ``workers``; its nodes see the data and ``out`` under the same paths.

    Raises:
        InputError: as :func:`corruptions.export.export` does, and for a setting that none of ``sensors`` has.
    """
    root = out / "nuScenes-C"
    chosen = suite.settings if settings is None else settings
    if data.missing and stream is not None:
        stream.write(f"{data.missing} files that the tables list are not on disk; they are left out\n")
    jobs: list[Job] = []
    for setting in chosen:
        of_setting = list(_jobs(data, suite, setting, sensors, seed))
        if not of_setting:
            raise InputError(
                f"{setting.folder}: no corruption of {' or '.join(sensors)}; choose other settings or sensors"
            )
        jobs += of_setting
    used = {job.sensor for job in jobs}
    records = [*(data.lidar if "lidar" in used else ()), *(data.cameras if "camera" in used else ())]
    sources = [(row["token"], data.root / row["filename"]) for row in records]
    description = describe(
        "nuScenes",
        seed,
        manifest_settings(suite, chosen, jobs),
        sources,
        reading(lidar_reader(data)) if "lidar" in used else {},
        with_camera="camera" in used,
    )
    report = run_jobs(root, jobs, description, workers, stream, cluster)
    for setting in chosen:
        folder = suite.path(setting)
        link_rest(data, root, folder, {job.sensor for job in jobs if job.folder == folder})
    return report


def _jobs(data: NuScenes, suite: Suite, setting: Setting, sensors: Sequence[str], seed: int) -> Iterator[Job]:
    folder = suite.path(setting)
    if "lidar" in sensors and corrupts_lidar(setting):
        yield from sweep_jobs(lidar_reader(data), folder, setting, suite.drop_of(setting), seed)
    if "camera" in sensors and corrupts_camera(setting):
        for group in view_groups(data):
            outputs = tuple(f"{folder}/{name}" for name in group.files)
            yield Job(folder, "camera", outputs, CorruptImages(data.root, group, setting, seed))


def link_rest(data: NuScenes, root: Path, folder: str, corrupted: set[str]) -> None:
    """Link what a data root needs and no corruption touches: tables, maps, other sensors, labels of sweeps left out.

    Raises:
        InputError: where something else is in the way, or the file system has no symbolic links.
    """
    written = {*([LIDAR] if "lidar" in corrupted else []), *(CAMERAS if "camera" in corrupted else [])}
    names = [data.version, "maps", "can_bus"]
    for kind in ("samples", "sweeps"):
        names += [f"{kind}/{path.name}" for path in sorted((data.root / kind).glob("*")) if path.name not in written]
    if "lidar" not in corrupted:
        names.append("lidarseg")
    else:
        done = {row["token"] for row in data.lidar}
        names += [name for token, name in data.lidarseg.items() if token not in done]
    for name in names:
        if (data.root / name).exists():
            _link(inside(root, f"{folder}/{name}"), (data.root / name).resolve())


def _link(path: Path, target: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink() and path.resolve() == target:
            return
        path.symlink_to(target, target_is_directory=target.is_dir())
    except OSError as error:
        raise InputError(
            f"{path}: expected to link to {target}, found: {os.strerror(error.errno or 0)}; the file system of --out "
            "needs symbolic links"
        ) from None
