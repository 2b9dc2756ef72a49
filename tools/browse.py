#!/usr/bin/env python
"""Look at the data: python tools/browse.py nuscenes --root-path data/nuscenes --limit 5 --out-dir pictures.

nuscenes      six cameras with the annotated boxes beside the sweep from above, one sheet per keyframe
semantickitti scans from above and as range image, by class
config        what the pipeline of a config hands to the model after augmentation, with its own matrices

Writes PNG files; no display is needed, and nothing is written to the data set.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from corruptions.core import InputError

Item = TypeVar("Item")


def parse_args(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Command line of the tool; one subcommand per source."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--out-dir", type=Path, required=True, help="folder of the pictures")
    shared.add_argument("--limit", type=int, metavar="N", help="stop after N pictures")
    shared.add_argument("--every", type=int, default=1, metavar="K", help="only every K-th frame")
    shared.add_argument("--half-extent", type=float, default=50.0, metavar="M", help="metres shown each way from above")
    root = argparse.ArgumentParser(add_help=False)
    root.add_argument("--root-path", type=Path, required=True, help="folder of the data set; nothing is written to it")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sources = parser.add_subparsers(dest="source", required=True, metavar="source")

    nuscenes = sources.add_parser("nuscenes", parents=[root, shared], help="keyframes from the tables")
    nuscenes.add_argument("--version", default="v1.0-mini", help="folder of the tables")
    chosen = nuscenes.add_mutually_exclusive_group()
    chosen.add_argument("--scene", help="name of a scene, e.g. scene-0916; default: all")
    chosen.add_argument("--token", help="token of one sample")
    nuscenes.add_argument("--points", action="store_true", help="draw the sweep into the images too")
    nuscenes.add_argument("--lidarseg", action="store_true", help="colour the points by nuScenes-lidarseg class")
    nuscenes.set_defaults(run=browse_nuscenes)

    kitti = sources.add_parser("semantickitti", parents=[root, shared], help="sequences/NN/{velodyne,labels}")
    kitti.add_argument("--sequences", nargs="+", default=["08"], metavar="NN", help="names; default: 08")
    kitti.set_defaults(run=browse_semantickitti)

    config = sources.add_parser("config", parents=[shared], help="frames as a config's pipeline yields them")
    config.add_argument("config", help="config file")
    config.add_argument("--split", choices=["train", "val", "test"], default="train", help="whose dataloader; train")
    config.add_argument("--root-path", help="folder of the data set; default: data_root of the config")
    config.add_argument("--info-dir", help="folder of its info files, as in tools/train.py")
    config.add_argument("--points", action="store_true", help="draw the points into the images too")
    config.add_argument("--seed", type=int, default=0, help="of the augmentation")
    config.set_defaults(run=browse_config)
    return parser.parse_args(arguments)


def browse_nuscenes(args: argparse.Namespace) -> Iterator[Path]:
    """Write the sheets of the chosen keyframes."""
    from perception3d.metrics.nuscenes_detection.devkit import open_tables
    from perception3d.visualization.nuscenes import chosen_samples, read_frame
    from perception3d.visualization.sheet import write_sheet

    nusc = open_tables(args.root_path, args.version)
    for sample in thinned(chosen_samples(nusc, args.scene, args.token), args):
        frame = read_frame(nusc, sample, args.lidarseg)
        scene = nusc.get("scene", sample["scene_token"])["name"]
        name = f"{scene}_{sample['timestamp']}.png"
        yield write_sheet(frame, args.out_dir / name, args.half_extent, args.points)


def browse_semantickitti(args: argparse.Namespace) -> Iterator[Path]:
    """Write the pictures of the chosen scans."""
    from corruptions.pictures import save
    from corruptions.readers import semantickitti
    from perception3d.visualization.semantickitti import scan_figure, train_ids

    reader = semantickitti(args.root_path, args.sequences)
    for sample in thinned(reader.samples(), args):
        scan = reader.read(sample)
        labels = None if scan.labels is None else train_ids(scan.labels)
        figure = scan_figure(scan.points, labels, f"SemanticKITTI {sample.id}", args.half_extent)
        yield save(figure, args.out_dir / f"{sample.id.replace('/', '_')}.png", dpi=100)


def browse_config(args: argparse.Namespace) -> Iterator[Path]:
    """Write the sheets of what the pipeline yields."""
    from mmdet3d.registry import DATASETS
    from mmengine.registry import init_default_scope
    from mmengine.runner import set_random_seed

    from perception3d.compat import repair_stack
    from perception3d.launch import load_config
    from perception3d.visualization.packed import frame_of
    from perception3d.visualization.sheet import write_sheet

    repair_stack()
    given = dict(work_dir=str(args.out_dir), cfg_options=None, launcher="none")
    cfg = load_config(argparse.Namespace(**vars(args), **given))
    init_default_scope(cfg.get("default_scope", "mmdet3d"))
    set_random_seed(args.seed)  # as the Runner does: mmdet3d's own transforms draw from the global streams
    dataset = DATASETS.build(cfg[f"{args.split}_dataloader"].dataset)
    for index in thinned(range(len(dataset)), args):
        frame = frame_of(dataset[index], dataset.metainfo)
        yield write_sheet(frame, args.out_dir / f"{args.split}_{index:06d}.png", args.half_extent, args.points)


def thinned(items: Sequence[Item], args: argparse.Namespace) -> Sequence[Item]:
    """Every ``--every``-th item, ``--limit`` at most; checks the numbers that all sources share."""
    if not 0 < args.half_extent < float("inf"):
        raise InputError(f"--half-extent: expected metres above 0, found {args.half_extent:g}")
    for option, value in (("--every", args.every), ("--limit", args.limit)):
        if value is not None and value < 1:
            raise InputError(f"{option}: expected at least 1, found {value}")
    return items[:: args.every][: args.limit]


def check_outside(out_dir: Path, root: Any) -> None:
    """Raise :class:`InputError` for pictures inside the data set."""
    if root and out_dir.resolve().is_relative_to(Path(root).resolve()):
        raise InputError(f"--out-dir {out_dir}: expected a folder outside --root-path {root}; name another one")


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: one line and exit code 2 on bad input, 130 when interrupted."""
    args = parse_args(arguments)
    count = 0
    try:
        check_outside(args.out_dir, args.root_path)
        for path in args.run(args):
            print(path, flush=True)
            count += 1
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"interrupted after {count} pictures", file=sys.stderr)
        sys.exit(130)
    print(f"{count} pictures in {args.out_dir}")


if __name__ == "__main__":
    main()
