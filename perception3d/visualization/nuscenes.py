"""Frames of nuScenes from its tables, with nuscenes-devkit's geometry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError, unknown
from corruptions.files import read_labels, read_points
from corruptions.nuscenes import CAMERAS, COLUMNS, LIDAR
from perception3d.conventions import (
    NUSCENES_LIDARSEG_CLASS_OF,
    NUSCENES_LIDARSEG_CLASSES,
    NUSCENES_LIDARSEG_IGNORE,
)
from perception3d.visualization.colours import LIDARSEG_COLOURS, by_class, classes_shown
from perception3d.visualization.geometry import BoxSet
from perception3d.visualization.sheet import Frame, View


def chosen_samples(nusc: Any, scene: str | None = None, token: str | None = None) -> list[dict[str, Any]]:
    """Records of keyframes: of one scene, one by its token, or all; scenes in the order of their table.

    Args:
        nusc: the devkit's ``NuScenes``.
        scene: name, e.g. "scene-0916".
        token: token of a sample.

    Raises:
        InputError: for a name or a token that the tables do not have.
    """
    if token is not None:
        rows = [row for row in nusc.sample if row["token"] == token]
        if not rows:
            raise InputError(
                f"--token {token}: expected the token of one of the {len(nusc.sample)} samples of {nusc.version}, "
                f"found none with it; the first is {nusc.sample[0]['token'] if nusc.sample else 'missing'}"
            )
        return rows
    scenes = {row["name"]: row for row in nusc.scene}
    if scene is not None and scene not in scenes:
        raise InputError(unknown("scene", scene, scenes, of=nusc.version))
    return [row for name in ([scene] if scene else scenes) for row in _samples_of(nusc, scenes[name])]


def _samples_of(nusc: Any, scene: dict[str, Any]) -> Iterator[dict[str, Any]]:
    token = scene["first_sample_token"]
    while token:
        row = nusc.get("sample", token)
        yield row
        token = row["next"]


def read_frame(nusc: Any, sample: dict[str, Any], lidarseg: bool = False) -> Frame:
    """A keyframe: sweep, images that are on disk, annotations of the ten classes and others in grey.

    Args:
        nusc: the devkit's ``NuScenes``.
        sample: record of the keyframe.
        lidarseg: colour the points by their class of nuScenes-lidarseg.

    Raises:
        InputError: for a sweep that is missing or broken, an image that cannot be read, or no lidarseg labels.
    """
    lidar = nusc.get("sample_data", sample["data"][LIDAR])
    points = read_points(Path(nusc.dataroot) / lidar["filename"], columns=COLUMNS)
    labels = read_lidarseg(nusc, lidar, len(points)) if lidarseg else None
    scene = nusc.get("scene", sample["scene_token"])
    first = nusc.get("sample", scene["first_sample_token"])
    seconds = (sample["timestamp"] - first["timestamp"]) / 1e6
    return Frame(
        title=f"{scene['name']}   {sample['token']}   {seconds:.1f} s",
        points=points,
        rgb=None if labels is None else by_class(labels, list(LIDARSEG_COLOURS.values())),
        views=_views(nusc, sample, lidar),
        boxes=(annotated_boxes(nusc, lidar),),
        forward="y",
        point_legend={} if labels is None else classes_shown(labels, LIDARSEG_COLOURS),
    )


def annotated_boxes(nusc: Any, lidar: dict[str, Any]) -> BoxSet:
    """Annotated boxes of the keyframe of a sweep, in the LiDAR frame, with velocities (NaN where unknown).

    Categories that the detection task does not score keep the last part of their name ("debris").
    """
    from nuscenes.eval.detection.utils import category_to_detection_name

    _, boxes, _ = nusc.get_sample_data(lidar["token"])
    from_global = np.linalg.inv(_global_from_sensor(nusc, lidar))
    values, names = np.zeros((len(boxes), 9)), []
    for row, box in zip(values, boxes, strict=True):
        width, length, height = box.wlh
        ahead = box.orientation.rotation_matrix[:, 0]
        velocity = from_global[:3, :3] @ nusc.box_velocity(box.token)
        row[:] = [*box.center, length, width, height, np.arctan2(ahead[1], ahead[0]), *velocity[:2]]
        names.append(category_to_detection_name(box.name) or box.name.split(".")[-1])
    return BoxSet(values, tuple(names))


def img_from_lidar(nusc: Any, camera: dict[str, Any], lidar: dict[str, Any]) -> NDArray[np.float64]:
    """Projection (4, 4) from the LiDAR frame at the sweep to pixels at the image: the car moves in between."""
    calibration = nusc.get("calibrated_sensor", camera["calibrated_sensor_token"])
    intrinsic = np.eye(4)
    intrinsic[:3, :3] = calibration["camera_intrinsic"]
    cam_from_global = np.linalg.inv(_global_from_sensor(nusc, camera))
    return intrinsic @ cam_from_global @ _global_from_sensor(nusc, lidar)


def read_lidarseg(nusc: Any, lidar: dict[str, Any], count: int) -> NDArray[np.integer]:
    """Train ids (count,) of the points of a sweep; raises :class:`InputError` where there are none.

    Files hold the ids of the category table, which need not be those of the public data set.
    """
    rows = {row["sample_data_token"]: row for row in getattr(nusc, "lidarseg", [])}
    if lidar["token"] not in rows:
        raise InputError(
            f"{Path(nusc.dataroot) / nusc.version / 'lidarseg.json'}: expected labels of {lidar['filename']}, found "
            "none; download nuScenes-lidarseg, or leave out --lidarseg"
        )
    train_id = {name: number for number, name in enumerate(NUSCENES_LIDARSEG_CLASSES)}
    lookup = np.full(256, NUSCENES_LIDARSEG_IGNORE)
    for category in nusc.category:
        name = NUSCENES_LIDARSEG_CLASS_OF.get(category["name"])
        lookup[category["index"]] = NUSCENES_LIDARSEG_IGNORE if name is None else train_id[name]
    return lookup[read_labels(Path(nusc.dataroot) / rows[lidar["token"]]["filename"], count, np.uint8)]


def read_image(path: Path) -> NDArray[np.uint8]:
    """RGB (H, W, 3); raises :class:`InputError` for what is no image."""
    import cv2

    image = cv2.imread(str(path))
    if image is None:
        raise InputError(f"{path}: expected an image, found a file that cannot be read as one; copy it again")
    return np.asarray(image[..., ::-1], dtype=np.uint8)


def _views(nusc: Any, sample: dict[str, Any], lidar: dict[str, Any]) -> list[View]:
    rows = [nusc.get("sample_data", sample["data"][name]) for name in CAMERAS if name in sample["data"]]
    views = []
    for row in rows:
        path = Path(nusc.dataroot) / row["filename"]
        if path.is_file():  # partial downloads
            views.append(View(row["channel"], read_image(path), img_from_lidar(nusc, row, lidar)))
    return views


def _global_from_sensor(nusc: Any, record: dict[str, Any]) -> NDArray[np.float64]:
    from nuscenes.utils.geometry_utils import transform_matrix
    from pyquaternion import Quaternion

    pose = nusc.get("ego_pose", record["ego_pose_token"])
    mount = nusc.get("calibrated_sensor", record["calibrated_sensor_token"])
    ego, sensor = (transform_matrix(np.array(r["translation"]), Quaternion(r["rotation"])) for r in (pose, mount))
    return ego @ sensor
