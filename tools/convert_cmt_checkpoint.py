#!/usr/bin/env python
"""Make a published CMT checkpoint loadable by mmdet3d 1.4, verify it, and say what was done.

python tools/convert_cmt_checkpoint.py CONFIG published.pth converted.pth

CONFIG is any config with the model of the checkpoint, such as configs/_base_/models/cmt_v99.py. Weights are
not changed; the training state is left out. The converted file works with tools/test.py and mmdet3d's own tools.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from mmdet3d.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

import perception3d.models  # noqa: F401
from corruptions.core import InputError
from perception3d import __version__
from perception3d.conventions import CMT_CLASSES
from perception3d.launch import check_checkpoint, run
from perception3d.models.cmt.checkpoint import Conversion, convert_state_dict


def parse_args(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Command line of the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path, help="config of the model")
    parser.add_argument("checkpoint", type=Path, help="published checkpoint")
    parser.add_argument("out", type=Path, help="file to write")
    return parser.parse_args(arguments)


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """Entries of a checkpoint, without running any code that the file may hold."""
    check_checkpoint(str(path))
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: expected a checkpoint that loads safely (weights only), found: {reason}") from error
    state = checkpoint.get("state_dict", checkpoint) if isinstance(checkpoint, dict) else None
    if not state or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise InputError(f"{path}: expected a state dict of tensors, or a checkpoint with one under 'state_dict'")
    return state


def write(conversion: Conversion, source: Path, out: Path) -> None:
    """Write the checkpoint to a temporary name, then move it."""
    meta = {
        "dataset_meta": {"classes": list(CMT_CLASSES)},
        "perception3d": __version__,
        "source": source.name,
    }
    temporary = out.with_name(f"{out.name}.tmp")
    torch.save({"state_dict": conversion.state_dict, "meta": meta}, temporary)
    os.replace(temporary, out)


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert one file."""
    args = parse_args(arguments)
    if not args.config.is_file():
        raise InputError(f"{args.config}: expected a config, found no file")
    if not args.out.parent.is_dir():
        raise InputError(f"{args.out}: expected an existing folder to write to")
    init_default_scope("mmdet3d")
    model = MODELS.build(Config.fromfile(args.config).model)
    try:
        conversion = convert_state_dict(read_state_dict(args.checkpoint), model)
    except InputError as error:
        raise InputError(f"{args.checkpoint} with {args.config}: {error}") from error
    write(conversion, args.checkpoint, args.out)
    print(f"{args.out}: {len(conversion.state_dict)} entries, every one equal to the source's after loading")
    print(f"  sparse convolutions: {conversion.kept} in spconv 2's layout, {conversion.permuted} brought to it")
    if conversion.prefixed:
        print(f"  prefix of a parallel wrapper removed from {conversion.prefixed} entries")
    if type(model.img_backbone).__name__ == "ResNet" and not model.crop_to_sparse_shape:
        print("  note: the published ResNet-50 weights were trained on another grid; see cmt_r50_published_grid.py")


if __name__ == "__main__":
    run(main)
