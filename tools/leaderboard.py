#!/usr/bin/env python
"""The leaderboard as data: results of models in JSON files, and the tables made from them.

python tools/leaderboard.py add RUN --model MinkowskiNet --dataset SemanticKITTI --split "val (sequence 08)"
python tools/leaderboard.py tables            # makes the tables of configs/robustness/README.md anew
python tools/leaderboard.py tables --check    # says whether they are up to date

RUN is the --work-dir of tools/sweep.py or tools/score.py; every suite in it becomes one file of --results. The format
stands in configs/robustness/README.md; tools/report.py takes the files beside runs.

Exit status: 0 done, 1 tables are out of date (--check), 2 bad input, 130 interrupted.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from corruptions.core import InputError
from corruptions.files import write_atomically
from perception3d.robustness.leaderboard import README, RESULTS, with_tables
from perception3d.robustness.results import read_results, result_of_rows, write_result
from perception3d.robustness.rows import read_rows, read_suites


def parse_args(argv: Sequence[str]) -> argparse.Namespace:
    """Command line: what to do, and with which files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("add", help="write the results of a run")
    add.add_argument("run", type=Path, help="the --work-dir of a sweep")
    add.add_argument("--model", required=True, help="name of the model in the tables")
    add.add_argument("--dataset", required=True, help="name of the data set, e.g. SemanticKITTI")
    add.add_argument("--split", default="val", help="which part of it (default: val)")
    add.add_argument("--note", default="", help="what a reader must know to compare, e.g. test-time augmentation")
    tables = commands.add_parser("tables", help="make the tables of READMEs anew")
    tables.add_argument("readmes", type=Path, nargs="*", default=[README], help=f"default: {README}")
    tables.add_argument("--check", action="store_true", help="write nothing, exit 1 when a table is out of date")
    for command in (add, tables):
        command.add_argument("--results", type=Path, default=RESULTS, help=f"folder of the files (default: {RESULTS})")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Add results or make tables; returns the exit status."""
    args = parse_args(sys.argv[1:] if argv is None else argv)
    try:
        return add(args) if args.command == "add" else tables(args)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def add(args: argparse.Namespace) -> int:
    """Write one result file for each suite of a run."""
    for suite in read_suites(args.run):
        result = result_of_rows(read_rows(args.run, suite), args.model, args.dataset, args.split, args.note)
        if not result.settings:
            raise InputError(f"{args.run}: expected at least one score under {suite}, found failed settings alone")
        print(f"written: {write_result(result, args.results)}")
    return 0


def tables(args: argparse.Namespace) -> int:
    """Make the tables of READMEs anew, or say which are out of date."""
    results = read_results(args.results)
    outdated = 0
    for path in args.readmes:
        if not path.is_file():
            raise InputError(f"{path}: expected a README with tables, found no file")
        text = path.read_text()
        made = with_tables(text, results, path)
        if made == text:
            print(f"up to date: {path}")
        elif args.check:
            print(f"out of date: {path}; run: python tools/leaderboard.py tables")
            outdated += 1
        else:
            write_atomically(path, made.encode())
            print(f"written: {path}")
    return 1 if outdated else 0


if __name__ == "__main__":
    sys.exit(main())
