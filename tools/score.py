#!/usr/bin/env python
"""Score predictions under a suite, whoever made them: clean and corrupted folders in, the suite's table out. No model.

python tools/score.py --predictions P --dataset semantickitti --suite semantickitti_c --root data/SemanticKITTI-C \\
    --clean-root data/semantickitti
python tools/score.py --predictions P --dataset nuscenes-lidarseg --suite robo3d --root data/nuScenes-C \\
    --clean-root data/nuscenes --version v1.0-trainval --split val

P holds a folder per setting, the clean one too (P/fog_light or, as Robo3D's data, P/fog/light), each in the layout of
the data set's submissions. --root is the corrupted data, released or exported by tools/corrupt.py, with its labels.
Each setting leaves a row in --work-dir, so an interrupted run goes on where it was; changed files are scored again.
--baseline takes the --work-dir of another model (of this tool or of tools/sweep.py) for mCE.

Exit status: 0 every setting that P holds has a score, 1 a setting failed, 2 bad input, 130 interrupted.
"""

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from corruptions.core import InputError
from corruptions.files import write_atomically
from corruptions.suites import SUITES, Suite, suite
from perception3d.launch import run
from perception3d.robustness.collect import collect, settings_markdown, types_markdown
from perception3d.robustness.plan import clean_setting, versions
from perception3d.robustness.prediction_scores import PredictionScorer, fingerprint_of, processes, score_settings
from perception3d.robustness.predictions import LabelledData, nuscenes_data, semantickitti_data
from perception3d.robustness.relative import relative_markdown, relative_scores
from perception3d.robustness.rows import Row, read_rows, refuse_other_fingerprint


def parse_args(argv: Sequence[str]) -> argparse.Namespace:
    """Command line: the predictions, and the data that they belong to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predictions", type=Path, required=True, help="folder with a folder of labels per setting")
    parser.add_argument("--dataset", choices=["semantickitti", "nuscenes-lidarseg"], required=True)
    parser.add_argument("--suite", default="semantickitti_c", help=f"one of: {', '.join(SUITES)}")
    parser.add_argument("--root", type=Path, required=True, help="folder of the corrupted data")
    parser.add_argument("--clean-root", type=Path, help="folder of the clean data set, where --root has no clean scans")
    parser.add_argument("--sequence", default="08", help="SemanticKITTI: sequence of scans whose folders do not say it")
    parser.add_argument("--version", default="v1.0-trainval", help="nuScenes: folder of the tables")
    parser.add_argument("--split", default="val", help="nuScenes: split of the tables")
    parser.add_argument("--baseline", type=Path, help="--work-dir of the baseline model, for mCE")
    parser.add_argument("--work-dir", type=Path, help="folder of rows and table; default: work_dirs/score/<name of P>")
    parser.add_argument("--workers", type=int, default=1, help="processes; they change no number")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Score what is there and not scored yet, show the table."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    args = parse_args(arguments)
    if args.workers < 1:
        raise InputError(f"--workers: expected at least 1, found {args.workers}")
    chosen = suite(args.suite)
    if not args.predictions.is_dir():
        raise InputError(f"{args.predictions}: expected a folder of predictions, found none")
    work_dir = args.work_dir or Path("work_dirs/score") / args.predictions.resolve().name
    data = labelled_data(args, chosen)
    clean = data.truth(clean_setting(chosen))
    fingerprint = fingerprint_of(chosen, args.dataset, args.predictions, args.root, clean)
    rows = read_rows(work_dir, chosen.name)
    refuse_other_fingerprint(rows.values(), fingerprint, work_dir)
    baseline = read_baseline(args.baseline, chosen)
    origin = {
        "command": shlex.join(["python", "tools/score.py", *arguments]),
        "config": f"predictions for {args.dataset}",
        "checkpoint": str(args.predictions),
        "device": "none",
        "versions": versions(),
    }
    with processes(args.workers) as pool:
        scorer = PredictionScorer(chosen, args.predictions, data, clean, pool)
        say(f"{chosen.name}, {len(clean)} scans: predictions of {len(scorer.settings())} settings")
        written = score_settings(scorer, rows, fingerprint, work_dir, origin, say)
    show_table(work_dir, chosen, baseline)
    failed = [row.setting["folder"] for row in written if row.score is None]
    if failed:
        print(f"failed: {', '.join(failed)}; the same command tries them again", file=sys.stderr)
        sys.exit(1)


def labelled_data(args: argparse.Namespace, chosen: Suite) -> LabelledData:
    """The ground truth that the command line names."""
    if args.dataset == "semantickitti":
        return semantickitti_data(chosen, args.root, args.clean_root, args.sequence)
    if args.clean_root is None:
        raise InputError("--clean-root: expected the folder of nuScenes itself for the clean setting, found none")
    return nuscenes_data(chosen, args.root, args.clean_root, args.version, args.split)


def read_baseline(work_dir: Path | None, chosen: Suite) -> Mapping[str, Row]:
    """Rows of the baseline model; none without one."""
    rows = {} if work_dir is None else read_rows(work_dir, chosen.name)
    if work_dir is not None and not rows:
        raise InputError(f"{work_dir}: expected rows of {chosen.name} as the baseline, found none; score it first")
    return rows


def show_table(work_dir: Path, chosen: Suite, baseline: Mapping[str, Row]) -> None:
    """Write the tables beside the rows, and print them."""
    rows = read_rows(work_dir, chosen.name)
    table = collect(chosen, rows)
    relative = relative_markdown(relative_scores(chosen, rows, baseline))
    text = f"{settings_markdown(table)}\n\n{types_markdown(table)}\n\n{relative}\n"
    path = work_dir / f"{chosen.name}.md"
    write_atomically(path, text.encode())
    say(f"\n{text}\nwritten to {path}; draw it with: python tools/report.py {work_dir}")


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)


if __name__ == "__main__":
    run(main)
