#!/usr/bin/env python
"""Make a checkpoint fit to be handed on: weights alone, without optimiser, schedule and paths of the machine.

python tools/publish_model.py work_dirs/cmt/iter_1600.pth cmt.pth --half

Prints size and sha256. The file loads with weights_only, and works with tools/test.py and tools/sweep.py.
"""

from __future__ import annotations

import argparse
import io
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from corruptions.core import InputError
from corruptions.files import sha256_of, write_atomically
from perception3d import __version__
from perception3d.checkpoints import read_checkpoint
from perception3d.launch import run

HALF_MAX = torch.finfo(torch.float16).max


def parse_args(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Command line of the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="checkpoint of a training run")
    parser.add_argument("out", type=Path, help="file to write")
    parser.add_argument("--half", action="store_true", help="store floating point weights with 16 bit")
    return parser.parse_args(arguments)


def halved(name: str, value: Tensor) -> Tensor:
    """A tensor in half precision; counters stay as they are.

    Raises:
        InputError: for values that half precision does not hold.
    """
    if not value.is_floating_point():
        return value
    if not value.abs().max() <= HALF_MAX:
        raise InputError(
            f"{name}: expected finite values up to {HALF_MAX:g} for --half, found others; leave --half out"
        )
    return value.half()


def main(arguments: Sequence[str] | None = None) -> None:
    """Write one file."""
    args = parse_args(arguments)
    if not args.out.parent.is_dir():
        raise InputError(f"{args.out}: expected an existing folder to write to")
    checkpoint, state = read_checkpoint(str(args.checkpoint))
    if not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{args.checkpoint}: expected a state dict of tensors, found something else")
    weights = OrderedDict((name, halved(name, value) if args.half else value) for name, value in state.items())
    # spconv reads the layout of its kernels from the versions of the modules
    weights._metadata = getattr(state, "_metadata", OrderedDict())  # type: ignore[attr-defined]
    meta = {key: value for key, value in checkpoint.get("meta", {}).items() if key in ("dataset_meta", "epoch", "iter")}
    content = io.BytesIO()
    torch.save({"meta": {**meta, "perception3d": __version__}, "state_dict": weights}, content)
    write_atomically(args.out, content.getvalue())
    parameters = sum(value.numel() for value in weights.values())
    size_mb = len(content.getvalue()) / 1e6
    print(f"{args.out}: {len(weights)} entries, {parameters / 1e6:.2f} M numbers, {size_mb:.2f} MB")
    print(f"sha256 {sha256_of(args.out)}")


if __name__ == "__main__":
    run(main)
