"""Write a simulated data set: ``python tools/simulate.py semantickitti --out DIR --seed 0 --workers 2``.

Without further options about 100 scans: eight training sequences of ten scans and sequence 08 with sixteen. An
interrupted run goes on where it stopped; a folder made with other parameters is refused.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from corruptions.core import InputError
from perception3d.simulation import semantickitti

SEQUENCES = tuple(f"{number:02d}" for number in range(9))
VALIDATION = "08"


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Command line options."""
    parser = argparse.ArgumentParser(description="Write a simulated data set in a public format.")
    formats = parser.add_subparsers(dest="format", required=True)
    kitti = formats.add_parser("semantickitti", help="LiDAR scans with labels, poses and calibration")
    kitti.add_argument("--out", type=Path, required=True, help="root folder to write")
    kitti.add_argument("--seed", type=int, default=0, help="one integer makes one set of worlds")
    kitti.add_argument("--sequences", nargs="+", default=SEQUENCES, metavar="NN", help="names, default 00 ... 08")
    kitti.add_argument("--scans", type=int, default=10, help="scans per sequence")
    kitti.add_argument("--val-scans", type=int, default=16, help=f"scans of sequence {VALIDATION}")
    kitti.add_argument("--interval", type=float, default=1.0, metavar="S", help="seconds between scans")
    kitti.add_argument("--workers", type=int, default=1, help="processes; the files do not depend on it")
    return parser.parse_args(arguments)


class Progress:
    """Prints scans done, speed and time to go; one line on a terminal, few lines in a log."""

    def __init__(self) -> None:
        self._start, self._found = time.monotonic(), -1

    def __call__(self, done: int, total: int) -> None:
        """Report ``done`` of ``total`` scans."""
        if self._found < 0:
            self._found = done
            print(f"{total} scans, {done} already there" if done else f"{total} scans", flush=True)
            return
        seconds = time.monotonic() - self._start
        rate = (done - self._found) / max(seconds, 1e-9)
        print(f"{done}/{total} scans, {rate:.1f} per second, {(total - done) / rate:.0f} s to go", flush=True)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line: one line and exit code 2 on bad input, 130 when interrupted."""
    args = parse_args(arguments)
    start = time.monotonic()
    try:
        scans = {name: args.val_scans if name == VALIDATION else args.scans for name in args.sequences}
        request = semantickitti.Request(args.out, args.seed, scans, args.interval)
        written = semantickitti.write(request, args.workers, Progress())
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on where it stopped", file=sys.stderr)
        sys.exit(130)
    print(f"{written} scans written to {args.out / 'sequences'} in {time.monotonic() - start:.1f} s")


if __name__ == "__main__":
    main()
