#!/usr/bin/env python
"""Draw the report of a sweep: Markdown, CSV and pictures, from its rows alone.

python tools/report.py W --out DIR
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from corruptions.core import InputError
from perception3d.robustness.report import write_report


def main(argv: Sequence[str] | None = None) -> int:
    """Write the report; returns the exit status, 2 for bad input."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work_dir", type=Path, help="the --work-dir of tools/sweep.py")
    parser.add_argument("--out", type=Path, help="folder of the report (default: WORK_DIR/report)")
    args = parser.parse_args(arguments)
    command = shlex.join(["python", "tools/report.py", *arguments])
    try:
        print(f"report: {write_report(args.work_dir, args.out or args.work_dir / 'report', command)}")
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
