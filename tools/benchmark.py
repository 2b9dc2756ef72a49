#!/usr/bin/env python
"""Measure speed and memory on one thread; the result is a Markdown table.

python tools/benchmark.py corruptions
python tools/benchmark.py corruptions --scan sequences/08/velodyne/000000.bin --corruptions fog snowfall --repeat 20
python tools/benchmark.py corruptions --camera image.png --out camera.json
python tools/benchmark.py nuscenes --samples 600
python tools/benchmark.py segmentation configs/segmentation/minkunet-small_1xb1-700i_semantickitti-sim.py
python tools/benchmark.py sparse-conv

The corruptions need no torch. Without --scan they take a synthetic sweep of the size of SemanticKITTI's. Compiled code
of earlier runs is not used: the first call shows what compiling costs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "NUMEXPR_NUM_THREADS")
SYNTHETIC = "synthetic"


def parse_args(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Command line of the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    subjects = parser.add_subparsers(dest="subject", required=True, metavar="subject")
    engine = subjects.add_parser("corruptions", help="every corruption at every level")
    engine.add_argument("--scan", type=Path, help="a .bin scan; labels are found as in SemanticKITTI")
    engine.add_argument(
        "--camera", nargs="?", const=SYNTHETIC, metavar="IMAGE", help="measure camera corruptions instead"
    )
    engine.add_argument("--corruptions", nargs="+", default=[], metavar="NAME", help="default: all")
    engine.add_argument("--repeat", type=int, default=9, help="calls per level")
    engine.add_argument("--out", type=Path, help="also write the figures as JSON")
    engine.set_defaults(run=benchmark_corruptions)
    scores = subjects.add_parser("nuscenes", help="detection scores and loading of results, beside nuscenes-devkit")
    scores.add_argument("--samples", type=int, default=6019, help="keyframes (default: 6019; the devkit takes minutes)")
    scores.add_argument("--boxes", type=int, default=300, help="detections per keyframe (default: 300)")
    scores.add_argument("--loading-samples", type=int, default=600, help="keyframes of the file (default: 600)")
    scores.set_defaults(run=benchmark_nuscenes)
    network = subjects.add_parser("segmentation", help="a scan through a segmentation network, part by part")
    network.add_argument("config", type=Path, nargs="+", help="its model, with random weights")
    network.add_argument("--scan", type=Path, help="a .bin scan of four columns (default: a synthetic sweep)")
    network.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    network.add_argument("--repeat", type=int, default=9, help="passes, in turn over the configs")
    network.set_defaults(run=benchmark_segmentation)
    sparse = subjects.add_parser("sparse-conv", help="our sparse convolution on CPU beside a plain matrix product")
    sparse.add_argument("--scan", type=Path, help="a .bin scan of four columns (default: a synthetic sweep)")
    sparse.add_argument("--repeat", type=int, default=9, help="calls, in turn")
    sparse.set_defaults(run=benchmark_sparse_conv)
    return parser.parse_args(arguments)


def benchmark_corruptions(args: argparse.Namespace) -> None:
    """Measure the corruptions of one sensor and print a table."""
    from corruptions import benchmark, catalog, describe, preview
    from corruptions.core import InputError, unknown
    from corruptions.files import write_atomically

    known = describe.view_corruptions() if args.camera else catalog.CATALOG
    for name in args.corruptions:
        if name not in known:
            raise InputError(unknown("camera corruption" if args.camera else "corruption", name, known))
    check_repeat(args.repeat)
    names = [name for name in known if not args.corruptions or name in args.corruptions]
    path = None if args.camera == SYNTHETIC else Path(args.camera) if args.camera else args.scan
    labels = benchmark.label_file(path) if path is not None else None
    source = preview.synthetic_source(bool(args.camera)) if path is None else preview.file_source(path, labels)
    rows: list[benchmark.Row] = []
    if source.image is not None:
        import cv2

        cv2.setNumThreads(1)
        measured = benchmark.measure_image(source.image, names, args.repeat)
    else:
        scan, ring_ms = benchmark.with_rings(source.scan)
        print(f"{source.id}: {len(scan.points)} points; estimating the rings of a file without them: {ring_ms:.1f} ms")
        measured = benchmark.measure_scan(scan, names, args.repeat)
    for row in measured:
        rows.append(row)
        print(f"{row.corruption} {row.level}: {row.ms:.1f} ms", file=sys.stderr)
    machine = benchmark.machine()
    print(", ".join(f"{key} {value}" for key, value in machine.items()), benchmark.markdown(rows), sep="\n\n")
    if args.out is not None:
        figures = {"machine": machine, "rows": [asdict(row) for row in rows]}
        write_atomically(args.out, (json.dumps(figures, indent=2) + "\n").encode())


def benchmark_nuscenes(args: argparse.Namespace) -> None:
    """Measure the nuScenes detection scores on synthetic boxes and print a table."""
    from perception3d.metrics.nuscenes_detection.benchmark import markdown, measure

    with tempfile.TemporaryDirectory() as folder:
        rows = list(measure(args.samples, args.boxes, args.loading_samples, Path(folder)))
    print(markdown(rows))


def benchmark_segmentation(args: argparse.Namespace) -> None:
    """Measure the parts of a segmentation network on one scan and print a table."""
    from perception3d.models.segmentation.benchmark import load_models, markdown, measure

    check_repeat(args.repeat)
    points = load_points(args.scan)
    print(markdown(measure(load_models(args.config, args.device), points, args.repeat)))


def benchmark_sparse_conv(args: argparse.Namespace) -> None:
    """Measure sparse convolutions of a scan's voxels and print a table."""
    from perception3d.sparse_benchmark import markdown, measure

    check_repeat(args.repeat)
    print(markdown(list(measure(load_points(args.scan), args.repeat))))


def load_points(path: Path | None) -> NDArray[np.float32]:
    """Points (N, 4) of a scan file, or of a synthetic sweep of the size of SemanticKITTI's."""
    from corruptions import preview

    source = preview.synthetic_source(False) if path is None else preview.file_source(path, None)
    if source.scan is None:
        raise TypeError(f"expected a scan, found {source}")
    return source.scan.points


def check_repeat(repeat: int) -> None:
    """Refuse fewer than one repetition."""
    from corruptions.core import InputError

    if repeat < 1:
        raise InputError(f"--repeat: expected at least 1, found {repeat}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: exit code 2 and one line for bad input, 130 for an interrupt."""
    args = parse_args(arguments)
    # Before numpy and numba are imported, which read these when they start.
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    with tempfile.TemporaryDirectory() as cache:
        os.environ["NUMBA_CACHE_DIR"] = cache
        from corruptions.core import InputError

        try:
            args.run(args)
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(2)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            sys.exit(130)


if __name__ == "__main__":
    main()
