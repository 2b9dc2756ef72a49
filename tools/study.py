#!/usr/bin/env python
"""Train and sweep every model of a study, and print its table.

python tools/study.py configs/segmentation/study_sim.yaml --root-path data/simulated --work-dir work_dirs/study_sim

Safe to run again, and several times side by side on one --work-dir: finished cells are skipped, interrupted ones go on
where they were, and a cell that another process works on is left to it. Cells that are not finished show "-".

Exit status: 0 every chosen cell is finished or another process works on it, 1 a cell failed, 2 bad input,
130 interrupted.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

from corruptions.files import write_atomically
from perception3d.launch import CFG_OPTIONS_HELP, CfgOptions, check_writable, read_config, run
from perception3d.robustness.evaluate import check_config
from perception3d.robustness.run import duration
from perception3d.robustness.study import (
    Cell,
    Study,
    add_seconds,
    cells_of,
    claim_config,
    is_swept,
    locked,
    read_seconds,
    read_study,
    state,
    sweep_table,
    trained_checkpoint,
)
from perception3d.robustness.study_table import study_markdown

TOOLS = Path(__file__).resolve().parent
INTERRUPTED = (130, -2)


def parse_args(argv: Sequence[str]) -> argparse.Namespace:
    """Command line: a study, what to run of it, and where its data lie."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, help="study file: YAML with a suite, and seeds by config")
    parser.add_argument("--models", nargs="+", metavar="MODEL", help="configs to run, as minkunet-small (default: all)")
    parser.add_argument("--seeds", nargs="+", type=int, metavar="K", help="seeds in place of those of the study")
    parser.add_argument("--dry-run", action="store_true", help="show how far each cell is, run nothing")
    parser.add_argument("--work-dir", type=Path, help="folder of the study; default: ./work_dirs/<name of the study>")
    parser.add_argument("--root-path", help="folder of the data set; default: data_root of each config")
    parser.add_argument("--info-dir", help="folder of its info files; default: data/infos/<name of the root folder>")
    parser.add_argument("--cfg-options", nargs="+", action=CfgOptions, help=f"for every config: {CFG_OPTIONS_HELP}")
    return parser.parse_args(argv)


def cell_config(cell: Cell, args: argparse.Namespace) -> Config:
    """The config of a cell: that of its model with the data set, the overrides and the seed."""
    options = argparse.Namespace(
        config=str(cell.config), root_path=args.root_path, info_dir=args.info_dir, cfg_options=args.cfg_options
    )
    config = read_config(options)
    config.merge_from_dict({"randomness.seed": cell.seed})
    check_config(config, str(cell.config))
    return config


def run_step(cell: Cell, step: str, command: Sequence[str], lock: int) -> bool:
    """Run a tool with its output in the cell's folder; returns whether it succeeded."""
    log = cell.folder / f"{step}.log"
    say(f"{cell.name}: {step} ... (output in {log})")
    begin = time.perf_counter()
    with log.open("a") as output:
        try:
            code = subprocess.run(
                [sys.executable, *command], stdout=output, stderr=subprocess.STDOUT, pass_fds=(lock,), check=False
            ).returncode
        finally:
            seconds = time.perf_counter() - begin
            add_seconds(cell, step, seconds)
    if code in INTERRUPTED:
        raise KeyboardInterrupt
    say(f"{cell.name}: {step} {'finished' if code == 0 else f'FAILED, see {log}'} after {duration(seconds)}")
    return code == 0


def run_cell(cell: Cell, study: Study, config: Config, lock: int) -> bool:
    """Bring a cell to its end; returns whether it got there."""
    claim_config(cell, config)
    settings = str(cell.config_file)
    if trained_checkpoint(cell) is None:
        train = [str(TOOLS / "train.py"), settings, "--work-dir", str(cell.train_dir), "--resume"]
        if not run_step(cell, "train", train, lock):
            return False
    if is_swept(sweep_table(cell, study.suite)):
        return True
    sweep = [str(TOOLS / "sweep.py"), settings, str(trained_checkpoint(cell)), "--suite", study.suite.name]
    return run_step(cell, "sweep", [*sweep, "--work-dir", str(cell.sweep_dir)], lock)


def table_text(study: Study, cells: Sequence[Cell]) -> str:
    """The tables of these cells."""
    by_model: dict[str, list[Cell]] = {}
    for cell in sorted(cells, key=lambda cell: list(study.models).index(cell.config)):
        by_model.setdefault(cell.model, []).append(cell)
    tables = {model: [sweep_table(cell, study.suite) for cell in own] for model, own in by_model.items()}
    minutes = {
        model: [read_seconds(cell).get("train", 0) / 60 for cell in own if trained_checkpoint(cell)]
        for model, own in by_model.items()
    }
    return study_markdown(study.suite, tables, minutes)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the cells that nobody else works on, then show the table."""
    args = parse_args(sys.argv[1:] if argv is None else argv)
    study = read_study(args.study)
    work_dir = args.work_dir or Path("work_dirs") / args.study.stem
    whole = cells_of(study, work_dir, seeds=args.seeds)
    cells = cells_of(study, work_dir, args.models, args.seeds)
    configs = {cell: cell_config(cell, args) for cell in cells}  # a fault shows now and not after hours
    if args.dry_run:
        for cell in cells:
            say(f"{cell.name}: {state(cell, study.suite)}")
        say(f"\n{table_text(study, whole)}")
        return
    check_writable(work_dir, "--work-dir")
    failed = []
    for cell in cells:
        with locked(cell) as lock:
            if lock is None:
                say(f"{cell.name}: another process works on it")
            elif not run_cell(cell, study, configs[cell], lock):
                failed.append(cell.name)
    text = table_text(study, whole)
    path = write_atomically(work_dir / "table.md", f"{text}\n".encode())
    say(f"\n{text}\n\nwritten to {path}")
    if failed:
        print(f"failed: {', '.join(failed)}; the same command tries them again", file=sys.stderr)
        sys.exit(1)


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)


if __name__ == "__main__":
    run(main)
