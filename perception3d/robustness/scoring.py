"""What a process needs to score the settings of a sweep, here or on another machine."""

from __future__ import annotations

import copy
import platform
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.utils import import_modules_from_strings

from corruptions import __version__ as engine_version
from corruptions.core import InputError
from corruptions.files import sha256_of
from corruptions.suites import Setting, Suite
from perception3d.compat import repair_stack
from perception3d.robustness.loaded_model import build_dataset, device_name
from perception3d.robustness.plan import config_hash, versions
from perception3d.robustness.rows import Fingerprint
from perception3d.robustness.run import Finished, score_setting
from perception3d.robustness.tasks import task_of


@dataclass(frozen=True)
class Scoring:
    """A model and what it is scored on; another process can have it by pickle.

    Attributes:
        config: config of the model.
        checkpoint: its weights.
        suite: the suite.
        seed: base seed of the corruptions.
        present: see :class:`perception3d.robustness.tasks.Task`.
        fingerprint: of the sweep.
        origin: what every row says about where it comes from.
    """

    config: Config
    checkpoint: Path
    suite: Suite
    seed: int
    present: Sequence[int]
    fingerprint: Fingerprint
    origin: Mapping[str, Any]

    def prepare(self) -> Callable[[Setting], Finished]:
        """Load the model; the result scores a setting and leaves nothing on disk.

        Raises:
            InputError: for a checkpoint that does not fit.
        """
        evaluate = task_of(self.config).evaluator(self.config, self.checkpoint, self.suite, self.seed, self.present)
        return lambda setting: score_setting(setting, evaluate, self.fingerprint, self.origin)

    @property
    def loaders(self) -> int:
        """Processes beside each model that load and corrupt its samples."""
        return self.config.test_dataloader.get("num_workers", 0)


@dataclass(frozen=True)
class NodeScoring:
    """:class:`Scoring` on another machine, which must have the same files; called once, it loads the model."""

    scoring: Scoring

    def __call__(self) -> Callable[[Setting], Finished]:
        """Check that this machine would give the same rows, then load the model."""
        repair_stack()
        config = copy.deepcopy(self.scoring.config)
        if custom := config.get("custom_imports"):  # done when a config is read, which was elsewhere
            import_modules_from_strings(**custom)
        found = fingerprint_of(config, self.scoring.checkpoint, self.scoring.suite, self.scoring.seed)
        check_same(self.scoring.fingerprint, found)
        origin = {**self.scoring.origin, "device": device_name(), "versions": versions()}
        with tempfile.TemporaryDirectory() as folder:  # a log of building the model, which nobody reads
            config.work_dir = folder
            return replace(self.scoring, config=config, origin=origin).prepare()


def fingerprint_of(config: Config, checkpoint: Path, suite: Suite, seed: int, dataset: Any = None) -> Fingerprint:
    """The fingerprint of a sweep, from what lies on this machine; the clean test set is built unless given.

    Raises:
        InputError: for missing files.
    """
    dataset = build_dataset(config) if dataset is None else dataset
    return Fingerprint(
        suite=suite.name,
        seed=seed,
        config=config_hash(config),
        checkpoint=sha256_of(checkpoint),
        data=task_of(config).data_hash(dataset),
        engine=engine_version,
    )


def check_same(expected: Fingerprint, found: Fingerprint) -> None:
    """Raise :class:`InputError` when this machine would score another model or other data than the first one."""
    differing = [name for name, value in vars(expected).items() if vars(found)[name] != value]
    if differing:
        raise InputError(
            f"{platform.node()}: expected the {', '.join(differing)} of the first process, found another; all must "
            "see the same files under the same paths"
        )
