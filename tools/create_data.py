#!/usr/bin/env python
"""Write the info files that the datasets read, in mmdet3d's format, for the samples that are on disk.

python tools/create_data.py semantickitti --root-path data/semantickitti
    writes data/infos/semantickitti/semantickitti_infos_{train,val,trainval,test}.pkl

Configs then use data_root='data/semantickitti', ann_file='data/infos/semantickitti/semantickitti_infos_train.pkl'.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
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
    """Entry point: one line and exit code 2 on bad input."""
    parsed = parse_args(arguments)
    try:
        parsed.run(parsed)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
