"""nuScenes-lidarseg predictions: writer and validator.

The rules are those of nuscenes-devkit (``eval/lidarseg/validate_submission.py``): for each keyframe
``lidarseg/SPLIT/<token of the LiDAR sample_data>_lidarseg.bin``, uint8, one value 1..16 per point, and
``SPLIT/submission.json`` with exactly the five official keys in "meta".
"""

from __future__ import annotations

import contextlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError
from perception3d.submission.faults import Fault
from perception3d.submission.files import Tree, UnreadableError, repeated_entries, replacing
from perception3d.submission.nuscenes_det_faults import meta_faults, read_json

CLASSES = 16


def label_name(split: str, token: str) -> str:
    """Path of a sweep's predictions in a submission; ``token`` is that of its ``sample_data`` record."""
    return f"lidarseg/{split}/{token}_lidarseg.bin"


def meta_name(split: str) -> str:
    """Path of the file that says which sensors and data were used."""
    return f"{split}/submission.json"


def label_bytes(classes: NDArray[np.integer], name: str) -> bytes:
    """Content of a ``_lidarseg.bin`` file.

    Args:
        classes: int (N,) in 1..16.
        name: of the file, for the message.

    Raises:
        InputError: for classes outside 1..16.
    """
    if classes.ndim != 1 or (len(classes) and not 1 <= classes.min() <= classes.max() <= CLASSES):
        raise InputError(f"{name}: expected one class 1..{CLASSES} per point (0, ignore, is not allowed)")
    return classes.astype(np.uint8).tobytes()


def meta_bytes(meta: Mapping[str, bool]) -> bytes:
    """Content of ``submission.json``; raises :class:`InputError` unless ``meta`` has the five keys, true or false."""
    faults = meta_faults(dict(meta), "meta")
    if faults:
        raise InputError("; ".join(map(str, faults)))
    return json.dumps({"meta": dict(meta)}).encode()


class LidarsegWriter:
    """Adds predictions to a zip; made by :func:`lidarseg_zip`."""

    def __init__(self, archive: zipfile.ZipFile, split: str) -> None:
        self._archive = archive
        self._split = split

    def add(self, token: str, classes: NDArray[np.integer]) -> None:
        """Write one keyframe.

        Args:
            token: token of the ``sample_data`` record of its LiDAR sweep.
            classes: int (N,) in 1..16, in the order of the points of the sweep's file.

        Raises:
            InputError: for a keyframe that is written already, or classes outside 1..16.
        """
        name = label_name(self._split, token)
        if name in self._archive.NameToInfo:
            raise InputError(f"{name}: expected each keyframe once, found it again")
        self._archive.writestr(name, label_bytes(classes, name))


@contextlib.contextmanager
def lidarseg_zip(path: Path, split: str, meta: Mapping[str, bool]) -> Iterator[LidarsegWriter]:
    """Write a submission; the zip appears when the block ends without an error.

    Args:
        path: the zip file.
        split: "test", "val" or "mini_val".
        meta: which sensors and data were used: the five keys of ``NUSCENES_META_KEYS``.

    Raises:
        InputError: for a wrong ``meta``, or a file that cannot be written.
    """
    written = meta_bytes(meta)
    with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        archive.writestr(meta_name(split), written)
        yield LidarsegWriter(archive, split)


def lidarseg_faults(tree: Tree, split: str, points: Mapping[str, int | None]) -> list[Fault]:
    """Everything that is wrong with a submission.

    Args:
        tree: the submission.
        split: "test", "val" or "mini_val".
        points: number of points by token of the LiDAR sweep, from ``nuscenes_split.lidar_keyframes``; None skips the
            count of a sweep whose file is not on disk.
    """
    names = tree.names()
    present = set(names)
    faults = repeated_entries(names)
    faults += _meta_file_faults(tree, meta_name(split), present)
    expected = {label_name(split, token): count for token, count in points.items()}
    for name, count in expected.items():
        if name not in present:
            faults.append(Fault(name, "expected predictions for this keyframe, found none"))
        else:
            faults += _label_faults(tree, name, count)
    return faults + [
        Fault(name, "expected predictions of the split alone, found another file")
        for name in names
        if name not in expected and name != meta_name(split) and not name.endswith("/")
    ]


def _meta_file_faults(tree: Tree, name: str, present: set[str]) -> list[Fault]:
    if name not in present:
        return [Fault(name, "expected this file, found none")]
    try:
        data = read_json(tree.read(name))
    except UnreadableError as error:
        return [error.fault]
    except ValueError as error:
        return [Fault(name, f"expected JSON, found: {error}")]
    return meta_faults(data.get("meta") if isinstance(data, dict) else data, f"{name} meta")


def _label_faults(tree: Tree, name: str, count: int | None) -> list[Fault]:
    try:
        size = tree.size(name)
        if count is not None and size != count:
            return [Fault(name, f"expected {count} uint8 values, one per point, found {size}")]
        classes = np.frombuffer(tree.read(name), dtype=np.uint8)
    except UnreadableError as error:
        return [error.fault]
    bad = (classes < 1) | (classes > CLASSES)
    if not bad.any():
        return []
    index = int(np.argmax(bad))
    found = f"{int(bad.sum())} others, first {classes[index]} at point {index}"
    return [Fault(name, f"expected classes 1..{CLASSES}, found {found}")]
