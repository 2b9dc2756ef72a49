"""Info files of the nuScenes keyframes that are on disk, in mmdet3d 1.4's format.

Frames: ``lidar`` is the LiDAR at the time of the keyframe, ``ego`` the vehicle at the time of the sensor it is written
with, ``global`` the map. A camera fires up to 50 ms before the LiDAR completes its turn, so ``lidar2cam`` goes through
the global frame and holds the motion of the vehicle in between.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError
from corruptions.nuscenes import CAMERAS, COLUMNS, LIDAR
from perception3d.conventions import NUSCENES_INFO_CLASSES
from perception3d.datasets.info_files import INFO_VERSION, write_info_files
from perception3d.metrics.nuscenes_detection.devkit import open_tables

SPLITS: Mapping[str, Mapping[str, str]] = {
    "v1.0-trainval": {"train": "train", "val": "val"},
    "v1.0-mini": {"train": "mini_train", "val": "mini_val"},
    "v1.0-test": {"test": "test"},
}
"""By version: part of the file name, and the devkit's name of the split."""

SECONDS = 1e-6
"""The tables count time in microseconds."""


@dataclass(frozen=True)
class SplitInfos:
    """Infos of a split.

    Attributes:
        split: its name in the devkit, or in the tables' own ``splits.json``.
        data_list: one info a keyframe, in the order of the table.
        scenes: number of scenes in it.
        absent_scenes: scenes left out because their files are not on disk.
    """

    split: str
    data_list: list[dict[str, Any]]
    scenes: int
    absent_scenes: tuple[str, ...] = ()


@dataclass
class _Reader:
    """The devkit's tables, and which files are on disk."""

    nusc: Any
    root: Path
    max_sweeps: int
    _folders: dict[str, set[str]] = field(default_factory=dict)
    _poses: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def pose(self, table: str, token: str) -> NDArray[np.float64]:
        """(4, 4) from the frame of a ``calibrated_sensor`` to the ego frame, of an ``ego_pose`` to the global frame."""
        if token not in self._poses:
            self._poses[token] = rigid_matrix(self.nusc.get(table, token))
        return self._poses[token]

    def ego_from_sensor(self, record: dict[str, Any]) -> NDArray[np.float64]:
        return self.pose("calibrated_sensor", record["calibrated_sensor_token"])

    def global_from_ego(self, record: dict[str, Any]) -> NDArray[np.float64]:
        return self.pose("ego_pose", record["ego_pose_token"])

    def global_from_sensor(self, record: dict[str, Any]) -> NDArray[np.float64]:
        return self.global_from_ego(record) @ self.ego_from_sensor(record)

    def on_disk(self, filename: str) -> bool:
        """Whether a file is there; each folder is listed once."""
        folder, name = os.path.split(filename)
        if folder not in self._folders:
            path = self.root / folder
            self._folders[folder] = set(os.listdir(path)) if path.is_dir() else set()
        return name in self._folders[folder]

    def check(self, record: dict[str, Any], folder: str) -> str:
        """File name of a record; raises :class:`InputError` unless it lies in ``folder`` on disk."""
        path = PurePosixPath(record["filename"])
        if str(path.parent) != folder:
            raise InputError(f"sample_data {record['token']}: expected a file in {folder}, found {path}")
        if not self.on_disk(str(path)):
            raise InputError(
                f"{self.root / path}: expected a file, found none, though its scene is on disk; unpack it again"
            )
        return path.name

    @cached_property
    def lidarseg(self) -> dict[str, str]:
        """Label file by token of the LiDAR record."""
        rows = getattr(self.nusc, "lidarseg", [])
        return {row["sample_data_token"]: row["filename"] for row in rows}


def rigid_matrix(record: Mapping[str, Any]) -> NDArray[np.float64]:
    """(4, 4) of a record with ``translation`` (x, y, z) in metres and ``rotation``, a quaternion (w, x, y, z)."""
    from scipy.spatial.transform import Rotation

    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_quat(np.roll(record["rotation"], -1)).as_matrix()
    matrix[:3, 3] = record["translation"]
    return matrix


def list_infos(root: Path, version: str, max_sweeps: int = 10) -> dict[str, SplitInfos]:
    """Infos of each split of the tables that are on disk.

    A scene whose first LiDAR keyframe is not on disk is left out (partial downloads); in the others every keyframe must
    be complete. Sweeps end where a file is not on disk.

    Args:
        root: folder that holds ``samples``, ``sweeps`` and the folder of the tables.
        version: folder of the tables: "v1.0-trainval", "v1.0-mini", "v1.0-test", or any other with a ``splits.json``
            (names of scenes by split), as the devkit reads it.
        max_sweeps: LiDAR sweeps before the keyframe.

    Returns:
        By part of the file name ("train", "val", "test", or the names of ``splits.json``). A split without scenes in
        these tables is empty.

    Raises:
        InputError: for missing or broken tables, files missing from a scene, or no keyframe at all.
    """
    if max_sweeps < 0:
        raise InputError(f"max_sweeps: expected a number >= 0, found {max_sweeps}")
    reader = _Reader(open_tables(root, version), root, max_sweeps)
    splits = {key: _split_infos(reader, name) for key, name in _split_names(root, version).items()}
    if not any(split.data_list for split in splits.values()):
        names = ", ".join(sorted(row["name"] for row in reader.nusc.scene)[:5])
        absent = sum(len(split.absent_scenes) for split in splits.values())
        raise InputError(
            f"{root / version}: expected scenes of {', '.join(split.split for split in splits.values())} on disk, "
            f"found none; scenes in these tables: {names}, ...; {absent} of a split have no files; unpack samples there"
        )
    return splits


def write_infos(splits: Mapping[str, SplitInfos], version: str, out_dir: Path, tag: str) -> dict[str, Path]:
    """Write ``{tag}_infos_{key}.pkl`` for each split; none takes its place before all are complete.

    Returns:
        Path written by key.

    Raises:
        InputError: when ``out_dir`` cannot be written.
    """
    paths = {key: out_dir / f"{tag}_infos_{key}.pkl" for key in splits}
    metainfo = {
        "categories": {name: label for label, name in enumerate(NUSCENES_INFO_CLASSES)},
        "dataset": "nuscenes",
        "version": version,
        "info_version": INFO_VERSION,
    }
    write_info_files(
        {
            paths[key]: {"metainfo": {**metainfo, "split": split.split}, "data_list": split.data_list}
            for key, split in splits.items()
        }
    )
    return paths


def _split_names(root: Path, version: str) -> dict[str, str]:
    own = root / version / "splits.json"
    names = {} if not own.is_file() else {name: name for name in json.loads(own.read_text())}
    names |= SPLITS.get(version, {})
    if not names:
        raise InputError(
            f"{root / version}: expected one of {', '.join(SPLITS)}, or a splits.json with the names of the scenes of "
            "each split, found neither"
        )
    return names


def _split_infos(reader: _Reader, split: str) -> SplitInfos:
    from nuscenes.utils.splits import get_scenes_of_split

    names = set(get_scenes_of_split(split, reader.nusc))
    scenes = {row["token"]: row["name"] for row in reader.nusc.scene if row["name"] in names}
    absent = {
        row["token"]: row["name"]
        for row in reader.nusc.scene
        if row["token"] in scenes and not _is_on_disk(reader, row)
    }
    samples = [row for row in reader.nusc.sample if row["scene_token"] in scenes and row["scene_token"] not in absent]
    data_list = [
        {"sample_idx": index, "scene_name": scenes[row["scene_token"]], **_sample_info(reader, row)}
        for index, row in enumerate(samples)
    ]
    return SplitInfos(split, data_list, len(scenes) - len(absent), tuple(absent.values()))


def _is_on_disk(reader: _Reader, scene: dict[str, Any]) -> bool:
    first = reader.nusc.get("sample", scene["first_sample_token"])
    return LIDAR in first["data"] and reader.on_disk(reader.nusc.get("sample_data", first["data"][LIDAR])["filename"])


def _sample_info(reader: _Reader, sample: dict[str, Any]) -> dict[str, Any]:
    """Info of a keyframe."""
    if LIDAR not in sample["data"]:
        raise InputError(f"sample {sample['token']}: expected a {LIDAR} keyframe, found none; unpack the tables again")
    lidar = reader.nusc.get("sample_data", sample["data"][LIDAR])
    info = {
        "token": sample["token"],
        "timestamp": sample["timestamp"] * SECONDS,
        "ego2global": reader.global_from_ego(lidar).tolist(),
        "lidar_points": {
            "lidar_path": reader.check(lidar, f"samples/{LIDAR}"),
            "num_pts_feats": COLUMNS,
            "lidar2ego": reader.ego_from_sensor(lidar).tolist(),
            "sample_data_token": lidar["token"],
        },
        "lidar_sweeps": [_sweep_info(reader, record, lidar) for record in _sweeps(reader, lidar)],
        "images": {name: _image_info(reader, sample, name, lidar) for name in CAMERAS if name in sample["data"]},
        "instances": _instances(reader, sample, lidar),
    }
    if lidar["token"] in reader.lidarseg:
        info["pts_semantic_mask_path"] = PurePosixPath(reader.lidarseg[lidar["token"]]).name
    return info


def _sweeps(reader: _Reader, lidar: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Records of the sweeps before a keyframe, nearest first.

    The previous keyframe is a sweep like others where sweeps lie in between. Where the tables link keyframe to
    keyframe the sweeps are missing, and a cloud of half a second ago does not stand for them.
    """
    record, found = lidar, 0
    while found < reader.max_sweeps and record["prev"]:
        record = reader.nusc.get("sample_data", record["prev"])
        if (record["is_key_frame"] and not found) or not reader.on_disk(record["filename"]):
            return
        found += 1
        yield record


def _sweep_info(reader: _Reader, record: dict[str, Any], lidar: dict[str, Any]) -> dict[str, Any]:
    sweep_from_lidar = np.linalg.inv(reader.global_from_sensor(record)) @ reader.global_from_sensor(lidar)
    return {
        "timestamp": record["timestamp"] * SECONDS,
        "sample_data_token": record["token"],
        "ego2global": reader.global_from_ego(record).tolist(),
        "lidar_points": {
            "lidar_path": record["filename"],  # with its folder: mmdet3d tells samples and sweeps apart by it
            "lidar2ego": reader.ego_from_sensor(record).tolist(),
            "lidar2sensor": sweep_from_lidar.tolist(),
        },
    }


def _image_info(reader: _Reader, sample: dict[str, Any], name: str, lidar: dict[str, Any]) -> dict[str, Any]:
    record = reader.nusc.get("sample_data", sample["data"][name])
    calibration = reader.nusc.get("calibrated_sensor", record["calibrated_sensor_token"])
    if np.shape(calibration["camera_intrinsic"]) != (3, 3):
        raise InputError(
            f"calibrated_sensor {calibration['token']}: expected a 3 x 3 camera_intrinsic of {name}, found "
            f"{calibration['camera_intrinsic']}"
        )
    return {
        "img_path": reader.check(record, f"samples/{name}"),
        "height": record["height"],
        "width": record["width"],
        "cam2img": calibration["camera_intrinsic"],
        "cam2ego": reader.ego_from_sensor(record).tolist(),
        "lidar2cam": (np.linalg.inv(reader.global_from_sensor(record)) @ reader.global_from_sensor(lidar)).tolist(),
        "sample_data_token": record["token"],
        "timestamp": record["timestamp"] * SECONDS,
    }


def _instances(reader: _Reader, sample: dict[str, Any], lidar: dict[str, Any]) -> list[dict[str, Any]]:
    """Annotated objects in the LiDAR frame; none in the test split."""
    from nuscenes.eval.detection.utils import category_to_detection_name
    from scipy.spatial.transform import Rotation

    if not sample["anns"]:
        return []
    labels = {name: label for label, name in enumerate(NUSCENES_INFO_CLASSES)}
    rows = [reader.nusc.get("sample_annotation", token) for token in sample["anns"]]
    lidar_from_global = np.linalg.inv(reader.global_from_sensor(lidar))
    turn = lidar_from_global[:3, :3]
    centers_m = np.array([row["translation"] for row in rows]) @ turn.T + lidar_from_global[:3, 3]
    sizes_m = np.array([row["size"] for row in rows])[:, [1, 0, 2]]  # the tables give width, length, height
    headings = Rotation.from_quat(np.roll([row["rotation"] for row in rows], -1, axis=1)).as_matrix()[:, :, 0] @ turn.T
    yaws_rad = np.arctan2(headings[:, 1], headings[:, 0])
    velocities_m_s = np.array([reader.nusc.box_velocity(token) for token in sample["anns"]])
    # an unknown velocity stays unknown; a vertical one does not occur, but tilts into the plane of the LiDAR
    velocities_m_s = (velocities_m_s * [1, 1, 0] @ turn.T)[:, :2]
    boxes = np.column_stack([centers_m, sizes_m, yaws_rad])
    infos = []
    for row, box, velocity in zip(rows, boxes, velocities_m_s, strict=True):
        label = labels.get(category_to_detection_name(row["category_name"]) or "", -1)
        infos.append(
            {
                "bbox_3d": box.tolist(),
                "bbox_label": label,
                "bbox_label_3d": label,
                "velocity": velocity.tolist(),
                "num_lidar_pts": row["num_lidar_pts"],
                "num_radar_pts": row["num_radar_pts"],
                "bbox_3d_isvalid": row["num_lidar_pts"] + row["num_radar_pts"] > 0,
                "instance_token": row["instance_token"],
            }
        )
    return infos
