#!/usr/bin/env python
"""Score a segmentation model or a detector under every corruption of a suite, on CPU and CUDA from the same config.

python tools/sweep.py CONFIG CHECKPOINT --suite semantickitti_c --work-dir W
python tools/sweep.py CMT_CONFIG CHECKPOINT --suite multicorrupt --work-dir W --baseline OTHER_W

Corruptions are applied while the test set is loaded. Each setting leaves a row in W/rows/SUITE, so an interrupted sweep
goes on where it was, and settings that failed are tried again. Ends with the table; tools/report.py W draws it. With
--seeds each seed has its own folder W/seedN, and W/SUITE_seeds.md the means over them.

Exit status: 0 every chosen setting has a score, 1 a setting failed, 2 bad input, 130 interrupted.
"""

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmengine.config import Config

from corruptions import __version__ as engine_version
from corruptions.files import sha256_of, write_atomically
from corruptions.suites import Setting, Suite, every_suite, select, suite
from perception3d.launch import CFG_OPTIONS_HELP, CfgOptions, check_checkpoint, load_config, run
from perception3d.robustness.baseline import Baseline, read_baseline
from perception3d.robustness.collect import Table, collect, settings_markdown, types_markdown
from perception3d.robustness.loaded_model import build_dataset, device_name
from perception3d.robustness.plan import clean_setting, config_hash, make_plan, versions
from perception3d.robustness.relative import relative_markdown, relative_to
from perception3d.robustness.rows import Fingerprint, read_rows, refuse_other_fingerprint
from perception3d.robustness.run import run_settings
from perception3d.robustness.study_table import settings_table
from perception3d.robustness.tasks import Task, task_of


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
    parser.add_argument("--work-dir", help="folder of rows and table; default: ./work_dirs/<name of the config>")
    parser.add_argument("--root-path", help="folder of the data set; default: data_root of the config")
    parser.add_argument("--info-dir", help="folder of its info files; default: data/infos/<name of the root folder>")
    parser.add_argument("--cfg-options", nargs="+", action=CfgOptions, help=CFG_OPTIONS_HELP)
    parser.set_defaults(launcher="none")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Plan, run what is left to do, show the table."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    args = parse_args(arguments)
    chosen_suite = suite(args.suite)
    settings = [clean_setting(chosen_suite), *select(chosen_suite, args.corruptions, args.levels)]
    check_checkpoint(args.checkpoint)
    config = load_config(args)
    task = task_of(config)
    task.check(config, args.config, settings[1:])
    origin = {
        "command": shlex.join(["python", "tools/sweep.py", *arguments]),
        "config": args.config,
        "checkpoint": args.checkpoint,
        "device": device_name(),
        "versions": versions(),
    }
    folders = {seed: Path(config.work_dir) / f"seed{seed}" for seed in args.seeds or ()}
    failed = []
    for seed, folder in (folders or {args.seed: Path(config.work_dir)}).items():
        baseline = read_baseline(args.baseline, chosen_suite, seed) if args.baseline else None
        failed += sweep(args.checkpoint, config, task, chosen_suite, settings, seed, folder, baseline, origin)
        show_table(folder, chosen_suite, baseline)
    if folders:
        show_seeds(Path(config.work_dir), chosen_suite, folders)
    if failed:
        print(f"failed: {', '.join(failed)}; the same command tries them again", file=sys.stderr)
        sys.exit(1)


def sweep(
    checkpoint: str,
    config: Config,
    task: Task,
    chosen_suite: Suite,
    settings: Sequence[Setting],
    seed: int,
    work_dir: Path,
    baseline: Baseline | None,
    origin: Mapping[str, object],
) -> list[str]:
    """Run what is left of one seed; returns the names of the settings that failed."""
    dataset = build_dataset(config)
    fingerprint = Fingerprint(
        suite=chosen_suite.name,
        seed=seed,
        config=config_hash(config),
        checkpoint=sha256_of(Path(checkpoint)),
        data=task.data_hash(dataset),
        engine=engine_version,
    )
    rows = read_rows(work_dir, chosen_suite.name)
    refuse_other_fingerprint(rows.values(), fingerprint, work_dir)
    if baseline is not None:
        baseline.check(fingerprint)
    plan = make_plan(settings, rows)
    missing = f", {len(plan.missing)} not in the catalog" if plan.missing else ""
    counts = f"{len(plan.todo)} settings to run, {len(plan.done)} done{missing}"
    say(f"{chosen_suite.name}, {len(dataset)} {task.sample}s: {counts}")
    if not plan.todo:
        return []
    evaluate = task.evaluator(config, Path(checkpoint), chosen_suite, seed, dataset)
    try:
        written = run_settings(plan.todo, evaluate, fingerprint, work_dir, origin, say)
    except KeyboardInterrupt:
        say("\nthe finished settings are kept; the same command goes on from there")
        raise
    return [row.setting["folder"] for row in written if row.score is None]


def show_table(work_dir: Path, chosen_suite: Suite, baseline: Baseline | None) -> None:
    """Write the table beside the rows, and print it."""
    rows = read_rows(work_dir, chosen_suite.name)
    table = collect(chosen_suite, rows)
    text = f"{settings_markdown(table)}\n\n{types_markdown(table)}\n"
    if baseline is not None:
        relative = relative_to(chosen_suite, rows, baseline.levels)
        text += f"\nagainst {baseline.where}:\n\n{relative_markdown(relative)}\n"
    path = work_dir / f"{chosen_suite.name}.md"
    write_atomically(path, text.encode())
    say(f"\n{text}\nwritten to {path}; draw it with: python tools/report.py {work_dir}")


def show_seeds(work_dir: Path, chosen_suite: Suite, folders: Mapping[int, Path]) -> None:
    """Write the means over the seeds, and print them."""
    tables: list[Table] = [collect(chosen_suite, read_rows(folder, chosen_suite.name)) for folder in folders.values()]
    seeds = ", ".join(map(str, folders))
    text = f"{settings_table(chosen_suite, {f'{tables[0].naming.headline}, seeds {seeds}': tables})}\n"
    path = work_dir / f"{chosen_suite.name}_seeds.md"
    write_atomically(path, text.encode())
    say(f"\n{text}\nwritten to {path}")


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)


if __name__ == "__main__":
    run(main)
