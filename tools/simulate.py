"""Write a simulated data set: ``python tools/simulate.py nuscenes|semantickitti --out DIR --seed 0 --workers 2``.

nuscenes: six cameras, LiDAR keyframes and sweeps, boxes, lidarseg. semantickitti: LiDAR scans with labels, without
further options eight training sequences of ten scans and sequence 08 with sixteen. An interrupted run goes on where it
stopped; a folder made with other parameters is refused.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from corruptions.core import InputError
from perception3d.simulation import semantickitti
from perception3d.simulation.nuscenes import writer as nuscenes
from perception3d.simulation.nuscenes.request import PRESETS, Request, scene_names

SEQUENCES = tuple(f"{number:02d}" for number in range(9))
VALIDATION = "08"


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Command line options."""
    parser = argparse.ArgumentParser(description="Write a simulated data set in a public format.")
    formats = parser.add_subparsers(dest="format", required=True)
    _add_nuscenes(formats.add_parser("nuscenes", help="cameras, LiDAR keyframes and sweeps, boxes, lidarseg"))
    kitti = formats.add_parser("semantickitti", help="LiDAR scans with labels, poses and calibration")
    kitti.add_argument("--out", type=Path, required=True, help="root folder to write")
    kitti.add_argument("--seed", type=int, default=0, help="one integer makes one set of worlds")
    kitti.add_argument("--sequences", nargs="+", default=SEQUENCES, metavar="NN", help="names, default 00 ... 08")
    kitti.add_argument("--scans", type=int, default=10, help="scans per sequence")
    kitti.add_argument("--val-scans", type=int, default=16, help=f"scans of sequence {VALIDATION}")
    kitti.add_argument("--interval", type=float, default=1.0, metavar="S", help="seconds between scans")
    kitti.add_argument("--workers", type=int, default=1, help="processes; the files do not depend on it")
    return parser.parse_args(arguments)


def _add_nuscenes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, help="root folder to write")
    parser.add_argument(
        "--preset",
        choices=PRESETS,
        default="mini",
        help="; ".join(f"{name}: {preset}" for name, preset in PRESETS.items()) + " (default: mini)",
    )
    parser.add_argument("--scenes", type=int, metavar="N", help="number of scenes, one of five for validation")
    parser.add_argument("--keyframes", type=int, metavar="N", help="keyframes per scene, at 2 Hz")
    parser.add_argument("--resolution", type=_resolution, metavar="HxW", help="rows x columns of the images")
    parser.add_argument("--no-cameras", action="store_true", help="LiDAR only")
    parser.add_argument("--depth", action="store_true", help="depth maps beside the images, in depth/")
    parser.add_argument("--seed", type=int, default=0, help="one integer makes one set of worlds")
    parser.add_argument("--workers", type=int, default=1, help="processes; the files do not depend on it")


def _resolution(text: str) -> tuple[int, int]:
    try:
        height, width = (int(number) for number in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected rows x columns such as 450x800, found {text!r}") from None
    return height, width


class Progress:
    """Prints scans or keyframes done, speed and time to go; one line on a terminal, few lines in a log."""

    def __init__(self, units: str) -> None:
        self._units = units
        self._start, self._found = time.monotonic(), -1

    def __call__(self, done: int, total: int) -> None:
        """Report ``done`` of ``total``."""
        if self._found < 0:
            self._found = done
            print(f"{total} {self._units}" + (f", {done} already there" if done else ""), flush=True)
            return
        seconds = time.monotonic() - self._start
        rate = (done - self._found) / max(seconds, 1e-9)
        print(f"{done}/{total} {self._units}, {rate:.1f} per second, {(total - done) / rate:.0f} s to go", flush=True)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line: one line and exit code 2 on bad input, 130 when interrupted."""
    args = parse_args(arguments)
    start = time.monotonic()
    try:
        written = _write_nuscenes(args) if args.format == "nuscenes" else _write_semantickitti(args)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on where it stopped", file=sys.stderr)
        sys.exit(130)
    print(f"{written} in {time.monotonic() - start:.1f} s")


def _write_semantickitti(args: argparse.Namespace) -> str:
    scans = {name: args.val_scans if name == VALIDATION else args.scans for name in args.sequences}
    request = semantickitti.Request(args.out, args.seed, scans, args.interval)
    written = semantickitti.write(request, args.workers, Progress("scans"))
    return f"{written} scans written to {args.out / 'sequences'}"


def _write_nuscenes(args: argparse.Namespace) -> str:
    preset = PRESETS[args.preset]
    names = scene_names(preset.version, preset.scenes if args.scenes is None else args.scenes)
    keyframes = preset.keyframes if args.keyframes is None else args.keyframes
    height_px, width_px = args.resolution or (preset.height_px, preset.width_px)
    request = Request(
        args.out,
        preset.version,
        args.seed,
        dict.fromkeys(names, keyframes),
        height_px,
        width_px,
        cameras=not args.no_cameras,
        depth=args.depth,
    )
    written = nuscenes.write(request, args.workers, Progress("keyframes"))
    return f"{written} keyframes of {len(names)} scenes written to {args.out}, tables in {preset.version},"


if __name__ == "__main__":
    main()
