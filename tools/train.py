#!/usr/bin/env python
"""Train a model: mmdet3d's tools/train.py with clear errors, on CPU and CUDA from the same config.

python tools/train.py configs/segmentation/minkunet-small_1xb1-700i_semantickitti-sim.py --work-dir work_dirs/small
"""

import argparse

from mmengine.config import Config
from mmengine.device import is_cuda_available, is_musa_available, is_npu_available
from mmengine.runner import Runner

from corruptions.core import InputError
from perception3d.launch import add_shared_arguments, check_checkpoint, load_config, run


def parse_args() -> argparse.Namespace:
    """Command line, mmdet3d's flags."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="config file")
    parser.add_argument("--amp", action="store_true", help="automatic mixed precision; needs an accelerator")
    parser.add_argument(
        "--sync_bn", choices=["none", "torch", "mmcv"], default="none", help="convert BatchNorm to synchronised ones"
    )
    parser.add_argument("--auto-scale-lr", action="store_true", help="scale the learning rate by the batch size")
    parser.add_argument(
        "--resume", nargs="?", const="auto", help="checkpoint to resume from; without a path the latest of the work dir"
    )
    add_shared_arguments(parser)
    return parser.parse_args()


def use_amp(cfg: Config) -> None:
    """Switch the optimiser wrapper to mixed precision."""
    if not (is_cuda_available() or is_npu_available() or is_musa_available()):
        raise InputError("--amp: expected an accelerator, found none; train without --amp on CPU")
    wrapper = cfg.optim_wrapper.get("type", "OptimWrapper")
    if wrapper not in ("OptimWrapper", "AmpOptimWrapper"):
        raise InputError(f"--amp: expected optim_wrapper.type OptimWrapper in the config, found {wrapper}")
    cfg.optim_wrapper.type = "AmpOptimWrapper"
    cfg.optim_wrapper.setdefault("loss_scale", "dynamic")


def use_auto_scale_lr(cfg: Config) -> None:
    """Switch learning rate scaling on."""
    if not {"enable", "base_batch_size"} <= set(cfg.get("auto_scale_lr", {})):
        raise InputError(
            "--auto-scale-lr: expected auto_scale_lr = dict(enable=False, base_batch_size=N) in the config"
        )
    cfg.auto_scale_lr.enable = True


def main() -> None:
    """Build the runner and train."""
    args = parse_args()
    cfg = load_config(args)
    if args.amp:
        use_amp(cfg)
    if args.auto_scale_lr:
        use_auto_scale_lr(cfg)
    if args.sync_bn != "none":
        cfg.sync_bn = args.sync_bn
    if args.resume is not None:
        cfg.resume = True
        cfg.load_from = None
        if args.resume != "auto":
            check_checkpoint(args.resume)
            cfg.load_from = args.resume
    Runner.from_cfg(cfg).train()


if __name__ == "__main__":
    run(main)
