"""One sweep from config to rows, and the tables that end it."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from corruptions import __version__ as engine_version
from corruptions.files import sha256_of, write_atomically
from corruptions.suites import Setting, Suite
from perception3d.robustness.baseline import Baseline
from perception3d.robustness.collect import collect, settings_markdown, types_markdown
from perception3d.robustness.curves import curve_figure, curve_markdown, curve_of
from perception3d.robustness.loaded_model import build_dataset
from perception3d.robustness.plan import config_hash, make_plan
from perception3d.robustness.relative import relative_markdown, relative_to
from perception3d.robustness.rows import Fingerprint, read_rows, refuse_other_fingerprint
from perception3d.robustness.run import run_settings
from perception3d.robustness.study_table import settings_table
from perception3d.robustness.tasks import task_of

Say = Callable[[str], None]


@dataclass(frozen=True)
class Sweep:
    """A model and the settings to score it under.

    Attributes:
        config: its config.
        checkpoint: its weights.
        suite: the suite.
        settings: settings of it, the clean one first.
        origin: what every row says about where it comes from.
    """

    config: Config
    checkpoint: Path
    suite: Suite
    settings: Sequence[Setting]
    origin: Mapping[str, Any]

    def run(self, seed: int, work_dir: Path, baseline: Baseline | None, say: Say) -> list[str]:
        """Score what is left to score.

        Args:
            seed: base seed of the corruptions.
            work_dir: folder of the rows.
            baseline: what the model will be compared with; checked before anything is scored.
            say: takes the lines of progress.

        Returns:
            Names of the settings that failed.

        Raises:
            InputError: for rows or a baseline of other data, bad data, or a checkpoint that does not fit.
        """
        task = task_of(self.config)
        dataset = build_dataset(self.config)
        fingerprint = Fingerprint(
            suite=self.suite.name,
            seed=seed,
            config=config_hash(self.config),
            checkpoint=sha256_of(self.checkpoint),
            data=task.data_hash(dataset),
            engine=engine_version,
        )
        rows = read_rows(work_dir, self.suite.name)
        refuse_other_fingerprint(rows.values(), fingerprint, work_dir)
        if baseline is not None:
            baseline.check(fingerprint)
        plan = make_plan(self.settings, rows)
        missing = f", {len(plan.missing)} not in the catalog" if plan.missing else ""
        counts = f"{len(plan.todo)} settings to run, {len(plan.done)} done{missing}"
        say(f"{self.suite.name}, {len(dataset)} {task.sample}s: {counts}")
        if not plan.todo:
            return []
        evaluate = task.evaluator(self.config, self.checkpoint, self.suite, seed, dataset)
        try:
            written = run_settings(plan.todo, evaluate, fingerprint, work_dir, self.origin, say)
        except KeyboardInterrupt:
            say("\nthe finished settings are kept; the same command goes on from there")
            raise
        return [row.setting["folder"] for row in written if row.score is None]


def show_table(work_dir: Path, suite: Suite, baseline: Baseline | None, say: Say) -> None:
    """Write the table beside the rows, and say it."""
    rows = read_rows(work_dir, suite.name)
    table = collect(suite, rows)
    text = f"{settings_markdown(table)}\n\n{types_markdown(table)}\n"
    if baseline is not None:
        relative = relative_to(suite, rows, baseline.levels)
        text += f"\nagainst {baseline.where}:\n\n{relative_markdown(relative)}\n"
    path = work_dir / f"{suite.name}.md"
    write_atomically(path, text.encode())
    say(f"\n{text}\nwritten to {path}; draw it with: python tools/report.py {work_dir}")


def show_curve(work_dir: Path, suite: Suite, share_percent: float, say: Say) -> None:
    """Write the table and the picture of a curve beside its rows, and say the table."""
    curve = curve_of(suite, read_rows(work_dir, suite.name))
    text = f"{curve_markdown(curve, share_percent)}\n"
    write_atomically(work_dir / f"{suite.name}.md", text.encode())
    picture = io.BytesIO()
    curve_figure({suite.settings[0].type: curve}, share_percent).savefig(picture, format="png")
    path = work_dir / f"{suite.name}.png"
    write_atomically(path, picture.getvalue())
    say(f"\n{text}\ndrawn in {path}")


def show_seeds(work_dir: Path, suite: Suite, folders: Mapping[int, Path], say: Say) -> None:
    """Write the means over the seeds, and say them."""
    tables = [collect(suite, read_rows(folder, suite.name)) for folder in folders.values()]
    name = f"{tables[0].naming.headline}, seeds {', '.join(map(str, folders))}"
    path = work_dir / f"{suite.name}_seeds.md"
    text = f"{settings_table(suite, {name: tables})}\n"
    write_atomically(path, text.encode())
    say(f"\n{text}\nwritten to {path}")
