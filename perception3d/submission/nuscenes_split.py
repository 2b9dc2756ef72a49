"""Keyframes of a nuScenes split from the tables alone: annotations are not needed, so the test split works."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corruptions.core import InputError, unknown

LIDAR = "LIDAR_TOP"
LIDAR_BYTES_PER_POINT = 20
"""x, y, z, intensity and ring in float32."""


@dataclass(frozen=True)
class Split:
    """Keyframes of a split.

    Attributes:
        name: e.g. "val".
        sample_tokens: tokens of the keyframes, in the order of the table.
        scenes_missing: number of scenes of the split that the tables do not hold; 0 unless they are a part of it.
    """

    name: str
    sample_tokens: tuple[str, ...]
    scenes_missing: int


def read_split(root: Path, version: str, name: str) -> Split:
    """Tokens of the keyframes of a split.

    Args:
        root: folder of the data set.
        version: folder of the tables, e.g. "v1.0-test".
        name: split of nuscenes-devkit ("val", "test", "mini_val", ...), or of the tables' own ``splits.json``.

    Raises:
        InputError: for missing tables, an unknown split, or one without a keyframe in these tables.
    """
    scenes = {row["name"]: row["token"] for row in read_table(root, version, "scene", "name", "token")}
    names = _scene_names(root / version, name)
    tokens = {scenes[scene] for scene in names if scene in scenes}
    rows = read_table(root, version, "sample", "token", "scene_token")
    samples = tuple(row["token"] for row in rows if row["scene_token"] in tokens)
    if not samples:
        raise InputError(
            f"{root / version}: expected keyframes of split {name!r}, found none; scenes in these tables: "
            f"{', '.join(sorted(scenes)[:5])}, ..."
        )
    return Split(name, samples, len(set(names) - set(scenes)))


def lidar_keyframes(root: Path, version: str, split: Split) -> dict[str, int | None]:
    """Points of the LiDAR sweep of each keyframe of a split.

    Returns:
        By token of the sweep's ``sample_data`` record, in the order of the split: number of points, or None where the
        file is not on disk.

    Raises:
        InputError: for a keyframe without a LiDAR record.
    """
    sensors = read_table(root, version, "sensor", "token", "channel")
    named = {row["token"] for row in sensors if row["channel"] == LIDAR}
    calibrated = read_table(root, version, "calibrated_sensor", "token", "sensor_token")
    lidars = {row["token"] for row in calibrated if row["sensor_token"] in named}
    columns = ("token", "sample_token", "is_key_frame", "calibrated_sensor_token", "filename")
    rows = {
        row["sample_token"]: row
        for row in read_table(root, version, "sample_data", *columns)
        if row["is_key_frame"] and row["calibrated_sensor_token"] in lidars
    }
    for token in split.sample_tokens:
        if token not in rows:
            raise InputError(
                f"{root / version / 'sample_data.json'}: expected a keyframe of {LIDAR} for sample {token}, "
                "found none; the tables are incomplete, unpack them again"
            )
    kept = [rows[token] for token in split.sample_tokens]
    return {row["token"]: _points(root / row["filename"]) for row in kept}


def _points(path: Path) -> int | None:
    try:
        return path.stat().st_size // LIDAR_BYTES_PER_POINT
    except FileNotFoundError:
        return None


def _scene_names(tables: Path, name: str) -> Collection[str]:
    from nuscenes.utils.splits import create_splits_scenes

    official: dict[str, list[str]] = create_splits_scenes()
    if name in official:
        return official[name]
    own = _own_splits(tables / "splits.json")
    if name not in own:
        raise InputError(unknown("split", name, [*official, *own]))
    return own[name]


def _own_splits(path: Path) -> dict[str, list[str]]:
    if not path.is_file():
        return {}
    try:
        own = json.loads(path.read_text())
    except ValueError as error:
        raise InputError(f"{path}: expected JSON, found: {error}; correct it") from None
    lists = own.values() if isinstance(own, dict) else [None]
    if not all(isinstance(names, list) and all(isinstance(item, str) for item in names) for names in lists):
        raise InputError(f"{path}: expected an object of lists of scene names, found something else; correct it")
    return own


def read_table(root: Path, version: str, name: str, *columns: str) -> list[dict[str, Any]]:
    """A table of nuScenes.

    Args:
        root: folder of the data set.
        version: folder of the tables.
        name: of the table.
        columns: what every row must have.

    Raises:
        InputError: for a missing file, one that is no JSON, or rows without a column.
    """
    path = root / version / f"{name}.json"
    try:
        rows = json.loads(path.read_text())
    except FileNotFoundError:
        found = ", ".join(sorted(child.name for child in root.glob("v1.0-*"))) or "none"
        raise InputError(f"{path}: expected a table of nuScenes, found none; versions there: {found}") from None
    except ValueError as error:
        raise InputError(f"{path}: expected a JSON table, found: {error}; unpack it again") from None
    wanted = set(columns)
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row.keys() >= wanted for row in rows):
        raise InputError(
            f"{path}: expected a list of rows with {', '.join(columns)}, found something else; unpack it again"
        )
    return rows
