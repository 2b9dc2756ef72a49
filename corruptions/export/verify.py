"""Check an export against its checksums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TextIO

from corruptions.core import check_within
from corruptions.export.files import inside
from corruptions.export.manifest import CHECKSUMS, MANIFEST, Entry, read_entries, read_manifest
from corruptions.export.progress import Progress
from corruptions.files import sha256_of


def verify(root: Path, workers: int = 1, stream: TextIO | None = None) -> list[str]:
    """Faults of an export, in words; none when every file is there and has the bytes that were written.

    Args:
        root: folder of the export, the one with ``manifest.json``.
        workers: files to read at a time.
        stream: where to show progress, or None.

    Raises:
        InputError: for a folder without a manifest, or a damaged one, or less than one worker.
    """
    check_within("workers", workers, 1, whole=True)
    settings = read_manifest(root)["settings"]
    entries = read_entries(root)
    faults = list(_incomplete(settings, entries))
    progress = Progress(len(entries), stream)
    with ThreadPoolExecutor(workers) as pool:  # hashing and reading run outside the interpreter's lock
        for fault in pool.map(lambda item: _fault(root, *item), entries.items()):
            faults += [fault] if fault else []
            progress.advance()
    known = {*entries, MANIFEST, CHECKSUMS}
    for folder in settings:
        strays = (path for path in sorted((root / folder).rglob("*")) if path.is_file() and not path.is_symlink())
        names = (path.relative_to(root).as_posix() for path in strays)
        faults += [f"{name}: is not a file of this export" for name in names if name not in known]
    return faults


def _incomplete(settings: dict[str, dict], entries: dict[str, Entry]) -> Iterator[str]:
    found = Counter(folder for name in entries for folder in settings if name.startswith(f"{folder}/"))
    for folder, setting in settings.items():
        if found[folder] != setting["files"]:
            yield f"{folder}: expected {setting['files']} files, {found[folder]} are finished; run the export again"


def _fault(root: Path, name: str, entry: Entry) -> str | None:
    path = inside(root, name)
    if not path.is_file():
        return f"{name}: missing"
    if path.stat().st_size != entry.bytes:
        return f"{name}: {path.stat().st_size} bytes, expected {entry.bytes}"
    return None if sha256_of(path) == entry.sha256 else f"{name}: other bytes than were written"
