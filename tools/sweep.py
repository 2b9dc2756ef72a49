#!/usr/bin/env python
"""Score a segmentation model under every corruption of a suite, on CPU and CUDA from the same config.

python tools/sweep.py CONFIG CHECKPOINT --suite semantickitti_c --work-dir W

Corruptions are applied while the test set is loaded. Each setting leaves a row in W/rows/SUITE, so an interrupted sweep
goes on where it was, and settings that failed are tried again. Ends with the table; tools/report.py W draws it.

Exit status: 0 every chosen setting has a score, 1 a setting failed, 2 bad input, 130 interrupted.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from corruptions import __version__ as engine_version
from corruptions.files import sha256_of, write_atomically
from corruptions.suites import SUITES, Suite, select, suite
from perception3d.launch import CFG_OPTIONS_HELP, CfgOptions, check_checkpoint, load_config, run
from perception3d.robustness.collect import collect, settings_markdown, types_markdown
from perception3d.robustness.evaluate import SettingEvaluator, build_dataset, check_config, device_name
from perception3d.robustness.plan import clean_setting, config_hash, data_hash, make_plan, versions
from perception3d.robustness.rows import Fingerprint, read_rows, refuse_other_fingerprint
from perception3d.robustness.run import run_settings


def parse_args(argv: Sequence[str]) -> argparse.Namespace:
    """Command line: mmdet3d's arguments of a test, and which settings of which suite."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="config file of the model, with a labelled test set")
    parser.add_argument("checkpoint", help="checkpoint file")
    parser.add_argument("--suite", default="semantickitti_c", help=f"one of: {', '.join(SUITES)}")
    parser.add_argument(
        "--corruptions",
        nargs="+",
        default=["all"],
        metavar="NAME",
        help="all, a group (weather, noise, device), a type (fog) or a setting (fog_heavy)",
    )
    parser.add_argument("--levels", nargs="+", default=["all"], metavar="LEVEL", help="all, or names such as heavy")
    parser.add_argument("--seed", type=int, default=0, help="base seed of the corruptions (default: 0)")
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
    check_config(config, args.config)
    work_dir = Path(config.work_dir)

    dataset = build_dataset(config)
    infos = (dataset.get_data_info(index) for index in range(len(dataset)))
    fingerprint = Fingerprint(
        suite=chosen_suite.name,
        seed=args.seed,
        config=config_hash(config),
        checkpoint=sha256_of(Path(args.checkpoint)),
        data=data_hash(infos),
        engine=engine_version,
    )
    rows = read_rows(work_dir, chosen_suite.name)
    refuse_other_fingerprint(rows.values(), fingerprint, work_dir)
    plan = make_plan(settings, rows)
    missing = f", {len(plan.missing)} not in the catalog" if plan.missing else ""
    say(f"{chosen_suite.name}, {len(dataset)} scans: {len(plan.todo)} settings to run, {len(plan.done)} done{missing}")

    failed = []
    if plan.todo:
        present = dataset.present_classes()
        evaluate = SettingEvaluator(config, Path(args.checkpoint), chosen_suite, args.seed, present)
        origin = {
            "command": shlex.join(["python", "tools/sweep.py", *arguments]),
            "config": args.config,
            "checkpoint": args.checkpoint,
            "device": device_name(),
            "versions": versions(),
        }
        try:
            written = run_settings(plan.todo, evaluate, fingerprint, work_dir, origin, say)
        except KeyboardInterrupt:
            say("\nthe finished settings are kept; the same command goes on from there")
            raise
        failed = [row.setting["folder"] for row in written if row.score is None]
    show_table(work_dir, chosen_suite)
    if failed:
        print(f"failed: {', '.join(failed)}; the same command tries them again", file=sys.stderr)
        sys.exit(1)


def show_table(work_dir: Path, chosen_suite: Suite) -> None:
    """Write the table beside the rows, and print it."""
    table = collect(chosen_suite, read_rows(work_dir, chosen_suite.name))
    text = f"{settings_markdown(table)}\n\n{types_markdown(table)}\n"
    path = work_dir / f"{chosen_suite.name}.md"
    write_atomically(path, text.encode())
    say(f"\n{text}\nwritten to {path}; draw it with: python tools/report.py {work_dir}")


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)


if __name__ == "__main__":
    run(main)
