#!/usr/bin/env python
"""Make a published CMT checkpoint loadable by mmdet3d 1.4, verify it, and say what was done.

python tools/convert_cmt_checkpoint.py CONFIG published.pth converted.pth

CONFIG is any config with the model of the checkpoint, such as configs/_base_/models/cmt_v99.py; for ResNet-50 the one
of the published grid. Weights are not changed; the training state is left out. The converted file works with
tools/test.py and mmdet3d's own tools.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from pathlib import Path

import torch

from corruptions.core import InputError
from corruptions.files import write_atomically
from perception3d import __version__
from perception3d.apis import init_model
from perception3d.checkpoints import read_checkpoint
from perception3d.conventions import CMT_CLASSES
from perception3d.launch import run
from perception3d.models.cmt import CMTDetector
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
    state = read_checkpoint(str(path))[1]
    if not state or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise InputError(f"{path}: expected a state dict of tensors, or a checkpoint with one under 'state_dict'")
    return state


def write(conversion: Conversion, source: Path, out: Path) -> None:
    """Write the checkpoint, whole or not at all."""
    meta = {
        "dataset_meta": {"classes": list(CMT_CLASSES)},
        "perception3d": __version__,
        "source": source.name,
    }
    content = io.BytesIO()
    torch.save({"state_dict": conversion.state_dict, "meta": meta}, content)
    write_atomically(out, content.getvalue())


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert one file."""
    args = parse_args(arguments)
    if not args.out.parent.is_dir() or args.out.is_dir():
        raise InputError(f"{args.out}: expected the name of a file in an existing folder")
    model = init_model(args.config, device="cpu")
    if not isinstance(model, CMTDetector):
        raise InputError(f"{args.config}: expected the config of a CMTDetector, found {type(model).__name__}")
    state = read_state_dict(args.checkpoint)
    try:
        conversion = convert_state_dict(state, model)
    except InputError as error:
        raise InputError(f"{args.checkpoint} with {args.config}: {error}") from error
    write(conversion, args.checkpoint, args.out)
    print(f"{args.out}: {len(conversion.state_dict)} entries, every one equal to the source's after loading")
    print(f"  sparse convolutions: {conversion.kept} in spconv 2's layout, {conversion.permuted} brought to it")
    if conversion.unversioned:
        print(f"  metadata of spconv 2, without which mmdet3d reorders these, added to {conversion.unversioned}")
    if conversion.prefixed:
        print(f"  prefix of a parallel wrapper removed from {conversion.prefixed} entries")
    if type(model.img_backbone).__name__ == "ResNet" and not model.crop_to_sparse_shape:
        print(
            "  note: the published ResNet-50 weights were trained on another grid than this config's; test them with "
            "configs/cmt/cmt_r50_voxel0100-published-grid_800x320_8xb4-cyclic-20e_nuscenes.py"
        )


if __name__ == "__main__":
    run(main)
