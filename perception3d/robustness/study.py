"""A study: several models with several seeds, each trained and swept in its own folder, by any number of processes.

A cell is one (config, seed). All that says how far it is lies in its folder ``WORK_DIR/<config>/seed<k>``:
``config.py`` (what is run), ``train``, ``sweep`` with its rows, ``times.json``, and a lock while somebody works on it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from corruptions.core import InputError, unknown
from corruptions.files import write_atomically
from corruptions.suites import Suite, suite
from perception3d.robustness.collect import Table, collect
from perception3d.robustness.rows import read_rows

KEYS = ("suite", "models")


@dataclass(frozen=True)
class Study:
    """What a study file lists.

    Attributes:
        suite: the benchmark.
        models: seeds by config, in the order of the table.
    """

    suite: Suite
    models: Mapping[Path, tuple[int, ...]]


@dataclass(frozen=True)
class Cell:
    """One training run and its sweep.

    Attributes:
        config: the config of the study.
        seed: ``randomness.seed`` of the training.
        folder: where everything of it lies.
    """

    config: Path
    seed: int
    folder: Path

    @property
    def name(self) -> str:
        """For people: config and seed."""
        return f"{self.config.stem} seed {self.seed}"

    @property
    def model(self) -> str:
        """Short name of the config, up to the first "_"."""
        return _short(self.config)

    @property
    def train_dir(self) -> Path:
        """Work dir of the training."""
        return self.folder / "train"

    @property
    def sweep_dir(self) -> Path:
        """Work dir of the sweep."""
        return self.folder / "sweep"

    @property
    def config_file(self) -> Path:
        """The config as it is run, with seed and data set."""
        return self.folder / "config.py"


def read_study(path: Path) -> Study:
    """Read a study file: YAML with ``suite`` and ``models``, seeds by config; configs are relative to the file.

    Raises:
        InputError: for a file that is none, an unknown suite, a missing config, or seeds that are not whole numbers.
    """
    if not path.is_file():
        raise InputError(f"{path}: expected a study file, found none; e.g. configs/segmentation/study_sim.yaml")
    try:
        data = Config.fromfile(path).to_dict()
    except Exception as error:  # mmengine and its YAML reader raise many kinds
        raise InputError(f"{path}: expected YAML with {' and '.join(KEYS)}, found: {error}") from error
    if set(data) != set(KEYS) or not isinstance(data["models"], dict) or not data["models"]:
        raise InputError(f"{path}: expected the keys {' and '.join(KEYS)} (seeds by config), found {', '.join(data)}")
    models = {}
    for name, seeds in data["models"].items():
        config = path.parent / name
        if not config.is_file():
            raise InputError(f"{path}: " + unknown("config", name, sorted(p.name for p in path.parent.glob("*.py"))))
        if not isinstance(seeds, list) or not seeds or not all(type(seed) is int and seed >= 0 for seed in seeds):
            raise InputError(f"{path}: expected a list of seeds for {name}, e.g. [0, 1], found {seeds}")
        models[config] = tuple(seeds)
    repeated = [config.stem for config in models if sum(_short(config) == _short(other) for other in models) > 1]
    if repeated:
        raise InputError(f"{path}: expected names that differ before the first '_', found {', '.join(repeated)}")
    return Study(suite(data["suite"]), models)


def cells_of(
    study: Study, work_dir: Path, models: Sequence[str] | None = None, seeds: Sequence[int] | None = None
) -> list[Cell]:
    """Cells of a study, first seeds first, so that every model has a score before any has two.

    Args:
        study: the study.
        work_dir: its folder.
        models: names of configs to keep, whole or up to the first "_"; None for all.
        seeds: seeds in place of those of the study, for every model.

    Raises:
        InputError: for a model that the study does not list.
    """
    chosen = {
        config: seeds or own for config, own in study.models.items() if models is None or _names(config) & {*models}
    }
    known = {name for config in study.models for name in _names(config)}
    for name in models or ():
        if name not in known:
            raise InputError(unknown("model", name, sorted(config.stem for config in study.models), of="the study"))
    runs = [(rank, config, seed) for config, own in chosen.items() for rank, seed in enumerate(own)]
    runs.sort(key=lambda run: run[0])  # stable: the order of the file within one rank
    return [Cell(config, seed, work_dir / config.stem / f"seed{seed}") for _, config, seed in runs]


def claim_config(cell: Cell, config: Config) -> None:
    """Write the cell's config, or check that it is the one which the cell was begun with.

    Raises:
        InputError: for a cell that was begun with another config, seed or data set.
    """
    text = config.pretty_text
    if not cell.config_file.is_file():
        write_atomically(cell.config_file, text.encode())
        return
    begun = cell.config_file.read_text()
    if begun != text:
        pairs = zip(begun.splitlines(), text.splitlines(), strict=False)
        was, now = next(((a.strip(), b.strip()) for a, b in pairs if a != b), ("fewer lines", "more lines"))
        raise InputError(
            f"{cell.config_file}: expected the config of this run ({now}), found the cell begun with another ({was}); "
            "remove its folder or choose another --work-dir"
        )


def trained_checkpoint(cell: Cell) -> Path | None:
    """The last checkpoint of a finished training, or None.

    ``last_checkpoint`` is written after the checkpoint is whole, so a truncated file never counts.
    """
    steps = reached(cell)
    return cell.train_dir / f"{steps[2]}_{steps[0]}.pth" if steps and steps[0] == steps[1] else None


def reached(cell: Cell) -> tuple[int, int, str] | None:
    """Step of the last checkpoint, last step, and what they count ("iter" or "epoch"); None before the first one."""
    pointer = cell.train_dir / "last_checkpoint"
    if not pointer.is_file():
        return None
    unit, _, step = Path(pointer.read_text().strip()).stem.rpartition("_")
    loop = Config.fromfile(cell.config_file).train_cfg
    return int(step), int(loop.max_iters if unit == "iter" else loop.max_epochs), unit


def sweep_table(cell: Cell, benchmark: Suite) -> Table:
    """The cell's scores so far."""
    return collect(benchmark, read_rows(cell.sweep_dir, benchmark.name))


def is_swept(table: Table) -> bool:
    """Whether every setting has a score."""
    return all(line.row is not None and line.row.score is not None for line in table.lines)


def state(cell: Cell, benchmark: Suite) -> str:
    """How far a cell is, in words."""
    table = sweep_table(cell, benchmark)
    if is_swept(table):
        return "done"
    scored = sum(line.row is not None and line.row.score is not None for line in table.lines)
    steps = reached(cell)
    if steps is None:
        return "to train"
    if steps[0] < steps[1]:
        return f"trained {steps[2]} {steps[0]} of {steps[1]}"
    return f"trained, swept {scored} of {len(table.lines)} settings"


@contextlib.contextmanager
def locked(cell: Cell) -> Iterator[int | None]:
    """Hold the cell's lock: gives its file descriptor, or None where another process holds it.

    The lock belongs to the open file. Hand the descriptor to child processes (``pass_fds``), so that a cell stays
    locked while a child of a killed process still works on it; it is free as soon as all of them have ended.
    """
    cell.folder.mkdir(parents=True, exist_ok=True)
    with (cell.folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield file.fileno()


def add_seconds(cell: Cell, step: str, seconds: float) -> None:
    """Add to the time that a step ("train", "sweep") took over all its runs."""
    times = read_seconds(cell)
    times[step] = round(times.get(step, 0.0) + seconds, 1)
    write_atomically(cell.folder / "times.json", f"{json.dumps(times)}\n".encode())


def read_seconds(cell: Cell) -> dict[str, float]:
    """Seconds by step; empty before the first."""
    path = cell.folder / "times.json"
    times: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return times


def _names(config: Path) -> set[str]:
    return {config.name, config.stem, _short(config)}


def _short(config: Path) -> str:
    return config.stem.partition("_")[0]
