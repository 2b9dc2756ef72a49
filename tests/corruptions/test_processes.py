"""The same bytes in another process, with other thread counts, another hash seed and the catalog in another order."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

import corruptions
from corruptions.camera import VIEW_CORRUPTIONS, Views, corrupt_views
from corruptions.catalog import CATALOG
from corruptions.core import Scan

ROOT = Path(__file__).resolve().parents[2]


def digests(arrays: Path, backwards: bool) -> dict[str, str]:
    """SHA-256 of all that each corruption gives at each level, by "name level"."""
    with np.load(arrays) as given:
        scan = Scan(given["points"], 1.0, labels=given["labels"])  # without rings: they are estimated
        views = Views(given["images"], "bgr", previous=255 - given["images"])
    found = {}
    lidar = [(name, level) for name, corruption in CATALOG.items() for level in corruption.levels]
    for name, level in lidar[::-1] if backwards else lidar:
        out = corruptions.corrupt(scan, name, level, seed=3, sample="a")
        found[f"{name} {level}"] = digest(out.points, out.source, out.status)
    camera = [(name, level) for name, corruption in VIEW_CORRUPTIONS.items() for level in corruption.levels]
    for name, level in camera[::-1] if backwards else camera:
        found[f"camera/{name} {level}"] = digest(corrupt_views(views, name, level, seed=3, sample="a"))
    return found


def digest(*arrays: np.ndarray) -> str:
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


def test_another_process_with_other_thread_settings_gives_the_same_bytes(tmp_path: Path, street_scan: Scan) -> None:
    arrays = tmp_path / "arrays.npz"
    images = np.random.default_rng(0).integers(0, 256, (2, 120, 160, 3), dtype=np.uint8)
    np.savez(arrays, points=street_scan.points, labels=street_scan.labels, images=images)
    threads = {f"{library}_NUM_THREADS": "3" for library in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
    environment = {**os.environ, **threads, "PYTHONHASHSEED": "11", "PYTHONPATH": str(ROOT)}
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        here = digests(arrays, backwards=False)
    finally:
        cv2.setNumThreads(before)
    child = subprocess.run(
        [sys.executable, __file__, str(arrays)], env=environment, capture_output=True, text=True, check=False
    )
    assert child.returncode == 0, child.stderr
    assert json.loads(child.stdout) == here


if __name__ == "__main__":
    cv2.setNumThreads(4)
    print(json.dumps(digests(Path(sys.argv[1]), backwards=True)))
