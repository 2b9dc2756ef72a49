#!/usr/bin/env python
"""Evaluate a checkpoint: mmdet3d's tools/test.py with clear errors, on CPU and CUDA from the same config.

python tools/test.py CONFIG CHECKPOINT --work-dir work_dirs/small --show-dir pictures
python tools/test.py CONFIG CHECKPOINT --work-dir work_dirs/small --format-only --split test
"""

import argparse
from pathlib import Path

from mmengine.config import Config, ConfigDict

from corruptions.core import InputError
from perception3d.checkpoints import check_classes, load_weights
from perception3d.launch import (
    add_shared_arguments,
    build_runner,
    check_checkpoint,
    check_writable,
    load_config,
    run,
)
from perception3d.submission.config import format_only, use_split

REPORTING = ("perception3d.LidarSegMetric", "perception3d.NuScenesDetMetric")
"""Metrics that write their tables to the work dir unless the config names another ``out_dir``."""


def parse_args() -> argparse.Namespace:
    """Command line, mmdet3d's flags; pictures go to files, so that a machine without a screen serves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="config file")
    parser.add_argument("checkpoint", help="checkpoint file")
    parser.add_argument("--show-dir", help="folder for one PNG per sample: ground truth and prediction")
    parser.add_argument("--split", help="split of the data set, e.g. test; default: that of the config")
    parser.add_argument(
        "--format-only", action="store_true", help="write the leaderboard's files, score nothing, need no annotations"
    )
    parser.add_argument(
        "--tta", action="store_true", help="test-time augmentation: scores tta/..., files in WORK_DIR/tta"
    )
    add_shared_arguments(parser)
    return parser.parse_args()


def use_tta(cfg: Config) -> None:
    """Wrap the model and the test pipeline in the config's test-time augmentation; its scores have their own name."""
    if "tta_model" not in cfg or "tta_pipeline" not in cfg:
        raise InputError("--tta: expected tta_model and tta_pipeline in the config")
    for evaluator in cfg.test_evaluator if isinstance(cfg.test_evaluator, list) else [cfg.test_evaluator]:
        evaluator["prefix"] = "tta"
    cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
    cfg.model = ConfigDict(**cfg.tta_model, module=cfg.model)


def main() -> None:
    """Build the runner, load the weights and test."""
    args = parse_args()
    check_checkpoint(args.checkpoint)
    cfg = load_config(args)
    out_dir = Path(cfg.work_dir, "tta") if args.tta else Path(cfg.work_dir)
    if isinstance(cfg.test_evaluator, dict) and cfg.test_evaluator.get("type") in REPORTING:
        cfg.test_evaluator.setdefault("out_dir", str(out_dir))
    if args.split:
        use_split(cfg, args.split)
    if args.format_only:
        check_writable(Path(format_only(cfg, str(out_dir / "submission"))), "--work-dir")
    if args.tta:
        use_tta(cfg)
    if args.show_dir:
        cfg.setdefault("custom_hooks", [])
        for results in ("Segmentation", "Detection"):  # each draws its own kind of samples
            cfg.custom_hooks.append(dict(type=f"perception3d.{results}PictureHook", out_dir=args.show_dir))
        check_writable(Path(args.show_dir), "--show-dir")
    cfg.load_from, cfg.resume = None, False  # runner.test() would load them over the checkpoint
    runner = build_runner(cfg)
    model = runner.model.module if hasattr(runner.model, "module") and args.launcher != "none" else runner.model
    classes = runner.test_dataloader.dataset.metainfo.get("classes")
    detector = model.module if args.tta else model
    load_weights(detector, args.checkpoint, classes)
    check_classes(detector, classes or ())
    runner.test()


if __name__ == "__main__":
    run(main)
