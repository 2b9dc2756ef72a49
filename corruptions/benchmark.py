"""Time and memory of every corruption at every level, on one thread."""

from __future__ import annotations

import json
import platform
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import corruptions
from corruptions import preview
from corruptions.catalog import CATALOG
from corruptions.core import InputError, Scan, unknown
from corruptions.describe import view_corruptions
from corruptions.files import write_atomically
from corruptions.sensors import rings_of

SYNTHETIC = "synthetic"
# Named in every report, as they decide the speed.
PACKAGES = ("numpy", "scipy", "numba", "opencv-python-headless")


@dataclass(frozen=True)
class Row:
    """What one level of a corruption costs.

    Attributes:
        sensor: "lidar" or "camera".
        corruption: name in the catalog.
        level: name of the level.
        ms: median time of a call in milliseconds.
        ms_min: shortest call.
        ms_max: longest call.
        size_in: points of the sweep, or pixels of the image.
        size_out: points or pixels of the result.
        peak_mb: most memory in use during a call beside the input, in MB, of what Python and numpy allocate
            (tracemalloc); opencv's own buffers are not seen.
        copies: median time in copies of the input array.
        first_call_ms: time of the very first call, which imports scipy and numba and compiles where it needs to; only
            at the first level measured. What an earlier corruption has compiled is not compiled again.
    """

    sensor: str
    corruption: str
    level: str
    ms: float
    ms_min: float
    ms_max: float
    size_in: int
    size_out: int
    peak_mb: float
    copies: float
    first_call_ms: float | None


def run(scan: Path | None, camera: str | None, chosen: Sequence[str], repeat: int, out: Path | None) -> None:
    """Measure the corruptions of one sensor, and print a table; each row goes to stderr when it is there.

    Args:
        scan: sweep to corrupt; without one a synthetic one.
        camera: image to corrupt in place of a sweep, or "synthetic".
        chosen: corruptions; none for all.
        repeat: calls per level.
        out: JSON file of the figures.

    Raises:
        InputError: for unknown corruptions and wrong files.
    """
    known = view_corruptions() if camera else CATALOG
    for name in chosen:
        if name not in known:
            raise InputError(unknown("camera corruption" if camera else "corruption", name, known))
    names = [name for name in known if not chosen or name in chosen]
    path = None if camera == SYNTHETIC else Path(camera) if camera else scan
    rows: list[Row] = []
    for row in _measured(path, bool(camera), names, repeat):
        rows.append(row)
        print(f"{row.corruption} {row.level}: {row.ms:.1f} ms", file=sys.stderr)
    print(", ".join(f"{key} {value}" for key, value in machine().items()), markdown(rows), sep="\n\n")
    if out is not None:
        figures = {"machine": machine(), "rows": [asdict(row) for row in rows]}
        write_atomically(out, (json.dumps(figures, indent=2) + "\n").encode())


def _measured(path: Path | None, camera: bool, names: Sequence[str], repeat: int) -> Iterator[Row]:
    """Rows of a file, or of a synthetic sweep or image."""
    labels = label_file(path) if path is not None else None
    source = preview.synthetic_source(camera) if path is None else preview.file_source(path, labels)
    if source.scan is None or source.image is not None:
        import cv2

        cv2.setNumThreads(1)
        return measure_image(np.asarray(source.image), names, repeat)
    scan, ring_ms = with_rings(source.scan)
    print(f"{source.id}: {len(scan.points)} points; estimating the rings of a file without them: {ring_ms:.1f} ms")
    return measure_scan(scan, names, repeat)


def measure_scan(scan: Scan, names: Sequence[str], repeat: int) -> Iterator[Row]:
    """Measure LiDAR corruptions at all their levels.

    Args:
        scan: the sweep; its rings should be there (:func:`with_rings`), or every call that needs them estimates them.
        names: corruptions of the catalog.
        repeat: calls per level, each of another sample.
    """
    copy_ms = statistics.median(_times(lambda _: scan.points.copy(), 20))
    for name in names:
        for position, level in enumerate(CATALOG[name].levels):

            def call(sample: int, name: str = name, level: str = level) -> int:
                return len(corruptions.corrupt(scan, name, level, seed=0, sample=f"08/{sample:06d}").points)

            yield _row("lidar", name, level, call, repeat, copy_ms, len(scan.points), first=position == 0)


def measure_image(image: NDArray[np.uint8], names: Sequence[str], repeat: int) -> Iterator[Row]:
    """Measure camera corruptions at all their levels on one image, RGB uint8 (H, W, 3)."""
    from corruptions.camera import Views, corrupt_views

    views = Views(image[None], "rgb", previous=image[None])
    copy_ms = statistics.median(_times(lambda _: image.copy(), 20))
    for name in names:
        for position, level in enumerate(view_corruptions()[name].levels):

            def call(sample: int, name: str = name, level: str = level) -> int:
                return corrupt_views(views, name, level, seed=0, sample=f"{sample:06d}").size // 3

            yield _row("camera", name, level, call, repeat, copy_ms, image.size // 3, first=position == 0)


def _row(
    sensor: str,
    name: str,
    level: str,
    call: Callable[[int], int],
    repeat: int,
    copy_ms: float,
    size_in: int,
    first: bool,
) -> Row:
    (first_ms,) = _times(call, 1)
    times = _times(call, repeat)
    tracemalloc.start()
    size_out = call(0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    median = statistics.median(times)
    return Row(
        sensor,
        name,
        level,
        median,
        min(times),
        max(times),
        size_in,
        size_out,
        peak / 1e6,
        median / copy_ms,
        first_ms if first else None,
    )


def _times(call: Callable[[int], Any], repeat: int) -> list[float]:
    """Milliseconds of each call; every call gets its own number."""
    times = []
    for number in range(repeat):
        start = time.perf_counter()
        call(number)
        times.append(1000 * (time.perf_counter() - start))
    return times


def with_rings(scan: Scan) -> tuple[Scan, float]:
    """The sweep with its rings, and the milliseconds that it took to estimate them."""
    start = time.perf_counter()
    ring, num_rings = rings_of(scan)
    return replace(scan, ring=ring, num_rings=num_rings), 1000 * (time.perf_counter() - start)


def load_points(path: Path | None) -> NDArray[np.float32]:
    """Points (N, 4) of a scan file, or of a synthetic sweep of the size of SemanticKITTI's."""
    source = preview.synthetic_source(False) if path is None else preview.file_source(path, None)
    if source.scan is None:
        raise InputError(f"{path}: expected a scan, found an image")
    return source.scan.points


def label_file(scan: Path) -> Path | None:
    """Where SemanticKITTI keeps the labels of a scan, if they are there."""
    path = scan.parent.parent / "labels" / f"{scan.stem}.label"
    return path if path.is_file() else None


def machine() -> dict[str, Any]:
    """What decides the speed: processor, Python and package versions."""
    found = {part.metadata["Name"].lower(): part.version for part in metadata.distributions() if part.metadata["Name"]}
    cpu = Path("/proc/cpuinfo")
    models = [line.split(":")[1].strip() for line in cpu.read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": models[0] if cpu.is_file() and models else platform.processor(),
        "threads": 1,
        "python": platform.python_version(),
        "engine": corruptions.__version__,
        **{name: found[name] for name in PACKAGES if name in found},
    }


def markdown(rows: Sequence[Row]) -> str:
    """A table of the rows of one sensor."""
    unit = "points" if rows[0].sensor == "lidar" else "pixels"
    lines = [
        f"| corruption | level | ms (median) | min - max | {unit} in | {unit} out | peak MB | x copy | first call ms |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        first = "" if row.first_call_ms is None else f"{row.first_call_ms:.0f}"
        lines.append(
            f"| {row.corruption} | {row.level} | {_short(row.ms)} | {_short(row.ms_min)} - {_short(row.ms_max)} | "
            f"{row.size_in} | {row.size_out} | {_short(row.peak_mb)} | {_short(row.copies)} | {first} |"
        )
    return "\n".join(lines)


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.2g}" if value < 10 else f"{value:.3g}"
