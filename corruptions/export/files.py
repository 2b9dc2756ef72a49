"""Files of an export: whole or not there, and never outside its folder."""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path, PurePosixPath

from corruptions.core import InputError

# Files are written here and moved to their place when complete.
PARTIAL = ".partial"


def inside(root: Path, relative: str) -> Path:
    """Path of a file below ``root``.

    Raises:
        InputError: for an absolute path, one with "..", or one that leads out of ``root`` by a symbolic link.
    """
    pure = PurePosixPath(relative)
    path = root / pure
    safe = bool(pure.parts) and not pure.is_absolute() and ".." not in pure.parts
    if not safe or not path.parent.resolve().is_relative_to(root.resolve()):
        raise InputError(
            f"{relative}: expected a path below {root}, found one that leaves it; nothing was written to it"
        )
    return path


def write_whole(root: Path, relative: str, content: bytes) -> str:
    """Write a file below ``root``: complete and on disk under its name, or not at all.

    Returns:
        Its sha256.

    Raises:
        InputError: when it cannot be written, or lies outside ``root``.
    """
    path = inside(root, relative)
    maker = f"{platform.node()}-{os.getpid()}"
    temporary = root / PARTIAL / f"{maker}-{hashlib.sha256(relative.encode()).hexdigest()[:16]}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.parent.mkdir(exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(
            f"{path}: expected to write {len(content)} bytes, found: {error.strerror}; free space or choose another "
            "--out, then run the same command again"
        ) from None
    return hashlib.sha256(content).hexdigest()
