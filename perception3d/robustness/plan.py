"""What a sweep has to do: its fingerprint, and which settings are done, still to run, or not in the catalog."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import perception3d
from corruptions.core import InputError
from corruptions.files import remove_leftovers
from corruptions.suites import Setting, Suite, available
from perception3d.robustness.rows import Fingerprint, Row, read_rows, refuse_other_fingerprint, row_path
from perception3d.robustness.scenes import scene_path

PACKAGES = ("torch", "mmengine", "mmcv", "mmdet", "mmdet3d", "spconv", "numpy", "numba", "scipy")

# Where the data lies changes no score; what lies there is in the hash of the data list.
PLACES = ("data_root", "ann_file", "data_prefix", "indices")


@dataclass(frozen=True)
class Plan:
    """The settings of a sweep in order of evaluation.

    Attributes:
        todo: settings to run, failed ones of an earlier run among them.
        done: settings that have a row.
        missing: settings whose corruption is not in the catalog.
    """

    todo: list[Setting]
    done: list[Setting]
    missing: list[Setting]


def clean_setting(suite: Suite) -> Setting:
    """The setting without corruption, which every sweep starts with."""
    return Setting(folder=suite.clean_folder, type="", severity="", corruption="", level=None)


def is_clean(setting: Setting) -> bool:
    """Whether a setting is one of :func:`clean_setting`."""
    return not setting.corruption


def make_plan(settings: Sequence[Setting], rows: Mapping[str, Row]) -> Plan:
    """Sort settings by what there is to do.

    Args:
        settings: settings to evaluate, the clean one first.
        rows: rows of an earlier run by folder.
    """
    missing = [setting for setting in settings if not is_clean(setting) and not available(setting)]
    done = [setting for setting in settings if setting.folder in rows and rows[setting.folder].score is not None]
    return Plan([setting for setting in settings if setting not in done + missing], done, missing)


def resume(work_dir: Path, suite: Suite, settings: Sequence[Setting], fingerprint: Fingerprint) -> Plan:
    """What is left to do in the folder of a sweep, without the half-written files of killed processes.

    Args:
        work_dir: the folder.
        suite: the suite.
        settings: settings of it to evaluate, the clean one first.
        fingerprint: of the sweep.

    Raises:
        InputError: for rows that are broken, or of another sweep.
    """
    rows = read_rows(work_dir, suite.name)
    refuse_other_fingerprint(rows.values(), fingerprint, work_dir)
    for path_of in (row_path, scene_path):
        remove_leftovers(path_of(work_dir, suite.name, "").parent)
    return make_plan(settings, rows)


def config_hash(config: Mapping[str, Any]) -> str:
    """Hash of what decides the scores: model, test data set with its pipeline, metric and test loop.

    Paths of the data, workers, batch size, hooks and the training side are left out: they change no score.
    """
    dataset = {key: value for key, value in config["test_dataloader"]["dataset"].items() if key not in PLACES}
    parts = {key: config[key] for key in ("model", "test_evaluator", "test_cfg")}
    parts["test_evaluator"] = {key: value for key, value in parts["test_evaluator"].items() if key not in PLACES}
    text = json.dumps({**parts, "dataset": dataset}, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()


def data_hash(infos: Iterable[Mapping[str, Any]]) -> str:
    """Hash of a list of scans: sample ids, and the sizes of the point and label files, in order.

    Args:
        infos: infos of the data set, with ``sample_id``, ``lidar_path`` and ``pts_semantic_mask_path``.

    Raises:
        InputError: for a scan without labels or a missing file.
    """
    digest = hashlib.sha256()
    for info in infos:
        if "pts_semantic_mask_path" not in info:
            raise InputError(f"{info['lidar_path']}: expected a scan with labels, found none; sweep the val split")
        sizes = [_size(info[key]) for key in ("lidar_path", "pts_semantic_mask_path")]
        digest.update(f"{info['sample_id']} {sizes[0]} {sizes[1]}\n".encode())
    return digest.hexdigest()


def keyframes_hash(infos: Iterable[Mapping[str, Any]], sensors: Sequence[str]) -> str:
    """Hash of a list of keyframes: tokens, sizes of the files of the sensors in use, number of objects, in order.

    Args:
        infos: infos of the data set.
        sensors: "lidar" (keyframe and sweeps), "camera".

    Raises:
        InputError: for a missing file.
    """
    digest = hashlib.sha256()
    for info in infos:
        paths = []
        if "lidar" in sensors:
            clouds = [info, *info.get("lidar_sweeps", ())]
            paths += [cloud["lidar_points"]["lidar_path"] for cloud in clouds]
        if "camera" in sensors:
            paths += [camera["img_path"] for camera in info["images"].values()]
        sizes = " ".join(str(_size(path)) for path in paths)
        digest.update(f"{info['token']} {sizes} {len(info.get('instances', ()))}\n".encode())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Versions of Python, this package and the packages that scores depend on."""
    installed = {part.name: part.version for part in metadata.distributions()}
    # CUDA builds of spconv are distributions of their own (spconv-cu118).
    used = {name: version for name, version in installed.items() if name in PACKAGES or name.startswith("spconv-")}
    return {"python": platform.python_version(), "perception3d": perception3d.__version__, **dict(sorted(used.items()))}


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except FileNotFoundError:
        raise InputError(f"{path}: expected a file, found none; check data_root and the info file") from None
