"""nuScenes-lidarseg ground truth of a split, from the tables alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError
from corruptions.files import read_labels, read_points
from perception3d.conventions import NUSCENES_LIDARSEG_CLASS_OF, NUSCENES_LIDARSEG_CLASSES, NUSCENES_LIDARSEG_IGNORE
from perception3d.datasets.labels import label_lookup, to_train_ids
from perception3d.submission.nuscenes_split import lidar_keyframes, read_split, read_table

COLUMNS = 5
LABEL_VALUES = 256  # labels are bytes
TRAIN_IDS = {name: index for index, name in enumerate(NUSCENES_LIDARSEG_CLASSES)}


@dataclass(frozen=True)
class LidarsegTruth:
    """Labels of the LiDAR keyframes of a split that are in the tables.

    Attributes:
        split: e.g. "val".
        sweeps: token of the ``sample_data`` record of each of the S sweeps.
        samples: token of the keyframe of each.
        scenes: name of the scene of each.
        descriptions: free text on each scene, by name.
        label_files: raw labels of each sweep.
        point_files: points of each sweep; not every file need be on disk.
        lookup: table from raw ids to train ids.
        scenes_missing: scenes of the split that the tables do not hold.
    """

    split: str
    sweeps: tuple[str, ...]
    samples: tuple[str, ...]
    scenes: tuple[str, ...]
    descriptions: dict[str, str]
    label_files: tuple[Path, ...]
    point_files: tuple[Path, ...]
    lookup: NDArray[np.int64]
    scenes_missing: int

    def points(self) -> dict[str, int | None]:
        """Number of points by sweep token, from the sizes of the label files."""
        return {token: _size(path) for token, path in zip(self.sweeps, self.label_files, strict=True)}

    def labels(self, index: int) -> NDArray[np.int64]:
        """Train ids (N,) of a sweep: 0..15, or ``NUSCENES_LIDARSEG_IGNORE``."""
        path = self.label_files[index]
        return to_train_ids(read_labels(path, _size(path), np.uint8), self.lookup, str(path))

    def distance_m(self, index: int) -> NDArray[np.float32]:
        """Distance (N,) of the points of a sweep from the sensor in its x-y plane."""
        points = read_points(self.point_files[index], COLUMNS)
        labels = _size(self.label_files[index])
        if len(points) != labels:
            raise InputError(f"{self.label_files[index]}: expected {len(points)} labels, one per point, found {labels}")
        return np.hypot(points[:, 0], points[:, 1])


def load_truth(root: Path, version: str, split: str) -> LidarsegTruth:
    """Find the labels of a split.

    Args:
        root: folder of the data set.
        version: folder of the tables, with ``lidarseg.json``.
        split: split of nuscenes-devkit, or of the tables' own ``splits.json``.

    Raises:
        InputError: for missing tables, an unknown split, one without keyframes or labels, or unknown categories.
    """
    keyframes = read_split(root, version, split)
    if not (root / version / "lidarseg.json").is_file():
        raise InputError(
            f"{root / version / 'lidarseg.json'}: expected the labels of nuScenes-lidarseg, found none; unpack them "
            "into the data set (the labels of the test split are with the server: check its files with tools/submit.py)"
        )
    rows = read_table(root, version, "lidarseg", "sample_data_token", "filename")
    labels = {row["sample_data_token"]: row["filename"] for row in rows}
    sweeps = tuple(lidar_keyframes(root, version, keyframes))
    wanted = set(sweeps)
    records = {row["token"]: row for row in read_table(root, version, "sample_data") if row["token"] in wanted}
    without = [token for token in sweeps if token not in labels]
    if without:
        raise InputError(
            f"{root / version / 'lidarseg.json'}: expected labels of {len(sweeps)} keyframes of {split}, found none "
            f"of {len(without)}, first {without[0]}"
        )
    scene_of = {row["token"]: row for row in read_table(root, version, "scene", "token", "name", "description")}
    scene_tokens = {row["token"]: row["scene_token"] for row in read_table(root, version, "sample")}
    samples = tuple(records[token]["sample_token"] for token in sweeps)
    return LidarsegTruth(
        split=split,
        sweeps=sweeps,
        samples=samples,
        scenes=tuple(scene_of[scene_tokens[sample]]["name"] for sample in samples),
        descriptions={row["name"]: row["description"] for row in scene_of.values()},
        label_files=tuple(root / labels[token] for token in sweeps),
        point_files=tuple(root / records[token]["filename"] for token in sweeps),
        lookup=category_lookup(root, version),
        scenes_missing=keyframes.scenes_missing,
    )


def category_lookup(root: Path, version: str) -> NDArray[np.int64]:
    """Table from the raw ids of label files to train ids, by the names of the categories."""
    path = root / version / "category.json"
    rows = read_table(root, version, "category", "name")
    strange = [
        row["name"]
        for row in rows
        if row["name"] not in NUSCENES_LIDARSEG_CLASS_OF or row.get("index") not in range(LABEL_VALUES)
    ]
    if strange:
        raise InputError(
            f"{path}: expected the 32 categories of nuScenes-lidarseg, each with its index, found {strange[0]}; use "
            "the tables that come with the labels"
        )
    classes = {row["index"]: NUSCENES_LIDARSEG_CLASS_OF[row["name"]] for row in rows}
    return label_lookup(
        {index: NUSCENES_LIDARSEG_IGNORE if name is None else TRAIN_IDS[name] for index, name in classes.items()}
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise InputError(f"{path}: expected a label file, found: {error.strerror}; unpack nuScenes-lidarseg") from None
