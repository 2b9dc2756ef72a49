"""GT sampling for points and images: objects of other training samples are pasted into a sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet3d.structures import LiDARInstance3DBoxes
from numpy.typing import NDArray

from corruptions.boxes import points_in_boxes
from corruptions.core import InputError, unknown
from perception3d.registry import TRANSFORMS
from perception3d.transforms.object_database import ObjectRecords, PastedObject, read_object_database
from perception3d.transforms.object_paste import Patch, box_hulls, centred, free_places, paste_patches
from perception3d.transforms.randomness import next_generator


def draw_objects(
    database: Mapping[str, ObjectRecords],
    wanted: Mapping[str, int],
    taken: NDArray[np.floating],
    rng: np.random.Generator,
) -> list[tuple[str, int]]:
    """Class and row of objects that stand free of the taken boxes (n, 9) and of one another.

    Args:
        database: objects by class; boxes with the bottom centre first, as ``taken``.
        wanted: how many objects to try, by class.
        taken: boxes of the scene.
        rng: random stream.
    """
    chosen: list[tuple[str, int]] = []
    for name, count in wanted.items():
        records = database[name]
        rows = rng.choice(len(records.boxes), min(max(count, 0), len(records.boxes)), replace=False)
        rows = rows[free_places(records.boxes[rows], taken)]
        chosen += [(name, int(row)) for row in rows]
        taken = np.concatenate([taken, records.boxes[rows]])
    return chosen


class SharedSwitch:
    """A flag in shared memory: workers that live through the whole training see when it changes."""

    def __init__(self, on: bool) -> None:
        self._state = torch.tensor([on]).share_memory_()

    def __deepcopy__(self, memo: dict) -> SharedSwitch:
        return SharedSwitch(self.on)  # torch would copy into memory that is not shared

    @property
    def on(self) -> bool:
        """The state."""
        return bool(self._state[0])

    @on.setter
    def on(self, value: bool) -> None:
        self._state[0] = value


@TRANSFORMS.register_module()
class SampleObjects(BaseTransform):
    """GT sampling (Yan et al., SECOND, 2018) for LiDAR and, as published for CMT, for images with it.

    Each class is filled up to a number of objects. Points of the scene inside a pasted box go. In each camera the
    objects of the scene and the pasted ones are laid over the image from far to near. For the pipeline after the
    loading, before any augmentation. Changes ``points``, ``gt_bboxes_3d``, ``gt_labels_3d`` and ``img``.

    :class:`~perception3d.hooks.fade.FadeObjectsHook` ends it before the end of the training.

    mmdet3d's own ``DataBaseSampler`` does not run on numpy >= 1.24 (``np.long``) and knows no several cameras.

    Args:
        database: index written by ``tools/create_data.py nuscenes --gt-database``.
        classes: names of the labels, as in the dataset's metainfo.
        groups: objects of each class that a sample should have.
        with_images: paste into the images too; then only objects with an image are used.
        min_points: fewest points of an object.
        blend: weight of a pasted crop over what is there, 0.5 as published; 1 covers it.

    Raises:
        InputError: for a missing or unfit database, or groups of unknown classes.
    """

    def __init__(
        self,
        database: str,
        classes: Sequence[str],
        groups: Mapping[str, int],
        with_images: bool = True,
        min_points: int = 5,
        blend: float = 0.5,
    ) -> None:
        for name in groups:
            if name not in classes:
                raise InputError(unknown("class", name, classes, of="SampleObjects groups"))
        self.records = read_object_database(Path(database), tuple(groups), min_points, with_images)
        self.classes = tuple(classes)
        self.groups = dict(groups)
        self.with_images = with_images
        self.blend = blend
        self._switch = SharedSwitch(True)

    @property
    def active(self) -> bool:
        """Whether objects are pasted; a change reaches the workers of a running dataloader."""
        return self._switch.on

    @active.setter
    def active(self, value: bool) -> None:
        self._switch.on = value

    def transform(self, results: dict) -> dict:
        """Paste objects into one sample."""
        if not self.active:
            return results
        boxes = results["gt_bboxes_3d"].tensor.numpy()
        chosen = draw_objects(self.records, self._wanted(results["gt_labels_3d"]), boxes, next_generator())
        if not chosen:
            return results
        pasted = np.stack([self.records[name].boxes[row] for name, row in chosen])
        objects = [self.records[name].load(row, self.with_images) for name, row in chosen]
        self._add_points(results, pasted, objects)
        if self.with_images:
            self._add_images(results, np.concatenate([boxes, pasted]), [None] * len(boxes) + [o.patch for o in objects])
        # not through numpy: mmdet3d turns an empty list of boxes into one of another width
        together = torch.cat([results["gt_bboxes_3d"].tensor, torch.from_numpy(pasted)])
        results["gt_bboxes_3d"] = LiDARInstance3DBoxes(together, box_dim=together.shape[1])
        labels = [self.classes.index(name) for name, _ in chosen]
        results["gt_labels_3d"] = np.concatenate([results["gt_labels_3d"], np.array(labels, dtype=np.int64)])
        return results

    def _wanted(self, labels: NDArray[np.integer]) -> dict[str, int]:
        return {name: count - int((labels == self.classes.index(name)).sum()) for name, count in self.groups.items()}

    def _add_points(self, results: dict, boxes: NDArray[np.float32], objects: Sequence[PastedObject]) -> None:
        points = results["points"]
        scene = points.tensor.numpy()
        columns = {scene.shape[1], *(item.points.shape[1] for item in objects)}
        if len(columns) != 1:
            raise InputError(
                f"SampleObjects: expected points of one number of values, found {scene.shape[1]} in the sample and "
                f"{objects[0].points.shape[1]} in the database; write the database with this pipeline's loading"
            )
        free = ~points_in_boxes(scene, centred(boxes)[:, :7]).any(axis=0)
        moved = [item.points.copy() for item in objects]
        for cloud, box in zip(moved, boxes, strict=True):
            cloud[:, :3] += box[:3]
        results["points"] = points.new_point(np.concatenate([*moved, scene[free]]))

    def _add_images(self, results: dict, boxes: NDArray[np.float32], patches: Sequence[Patch | None]) -> None:
        whole = centred(boxes)
        views = zip(results["img"], results["lidar2img"], results["camera_present"], strict=True)
        results["img"] = [
            paste_patches(image, box_hulls(whole, matrix, image.shape[:2]), patches, self.blend) if present else image
            for image, matrix, present in views
        ]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(groups={self.groups}, with_images={self.with_images}, active={self.active})"
