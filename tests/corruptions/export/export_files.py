"""A SemanticKITTI root of three small sweeps, and functions that look at an export from outside."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from corruptions.synthetic import synthetic_scan

FRAMES = ("000000", "000004", "000008")
INSTANCE = 7 << 16


def write_sequence(root: Path, sequence: str, frames=FRAMES, with_labels: bool = True) -> None:
    """Sweeps of 64 x 50 rays with a label each; every tenth point belongs to instance 7."""
    for frame in frames:
        scan = synthetic_scan(seed=int(sequence) * 100 + int(frame), steps=50)
        labels = scan.labels.astype(np.uint32)
        labels[::10] |= INSTANCE
        for name, values in (("velodyne", scan.points), ("labels", labels)):
            folder = root / "sequences" / sequence / name
            if name == "labels" and not with_labels:
                continue
            folder.mkdir(parents=True, exist_ok=True)
            values.tofile(folder / (frame + (".bin" if name == "velodyne" else ".label")))


def tree(root: Path) -> dict[str, str]:
    """sha256 of every file below a folder, by path."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
