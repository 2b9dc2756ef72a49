"""Cutting the annotated objects out of a training set, for GT sampling: points, images and boxes of each."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.registry import init_default_scope
from numpy.typing import NDArray

from corruptions.boxes import points_in_boxes
from corruptions.core import InputError
from corruptions.files import write_atomically
from perception3d.datasets.nuscenes import NuScenesDetDataset
from perception3d.transforms.object_paste import box_hulls, centred, clip_rectangles

LEAST_SHARE = 0.5
"""Share of the hull of a box that a camera must see, for the crop to stand for the object."""
LEAST_SIDE_PX = 4
"""Shortest side of a crop."""


def cut_objects(results: dict, classes: Sequence[str]) -> list[dict[str, Any]]:
    """The objects of one loaded sample.

    Args:
        results: ``points``, ``gt_bboxes_3d``, ``gt_labels_3d`` and, for crops, ``img``, ``lidar2img``,
            ``camera_present``.
        classes: names of the labels.

    Returns:
        One dict an object: ``name``, ``box3d_lidar`` float32 (7 or 9,) with the bottom centre, ``points`` float32
        (N, C) relative to it, and ``crop`` (image, part of the hull) or None.
    """
    boxes = results["gt_bboxes_3d"].tensor.numpy()
    whole = centred(boxes)
    points = results["points"].tensor.numpy()
    inside = points_in_boxes(points, whole[:, :7])
    crops = best_crops(whole, results) if "img" in results else [None] * len(boxes)
    objects = []
    for box, mask, crop, label in zip(boxes, inside, crops, results["gt_labels_3d"], strict=True):
        own = points[mask].copy()
        own[:, :3] -= box[:3]
        objects.append({"name": classes[label], "box3d_lidar": box, "points": own, "crop": crop})
    return objects


def best_crops(
    boxes: NDArray[np.floating], results: dict
) -> list[tuple[NDArray[np.uint8], tuple[float, float, float, float]] | None]:
    """Each box (n, >= 7), centre of gravity first, cut out of the camera that shows most of its hull.

    Returns:
        Image and the part of the hull that it shows, or None where no camera shows enough.
    """
    crops: list[tuple[NDArray[np.uint8], tuple[float, float, float, float]] | None] = [None] * len(boxes)
    areas = np.zeros(len(boxes))
    for image, matrix, present in zip(results["img"], results["lidar2img"], results["camera_present"], strict=True):
        if not present:
            continue
        hulls = box_hulls(boxes, matrix, image.shape[:2])
        clipped = clip_rectangles(hulls.rectangles, image.shape[:2])
        sides, full = clipped[:, 2:] - clipped[:, :2], hulls.rectangles[:, 2:] - hulls.rectangles[:, :2]
        shown = sides.prod(axis=1) / np.maximum(full.prod(axis=1), 1)
        good = hulls.seen & (shown >= LEAST_SHARE) & (sides.min(axis=1) >= LEAST_SIDE_PX)
        for row in np.flatnonzero(good & (sides.prod(axis=1) > areas)):
            left, top, right, bottom = clipped[row]
            start = np.tile(hulls.rectangles[row, :2], 2)
            part = (clipped[row] - start) / np.tile(full[row], 2)
            crops[row] = (image[top:bottom, left:right].copy(), tuple(part.tolist()))
            areas[row] = sides[row].prod()
    return crops


def training_samples(root: Path, ann_file: Path, sweeps: int) -> NuScenesDetDataset:
    """The training split, loaded as CMT's configs load it, without augmentation.

    Args:
        root: folder that holds ``samples`` and ``sweeps``.
        ann_file: info file of the split.
        sweeps: LiDAR sweeps before the keyframe, as in the training.
    """
    init_default_scope("mmdet3d")
    return NuScenesDetDataset(
        str(root),
        str(ann_file.resolve()),
        pipeline=[
            dict(type="perception3d.LoadMultiViewImages"),
            dict(type="perception3d.LoadLidarSweeps", sweeps_num=sweeps),
            dict(type="LoadAnnotations3D", with_bbox_3d=True, with_label_3d=True),
        ],
    )


def write_gt_database(
    dataset: NuScenesDetDataset,
    out_dir: Path,
    tag: str = "nuscenes",
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write the object database of a training set.

    The index takes its place last, so an interrupted run leaves none (or the old one) and starts again.

    Args:
        dataset: with a pipeline that loads points (with their sweeps), images and annotations, and packs nothing.
        out_dir: folder of the index ``{tag}_dbinfos_train.pkl`` and of the files ``{tag}_gt_database/CLASS/...``.
        tag: first part of the names.
        workers: processes.
        progress: called with the samples done and their number.

    Returns:
        Path of the index.

    Raises:
        InputError: as the loading does, or when ``out_dir`` cannot be written.
    """
    classes = dataset.metainfo["classes"]
    try:
        for name in classes:
            (out_dir / f"{tag}_gt_database" / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{out_dir}: expected a folder that can be written, found: {error.strerror}; choose another --out-dir"
        ) from error
    index: dict[str, list[dict[str, Any]]] = {name: [] for name in classes}
    write, numbers = partial(_write_sample, dataset, out_dir, tag), range(len(dataset))
    # Forked, so that the list of samples is shared and not sent; no process is started before there is work.
    with ProcessPoolExecutor(
        workers, mp_context=get_context("fork"), initializer=_start_worker, initargs=(write,)
    ) as pool:
        found = map(write, numbers) if workers == 1 else pool.map(_write_in_worker, numbers, chunksize=8)
        for done, entries in enumerate(found, start=1):
            for entry in entries:
                index[entry["name"]].append(entry)
            if progress is not None:
                progress(done, len(dataset))
    path = out_dir / f"{tag}_dbinfos_train.pkl"
    write_atomically(path, pickle.dumps(index, protocol=4))
    return path


_worker: list[Callable[[int], list[dict[str, Any]]]] = []
"""What a worker process does with the number of a sample."""


def _start_worker(write: Callable[[int], list[dict[str, Any]]]) -> None:
    # The threads of the parent are not there after a fork: work that waits for them would wait for ever.
    torch.set_num_threads(1)
    _worker[:] = [write]


def _write_in_worker(number: int) -> list[dict[str, Any]]:
    return _worker[0](number)


def _write_sample(dataset: NuScenesDetDataset, out_dir: Path, tag: str, number: int) -> list[dict[str, Any]]:
    """Files and index entries of the objects of one sample that have points."""
    info = dataset.get_data_info(number)
    info |= {"box_type_3d": dataset.box_type_3d, "box_mode_3d": dataset.box_mode_3d}
    entries = []
    for row, found in enumerate(cut_objects(dataset.pipeline(info), dataset.metainfo["classes"])):
        if not len(found["points"]):
            continue
        stem = f"{tag}_gt_database/{found['name']}/{info['token']}_{row}"
        write_atomically(out_dir / f"{stem}.bin", found["points"].astype(np.float32).tobytes())
        entry = {
            "name": found["name"],
            "path": f"{stem}.bin",
            "image_idx": info["token"],
            "gt_idx": row,
            "box3d_lidar": found["box3d_lidar"],
            "num_points_in_gt": len(found["points"]),
            "num_pts_feats": found["points"].shape[1],
            "difficulty": 0,
        }
        if found["crop"] is not None:
            image, part = found["crop"]
            # cv2.imwrite says nothing about a full disk
            write_atomically(out_dir / f"{stem}.png", cv2.imencode(".png", image)[1].tobytes())
            entry |= {"image_path": f"{stem}.png", "image_part": part}
        entries.append(entry)
    return entries
