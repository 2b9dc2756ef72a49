#!/usr/bin/env python
"""Export the dense part of CMT to ONNX, and compare its outputs in onnxruntime.

python tools/export_onnx.py CONFIG CHECKPOINT --out cmt.onnx
python tools/export_onnx.py CONFIG CHECKPOINT --out cmt-camera.onnx --sensors camera

In: the map of the sparse encoder (dense), normalised images (img), their projections and the inverses. Out: class
logits and box codes of the queries; CMTBoxCoder.decode makes detections of them. One sample, fixed sizes, all cameras.
Voxelisation and the sparse encoder stay outside: ONNX has no sparse convolution.
"""

import argparse
from pathlib import Path

from corruptions.core import InputError
from perception3d.apis import init_model
from perception3d.launch import CFG_OPTIONS_HELP, CfgOptions, check_checkpoint, read_config, run
from perception3d.models.cmt.benchmark_inputs import batches
from perception3d.models.cmt.export import DenseCMT, difference, example_inputs, export

TOLERANCE = 1e-3


def parse_args() -> argparse.Namespace:
    """Command line of the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="config of the model")
    parser.add_argument("checkpoint", help="its weights")
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    parser.add_argument(
        "--sensors", nargs="+", choices=["lidar", "camera"], help="sensors of the graph (default: all of the model)"
    )
    parser.add_argument("--cfg-options", nargs="+", action=CfgOptions, help=CFG_OPTIONS_HELP)
    parser.set_defaults(root_path=None, info_dir=None)
    return parser.parse_args()


def main() -> None:
    """Export, then compare."""
    args = parse_args()
    cfg = read_config(args)
    check_checkpoint(args.checkpoint)
    model = init_model(cfg, args.checkpoint, "cpu")
    (batch,) = batches(cfg, model, 1, keyframes=False)
    graph = DenseCMT(model, args.sensors).eval()
    inputs = example_inputs(graph, batch)
    export(graph, inputs, args.out)
    for name, tensor in zip(graph.names, inputs, strict=True):
        print(f"in   {name:15} {tuple(tensor.shape)}")
    found = difference(graph, inputs, args.out)
    if found is None:
        print(f"{args.out}: not compared, onnxruntime is not installed")
    elif not found <= TOLERANCE:
        raise InputError(f"{args.out}: expected the outputs of the model, found a difference of {found:.1e}")
    else:
        print(f"{args.out}: outputs in onnxruntime differ by at most {found:.1e}")


if __name__ == "__main__":
    run(main)
