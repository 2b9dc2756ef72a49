#!/usr/bin/env python
"""Score a segmentation model or a detector under every corruption of a suite, on CPU and CUDA from the same config.

python tools/sweep.py CONFIG CHECKPOINT --suite semantickitti_c --work-dir W
python tools/sweep.py CMT_CONFIG CHECKPOINT --suite multicorrupt --work-dir W --baseline OTHER_W

Corruptions are applied while the test set is loaded. Each setting leaves a row in W/rows/SUITE, so an interrupted sweep
goes on where it was, and settings that failed are tried again. Ends with the table; tools/report.py W draws it. With
--seeds each seed has its own folder W/seedN, and W/SUITE_seeds.md the means over them; --curve works in W/curves.
With --launcher or --ray several processes share the settings and leave the same rows (configs/robustness/README.md).

Exit status: 0 every chosen setting has a score, 1 a setting failed, 2 bad input, 130 interrupted.
"""

import argparse
import contextlib
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from corruptions.cluster import connected
from corruptions.core import InputError, check_within
from corruptions.curves import curve_suite
from corruptions.suites import every_suite, select, suite
from perception3d.launch import CFG_OPTIONS_HELP, CfgOptions, check_checkpoint, load_config, run
from perception3d.robustness.baseline import read_baseline
from perception3d.robustness.loaded_model import device_name
from perception3d.robustness.plan import clean_setting, versions
from perception3d.robustness.processes import Nodes, OneProcess, Processes
from perception3d.robustness.ranks import join
from perception3d.robustness.sweeping import Sweep, show_curve, show_seeds, show_table
from perception3d.robustness.tasks import task_of


def parse_args(argv: Sequence[str]) -> argparse.Namespace:
    """Command line: mmdet3d's arguments of a test, and which settings of which suite."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="config file of the model, with a labelled test set")
    parser.add_argument("checkpoint", help="checkpoint file")
    parser.add_argument("--suite", default="semantickitti_c", help=f"one of: {', '.join(every_suite())}")
    parser.add_argument(
        "--corruptions",
        nargs="+",
        default=["all"],
        metavar="NAME",
        help="all, a group (weather, noise, device), a type (fog) or a setting (fog_heavy)",
    )
    parser.add_argument(
        "--levels",
        "--severities",
        nargs="+",
        default=["all"],
        metavar="LEVEL",
        help="all, names such as heavy, or 1, 2, ... for the first, second, ... level of each type",
    )
    seeds = parser.add_mutually_exclusive_group()
    seeds.add_argument("--seed", type=int, default=0, help="base seed of the corruptions (default: 0)")
    seeds.add_argument("--seeds", type=int, nargs="+", metavar="SEED", help="several, one after another")
    parser.add_argument(
        "--baseline", type=Path, help="work dir of another model's sweep, or its result file: adds CE or RRA"
    )
    parser.add_argument(
        "--curve",
        nargs="+",
        metavar=("NAME.PARAMETER=VALUE,VALUE,...", "KEY=VALUE"),
        help="instead of a suite: one corruption along a physical value, e.g. weather.visibility_m=1000,300,100,50,20",
    )
    parser.add_argument(
        "--share", type=float, default=75.0, help="per cent of clean below which a curve is broken (default: 75)"
    )
    parser.add_argument("--work-dir", help="folder of rows and table; default: ./work_dirs/<name of the config>")
    parser.add_argument("--root-path", help="folder of the data set; default: data_root of the config")
    parser.add_argument("--info-dir", help="folder of its info files; default: data/infos/<name of the root folder>")
    parser.add_argument("--cfg-options", nargs="+", action=CfgOptions, help=CFG_OPTIONS_HELP)
    parser.add_argument(
        "--workers", type=int, help="processes beside each model that load and corrupt scans; default: of the config"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--launcher",
        dest="ranks",
        choices=["none", "pytorch", "slurm"],
        default="none",
        help="several processes share the settings; start with tools/dist_sweep.sh or tools/slurm_sweep.sh",
    )
    where.add_argument("--ray", metavar="ADDRESS", help="a Ray cluster does: HOST:PORT, auto or local (extra cluster)")
    parser.set_defaults(launcher="none")  # of one test: each process scores whole settings
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Plan, run what is left to do, show the table."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    args = parse_args(arguments)
    if args.curve and (args.baseline or args.seeds):
        raise InputError(
            "--curve: expected neither --baseline nor --seeds, found one; a curve is of one model and seed"
        )
    chosen_suite = curve_suite(args.curve[0], args.curve[1:]) if args.curve else suite(args.suite)
    settings = select(chosen_suite, args.corruptions, args.levels)
    check_checkpoint(args.checkpoint)
    config = load_config(args)
    task_of(config).check(config, args.config, settings)
    if args.workers is not None:
        check_within("--workers", args.workers, 0, whole=True)
        config.test_dataloader.num_workers = args.workers
    work_dir = Path(config.work_dir) / "curves" if args.curve else Path(config.work_dir)
    with contextlib.ExitStack() as stack:
        if args.ranks != "none":
            processes: Processes = stack.enter_context(join(args.ranks))
        else:
            nodes = stack.enter_context(connected(args.ray))
            processes = Nodes(nodes) if nodes else OneProcess()
        origin = {
            "command": shlex.join(["python", "tools/sweep.py", *arguments]),
            "config": args.config,
            "checkpoint": args.checkpoint,
            "device": device_name(),
            "versions": versions(),
        }
        sweep = Sweep(config, Path(args.checkpoint), chosen_suite, [clean_setting(chosen_suite), *settings], origin)
        failed = score(args, sweep, work_dir, processes)
    if failed:
        print(f"failed: {', '.join(failed)}; the same command tries them again", file=sys.stderr)
        sys.exit(1)


def score(args: argparse.Namespace, sweep: Sweep, work_dir: Path, processes: Processes) -> list[str]:
    """Score under each seed, show the tables, and give the names of the settings that failed."""
    folders = {seed: work_dir / f"seed{seed}" for seed in args.seeds or ()}
    failed = []
    for seed, folder in (folders or {args.seed: work_dir}).items():
        baseline = read_baseline(args.baseline, sweep.suite, seed) if args.baseline else None
        failed += sweep.run(seed, folder, baseline, say if processes.first else silent, processes)
        if processes.first and args.curve:
            show_curve(folder, sweep.suite, args.share, say)
        elif processes.first:
            show_table(folder, sweep.suite, baseline, say)
    if folders and processes.first:
        show_seeds(work_dir, sweep.suite, folders, say)
    return failed


def silent(line: str) -> None:
    """Print nothing: the first process says it."""


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)


if __name__ == "__main__":
    run(main)
