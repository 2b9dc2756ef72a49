"""Files at the border: point clouds and labels read with their checks, single files written whole, checksums."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from corruptions.core import INTENSITY, InputError, check_finite, check_within


def read_points(path: str | Path, columns: int) -> NDArray[np.float32]:
    """Read a float32 point file (``.bin`` of SemanticKITTI with 4 columns, of nuScenes with 5).

    Args:
        path: the file.
        columns: values per point in the file.

    Returns:
        float32 (N, columns).

    Raises:
        InputError: for a missing, truncated or empty file, or values that are not finite.
    """
    count_points(path, columns)
    points = np.fromfile(path, dtype=np.float32).reshape(-1, columns)
    check_finite(points, str(path))
    return points


def check_columns(columns: int, ring_column: int | None) -> None:
    """Raise :class:`InputError` unless a file has x, y, z and intensity, and the laser index in a column after them."""
    check_within("columns", columns, INTENSITY + 1, whole=True)
    if ring_column is not None:
        if columns == INTENSITY + 1:
            raise InputError(f"ring_column: a file of {columns} columns has none for the laser, found {ring_column}")
        check_within("ring_column", ring_column, INTENSITY + 1, columns - 1, whole=True)


def count_points(path: str | Path, columns: int) -> int:
    """Number of points in a point file, from its size alone.

    Args:
        path: the file.
        columns: values per point in the file.

    Raises:
        InputError: for a missing, truncated or empty file.
    """
    size = _size(path)
    if size % (4 * columns):
        raise InputError(
            f"{path}: expected whole points of {columns} float32 ({4 * columns} bytes), found {size} bytes, "
            f"{size % (4 * columns)} too many: the file is truncated or has another number of columns; copy it again"
        )
    if size == 0:
        raise InputError(f"{path}: expected at least one point, found an empty scan; leave it out or copy it again")
    return size // (4 * columns)


def read_labels(path: str | Path, count: int, dtype: type[np.integer] = np.uint32) -> NDArray[np.integer]:
    """Read one label per point: uint32 ``.label`` of SemanticKITTI, uint8 ``_lidarseg.bin`` of nuScenes.

    Args:
        path: the file.
        count: number of points of the scan.
        dtype: type in the file. SemanticKITTI keeps the instance id in the upper 16 bits.

    Returns:
        (count,) array of ``dtype``.

    Raises:
        InputError: for a missing file or another number of labels.
    """
    check_label_count(path, count, dtype)
    return np.fromfile(path, dtype=dtype)


def check_label_count(path: str | Path, count: int, dtype: type[np.integer] = np.uint32) -> None:
    """Raise :class:`InputError` unless the file's size is that of ``count`` labels of ``dtype``."""
    width = np.dtype(dtype).itemsize
    size = _size(path)
    if size != count * width:
        raise InputError(
            f"{path}: expected {count} labels, one per point ({count * width} bytes), found {size / width:g} "
            f"({size} bytes); the label file belongs to another scan or is truncated"
        )


def _size(path: str | Path) -> int:
    try:
        return Path(path).stat().st_size
    except FileNotFoundError:
        raise InputError(f"{path}: expected a file, found none; check the data root and the info file") from None
    except OSError as error:
        raise InputError(f"{path}: expected a readable file, found: {error.strerror}; check its rights") from None


def write_atomically(path: Path, data: bytes) -> Path:
    """Write a file to a temporary name beside it and move it into place; returns its path.

    Raises:
        InputError: when the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(
            f"{path}: expected to write this file, found: {error.strerror}; choose another folder or free the disk"
        ) from None
    finally:
        with contextlib.suppress(OSError):  # moved away already, or never made
            temporary.unlink()
    return path


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files in a folder of :func:`write_atomically` in killed processes of this machine."""
    for path in folder.glob(f".*.{platform.node()}.*"):
        pid = path.suffix[1:]
        if pid.isdecimal() and not _runs(int(pid)):
            path.unlink(missing_ok=True)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # another user's
    return True


def sha256_of(path: Path) -> str:
    """sha256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
