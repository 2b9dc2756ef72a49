#!/usr/bin/env python
"""Corruptions: list them, look at them, write a corrupted copy of a data set. Needs no torch.

python tools/corrupt.py list [fog ...]
python tools/corrupt.py show fog --level heavy --file 000000.bin --out fog.png
python tools/corrupt.py semantickitti --root data/semantickitti --out data --workers 8
python tools/corrupt.py semantickitti --root data/semantickitti --out data --ray HOST:6379
python tools/corrupt.py nuscenes --root data/nuscenes --version v1.0-mini --out data --corruptions fog --levels heavy
python tools/corrupt.py folder --root scans --intensity-max 255 --sensor VLP-16 --out data

An interrupted export goes on where it was when the same command runs again. --verify checks the files of one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from corruptions import cluster, describe, export, nuscenes, pictures, preview, readers
from corruptions.core import InputError
from corruptions.sensors import SENSORS
from corruptions.suites import SUITES


def parse_args(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Command line of the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    listing = commands.add_parser("list", help="the catalog: levels, parameters with units, sources")
    listing.add_argument("names", nargs="*", help="corruptions; default: all")
    listing.add_argument("--markdown", action="store_true", help="as the tables of corruptions/README.md")
    listing.set_defaults(run=lambda args: describe.catalog_text(args.names, args.markdown))

    show = commands.add_parser("show", help="before and after as PNG; several names make a sheet with a panel each")
    show.add_argument("names", nargs="+", help="corruptions of one sensor")
    show.add_argument("--level", help="name of a level; default: the heaviest")
    show.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="physical values, e.g. mor_m=80")
    show.add_argument("--file", type=Path, help="a .bin scan or an image; default: a synthetic street")
    show.add_argument("--labels", type=Path, help="SemanticKITTI labels of the scan, for corruptions that need them")
    show.add_argument(
        "--dataset", choices=["semantickitti", "nuscenes"], help="show a sample of the data set at --root"
    )
    show.add_argument("--root", type=Path, help="folder of the data set")
    show.add_argument("--version", default="v1.0-mini", help="folder of nuScenes' tables")
    show.add_argument("--sample", help="id of the sample, e.g. 08/000004; default: the first")
    show.add_argument("--camera", action="store_true", help="the camera's corruption where both sensors have the name")
    show.add_argument("--dpi", type=int, default=110)
    show.add_argument("--seed", type=int, default=0)
    show.add_argument("--out", type=Path, required=True, help="PNG to write")
    add_scan_arguments(show, intensity_needed=False)
    show.set_defaults(run=show_picture)

    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--root", type=Path, required=True, help="folder of the data set; nothing is written to it")
    shared.add_argument("--out", type=Path, required=True, help="the export goes to <data set>-C in this folder")
    shared.add_argument("--suite", choices=[*SUITES, "catalog"], help="settings, their folders and the label rule")
    shared.add_argument("--corruptions", nargs="+", default=["all"], metavar="NAME")
    shared.add_argument("--levels", nargs="+", default=["all"], metavar="LEVEL")
    shared.add_argument("--seed", type=int, default=0)
    where = shared.add_mutually_exclusive_group()
    where.add_argument("--workers", type=int, default=1, help="processes; they do not change a byte")
    where.add_argument(
        "--ray", metavar="ADDRESS", help="a Ray cluster that does the work: HOST:PORT, auto or local (extra cluster)"
    )
    shared.add_argument("--verify", action="store_true", help="only check an export against its checksums")
    clean = argparse.ArgumentParser(add_help=False)
    clean.add_argument("--clean", action="store_true", help="also copy the clean scans to the suite's clean folder")

    kitti = commands.add_parser("semantickitti", parents=[shared, clean], help="corrupt SemanticKITTI")
    kitti.add_argument("--sequences", nargs="+", default=["08"], help="default: 08, the validation sequence")
    kitti.set_defaults(run=export_sweeps, data_set="SemanticKITTI", default_suite="semantickitti_c")
    nus = commands.add_parser(
        "nuscenes", parents=[shared], help="corrupt nuScenes: LiDAR with lidarseg labels, cameras"
    )
    nus.add_argument("--version", default="v1.0-trainval", help="folder of the tables")
    nus.add_argument("--scenes", nargs="+", default=[], help="names of scenes; default: all")
    nus.add_argument("--sensors", nargs="+", choices=export.SENSORS, default=export.SENSORS)
    nus.add_argument("--keyframes-only", action="store_true", help="leave out what lies between keyframes")
    nus.set_defaults(run=export_nuscenes, data_set="nuScenes", default_suite="catalog")
    folder = commands.add_parser("folder", parents=[shared, clean], help="corrupt a folder of .bin scans")
    folder.add_argument(
        "--label-root", type=Path, help="folder of .label files with SemanticKITTI ids, if there is one"
    )
    add_scan_arguments(folder, intensity_needed=True)
    folder.set_defaults(run=export_sweeps, data_set=None, default_suite="catalog")
    return parser.parse_args(arguments)


SCAN = ("columns", "intensity_max", "sensor", "ring_column")


def add_scan_arguments(parser: argparse.ArgumentParser, intensity_needed: bool) -> None:
    """What a .bin file does not say about itself: the arguments in ``SCAN``."""
    parser.add_argument("--columns", type=int, default=4, help="float32 values per point: x y z intensity ...")
    parser.add_argument("--intensity-max", type=float, required=intensity_needed, default=1.0, help="1, 255, ...")
    parser.add_argument("--sensor", choices=list(SENSORS), default="HDL-64E", help="LiDAR model")
    parser.add_argument("--ring-column", type=int, help="column with the laser index; default: estimated")


def show_picture(args: argparse.Namespace) -> Path:
    """Write a picture of one or more corruptions."""
    camera = args.camera or preview.only_camera(args.names)
    if args.dataset is not None:
        source = preview.dataset_source(args.dataset, args.root, args.sample, args.version, camera)
    elif args.file is not None:
        source = preview.file_source(args.file, args.labels, **{key: getattr(args, key) for key in SCAN})
    else:
        source = preview.synthetic_source(camera)
    figure = preview.picture(source, args.names, args.level, preview.physical_values(args.set), args.seed)
    return pictures.save(figure, args.out, args.dpi)


def export_sweeps(args: argparse.Namespace) -> export.Report:
    """Corrupt SemanticKITTI or a folder of scans."""
    suite, settings = export.choose(args.suite or args.default_suite, args.corruptions, args.levels)
    if args.data_set == "SemanticKITTI":
        reader = readers.semantickitti(args.root, args.sequences)
    else:
        reader = readers.folder(args.root, label_root=args.label_root, **{key: getattr(args, key) for key in SCAN})
    if suite.name == "catalog" and "all" in args.corruptions:
        # Not asked for by name: what these scans cannot have is no reason to make nothing.
        settings, reasons = export.possible(reader, settings, args.seed)
        for name, reason in reasons.items():
            print(f"{name} is left out: {reason}", file=sys.stderr)
    options = dict(seed=args.seed, workers=args.workers, with_clean=args.clean, stream=sys.stderr)
    with cluster.connected(args.ray) as nodes:
        return export.export(reader, suite, args.out, settings=settings, cluster=nodes, **options)


def export_nuscenes(args: argparse.Namespace) -> export.Report:
    """Corrupt nuScenes."""
    suite, settings = export.choose(args.suite or args.default_suite, args.corruptions, args.levels, args.sensors)
    data = nuscenes.load(args.root, args.version, args.scenes, args.keyframes_only)
    options = dict(sensors=args.sensors, seed=args.seed, workers=args.workers, stream=sys.stderr)
    with cluster.connected(args.ray) as nodes:
        return export.export_nuscenes(data, suite, args.out, settings=settings, cluster=nodes, **options)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: exit code 2 and one line for bad input, 1 for faults that --verify finds, 130 for an interrupt."""
    args = parse_args(arguments)
    try:
        if getattr(args, "verify", False):
            if args.ray:
                raise InputError("--verify: expected without --ray, found with it; --workers are of this machine")
            faults = export.verify(
                args.out / f"{args.data_set or args.root.resolve().name}-C", args.workers, sys.stderr
            )
            print("\n".join(faults) or "every file is there and has the bytes that were written")
            sys.exit(1 if faults else 0)
        print(args.run(args))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
