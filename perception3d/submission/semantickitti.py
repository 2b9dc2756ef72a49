"""SemanticKITTI predictions: writer and validator.

The rules are those of semantic-kitti-api (``validate_submission.py`` and ``README.md``): a zip with explicit entries
for ``sequences/`` and each ``sequences/SEQ/`` and ``sequences/SEQ/predictions/``; one ``NNNNNN.label`` for each scan,
uint32, one value per point. The api takes any value and scores unknown ids as unlabeled; here they are faults, as they
are train ids by mistake.
"""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError
from corruptions.files import count_points
from perception3d.conventions import SEMANTICKITTI_RAW_IDS, SEMANTICKITTI_SPLITS, SEMANTICKITTI_TRAIN_IDS
from perception3d.submission.faults import Fault
from perception3d.submission.files import Tree, UnreadableError, repeated_entries, replacing

SEMANTIC_BITS = 0xFFFF
TEST_SEQUENCES = SEMANTICKITTI_SPLITS["test"]
_COLUMNS = 4


def required_folders(sequences: Sequence[str]) -> list[str]:
    """Folder entries that the server looks for."""
    return ["sequences/", *(f"sequences/{name}/{leaf}" for name in sequences for leaf in ("", "predictions/"))]


class SemanticKittiWriter:
    """Adds predictions to a zip; made by :func:`semantickitti_zip`."""

    def __init__(self, archive: zipfile.ZipFile, sequences: Sequence[str]) -> None:
        self._archive = archive
        self._sequences = tuple(sequences)

    def add(self, sequence: str, frame: str, train_ids: NDArray[np.integer]) -> None:
        """Write one scan.

        Args:
            sequence: e.g. "11".
            frame: e.g. "000000".
            train_ids: int (N,) in 0..18, or 19 (written as unlabeled), in the order of the points of the scan's file.

        Raises:
            InputError: for a scan of another sequence, one that is written already, or ids outside 0..19.
        """
        name = label_name(sequence, frame)
        if sequence not in self._sequences or name in self._archive.NameToInfo:
            expected = f"each scan of sequences {', '.join(self._sequences)} once"
            raise InputError(f"{name}: expected {expected}, found another or the same again")
        self._archive.writestr(name, label_bytes(train_ids, name))


@contextlib.contextmanager
def semantickitti_zip(path: Path, sequences: Sequence[str] = TEST_SEQUENCES) -> Iterator[SemanticKittiWriter]:
    """Write a submission; the zip appears when the block ends without an error."""
    with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for folder in required_folders(sequences):
            archive.writestr(zipfile.ZipInfo(folder), b"")
        yield SemanticKittiWriter(archive, sequences)


def label_name(sequence: str, frame: str) -> str:
    """Path of a scan's predictions in a submission."""
    return f"sequences/{sequence}/predictions/{frame}.label"


def label_bytes(train_ids: NDArray[np.integer], name: str) -> bytes:
    """Content of a ``.label`` file.

    Args:
        train_ids: int (N,) in 0..18, or 19 (written as unlabeled).
        name: of the file, for the message.

    Raises:
        InputError: for ids outside 0..19.
    """
    raw_ids = np.array([SEMANTICKITTI_RAW_IDS[i] for i in range(len(SEMANTICKITTI_RAW_IDS))], dtype="<u4")
    if train_ids.ndim != 1 or (len(train_ids) and not 0 <= train_ids.min() <= train_ids.max() < len(raw_ids)):
        raise InputError(f"{name}: expected one train id 0..{len(raw_ids) - 1} per point, found others")
    return raw_ids[train_ids].tobytes()


def semantickitti_faults(
    tree: Tree, root: Path, sequences: Sequence[str] = TEST_SEQUENCES, *, folders: bool = True
) -> list[Fault]:
    """Everything that is wrong with a submission.

    Args:
        tree: the submission.
        root: the data set, with ``sequences/SEQ/velodyne``.
        sequences: sequences that a submission must hold; the official test sequences by default.
        folders: whether the folder entries must be there (in a zip; a folder becomes one with them).

    Raises:
        InputError: for a sequence without scans in the data set, or a truncated scan.
    """
    names = tree.names()
    present = set(names)
    faults = repeated_entries(names)
    if folders:
        missing = [name for name in required_folders(sequences) if name not in present]
        faults += [Fault(name, "expected an entry for this folder, found none") for name in missing]
    scans = {label_name(name, path.stem): path for name in sequences for path in _scans(root, name)}
    for name, scan in scans.items():
        if name not in present:
            faults.append(Fault(name, "expected predictions for this scan, found none"))
            continue
        faults += _label_faults(tree, name, count_points(scan, _COLUMNS))
    known = {*scans, *required_folders(sequences), "description.txt"}
    faults += [Fault(name, "expected predictions of the split alone, found another entry") for name in names
               if name not in known]  # fmt: skip
    return faults


def _scans(root: Path, sequence: str) -> list[Path]:
    folder = root / "sequences" / sequence / "velodyne"
    scans = sorted(folder.glob("*.bin"))
    if not scans:
        raise InputError(f"{folder}: expected the scans of the data set, found none; choose others with --sequences")
    return scans


def _label_faults(tree: Tree, name: str, points: int) -> list[Fault]:
    try:
        size = tree.size(name)
        if size != 4 * points:
            found = f"found {size / 4:g} ({size} bytes)"
            return [Fault(name, f"expected {points} uint32 values, one per point, {found}")]
        ids = np.frombuffer(tree.read(name), dtype="<u4") & SEMANTIC_BITS
    except UnreadableError as error:
        return [error.fault]
    unknown = ~np.isin(ids, list(SEMANTICKITTI_TRAIN_IDS))
    if not unknown.any():
        return []
    index = int(np.argmax(unknown))
    found = f"{int(unknown.sum())} others, first {ids[index]} at point {index}"
    return [Fault(name, f"expected original ids (10 car .. 81 traffic-sign, 0 unlabeled), found {found}")]
