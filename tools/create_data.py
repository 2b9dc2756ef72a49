#!/usr/bin/env python
"""Write the info files that the datasets read, in mmdet3d's format, for the samples that are on disk.

python tools/create_data.py semantickitti --root-path data/semantickitti
    writes data/infos/semantickitti/semantickitti_infos_{train,val,trainval,test}.pkl
python tools/create_data.py nuscenes --root-path data/nuscenes --version v1.0-trainval
    writes data/infos/nuscenes/nuscenes_infos_{train,val}.pkl; with --gt-database also nuscenes_dbinfos_train.pkl and
    nuscenes_gt_database/, the objects that GT sampling pastes

Configs then use data_root='data/semantickitti', ann_file='data/infos/semantickitti/semantickitti_infos_train.pkl'.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from corruptions.core import InputError


def parse_args(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Command line of the tool; one subcommand per data set."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--root-path", type=Path, required=True, help="folder of the data set; nothing is written to it"
    )
    shared.add_argument(
        "--out-dir",
        type=Path,
        help="folder of the info files; default: data/infos/<name of the root folder>. A folder inside --root-path is "
        "only written to when given here",
    )
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    datasets = parser.add_subparsers(dest="dataset", required=True, metavar="dataset")
    semantickitti = datasets.add_parser(
        "semantickitti",
        parents=[shared],
        help="SemanticKITTI: sequences/NN/{velodyne,labels}",
        description="Info files of the SemanticKITTI scans on disk. Checks the size of every point and label file. "
        "Any subset of the sequences 00 to 21 will do; a split without scans gets an empty list.",
    )
    semantickitti.add_argument("--extra-tag", default="semantickitti", help="first part of the file names")
    semantickitti.set_defaults(run=create_semantickitti)
    nuscenes = datasets.add_parser(
        "nuscenes",
        parents=[shared],
        help="nuScenes: samples, sweeps and the tables of a version",
        description="Info files of the nuScenes scenes on disk: train and val of v1.0-trainval and v1.0-mini, test of "
        "v1.0-test, and the splits of a splits.json beside the tables. LiDAR sweeps that are not on disk are left out.",
    )
    nuscenes.add_argument("--version", default="v1.0-trainval", help="folder of the tables; default: %(default)s")
    nuscenes.add_argument("--max-sweeps", type=int, default=10, help="LiDAR sweeps before a keyframe; default: 10")
    nuscenes.add_argument("--extra-tag", default="nuscenes", help="first part of the file names")
    nuscenes.add_argument(
        "--gt-database",
        action="store_true",
        help="also cut out the objects of the training split, for GT sampling: points of ten sweeps, and images",
    )
    nuscenes.add_argument("--workers", type=int, default=1, help="processes of --gt-database; default: 1")
    nuscenes.set_defaults(run=create_nuscenes)
    return parser.parse_args(arguments)


def create_semantickitti(arguments: argparse.Namespace) -> None:
    """Info files of SemanticKITTI; prints what was found and where it went."""
    from perception3d.datasets.semantickitti_infos import list_infos, write_infos

    infos = list_infos(arguments.root_path)
    paths = write_infos(infos, output_folder(arguments.root_path, arguments.out_dir), arguments.extra_tag)
    for split, path in paths.items():
        sequences = sorted({info["sample_id"].split("/")[0] for info in infos[split]})
        found = f"sequences {' '.join(sequences)}" if sequences else "no sequence of this split is on disk"
        print(f"{split:8} {len(infos[split]):6} scans, {found} -> {path}")


def create_nuscenes(arguments: argparse.Namespace) -> None:
    """Info files of nuScenes; prints what was found and where it went."""
    from perception3d.datasets.nuscenes_infos import list_infos, write_infos

    out_dir = output_folder(arguments.root_path, arguments.out_dir)
    splits = list_infos(arguments.root_path, arguments.version, arguments.max_sweeps)
    paths = write_infos(splits, arguments.version, out_dir, arguments.extra_tag)
    for key, split in splits.items():
        keyframes = len(split.data_list)
        sweeps = sum(len(info["lidar_sweeps"]) for info in split.data_list) / max(keyframes, 1)
        left_out = f", {len(split.absent_scenes)} scenes not on disk" if split.absent_scenes else ""
        found = f"{keyframes:6} keyframes of {split.scenes} scenes{left_out}, {sweeps:.1f} sweeps a keyframe"
        print(f"{split.split:10} {found} -> {paths[key]}")
    if arguments.gt_database:
        create_gt_database(arguments, paths, out_dir)


def create_gt_database(arguments: argparse.Namespace, paths: Mapping[str, Path], out_dir: Path) -> None:
    """Object database of nuScenes' training split; prints how far it is and where it went."""
    from perception3d.compat import repair_stack
    from perception3d.datasets.gt_database import training_samples, write_gt_database

    if "train" not in paths:
        raise InputError(f"--gt-database: expected a split `train`, found {', '.join(paths)}; leave the option out")

    def progress(done: int, total: int) -> None:
        if done % 500 == 0 or done == total:
            print(f"objects of {done}/{total} keyframes", flush=True)

    repair_stack()
    samples = training_samples(arguments.root_path, paths["train"], arguments.max_sweeps)
    print(f"objects -> {write_gt_database(samples, out_dir, arguments.extra_tag, arguments.workers, progress)}")


def output_folder(root: Path, out_dir: Path | None) -> Path:
    """Folder to write to: ``out_dir``, else a default that is refused when it lies inside the data set."""
    if out_dir is not None:
        return out_dir
    default = Path("data/infos") / root.resolve().name
    if default.resolve().is_relative_to(root.resolve()):
        raise InputError(
            f"--out-dir: the default {default} lies inside --root-path {root}; name the folder to write to"
        )
    return default


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: one line and exit code 2 on bad input, 130 when interrupted."""
    parsed = parse_args(arguments)
    try:
        parsed.run(parsed)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted; run the same command again", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
