#!/usr/bin/env python
"""Measure speed and memory, on one thread of a CPU or with --device cuda; the result is a Markdown table.

python tools/benchmark.py corruptions
python tools/benchmark.py corruptions --scan sequences/08/velodyne/000000.bin --corruptions fog snowfall --repeat 20
python tools/benchmark.py corruptions --camera image.png --out camera.json
python tools/benchmark.py nuscenes --samples 600
python tools/benchmark.py segmentation configs/segmentation/minkunet-small_1xb1-700i_semantickitti-sim.py
python tools/benchmark.py cmt configs/cmt/cmt-tiny_1xb2_nuscenes-sim.py --checkpoint work_dirs/.../iter_1600.pth
python tools/benchmark.py sparse-conv
python tools/benchmark.py simulation

The corruptions need no torch. Without --scan they take a synthetic sweep of the size of SemanticKITTI's. Compiled code
of earlier runs is not used: the first call shows what compiling costs.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def parse_args(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Command line of the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    subjects = parser.add_subparsers(dest="subject", required=True, metavar="subject")
    engine = subjects.add_parser("corruptions", help="every corruption at every level")
    engine.add_argument("--scan", type=Path, help="a .bin scan; labels are found as in SemanticKITTI")
    engine.add_argument("--camera", nargs="?", const="synthetic", metavar="IMAGE", help="measure camera corruptions")
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
    detector = subjects.add_parser("cmt", help="a keyframe through CMT, part by part, and with published attention")
    detector.add_argument("config", help="its model and sizes of images")
    detector.add_argument("--checkpoint", help="weights (default: random)")
    detector.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    detector.add_argument("--samples", type=int, default=5, help="keyframes, or passes of the synthetic one")
    detector.add_argument("--root-path", help="measure keyframes of this data set (default: a synthetic one)")
    detector.add_argument("--info-dir", help="folder of its info files (default: data/infos/<name of the root>)")
    detector.set_defaults(run=benchmark_cmt, cfg_options=None)
    sparse = subjects.add_parser("sparse-conv", help="our sparse convolution on CPU beside a plain matrix product")
    sparse.add_argument("--scan", type=Path, help="a .bin scan of four columns (default: a synthetic sweep)")
    sparse.add_argument("--repeat", type=int, default=9, help="calls, in turn")
    sparse.set_defaults(run=benchmark_sparse_conv)
    simulation = subjects.add_parser("simulation", help="simulated keyframes and scans, beside bare ray casting")
    simulation.add_argument("--samples", type=int, default=5, help="keyframes and scans of each world (default: 5)")
    simulation.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    simulation.set_defaults(run=benchmark_simulation)
    return parser.parse_args(arguments)


def benchmark_corruptions(args: argparse.Namespace) -> None:
    """Measure the corruptions of one sensor and print a table."""
    from corruptions import benchmark

    check_count("--repeat", args.repeat)
    benchmark.run(args.scan, args.camera, args.corruptions, args.repeat, args.out)


def benchmark_nuscenes(args: argparse.Namespace) -> None:
    """Measure the nuScenes detection scores on synthetic boxes and print a table."""
    from perception3d.metrics.nuscenes_detection.benchmark import markdown, measure

    with tempfile.TemporaryDirectory() as folder:
        rows = list(measure(args.samples, args.boxes, args.loading_samples, Path(folder)))
    print(markdown(rows))


def benchmark_segmentation(args: argparse.Namespace) -> None:
    """Measure the parts of a segmentation network on one scan and print a table."""
    from corruptions.benchmark import load_points
    from perception3d.models.segmentation.benchmark import load_models, markdown, measure

    check_count("--repeat", args.repeat)
    points = load_points(args.scan)
    print(markdown(measure(load_models(args.config, args.device), points, args.repeat), args.device))


def benchmark_cmt(args: argparse.Namespace) -> None:
    """Measure CMT part by part, and its attention beside the published, and print tables."""
    check_count("--samples", args.samples)
    from perception3d.apis import init_model
    from perception3d.launch import read_config
    from perception3d.models.cmt import benchmark, benchmark_inputs

    cfg = read_config(args)
    model = init_model(cfg, args.checkpoint, args.device)
    batches = benchmark_inputs.batches(cfg, model, args.samples, keyframes=bool(args.root_path))
    print(benchmark_inputs.describe(batches, model), benchmark.markdown(benchmark.measure(model, batches)), sep="\n\n")


def benchmark_sparse_conv(args: argparse.Namespace) -> None:
    """Measure sparse convolutions of a scan's voxels and print a table."""
    from corruptions.benchmark import load_points
    from perception3d.sparse_benchmark import markdown, measure

    check_count("--repeat", args.repeat)
    print(markdown(list(measure(load_points(args.scan), args.repeat))))


def benchmark_simulation(args: argparse.Namespace) -> None:
    """Measure the simulation by small data sets and print a table."""
    from perception3d.simulation.benchmark import markdown, measure

    check_count("--samples", args.samples)
    check_count("--workers", args.workers)
    with tempfile.TemporaryDirectory() as folder:
        print(markdown(list(measure(args.samples, args.workers, Path(folder)))))


def check_count(option: str, count: int) -> None:
    """Refuse less than one."""
    from corruptions.core import InputError

    if count < 1:
        raise InputError(f"{option}: expected at least 1, found {count}")


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
