"""What an export is and how far it has come: ``manifest.json`` and ``checksums.jsonl`` in its folder.

``manifest.json`` says what decides the bytes: seed, settings with their parameters, engine and package versions, how
the sweeps are read (sensor, intensity scale, columns), and a fingerprint of the source. ``checksums.jsonl`` has one
line per finished file, appended and flushed to disk when the file is in its place, so that an interruption at any
moment loses at most the files in the making.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import corruptions
from corruptions.core import InputError
from corruptions.export.files import PARTIAL, write_whole

MANIFEST = "manifest.json"
CHECKSUMS = "checksums.jsonl"
PACKAGES = ("numpy", "scipy", "numba")
# opencv comes under any of these names.
OPENCV = (
    "opencv-python-headless",
    "opencv-python",
    "opencv-contrib-python-headless",
    "opencv-contrib-python",
)


@dataclass(frozen=True)
class Entry:
    """A finished file: its size in bytes and its sha256."""

    bytes: int
    sha256: str


def describe(
    data_set: str,
    seed: int,
    settings: Mapping[str, Any],
    sources: Iterable[tuple[str, Path]],
    reading: Mapping[str, Any],
    with_camera: bool = False,
) -> dict[str, Any]:
    """Content of ``manifest.json``.

    Args:
        data_set: name of the data set.
        seed: base seed.
        settings: what is done in each folder, from :func:`setting_entry`.
        sources: id and path of every file that is read; names and sizes make the fingerprint.
        reading: how the reader understands the files of the sweeps: what the same files could also be taken for.
        with_camera: whether images are made, whose bytes depend on opencv.
    """
    digest = hashlib.sha256()
    count = 0
    for name, path in sources:
        digest.update(f"{name} {path.name} {path.stat().st_size}\n".encode())
        count += 1
    return {
        "data_set": data_set,
        "seed": seed,
        "engine": corruptions.__version__,
        "packages": installed(with_camera),
        "source": {"files": count, "sha256_of_names_and_sizes": digest.hexdigest()},
        "reading": _as_read_back(reading),
        "settings": _sorted(_as_read_back(settings)),
    }


def installed(with_camera: bool) -> dict[str, str | None]:
    """Versions of the packages that decide the bytes, on this machine; opencv's where images are made."""
    packages = {name: _version((name,)) for name in PACKAGES}
    return packages | ({"opencv": _version(OPENCV)} if with_camera else {})


def _as_read_back(values: Mapping[str, Any]) -> dict[str, Any]:
    """Lists for tuples, text for anything that JSON does not know."""
    return json.loads(json.dumps(values, default=str))


def _version(names: Sequence[str]) -> str | None:
    for name in names:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


class Manifest:
    """The two files of an export, open for writing; use it in a ``with`` block.

    Args:
        root: folder of the export.
        description: what is to be exported, from :func:`describe`.

    Raises:
        InputError: on entry, for a folder that holds other data or another export, one that another process is writing
            to, or one that cannot be written.
    """

    def __init__(self, root: Path, description: Mapping[str, Any]) -> None:
        self.root = root
        self.description = dict(description)
        self.entries: dict[str, Entry] = {}
        self._log: TextIO | None = None

    def __enter__(self) -> Manifest:
        _merged(self.root, self.description)  # before anything is written
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self._log = _open_log(self.root / CHECKSUMS)
        except OSError as error:
            raise InputError(
                f"{error.filename or self.root}: expected a folder that can be written, found: {error.strerror}; "
                "choose another --out"
            ) from None
        shutil.rmtree(self.root / PARTIAL, ignore_errors=True)
        self.description = _merged(self.root, self.description)  # another export may have come first
        write_whole(self.root, MANIFEST, (json.dumps(self.description, indent=2) + "\n").encode())
        self.entries = read_entries(self.root)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.root / PARTIAL, ignore_errors=True)
        if self._log is not None:
            self._log.close()

    def is_done(self, outputs: Iterable[str]) -> bool:
        """Whether these files are recorded and there, with the size they had."""
        for name in outputs:
            entry = self.entries.get(name)
            try:
                if entry is None or (self.root / name).stat().st_size != entry.bytes:
                    return False
            except OSError:
                return False
        return True

    def record(self, finished: Mapping[str, Entry]) -> None:
        """Add files that are in their place."""
        if self._log is None:
            raise RuntimeError("Manifest.record outside its with block")
        for name, entry in finished.items():
            self._log.write(_line(name, entry))
        self._log.flush()
        os.fsync(self._log.fileno())
        self.entries.update(finished)

    def sort(self) -> None:
        """Write the checksums in order of path, one line per file: the same bytes whatever the order of work."""
        text = "".join(_line(name, self.entries[name]) for name in sorted(self.entries))
        write_whole(self.root, CHECKSUMS, text.encode())


def read_entries(root: Path) -> dict[str, Entry]:
    """Finished files by path, from ``checksums.jsonl``; a last line that an interruption cut off does not count."""
    entries: dict[str, Entry] = {}
    path = root / CHECKSUMS
    lines = path.read_text().split("\n") if path.is_file() else []
    for number, line in enumerate(lines[:-1], start=1):
        try:
            row = json.loads(line)
            entries[row["path"]] = Entry(int(row["bytes"]), str(row["sha256"]))
        except (ValueError, KeyError, TypeError):
            raise InputError(
                f"{path}: expected one finished file per line, line {number} is {line[:60]!r}; delete this file to "
                "have every file made again"
            ) from None
    return entries


def read_manifest(root: Path) -> dict[str, Any]:
    """Content of ``manifest.json``; raises :class:`InputError` when there is none."""
    found = _read_manifest(root)
    if found is None:
        raise InputError(f"{root / MANIFEST}: expected the manifest of an export, found none; give the folder it is in")
    return found


def _read_manifest(root: Path) -> dict[str, Any] | None:
    path = root / MANIFEST
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text())
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("settings"), dict):
        raise InputError(
            f"{path}: expected the manifest of an export, found another or a damaged file; choose another --out"
        )
    return found


def _merged(root: Path, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The description with the settings that are there already; refuses another export and foreign data."""
    found = _read_manifest(root)
    # One that came to no file, as its input was refused, binds nobody.
    if found is None or not (read_entries(root) or any((root / name).exists() for name in found["settings"])):
        _check_empty(root, wanted["settings"])
        return dict(wanted)
    _check_same(root, found, wanted)
    return {**wanted, "settings": _sorted(found["settings"] | wanted["settings"])}


def _sorted(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: settings[name] for name in sorted(settings)}


def _check_empty(root: Path, settings: Iterable[str]) -> None:
    """Released data, or an export whose manifest is gone, must not be overwritten."""
    for name in settings:
        if (root / name).exists():
            raise InputError(
                f"{root / name}: exists, but {root} has no {MANIFEST}: this is not an export of this tool, and it "
                "would be overwritten; choose another --out"
            )


def _check_same(root: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse to mix two exports; settings may be added, others must agree."""
    differences = [
        f"{key}: {json.dumps(found.get(key))} there, {json.dumps(wanted[key])} now"
        for key in wanted
        if key != "settings" and found.get(key) != wanted[key]
    ]
    differences += [
        f"{name}: {json.dumps(found['settings'][name])} there, {json.dumps(entry)} now"
        for name, entry in wanted["settings"].items()
        if found["settings"].get(name, entry) != entry
    ]
    if differences:
        raise InputError(
            f"{root / MANIFEST}: expected the export that is being made, found another one ({'; '.join(differences)}); "
            "choose another --out, or delete that one"
        )


def _open_log(path: Path) -> TextIO:
    """The checksum file for appending, without a torn last line, locked against a second export."""
    log = path.open("a+")
    try:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        log.close()
        raise InputError(f"{path.parent}: another process is exporting to this folder; wait for it") from None
    log.seek(0)
    content = log.read()
    log.truncate(len(content[: content.rfind("\n") + 1].encode()))
    return log


def _line(name: str, entry: Entry) -> str:
    return json.dumps({"path": name, "bytes": entry.bytes, "sha256": entry.sha256}) + "\n"
