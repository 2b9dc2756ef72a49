"""The tables of nuScenes v1.0, put together from the records of single keyframes.

Each keyframe leaves one part file; the tables are a function of all parts, so that a data set grows by more keyframes
or scenes. One scene is held in memory at a time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from corruptions.files import write_atomically
from perception3d.conventions import NUSCENES_ATTRIBUTES
from perception3d.simulation.nuscenes import rig
from perception3d.simulation.nuscenes.categories import ATTRIBUTE_TEXTS, CATEGORIES, VISIBILITIES
from perception3d.simulation.nuscenes.request import Request

Row = dict[str, Any]
PER_SCENE = ("scene", "log", "map", "sample", "sample_data", "ego_pose", "sample_annotation", "instance", "lidarseg")
LOCATION = "boston-seaport"  # traffic keeps to the right there
LOGFILE = "simulated"


def token(*what: object) -> str:
    """The 32 hexadecimal digits of a record, from what it is."""
    return hashlib.md5("/".join(str(part) for part in what).encode(), usedforsecurity=False).hexdigest()


def fixed_tables(request: Request) -> dict[str, list[Row]]:
    """The tables that are the same for all scenes."""
    channels = {rig.LIDAR: "lidar"} | (dict.fromkeys(rig.CAMERAS, "camera") if request.cameras else {})
    return {
        "category": [
            {"token": token("category", name), "name": name, "description": name, "index": index}
            for index, name in enumerate(CATEGORIES)
        ],
        "attribute": [
            {"token": token("attribute", name), "name": name, "description": ATTRIBUTE_TEXTS[name]}
            for name in NUSCENES_ATTRIBUTES
        ],
        "visibility": [
            {"token": str(number), "level": level, "description": f"visibility of whole object: {level[1:]} %"}
            for number, level in enumerate(VISIBILITIES, 1)
        ],
        "sensor": [
            {"token": token("sensor", channel), "channel": channel, "modality": modality}
            for channel, modality in channels.items()
        ],
        "calibrated_sensor": [_calibrated(request, channel) for channel in channels],
    }


def _calibrated(request: Request, channel: str) -> Row:
    is_lidar = channel == rig.LIDAR
    pose = rig.EGO_FROM_LIDAR if is_lidar else rig.ego_from_camera(channel)
    intrinsic = [] if is_lidar else rig.camera(channel, request.height_px, request.width_px).intrinsics.tolist()
    return {
        "token": token("calibrated_sensor", channel),
        "sensor_token": token("sensor", channel),
        "translation": pose[:3, 3].tolist(),
        "rotation": rig.quaternion(pose[:3, :3]),
        "camera_intrinsic": intrinsic,
    }


def scene_tables(name: str, seed: int, description: str, parts: list[Row]) -> dict[str, list[Row]]:
    """The records of one scene.

    Args:
        name: official name of the scene.
        seed: of the data set; part of the tokens.
        description: what the scene shows.
        parts: of its keyframes in order: "sample", "sample_data" (with "channel"), "ego_pose", "annotations",
            "lidarseg".
    """
    scene, log = token(seed, name), token(seed, name, "log")
    samples = [{**part["sample"], "scene_token": scene} for part in parts]
    _link(samples)
    by_channel: dict[str, list[Row]] = {}
    for row in (row for part in parts for row in part["sample_data"]):
        by_channel.setdefault(row.pop("channel"), []).append(row)
    for rows in by_channel.values():
        _link(rows)
    instances, annotations = _instances(name, seed, parts)
    return {
        "scene": [
            {
                "token": scene,
                "log_token": log,
                "nbr_samples": len(samples),
                "first_sample_token": samples[0]["token"],
                "last_sample_token": samples[-1]["token"],
                "name": name,
                "description": description,
            }
        ],
        "log": [
            {"token": log, "logfile": LOGFILE, "vehicle": LOGFILE, "date_captured": "2018-07-01", "location": LOCATION}
        ],
        "map": [
            {
                "token": token(seed, name, "map"),
                "category": "semantic_prior",
                "filename": f"maps/{map_name(seed, name)}",
                "log_tokens": [log],
            }
        ],
        "sample": samples,
        "sample_data": [row for rows in by_channel.values() for row in rows],
        "ego_pose": [row for part in parts for row in part["ego_pose"]],
        "sample_annotation": annotations,
        "instance": instances,
        "lidarseg": [row for part in parts for row in part["lidarseg"]],
    }


def map_name(seed: int, scene: str) -> str:
    """File name of the map mask of a scene."""
    return f"{token(seed, scene, 'map')}.png"


def _link(rows: list[Row]) -> None:
    for index, row in enumerate(rows):
        row["prev"] = rows[index - 1]["token"] if index else ""
        row["next"] = rows[index + 1]["token"] if index + 1 < len(rows) else ""


def _instances(name: str, seed: int, parts: list[Row]) -> tuple[list[Row], list[Row]]:
    """Instances and their annotations: from the first keyframe with a return on them to the last."""
    tracks: dict[int, list[tuple[Row, Row]]] = {}
    for part in parts:
        for record in part["annotations"]:
            tracks.setdefault(record["instance"], []).append((part["sample"], record))
    instances, annotations = [], []
    for number, track in sorted(tracks.items()):
        hit = [index for index, (_, record) in enumerate(track) if record["num_lidar_pts"]]
        if not hit:
            continue
        instance = token(seed, name, "instance", number)
        rows = [_annotation(sample, instance, record) for sample, record in track[hit[0] : hit[-1] + 1]]
        _link(rows)
        annotations += rows
        instances.append(
            {
                "token": instance,
                "category_token": token("category", track[0][1]["category"]),
                "nbr_annotations": len(rows),
                "first_annotation_token": rows[0]["token"],
                "last_annotation_token": rows[-1]["token"],
            }
        )
    return instances, annotations


def _annotation(sample: Row, instance: str, record: Row) -> Row:
    return {
        "token": token(sample["token"], instance),
        "sample_token": sample["token"],
        "instance_token": instance,
        "visibility_token": str(record["visibility"] + 1),
        "attribute_tokens": [token("attribute", record["attribute"])] if record["attribute"] else [],
        "translation": record["translation"],
        "size": record["size"],
        "rotation": record["rotation"],
        "num_lidar_pts": record["num_lidar_pts"],
        "num_radar_pts": 0,
    }


def write_tables(folder: Path, fixed: dict[str, list[Row]], scenes: Iterable[dict[str, list[Row]]]) -> None:
    """Write all tables of a version, one scene after the other; each table is moved into place whole."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in fixed.items():
        write_atomically(folder / f"{name}.json", json.dumps(rows, indent=0).encode())
    temporary = {name: folder / f".{name}.json.part" for name in PER_SCENE}
    files = {name: path.open("w") for name, path in temporary.items()}
    try:
        begun: set[str] = set()  # not all with the first scene: without a thing in sight it has no annotations
        for file in files.values():
            file.write("[")
        for tables in scenes:
            for name, file in files.items():
                _append(file, tables[name], first=name not in begun)
                begun |= {name} if tables[name] else set()
        for name, file in files.items():
            file.write("\n]\n")
            file.close()
            temporary[name].replace(folder / f"{name}.json")
    finally:
        for name, file in files.items():
            file.close()
            temporary[name].unlink(missing_ok=True)


def _append(file: TextIO, rows: list[Row], first: bool) -> None:
    for number, row in enumerate(rows):
        file.write(("\n" if first and number == 0 else ",\n") + json.dumps(row))
