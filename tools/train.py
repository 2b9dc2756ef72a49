#!/usr/bin/env python
"""Train a model: mmdet3d's tools/train.py with clear errors, on CPU and CUDA from the same config.

python tools/train.py configs/segmentation/minkunet-small_1xb1-700i_semantickitti-sim.py --work-dir work_dirs/small
"""

import argparse

from mmengine.config import Config
from mmengine.device import is_cuda_available, is_musa_available, is_npu_available
from mmengine.model import BaseModel, is_model_wrapper
from mmengine.runner import Runner, find_latest_checkpoint

from corruptions.core import InputError
from perception3d.checkpoints import check_classes, check_initial_weights, read_weights
from perception3d.launch import (
    add_shared_arguments,
    build_runner,
    check_checkpoint,
    load_config,
    run,
)


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


def has_accelerator() -> bool:
    """Whether mixed precision can train here."""
    return is_cuda_available() or is_npu_available() or is_musa_available()


def use_amp(cfg: Config) -> None:
    """Switch the optimiser wrapper to mixed precision."""
    if not has_accelerator():
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


def check_resumed_weights(runner: Runner, path: str | None) -> None:
    """Refuse to resume from another model's checkpoint, by default the latest of the work dir.

    mmengine would load the parts that fit and fail later, in the optimiser.
    """
    path = path or find_latest_checkpoint(runner.work_dir)
    if path is not None:
        read_weights(model_of(runner), path)


def model_of(runner: Runner) -> BaseModel:
    """The model, without what wraps it for several processes."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


def main() -> None:
    """Build the runner and train."""
    args = parse_args()
    cfg = load_config(args)
    if args.amp:
        use_amp(cfg)
    elif cfg.optim_wrapper.get("type") == "AmpOptimWrapper" and not has_accelerator():
        raise InputError(
            f"{args.config}: its mixed precision needs an accelerator, found none; train on CPU with "
            "--cfg-options optim_wrapper.type=OptimWrapper"
        )
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
    elif cfg.get("load_from") and "://" not in cfg.load_from:  # mmengine resolves URLs
        check_checkpoint(cfg.load_from)
    runner = build_runner(cfg)
    if cfg.get("resume"):
        check_resumed_weights(runner, cfg.load_from)
    elif cfg.get("load_from") and "://" not in cfg.load_from:
        check_initial_weights(model_of(runner), cfg.load_from)
    check_classes(model_of(runner), runner.train_dataloader.dataset.metainfo.get("classes") or ())
    runner.train()


if __name__ == "__main__":
    run(main)
