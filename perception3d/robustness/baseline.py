"""The model that others are compared with: rows of its sweep, or a result file with measured or quoted figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from corruptions.core import InputError
from corruptions.scores import Levels
from corruptions.suites import Suite
from perception3d.robustness.relative import SHARED, levels_of
from perception3d.robustness.results import read_result
from perception3d.robustness.rows import Fingerprint, read_rows


@dataclass(frozen=True)
class Baseline:
    """A baseline under one suite.

    Attributes:
        where: its folder or file.
        levels: headline scores in per cent by type, in the order of the levels.
        fingerprint: what they depend on; None for a result file, whose figures the user answers for.
    """

    where: Path
    levels: Levels
    fingerprint: Fingerprint | None

    def check(self, fingerprint: Fingerprint) -> None:
        """Raise :class:`InputError` unless a sweep is of the same corrupted data, as far as is known."""
        if self.fingerprint is None:
            return
        differing = [name for name in SHARED if getattr(fingerprint, name) != getattr(self.fingerprint, name)]
        if differing:
            expected, found = (
                ", ".join(f"{name} {str(getattr(one, name))[:12]}" for name in differing)
                for one in (fingerprint, self.fingerprint)
            )
            raise InputError(
                f"{self.where}: expected a baseline of the same corrupted data ({expected}), found another ({found}); "
                "sweep the baseline on the same data"
            )


def read_baseline(where: Path, suite: Suite, seed: int) -> Baseline:
    """A baseline from the work dir of a sweep (with several seeds, from that of ``seed``) or from a result file.

    A result file that has only means over the levels of a type stands for the sum over them just as well.

    Raises:
        InputError: for a folder without rows of the suite, or a file that is no result of it.
    """
    if where.suffix == ".json":
        result = read_result(where)
        if result.suite != suite.name:
            raise InputError(f"{where}: expected a result of {suite.name}, found one of {result.suite}")
        levels = {
            kind: [
                result.type_score(kind) if result.score(folder) is None else result.score(folder) for folder in folders
            ]
            for kind, folders in suite.types.items()
        }
        if all(score is None for scores in levels.values() for score in scores):
            raise InputError(f"{where}: expected scores of the types of {suite.name}, found only means over them")
        return Baseline(where, levels, None)
    folder = where / f"seed{seed}" if (where / f"seed{seed}").is_dir() else where
    rows = read_rows(folder, suite.name)
    if not rows:
        raise InputError(f"{folder}: expected rows of {suite.name} as the baseline, found none; sweep it first")
    return Baseline(folder, levels_of(suite, rows), next(iter(rows.values())).fingerprint)
