#!/usr/bin/env python
"""Report of one or several sweeps: a page (report.html), Markdown, CSV, LaTeX and pictures, from their rows alone.

python tools/report.py W
python tools/report.py W1 W2 configs/robustness/results/semantickitti_c/rlseg_semantickitti_quoted.json \\
    --names mine other RLSeg --baseline other --out DIR

The page needs no other file and no server: open it, send it, print it. A sweep's --curve and --seeds are shown as well.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from corruptions.core import InputError
from perception3d.robustness.report import BREAKING_SHARE, write_report


def main(argv: Sequence[str] | None = None) -> int:
    """Write the report; returns the exit status, 2 for bad input."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "runs", type=Path, nargs="+", metavar="RUN", help="the --work-dir of a sweep, or a result file (*.json)"
    )
    parser.add_argument(
        "--out", type=Path, help="folder of the report (default: RUN/report, of several: work_dirs/report)"
    )
    parser.add_argument("--names", nargs="+", metavar="NAME", help="name of each run (default: of its config)")
    parser.add_argument("--baseline", metavar="NAME", help="show differences to this model, and mCE or mRRA against it")
    parser.add_argument(
        "--share",
        type=float,
        default=BREAKING_SHARE,
        help=f"per cent of clean below which a curve is broken (default: {BREAKING_SHARE:g})",
    )
    args = parser.parse_args(arguments)
    command = shlex.join(["python", "tools/report.py", *arguments])
    alone = args.runs[0] if len(args.runs) == 1 and args.runs[0].suffix != ".json" else Path("work_dirs")
    try:
        page = write_report(args.runs, args.out or alone / "report", command, args.names, args.baseline, args.share)
        print(f"report: {page}\ntext:   {page.with_name('report.md')}")
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
