"""Raw semantic ids of label files to train ids; an id without a class is an error, never a class by accident."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError
from corruptions.files import count_points, read_labels

UNKNOWN = -1
SEMANTIC_BITS = 0xFFFF  # SemanticKITTI: lower 16 bits semantic id, upper 16 bits instance id


def label_lookup(train_ids: Mapping[int, int]) -> NDArray[np.int64]:
    """Table for :func:`to_train_ids`: entry ``raw id`` holds the train id, ``UNKNOWN`` where the map has none.

    The last entry is ``UNKNOWN`` and stands for every id beyond the map.
    """
    lookup = np.full(max(train_ids) + 2, UNKNOWN, dtype=np.int64)
    lookup[list(train_ids)] = list(train_ids.values())
    return lookup


def to_train_ids(raw: NDArray[np.integer], lookup: NDArray[np.int64], where: str) -> NDArray[np.int64]:
    """Map raw semantic ids to train ids.

    Args:
        raw: int (N,) raw ids, without instance bits.
        lookup: from :func:`label_lookup`.
        where: file name for the message.

    Returns:
        int64 (N,).

    Raises:
        InputError: for an id that the map does not hold.
    """
    train_ids = lookup.take(raw, mode="clip")
    unknown = (train_ids == UNKNOWN) | (raw < 0)
    if unknown.any():
        found, counts = np.unique(raw[unknown], return_counts=True)
        listed = ", ".join(f"{raw_id} ({count} points)" for raw_id, count in zip(found[:5], counts[:5], strict=True))
        known = ", ".join(str(raw_id) for raw_id in np.flatnonzero(lookup != UNKNOWN))
        raise InputError(
            f"{where}: expected semantic ids of the label map ({known}), found {listed}; "
            "correct the file, or give the id a class in the dataset's metainfo['seg_label_mapping']"
        )
    return train_ids


def classes_present(
    scans: Iterable[tuple[str | Path, str | Path, int]],
    lookup: NDArray[np.int64],
    num_classes: int,
    dtype: type[np.integer] = np.uint32,
) -> tuple[int, ...]:
    """Train ids 0..num_classes-1 that occur in label files.

    Args:
        scans: point file, label file and values per point of each scan.
        lookup: from :func:`label_lookup`.
        num_classes: number of scored classes; other train ids are left out.
        dtype: type in the files: uint32 with instance bits (SemanticKITTI) or uint8 (nuScenes-lidarseg).

    Raises:
        InputError: as the readers of points and labels do, and for an unknown id.
    """
    seen = np.zeros(num_classes, dtype=bool)
    for point_file, label_file, columns in scans:
        raw = read_labels(label_file, count_points(point_file, columns), dtype) & SEMANTIC_BITS
        train_ids = to_train_ids(raw, lookup, str(label_file))
        seen |= np.bincount(train_ids, minlength=num_classes)[:num_classes] > 0
    return tuple(int(train_id) for train_id in np.flatnonzero(seen))
