#!/usr/bin/env python
"""Score nuScenes detection results: official metrics, intervals over scenes, breakdowns, curves, comparison.

python tools/eval_nuscenes.py results.json --root data/nuscenes --version v1.0-trainval --split val --out scores
python tools/eval_nuscenes.py base.json other.json --root data/nuscenes --version v1.0-trainval --split val

The numbers are those of nuscenes-devkit; --official runs the devkit beside them. Differences are to the first file.
Exit status: 0 scored, 1 --official found other numbers, 2 bad input.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from corruptions.core import InputError
from perception3d.metrics.nuscenes_detection.bootstrap import draw_scenes
from perception3d.metrics.nuscenes_detection.devkit import GroundTruth, load_ground_truth, official_scores, open_tables
from perception3d.metrics.nuscenes_detection.report import Report, compare, report_on, write_report
from perception3d.submission.files import replacing

TOLERANCE = 1e-9


def parse_args(argv: Sequence[str]) -> argparse.Namespace:
    """Command line: results, the data set, and what to do beside the scores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=Path, help="results JSON; the first is the base of differences")
    parser.add_argument("--root", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--version", default="v1.0-trainval", help="folder of the tables (default: v1.0-trainval)")
    parser.add_argument("--split", default="val", help="val, mini_val, train, or one of splits.json (default: val)")
    parser.add_argument("--bootstrap", type=int, default=200, help="draws of scenes for intervals, 0 for none (200)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the draws (default: 0)")
    parser.add_argument("--out", type=Path, help="folder for tables, metrics_summary.json and curves of each file")
    parser.add_argument("--official", action="store_true", help="run nuscenes-devkit too, and compare")
    return parser.parse_args(argv)


def score_files(args: argparse.Namespace) -> int:
    """Score every file; returns the exit status."""
    names = unique_names(args.results)
    nusc = open_tables(args.root, args.version)
    truth = load_ground_truth(nusc, args.split)
    print(f"{len(truth.tokens)} keyframes of {len(set(truth.scenes))} scenes, {len(truth.boxes)} annotations")
    reports, agree = [], True
    copies = draws(truth, args)
    for name, path in zip(names, args.results, strict=True):
        report = report_on(path, truth, copies)
        reports.append(report)
        print(f"\n{path}\n{report.text()}")
        if args.official:
            agree &= check_official(nusc, path, args.split, report)
        if args.out:
            write_report(report, args.out / name)
    if len(reports) > 1:
        table = compare(names, reports)
        print(f"\n{table}")
        if args.out:
            with replacing(args.out / "comparison.md", "w") as file:
                file.write(table)
    if args.out:
        print(f"\nwritten to {args.out}")
    return 0 if agree else 1


def unique_names(paths: Sequence[Path]) -> list[str]:
    """Stems of the files, with their folders where stems repeat."""
    stems = [path.stem for path in paths]
    names = stems if len(set(stems)) == len(stems) else [f"{path.resolve().parent.name}_{path.stem}" for path in paths]
    if len(set(names)) < len(names):
        raise InputError(f"results: expected files of different names, found {', '.join(map(str, paths))}")
    return names


def draws(truth: GroundTruth, args: argparse.Namespace) -> np.ndarray | None:
    """Draws of keyframes for the intervals; a single scene has none."""
    if args.bootstrap <= 0 or len(set(truth.scenes)) < 2:
        return None
    return draw_scenes(truth.scenes, args.bootstrap, np.random.default_rng(args.seed))


def check_official(nusc: Any, path: Path, split: str, report: Report) -> bool:
    """Run the devkit; whether mAP and NDS are the same."""
    devkit = official_scores(nusc, path, split)
    scores = report.evaluation.scores
    print(f"\nnuscenes-devkit: NDS {devkit['nd_score']:.4f}, mAP {devkit['mean_ap']:.4f}", end="; ")
    apart = max(abs(devkit["nd_score"] - scores.nds), abs(devkit["mean_ap"] - scores.mean_ap))
    print(f"largest difference {apart:.1e}")
    return apart <= TOLERANCE


def main(argv: Sequence[str] | None = None) -> int:
    """Score; returns the exit status."""
    args = parse_args(sys.argv[1:] if argv is None else argv)
    try:
        return score_files(args)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
