"""Tiny SemanticKITTI roots for tests."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np


def write_scan(root: Path, sequence: str, frame: str, labels: Sequence[int] | None) -> np.ndarray:
    """Write one scan with a point per label (7 points where there are none); returns its points."""
    folder = root / "sequences" / sequence
    rng = np.random.default_rng(int(sequence) * 1000 + int(frame))
    count = 7 if labels is None else len(labels)
    points = np.column_stack([rng.uniform(-50, 50, (count, 3)), rng.uniform(0, 1, count)]).astype(np.float32)
    (folder / "velodyne").mkdir(parents=True, exist_ok=True)
    points.tofile(folder / "velodyne" / f"{frame}.bin")
    if labels is not None:
        (folder / "labels").mkdir(exist_ok=True)
        np.asarray(labels, np.uint32).tofile(folder / "labels" / f"{frame}.label")
    return points


def write_root(root: Path) -> Path:
    """Two training sequences, one of validation, one of test: some sequences missing, as in partial downloads."""
    write_scan(root, "01", "000002", [40, 252, 10, 70, 1])
    write_scan(root, "01", "000000", [48, 48, 30 + (5 << 16)])
    write_scan(root, "10", "000000", [50, 99, 81])
    write_scan(root, "08", "000004", [10 + (3 << 16), 40, 60, 0, 11])
    write_scan(root, "11", "000001", None)
    return root
