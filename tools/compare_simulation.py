#!/usr/bin/env python
"""Simulated beside recorded data, as Markdown tables.

python tools/compare_simulation.py nuscenes --real data/nuscenes --simulated data/nuscenes-sim
python tools/compare_simulation.py semantickitti --real data/semantickitti --simulated data/simulated

The scenes differ, so no figure can be equal; orders of magnitude can.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from corruptions.core import InputError
from corruptions.sensors import sensor
from perception3d.simulation import comparison as table

VERSIONS = ("v1.0-trainval", "v1.0-mini", "v1.0-test")


def parse_args(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Command line of the tool; one subcommand per format."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--real", type=Path, required=True, help="folder of the recorded data set")
    shared.add_argument("--simulated", type=Path, required=True, help="folder of the simulated one")
    shared.add_argument("--limit", type=int, default=100, metavar="N", help="at most N frames of each, evenly spread")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    formats = parser.add_subparsers(dest="format", required=True, metavar="format")
    nuscenes = formats.add_parser("nuscenes", parents=[shared], help="keyframes: scans, boxes, images")
    nuscenes.add_argument("--real-version", help="folder of the tables; default: the largest that is there")
    nuscenes.add_argument("--simulated-version", help="the same for --simulated")
    nuscenes.set_defaults(run=compare_nuscenes)
    kitti = formats.add_parser("semantickitti", parents=[shared], help="scans and their classes")
    kitti.set_defaults(run=compare_semantickitti)
    return parser.parse_args(arguments)


def compare_nuscenes(args: argparse.Namespace) -> None:
    """Print the tables of two folders in nuScenes' format."""
    from perception3d.conventions import NUSCENES_DETECTION_CLASSES as CLASSES

    real, simulated = (
        read_nuscenes(root, version, args.limit)
        for root, version in ((args.real, args.real_version), (args.simulated, args.simulated_version))
    )
    both = {"real": real, "simulated": simulated}
    print_table("LiDAR", "", {name: table.scan_rows(data["scans"]) for name, data in both.items()})
    rings = {
        name: table.ring_rows(data["scans"], data["rings"], sensor("HDL-32E").num_rings) for name, data in both.items()
    }
    print_table("Lasers: elevation, returns per scan beyond the vehicle / of it", "ring", rings)
    sectors = {name: table.sector_rows(data["scans"], 90.0) for name, data in both.items()}
    print_table("Directions from ahead to the left: returns beyond the vehicle / of it", "azimuth", sectors)
    print_table("Boxes", "", {name: table.box_rows(data["boxes"], CLASSES) for name, data in both.items()})
    title = "Classes: length x width x height in m; median points at 0-10 / 10-20 / 20-40 / 40-80 m; share that moves"
    print_table(title, "class", {name: table.class_rows(data["boxes"], CLASSES) for name, data in both.items()})
    print_table(
        "Images: median (10 to 90 %)", "", {name: table.image_rows(data["images"]) for name, data in both.items()}
    )


def read_nuscenes(root: Path, version: str | None, limit: int) -> dict[str, Any]:
    """Scans, rings, boxes and measures of the images of the keyframes of a folder."""
    from perception3d.metrics.nuscenes_detection.devkit import open_tables
    from perception3d.visualization.nuscenes import chosen_samples, read_frame

    found = [name for name in VERSIONS if (root / name).is_dir()]
    nusc = open_tables(root, version or next(iter(found), VERSIONS[0]))
    frames = []
    for sample in spread(chosen_samples(nusc), limit):
        frame = read_frame(nusc, sample)
        _, boxes, _ = nusc.get_sample_data(sample["data"]["LIDAR_TOP"])
        points = [nusc.get("sample_annotation", box.token)["num_lidar_pts"] for box in boxes]
        images = [table.image_measures(view.image) for view in frame.views]
        frames.append((frame.points, frame.boxes[0], points, images))
    if not frames:
        raise InputError(f"{root}: expected at least one keyframe, found none in {nusc.version}")
    values = np.concatenate([boxes.values for _, boxes, _, _ in frames])
    return {
        "scans": [points for points, *_ in frames],
        "rings": [points[:, 4].astype(np.int64) for points, *_ in frames],
        "boxes": table.Boxes(
            keyframes=len(frames),
            names=np.array([name for _, boxes, _, _ in frames for name in boxes.names], dtype=np.str_),
            range_m=np.linalg.norm(values[:, :2], axis=1),
            size_m=values[:, 3:6],
            num_points=np.array([count for *_, counts, _ in frames for count in counts], dtype=np.int64),
            speed_m_per_s=np.linalg.norm(values[:, 7:9], axis=1),
        ),
        "images": [measured for *_, images in frames for measured in images],
    }


def compare_semantickitti(args: argparse.Namespace) -> None:
    """Print the tables of two folders in SemanticKITTI's format."""
    from corruptions.readers import semantickitti
    from corruptions.sensors import rings_from_azimuth
    from perception3d.conventions import SEMANTICKITTI_CLASSES
    from perception3d.visualization.semantickitti import train_ids

    scans: dict[str, list[Any]] = {}
    for name, root in (("real", args.real), ("simulated", args.simulated)):
        sequences = sorted(path.name for path in (root / "sequences").glob("[0-9][0-9]"))
        reader = semantickitti(root, sequences or ("00",))
        scans[name] = [reader.read(sample) for sample in spread(reader.samples(), args.limit)]
    points = {name: [scan.points for scan in found] for name, found in scans.items()}
    print_table("LiDAR", "", {name: table.scan_rows(found, "remission", 2) for name, found in points.items()})
    count = sensor("HDL-64E").num_rings
    rings = {name: [rings_from_azimuth(scan, count) for scan in found] for name, found in points.items()}
    per_ring = {name: table.ring_rows(points[name], rings[name], count) for name in scans}
    print_table("Lasers: elevation, returns per scan beyond the vehicle / of it", "ring", per_ring)
    sectors = {name: table.sector_rows(found, 0.0) for name, found in points.items()}
    print_table("Directions from ahead to the left: returns beyond the vehicle / of it", "azimuth", sectors)
    labels = {
        name: [train_ids(scan.labels) for scan in found if scan.labels is not None] for name, found in scans.items()
    }
    labelled = {name: [scan.points for scan in found if scan.labels is not None] for name, found in scans.items()}
    classes = {
        name: table.label_rows(labelled[name], labels[name], SEMANTICKITTI_CLASSES, 2) for name in scans if labels[name]
    }
    print_table("Classes: share; points per scan; remission 25 / 50 / 75 %", "class", classes)


def spread(items: Sequence[Any], limit: int) -> list[Any]:
    """At most ``limit`` items, evenly spread over all."""
    if limit < 1:
        raise InputError(f"--limit: expected at least 1, found {limit}")
    return [items[index * len(items) // min(limit, len(items))] for index in range(min(limit, len(items)))]


def print_table(title: str, first: str, columns: dict[str, table.Rows]) -> None:
    """Print a table below its title."""
    print(f"**{title}**\n\n{table.markdown(first, columns)}\n", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: one line and exit code 2 on bad input, 130 when interrupted."""
    args = parse_args(arguments)
    try:
        args.run(args)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
