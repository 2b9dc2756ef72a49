"""nuScenes read from its tables: LiDAR sweeps and camera images, keyframes and what lies between them.

Only json: the devkit is not needed. Files that the tables list but are not on disk (partial downloads) are left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from corruptions.core import InputError, unknown
from corruptions.files import check_label_count, count_points
from corruptions.readers import BinReader, Sample

LIDAR = "LIDAR_TOP"
# The order of mmdet3d's info files; a batch of views draws its random numbers in this order.
CAMERAS = ("CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_FRONT_LEFT", "CAM_BACK", "CAM_BACK_LEFT", "CAM_BACK_RIGHT")
COLUMNS = 5
RING_COLUMN = 4
INTENSITY_MAX = 255.0
SENSOR = "HDL-32E"


@dataclass(frozen=True)
class ViewGroup:
    """Camera images that are corrupted together: all of a keyframe, or one between keyframes.

    Attributes:
        id: seeds the random stream: the id of the LiDAR sweep of the keyframe, or the image's own file name.
        files: images, relative to the data set, in the order of ``CAMERAS``.
        previous: the image before each of them by the same camera, itself at the start of a scene.
        rig_id: id of the keyframe that an image belongs to; decides which cameras fail.
        slots: position of each image among the cameras of its keyframe.
        rig_size: number of cameras of the keyframe.
    """

    id: str
    files: tuple[str, ...]
    previous: tuple[str, ...]
    rig_id: str
    slots: tuple[int, ...]
    rig_size: int


@dataclass(frozen=True)
class NuScenes:
    """The tables that the exporter needs, without records whose files are not on disk.

    Attributes:
        root: folder of the data set.
        version: folder of the tables, e.g. "v1.0-trainval".
        lidar: records of the LiDAR sweeps.
        cameras: records of the camera images.
        lidarseg: label file by token of the LiDAR record, relative to ``root``; empty without nuScenes-lidarseg.
        sample_before: token of the sample before, by token of the sample.
        missing: number of listed files that are not on disk.
    """

    root: Path
    version: str
    lidar: tuple[dict[str, Any], ...]
    cameras: tuple[dict[str, Any], ...]
    lidarseg: dict[str, str] = field(default_factory=dict)
    sample_before: dict[str, str] = field(default_factory=dict)
    missing: int = 0


def sample_id(filename: str) -> str:
    """Id of a sweep or image: its file name up to the first dot (``.pcd.bin`` has two)."""
    return PurePosixPath(filename).name.split(".")[0]


def load(root: Path, version: str, scenes: Sequence[str] = (), keyframes_only: bool = False) -> NuScenes:
    """Read the tables of nuScenes.

    Args:
        root: folder that holds ``samples``, ``sweeps`` and the folder of the tables.
        version: folder of the tables, e.g. "v1.0-mini".
        scenes: names of scenes ("scene-0916"); all by default.
        keyframes_only: leave out what lies between keyframes.

    Raises:
        InputError: for a missing table or scene, a file name that leads out of the data set, or no file at all.
    """
    channels = {row["token"]: row["channel"] for row in _table(root, version, "sensor")}
    channel_of = {row["token"]: channels[row["sensor_token"]] for row in _table(root, version, "calibrated_sensor")}
    samples = _samples_of(root, version, scenes)
    lidar: list[dict[str, Any]] = []
    cameras: list[dict[str, Any]] = []
    missing = 0
    for row in _table(root, version, "sample_data"):
        channel = channel_of[row["calibrated_sensor_token"]]
        wanted = channel == LIDAR or channel in CAMERAS
        if not wanted or row["sample_token"] not in samples or (keyframes_only and not row["is_key_frame"]):
            continue
        _check_inside(row["filename"], root / version / "sample_data.json")
        if not (root / row["filename"]).is_file():
            missing += 1
            continue
        (lidar if channel == LIDAR else cameras).append({**row, "channel": channel})
    if not lidar and not cameras:
        raise InputError(
            f"{root}: expected files that {version}/sample_data.json lists, found none of {missing}; unpack them there"
        )
    labels = _table(root, version, "lidarseg") if (root / version / "lidarseg.json").is_file() else []
    for row in labels:
        _check_inside(row["filename"], root / version / "lidarseg.json")
    by_token = {row["sample_data_token"]: row["filename"] for row in labels}
    return NuScenes(root, version, tuple(lidar), tuple(cameras), by_token, samples, missing)


def lidar_reader(data: NuScenes) -> BinReader:
    """The LiDAR sweeps, with lidarseg labels for the keyframes that have them.

    Raises:
        InputError: for files of the wrong size.
    """
    sweeps = []
    for row in data.lidar:
        scan = data.root / row["filename"]
        count = count_points(scan, COLUMNS)
        labels = data.lidarseg.get(row["token"])
        files: tuple[Path, ...] = (scan,)
        if labels is not None:
            files = (scan, data.root / labels)
            check_label_count(files[1], count, np.uint8)
        sweeps.append(Sample(sample_id(row["filename"]), files, row["filename"], labels))
    return BinReader(
        "nuScenes",
        tuple(sweeps),
        columns=COLUMNS,
        intensity_max=INTENSITY_MAX,
        sensor=SENSOR,
        label_set="nuscenes",
        label_dtype=np.uint8,
        ring_column=RING_COLUMN,
    )


def view_groups(data: NuScenes) -> list[ViewGroup]:
    """The camera images in groups that are corrupted together."""
    lidar_ids = {row["sample_token"]: sample_id(row["filename"]) for row in data.lidar if row["is_key_frame"]}
    rigs: dict[str, dict[str, dict[str, Any]]] = {}
    for row in sorted(data.cameras, key=lambda row: CAMERAS.index(row["channel"])):
        if row["is_key_frame"]:
            rigs.setdefault(row["sample_token"], {})[row["channel"]] = row
    return [*_keyframe_groups(data, rigs, lidar_ids), *_single_groups(data, rigs, lidar_ids)]


def _keyframe_groups(
    data: NuScenes, rigs: dict[str, dict[str, dict[str, Any]]], lidar_ids: dict[str, str]
) -> Iterator[ViewGroup]:
    for token, rig in rigs.items():
        before = rigs.get(data.sample_before[token], {})
        files = tuple(row["filename"] for row in rig.values())
        previous = tuple(before.get(channel, row)["filename"] for channel, row in rig.items())
        name = lidar_ids.get(token, sample_id(files[0]))
        yield ViewGroup(name, files, previous, name, tuple(range(len(files))), len(files))


def _single_groups(
    data: NuScenes, rigs: dict[str, dict[str, dict[str, Any]]], lidar_ids: dict[str, str]
) -> Iterator[ViewGroup]:
    """Images between keyframes, one by one: the cameras are not triggered together there."""
    by_token = {row["token"]: row for row in data.cameras}
    for row in data.cameras:
        if row["is_key_frame"]:
            continue
        channels = list(rigs.get(row["sample_token"], CAMERAS))
        channels += [] if row["channel"] in channels else [row["channel"]]
        name = sample_id(row["filename"])
        yield ViewGroup(
            name,
            (row["filename"],),
            (by_token.get(row["prev"], row)["filename"],),
            lidar_ids.get(row["sample_token"], name),
            (channels.index(row["channel"]),),
            len(channels),
        )


def _samples_of(root: Path, version: str, scenes: Sequence[str]) -> dict[str, str]:
    """Token of the sample before, by token, for the samples of these scenes; of all scenes without any."""
    tokens = {row["name"]: row["token"] for row in _table(root, version, "scene")}
    for name in scenes:
        if name not in tokens:
            raise InputError(unknown("scene", name, tokens, of=version))
    wanted = {tokens[name] for name in scenes} or set(tokens.values())
    return {row["token"]: row["prev"] for row in _table(root, version, "sample") if row["scene_token"] in wanted}


def _table(root: Path, version: str, name: str) -> list[dict[str, Any]]:
    path = root / version / f"{name}.json"
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        found = ", ".join(sorted(child.name for child in root.glob("v1.0-*"))) or "none"
        raise InputError(f"{path}: expected a table of nuScenes, found none; versions at {root}: {found}") from None
    except ValueError as error:
        raise InputError(f"{path}: expected a json table, found: {error}; unpack it again") from None


def _check_inside(filename: str, table: Path) -> None:
    path = PurePosixPath(filename)
    if path.is_absolute() or ".." in path.parts:
        raise InputError(f"{table}: expected file names below the data set, found {filename}")
