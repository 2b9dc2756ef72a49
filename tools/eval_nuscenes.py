#!/usr/bin/env python
"""Score nuScenes results: official metrics, intervals over scenes, breakdowns, pictures, comparison.

python tools/eval_nuscenes.py results.json --root data/nuscenes --version v1.0-trainval --split val --out scores
python tools/eval_nuscenes.py base.json other.json --root data/nuscenes --version v1.0-trainval --split val
python tools/eval_nuscenes.py predictions --task lidarseg --root data/nuscenes --split val
python tools/eval_nuscenes.py annotations.json --write-annotations --root data/nuscenes --split val

The numbers are those of nuscenes-devkit; --official runs the devkit beside them. Differences are to the first file.
Exit status: 0 scored, 1 --official found other numbers, 2 bad input.
"""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from corruptions.core import InputError
from perception3d.metrics.nuscenes_detection import annotations as detection_annotations
from perception3d.metrics.nuscenes_detection import devkit as detection
from perception3d.metrics.nuscenes_detection import report as detection_report
from perception3d.metrics.nuscenes_detection.bootstrap import draw_scenes
from perception3d.metrics.nuscenes_lidarseg import annotations as lidarseg_annotations
from perception3d.metrics.nuscenes_lidarseg import devkit as lidarseg
from perception3d.metrics.nuscenes_lidarseg import report as lidarseg_report
from perception3d.metrics.nuscenes_lidarseg.truth import load_truth
from perception3d.submission.files import open_tree, replacing

TOLERANCE = 1e-9


@dataclass(frozen=True)
class Task:
    """What a task does with results; all of a run share the ground truth.

    Attributes:
        heading: what is scored, in a line.
        scenes: name of the scene of each keyframe.
        report_on: report of a file, with draws of keyframes or None.
        write: writes a report to a folder.
        compare: table of several reports.
        official: the devkit's numbers for a file, by the names that a report's ``values`` have.
        write_annotations: writes the ground truth as results.
    """

    heading: str
    scenes: Sequence[str]
    report_on: Callable[[Path, Any], Any]
    write: Callable[[Any, Path], None]
    compare: Callable[[Sequence[str], Sequence[Any]], str]
    official: Callable[[Path], Mapping[str, float]]
    write_annotations: Callable[[Path], None]


def parse_args(argv: Sequence[str]) -> argparse.Namespace:
    """Command line: results, the data set, and what to do beside the scores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    help_text = "results JSON, or folder or zip of lidarseg predictions; the first is the base of differences"
    parser.add_argument("results", nargs="+", type=Path, help=help_text)
    parser.add_argument("--task", choices=list(TASKS), default="detection", help="default: detection")
    parser.add_argument("--root", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--version", default="v1.0-trainval", help="folder of the tables (default: v1.0-trainval)")
    parser.add_argument("--split", default="val", help="val, mini_val, train, or one of splits.json (default: val)")
    help_text = "draws of scenes for intervals, 0 for none (200)"
    parser.add_argument("--bootstrap", type=natural, default=200, metavar="N", help=help_text)
    parser.add_argument("--seed", type=natural, default=0, help="seed of the draws (default: 0)")
    parser.add_argument("--out", type=Path, help="folder for tables, metrics_summary.json and pictures of each file")
    help_text = "first write the annotations as these results: do the scores come out as they must?"
    parser.add_argument("--write-annotations", action="store_true", help=help_text)
    parser.add_argument("--official", action="store_true", help="run nuscenes-devkit too, and compare")
    return parser.parse_args(argv)


def natural(text: str) -> int:
    """A whole number from 0 on."""
    number = int(text) if text.isascii() and text.isdecimal() else -1
    if number < 0:
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 on, found {text!r}")
    return number


def detection_task(args: argparse.Namespace) -> Task:
    """3D detection: results JSON."""
    nusc = detection.open_tables(args.root, args.version)
    truth = detection.load_ground_truth(nusc, args.split)

    def official(path: Path) -> dict[str, float]:
        scores = detection.official_scores(nusc, path, args.split)
        return {"NDS": scores["nd_score"], "mAP": scores["mean_ap"]}

    return Task(
        heading=f"{len(truth.tokens)} keyframes of {len(set(truth.scenes))} scenes, {len(truth.boxes)} annotations",
        scenes=truth.scenes,
        report_on=lambda path, copies: detection_report.report_on(path, truth, copies),
        write=detection_report.write_report,
        compare=detection_report.compare,
        official=official,
        write_annotations=lambda path: detection_annotations.write_as_results(truth, path),
    )


def lidarseg_task(args: argparse.Namespace) -> Task:
    """LiDAR segmentation: folder or zip with a file for each keyframe."""
    truth = load_truth(args.root, args.version, args.split)

    def official(path: Path) -> dict[str, float]:
        with open_tree(path) as tree:
            scores = lidarseg.official_scores(detection.open_tables(args.root, args.version), tree, truth)
        return {"mIoU": scores["miou"], "fwIoU": scores["freq_weighted_iou"]}

    return Task(
        heading=f"{len(truth.sweeps)} keyframes of {len(set(truth.scenes))} scenes",
        scenes=truth.scenes,
        report_on=lambda path, copies: lidarseg_report.report_on(path, truth, copies),
        write=lidarseg_report.write_report,
        compare=lidarseg_report.compare,
        official=official,
        write_annotations=lambda path: lidarseg_annotations.write_as_results(truth, path),
    )


TASKS: Mapping[str, Callable[[argparse.Namespace], Task]] = {"detection": detection_task, "lidarseg": lidarseg_task}


def score_files(args: argparse.Namespace) -> int:
    """Score every file; returns the exit status."""
    names = unique_names(args.results)
    task = TASKS[args.task](args)
    print(task.heading)
    reports, agree = [], True
    copies = draws(task.scenes, args)
    for name, path in zip(names, args.results, strict=True):
        if args.write_annotations:
            if path.exists():
                raise InputError(f"{path}: expected a new file to write the annotations to, found one that exists")
            task.write_annotations(path)
        report = task.report_on(path, copies)
        reports.append(report)
        print(f"\n{path}\n{report.text()}")
        if args.official:
            agree &= check_official(task.official(path), report.values)
        if args.out:
            task.write(report, args.out / name)
    if len(reports) > 1:
        table = task.compare(names, reports)
        print(f"\n{table}")
        if args.out:
            with replacing(args.out / "comparison.md", "w") as file:
                file.write(table)
    if args.out:
        print(f"\nwritten to {args.out}")
    return 0 if agree else 1


def unique_names(paths: Sequence[Path]) -> list[str]:
    """Stems of the files, with their folders where stems repeat."""
    whole = [Path(os.path.abspath(path)) for path in paths]  # "." and ".." name no folder below --out
    stems = [path.stem for path in whole]
    names = stems if len(set(stems)) == len(stems) else [f"{path.parent.name}_{path.stem}" for path in whole]
    if len(set(names)) < len(names):
        raise InputError(f"results: expected files of different names, found {', '.join(map(str, paths))}")
    return names


def draws(scenes: Sequence[str], args: argparse.Namespace) -> np.ndarray | None:
    """Draws of keyframes for the intervals; a single scene has none."""
    if args.bootstrap == 0 or len(set(scenes)) < 2:
        return None
    return draw_scenes(scenes, args.bootstrap, np.random.default_rng(args.seed))


def check_official(official: Mapping[str, float], values: Mapping[str, float]) -> bool:
    """Print the devkit's numbers; whether ours are the same."""
    numbers = ", ".join(f"{name} {value:.4f}" for name, value in official.items())
    apart = max(abs(value - values[name]) for name, value in official.items())
    print(f"\nnuscenes-devkit: {numbers}; largest difference {apart:.1e}")
    return apart <= TOLERANCE


def main(argv: Sequence[str] | None = None) -> int:
    """Score; returns the exit status."""
    args = parse_args(sys.argv[1:] if argv is None else argv)
    try:
        return score_files(args)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
