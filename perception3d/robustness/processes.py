"""Who scores the settings of a sweep: this process alone, or a Ray cluster; for ranks of a launcher see ``ranks``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from corruptions.cluster import Cluster, Lost
from corruptions.suites import Setting
from perception3d.robustness.run import Finished, make_row, run_settings
from perception3d.robustness.scoring import NodeScoring, Scoring

Say = Callable[[str], None]
Plan = dict[str, Any]


class Processes(Protocol):
    """One or several processes that run a sweep.

    Attributes:
        first: whether this is the process that plans, prints and makes the tables.
    """

    first: bool

    def agree(self, plan: Callable[[], Plan]) -> Plan:
        """What the first process plans, JSON values by name, in every process; the others do not call ``plan``."""

    def run(self, scoring: Scoring, todo: Sequence[Setting], work_dir: Path, say: Say) -> list[str]:
        """Score settings, write the rows as :func:`perception3d.robustness.run.run_settings` does.

        Returns:
            Names of the settings that failed, in the first process.

        Raises:
            InputError: for bad clean samples, a checkpoint that does not fit, or processes that see other files.
        """


class OneProcess:
    """This process, with one model."""

    first = True

    def agree(self, plan: Callable[[], Plan]) -> Plan:
        """What this process plans."""
        return plan()

    def run(self, scoring: Scoring, todo: Sequence[Setting], work_dir: Path, say: Say) -> list[str]:
        """Score one setting after another."""
        rows = run_settings(todo, map(scoring.prepare(), todo), work_dir, say)
        return [row.setting["folder"] for row in rows if row.score is None]


class Nodes(OneProcess):
    """The workers of a Ray cluster, each with its model; this process plans, and writes the rows that come back.

    Args:
        cluster: the cluster.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def run(self, scoring: Scoring, todo: Sequence[Setting], work_dir: Path, say: Say) -> list[str]:
        """Score settings on all workers; one that no worker survives leaves an error row."""
        rows = run_settings(todo, self._results(scoring, todo, say), work_dir, say)
        return [row.setting["folder"] for row in rows if row.score is None]

    def _results(self, scoring: Scoring, todo: Sequence[Setting], say: Say) -> Iterator[Finished]:
        gpus = int(self._cluster.gpus())
        cpus = max(1, min(1 + scoring.loaders, self._cluster.most_cpus()))
        room = f"{cpus} core{'s' * (cpus > 1)}{' and a GPU' * gpus} each"
        say(f"Ray cluster with room for {self._cluster.places(cpus, gpus)} models, {room}")
        for index, result in self._cluster.spread(NodeScoring(scoring), todo, cpus, gpus):
            if isinstance(result, Lost):
                error = {"message": result.reason, "traceback": ""}
                result = make_row(todo[index], scoring.fingerprint, None, error, 0.0, scoring.origin), None
            yield result
