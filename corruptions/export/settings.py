"""Settings of an export: the whole catalog as a suite, and what the manifest says about each setting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from corruptions import catalog
from corruptions.core import ADDED, MOVED, InputError
from corruptions.describe import view_corruptions
from corruptions.export.jobs import Job
from corruptions.readers import Reader
from corruptions.suites import Setting, Suite, available, select, suite


def catalog_suite(sensors: Iterable[str] = ("lidar",)) -> Suite:
    """Every corruption of the catalogs at every level, each in the folder ``<corruption>_<level>``.

    Where the LiDAR and the camera have a corruption of one name, it is one setting for both. The label rule is the
    corruption's own.

    Args:
        sensors: "lidar", "camera", or both.
    """
    settings: dict[str, Setting] = {}
    for sensor in sensors:
        for name, corruption in view_corruptions().items() if sensor == "camera" else catalog.CATALOG.items():
            drop = catalog.CATALOG[name].drop if name in catalog.CATALOG else None
            for level in corruption.levels:
                folder = f"{name}_{level}"
                settings.setdefault(folder, Setting(folder, name, level, name, level, drop=drop))
    return Suite("catalog", "the corruptions of this engine", "clean", tuple(settings.values()), {}, (MOVED, ADDED))


def choose(
    name: str, corruptions: Sequence[str], levels: Sequence[str], sensors: Iterable[str] = ("lidar",)
) -> tuple[Suite, tuple[Setting, ...]]:
    """A suite by name, "catalog" among them, and those of its settings that both lists name (``suites.select``)."""
    chosen = catalog_suite(sensors) if name == "catalog" else suite(name)
    return chosen, select(chosen, corruptions, levels)


def possible(reader: Reader, settings: Sequence[Setting], seed: int) -> tuple[tuple[Setting, ...], dict[str, str]]:
    """Which settings the sweeps of a data set can have, tried on the first: some need labels or more lasers.

    Args:
        reader: the data set.
        settings: the settings to try.
        seed: base seed.

    Returns:
        The settings that work, and why the others do not, by folder.

    Raises:
        InputError: for a sweep that cannot be read.
    """
    first = reader.samples()[0]
    scan = reader.read(first)
    reasons: dict[str, str] = {}
    for setting in settings:
        try:
            setting.corrupt(scan, seed=seed, sample=first.id)
        except InputError as error:
            reasons[setting.folder] = str(error)
    return tuple(setting for setting in settings if setting.folder not in reasons), reasons


def corrupts_lidar(setting: Setting) -> bool:
    """Whether a setting is one of the LiDAR."""
    return available(setting)


def corrupts_camera(setting: Setting) -> bool:
    """Whether a setting is one of the cameras."""
    corruption = view_corruptions().get(setting.corruption)
    return corruption is not None and (setting.level is None or setting.level in corruption.levels)


def manifest_settings(benchmark: Suite, settings: Sequence[Setting], jobs: Sequence[Job]) -> dict[str, dict[str, Any]]:
    """What the manifest says about each folder: corruption, parameters, label rule and number of files.

    Raises:
        InputError: for a corruption, level or parameter that no catalog has.
    """
    files = Counter[str]()
    sensors: dict[str, set[str]] = {}
    for job in jobs:
        files[job.folder] += len(job.outputs)
        sensors.setdefault(job.folder, set()).add(job.sensor)
    entries: dict[str, dict[str, Any]] = {
        folder: {"corruption": None, "files": count} for folder, count in files.items()
    }
    for setting in settings:
        folder = benchmark.path(setting)
        entries[folder].update(
            corruption=setting.corruption,
            level=setting.level,
            parameters={sensor: _parameters(setting, sensor) for sensor in sorted(sensors[folder])},
            drop=sorted(int(status) for status in benchmark.drop_of(setting)),
        )
    return entries


def _parameters(setting: Setting, sensor: str) -> dict[str, Any]:
    corruption = catalog.get(setting.corruption) if sensor == "lidar" else view_corruptions()[setting.corruption]
    return corruption.parameters(setting.level, setting.params)
