"""The database of objects that GT sampling pastes: points, images and boxes, cut out of training samples.

On disk: an index in the form of mmdet3d's ``dbinfos`` (a dict from class to a list of dicts) and one file of points and
one image a object beside it, by paths relative to the index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import mmengine
import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError
from corruptions.files import read_points
from perception3d.transforms.object_paste import Patch

REMEDY = "write the database with tools/create_data.py nuscenes --gt-database"
WHOLE = (0.0, 0.0, 1.0, 1.0)
KEYS = ("path", "box3d_lidar", "num_points_in_gt", "num_pts_feats")


@dataclass(frozen=True)
class PastedObject:
    """An object to paste.

    Attributes:
        points: float32 (N, C), relative to the bottom centre of the box.
        patch: the object in a camera, None without images.
    """

    points: NDArray[np.float32]
    patch: Patch | None


@dataclass(frozen=True)
class ObjectRecords:
    """The objects of one class.

    Attributes:
        folder: folder of the index.
        boxes: float32 (n, 9): bottom centre x, y, z, length, width, height, yaw, velocity x, y; LiDAR frame.
        point_files: n paths below the folder.
        image_files: n paths below the folder, "" for an object without an image.
        image_parts: (n, 4) what the image shows of the hull, see ``Patch.part``.
        columns: values per point.
    """

    folder: Path
    boxes: NDArray[np.float32]
    point_files: tuple[str, ...]
    image_files: tuple[str, ...]
    image_parts: NDArray[np.float64]
    columns: int

    def load(self, row: int, with_image: bool) -> PastedObject:
        """Read one object; raises :class:`InputError` for a missing or broken file."""
        points = read_points(self.folder / self.point_files[row], self.columns)
        return PastedObject(points, self._patch(row) if with_image else None)

    def _patch(self, row: int) -> Patch:
        path = self.folder / self.image_files[row]
        image = cv2.imread(str(path))
        if image is None:
            raise InputError(f"{path}: expected the image of an object, found none; {REMEDY}")
        left, top, right, bottom = self.image_parts[row].tolist()
        return Patch(np.asarray(image, dtype=np.uint8), (left, top, right, bottom))


def read_object_database(
    path: Path, classes: Sequence[str], min_points: int, with_images: bool
) -> dict[str, ObjectRecords]:
    """The objects of some classes that have enough points and, if asked for, an image.

    Raises:
        InputError: for a missing index, one of another form, or a class that it does not have.
    """
    if not path.is_file():
        raise InputError(f"{path}: expected the index of an object database, found no file; {REMEDY}")
    index = mmengine.load(path)
    if not isinstance(index, dict):
        raise InputError(f"{path}: expected a dict from class to objects, found {type(index).__name__}; {REMEDY}")
    absent = [name for name in classes if name not in index]
    if absent:
        raise InputError(f"{path}: expected objects of {', '.join(absent)}, found {', '.join(index)}; {REMEDY}")
    return {name: _records(path, index[name], min_points, with_images) for name in classes}


def _records(path: Path, objects: list[dict[str, Any]], min_points: int, with_images: bool) -> ObjectRecords:
    for entry in objects[:1]:
        missing = [key for key in KEYS if key not in entry]
        if missing:
            raise InputError(f"{path}: expected {', '.join(KEYS)} of each object, found no {', '.join(missing)}")
    kept = [
        entry
        for entry in objects
        if entry["num_points_in_gt"] >= min_points and (entry.get("image_path") or not with_images)
    ]
    # columns, not dicts: a million of these would be copied page by page into every worker
    return ObjectRecords(
        path.parent,
        np.array([entry["box3d_lidar"] for entry in kept], dtype=np.float32) if kept else np.zeros((0, 9), np.float32),
        tuple(entry["path"] for entry in kept),
        tuple(entry.get("image_path") or "" for entry in kept),
        np.array([entry.get("image_part", WHOLE) for entry in kept], dtype=np.float64).reshape(len(kept), 4),
        kept[0]["num_pts_feats"] if kept else 0,
    )
