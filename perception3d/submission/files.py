"""Submissions on disk: written whole or not at all, and read alike from a folder and from a zip."""

from __future__ import annotations

import contextlib
import os
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol

from corruptions.core import InputError
from perception3d.submission.faults import Fault


class UnreadableError(InputError):
    """A file of a submission that is listed but cannot be read.

    Args:
        name: path of the file below the top of the submission.
        why: the reason.

    Attributes:
        fault: the same as a fault.
    """

    def __init__(self, name: str, why: object) -> None:
        self.fault = Fault(name, f"expected a file that can be read, found: {why}")
        super().__init__(name, why)

    def __str__(self) -> str:
        return str(self.fault)


class Tree(Protocol):
    """Files of a submission by path below its top, "/" between the parts; folders end in "/".

    ``size`` and ``read`` raise :class:`UnreadableError`.
    """

    def names(self) -> list[str]:
        """All entries, folders too."""

    def size(self, name: str) -> int:
        """Bytes of a file."""

    def read(self, name: str) -> bytes:
        """Content of a file."""


class Folder:
    """A submission as a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> list[str]:
        """All entries, folders too."""
        paths = sorted(self.root.rglob("*"))
        return [path.relative_to(self.root).as_posix() + ("/" if path.is_dir() else "") for path in paths]

    def size(self, name: str) -> int:
        """Bytes of a file."""
        try:
            return (self.root / name).stat().st_size
        except OSError as error:
            raise UnreadableError(name, error.strerror) from None

    def read(self, name: str) -> bytes:
        """Content of a file."""
        try:
            return (self.root / name).read_bytes()
        except OSError as error:
            raise UnreadableError(name, error.strerror) from None


class Zip:
    """A submission as a zip file."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive

    def names(self) -> list[str]:
        """All entries; a folder only where the archive lists it."""
        return self.archive.namelist()

    def size(self, name: str) -> int:
        """Bytes of a file, unpacked."""
        return self.archive.getinfo(name).file_size

    def read(self, name: str) -> bytes:
        """Content of a file."""
        try:
            return self.archive.read(name)
        # damaged, encrypted or packed by a method that Python does not know
        except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, OSError) as error:
            raise UnreadableError(name, error) from None


@contextlib.contextmanager
def open_tree(path: Path) -> Iterator[Tree]:
    """Open a folder or zip file; raises :class:`InputError` for anything else."""
    if path.is_dir():
        yield Folder(path)
        return
    if not path.is_file():
        raise InputError(f"{path}: expected a folder or zip file of predictions, found none")
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile:
        raise InputError(f"{path}: expected a folder or a zip file, found a file that is no zip") from None
    with archive:
        yield Zip(archive)


def repeated_entries(names: list[str]) -> list[Fault]:
    """Entries that an archive holds more than once."""
    return [Fault(name, "expected once in the zip, found it again") for name, n in Counter(names).items() if n > 1]


@contextlib.contextmanager
def replacing(path: Path, mode: str = "wb") -> Iterator[IO]:
    """Open a temporary file that becomes ``path`` when the block ends, and is removed when it fails."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open(mode) as file:
            yield file
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"{path}: expected to write this file, found: {error.strerror}; choose another") from error
    finally:
        with contextlib.suppress(OSError):  # moved away already, or never made
            temporary.unlink()


def zip_file(source: Path, target: Path) -> None:
    """Write a zip that holds the file ``source`` under its own name; raises :class:`InputError` if it is ``target``."""
    if target.resolve() == source.resolve():
        raise InputError(f"{target}: expected another file than the one to zip, found the same; choose another --zip")
    with replacing(target) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        archive.write(source, source.name)


def zip_tree(tree: Tree, target: Path, folders: list[str]) -> None:
    """Write a zip of a folder's files, with explicit entries for ``folders`` (each ending in "/") in front."""
    names = tree.names()  # the zip may lie in the folder, and must not hold itself
    with replacing(target) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for folder in folders:
            archive.writestr(zipfile.ZipInfo(folder), b"")
        for name in names:
            if not name.endswith("/"):
                archive.writestr(name, tree.read(name))
