#!/usr/bin/env python
"""Check leaderboard files as their servers do, list every fault, and zip what is good.

python tools/submit.py nuscenes-det results.json --root data/nuscenes --version v1.0-test --split test --zip out.zip
python tools/submit.py nuscenes-lidarseg predictions --root data/nuscenes --version v1.0-test --split test
python tools/submit.py semantickitti predictions.zip --root data/semantickitti

Exit status: 0 no fault, 1 faults, 2 bad input.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from corruptions.core import InputError
from perception3d.submission.faults import Fault, listing
from perception3d.submission.files import open_tree, zip_file, zip_tree
from perception3d.submission.nuscenes_det import read_results
from perception3d.submission.nuscenes_lidarseg import lidarseg_faults
from perception3d.submission.nuscenes_split import Split, lidar_keyframes, read_split
from perception3d.submission.semantickitti import TEST_SEQUENCES, required_folders, semantickitti_faults


def parse_args(argv: Sequence[str]) -> argparse.Namespace:
    """Command line: a format, a file, and the data set it belongs to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    formats = parser.add_subparsers(dest="format", required=True)
    for name, check, help_text in (
        ("nuscenes-det", check_nuscenes_det, "results JSON of 3D detection"),
        ("nuscenes-lidarseg", check_nuscenes_lidarseg, "folder or zip of LiDAR segmentation"),
        ("semantickitti", check_semantickitti, "folder (that holds `sequences`) or zip of LiDAR segmentation"),
    ):
        sub = formats.add_parser(name, help=help_text)
        sub.add_argument("file", type=Path, help=help_text)
        sub.add_argument("--root", type=Path, required=True, help="folder of the data set")
        sub.add_argument("--zip", type=Path, metavar="FILE", help="where to write the zip for the server")
        if name == "semantickitti":
            sub.add_argument(
                "--sequences",
                nargs="+",
                default=TEST_SEQUENCES,
                metavar="SEQ",
                help="sequences to check (default: the test sequences 11 to 21)",
            )
        else:
            sub.add_argument("--version", required=True, help="folder of the tables, e.g. v1.0-test")
            sub.add_argument("--split", required=True, help="test, val, mini_val, ...")
        sub.set_defaults(check=check)
    return parser.parse_args(argv)


def check_nuscenes_det(args: argparse.Namespace) -> list[Fault]:
    """Check a results file; zip it when it is good."""
    split = _split(args)
    results = read_results(args.file, split.sample_tokens)
    if not results.faults and not len(results.boxes):
        return [Fault("results", "expected a box in any keyframe, found none: nuscenes-devkit scores no such file")]
    if not results.faults:
        print(f"{len(results.boxes)} boxes in {len(split.sample_tokens)} keyframes of {split.name}")
        if args.zip:
            zip_file(args.file, args.zip)
    return list(results.faults)


def check_nuscenes_lidarseg(args: argparse.Namespace) -> list[Fault]:
    """Check a folder or zip of lidarseg predictions; zip a good folder."""
    split = _split(args)
    points = lidar_keyframes(args.root, args.version, split)
    unknown = sum(count is None for count in points.values())
    if unknown:
        print(f"note: LiDAR sweeps that are not on disk, whose numbers of points are not checked: {unknown}")
    with open_tree(args.file) as tree:
        faults = lidarseg_faults(tree, split.name, points)
        if not faults:
            print(f"{len(points)} keyframes of {split.name}")
            if args.zip:
                zip_tree(tree, args.zip, [])
    return faults


def check_semantickitti(args: argparse.Namespace) -> list[Fault]:
    """Check a folder or zip of SemanticKITTI predictions; zip a good folder with the entries that the server wants."""
    with open_tree(args.file) as tree:
        faults = semantickitti_faults(tree, args.root, args.sequences, folders=args.file.is_file())
        if not faults:
            print(f"sequences {', '.join(args.sequences)}")
            if args.zip:
                zip_tree(tree, args.zip, required_folders(args.sequences))
    return faults


def _split(args: argparse.Namespace) -> Split:
    split = read_split(args.root, args.version, args.split)
    if split.scenes_missing:
        print(f"note: scenes of {split.name} that are not in {args.root / args.version}: {split.scenes_missing}")
    return split


def main(argv: Sequence[str] | None = None) -> int:
    """Check; returns the exit status."""
    args = parse_args(sys.argv[1:] if argv is None else argv)
    try:
        faults = args.check(args)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    if faults:
        print(listing(faults))
        print(f"{args.file}: {len(faults)} fault{'s' * (len(faults) > 1)}", file=sys.stderr)
        return 1
    print(f"{args.file}: no fault" + (f", zipped to {args.zip}" if args.zip else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
