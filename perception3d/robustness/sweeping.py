"""One sweep from config to rows, and the tables that end it."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from corruptions.files import write_atomically
from corruptions.suites import Setting, Suite
from perception3d.robustness.baseline import Baseline
from perception3d.robustness.collect import collect, settings_markdown, types_markdown
from perception3d.robustness.curves import curve_figure, curve_markdown, curve_of
from perception3d.robustness.loaded_model import build_dataset
from perception3d.robustness.plan import resume
from perception3d.robustness.processes import Processes
from perception3d.robustness.relative import relative_markdown, relative_to
from perception3d.robustness.rows import Fingerprint, read_rows
from perception3d.robustness.scoring import Scoring, check_same, fingerprint_of
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

    def run(self, seed: int, work_dir: Path, baseline: Baseline | None, say: Say, processes: Processes) -> list[str]:
        """Score what is left to score.

        Args:
            seed: base seed of the corruptions.
            work_dir: folder of the rows.
            baseline: what the model will be compared with; checked before anything is scored.
            say: takes the lines of progress.
            processes: who does the work.

        Returns:
            Names of the settings that failed.

        Raises:
            InputError: for rows or a baseline of other data, bad data, or a checkpoint that does not fit.
        """
        task = task_of(self.config)
        dataset = build_dataset(self.config)
        fingerprint = fingerprint_of(self.config, self.checkpoint, self.suite, seed, dataset)

        def plan() -> dict[str, Any]:
            if baseline is not None:
                baseline.check(fingerprint)
            found = resume(work_dir, self.suite, self.settings, fingerprint)
            missing = f", {len(found.missing)} not in the catalog" if found.missing else ""
            counts = f"{len(found.todo)} settings to run, {len(found.done)} done{missing}"
            say(f"{self.suite.name}, {len(dataset)} {task.sample}s: {counts}")
            present = task.present(dataset) if found.todo else ()
            todo = [setting.folder for setting in found.todo]
            return {"todo": todo, "present": list(present), "fingerprint": asdict(fingerprint)}

        agreed = processes.agree(plan)
        check_same(Fingerprint(**agreed["fingerprint"]), fingerprint)
        todo = [setting for setting in self.settings if setting.folder in agreed["todo"]]
        if not todo:
            return []
        model = (self.config, self.checkpoint, self.suite, seed)
        scoring = Scoring(*model, agreed["present"], fingerprint, self.origin)
        try:
            return processes.run(scoring, todo, work_dir, say)
        except KeyboardInterrupt:
            say("\nthe finished settings are kept; the same command goes on from there")
            raise


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
