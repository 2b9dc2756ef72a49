"""Scores relative to clean data and to a baseline model, as Robo3D defines them: CE, RR, mCE and mRR."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from corruptions.core import InputError
from corruptions.scores import corruption_errors, mce, mrr, resilience_rates
from corruptions.suites import Suite
from perception3d.robustness.collect import HEADLINE, markdown_table, number
from perception3d.robustness.rows import Row

SHARED = ("suite", "seed", "data", "engine")
"""What the rows of two models must have in common to be compared."""


@dataclass(frozen=True)
class RelativeLine:
    """A type of corruption, or the mean over the types; None where a setting is missing.

    Attributes:
        name: the type.
        rr: mean mIoU_present over its settings, in per cent of the clean one.
        ce: sum of 100 - mIoU_present over its settings, in per cent of the baseline's; None without a baseline.
    """

    name: str
    rr: float | None
    ce: float | None


def relative_scores(suite: Suite, rows: Mapping[str, Row], baseline: Mapping[str, Row]) -> list[RelativeLine]:
    """CE and RR of each type, then their means mCE and mRR.

    Args:
        suite: the suite.
        rows: rows of a model by folder.
        baseline: rows of the baseline model; may be empty.

    Raises:
        InputError: for rows of other scans, another seed or engine than the baseline's.
    """
    _check_comparable(rows, baseline)
    levels, reference = _levels(suite, rows), _levels(suite, baseline)
    clean = _metric(rows.get(suite.clean_folder))
    rates, errors = resilience_rates(levels, clean), corruption_errors(levels, reference)
    lines = [RelativeLine(name, rates[name], errors[name]) for name in levels]
    return [*lines, RelativeLine("mRR, mCE", mrr(levels, clean), mce(levels, reference))]


def relative_markdown(lines: list[RelativeLine]) -> str:
    """The lines as a table."""
    *types, mean = lines
    cells = [(line.name, number(line.rr), number(line.ce)) for line in types]
    return markdown_table(("type", "RR", "CE"), [*cells, (f"**{mean.name}**", number(mean.rr), number(mean.ce))])


def _levels(suite: Suite, rows: Mapping[str, Row]) -> dict[str, list[float | None]]:
    return {name: [_metric(rows.get(folder)) for folder in folders] for name, folders in suite.types.items()}


def _metric(row: Row | None) -> float | None:
    return row.score.metrics[HEADLINE] if row is not None and row.score is not None else None


def _check_comparable(rows: Mapping[str, Row], baseline: Mapping[str, Row]) -> None:
    for row, other in ((row, other) for row in list(rows.values())[:1] for other in list(baseline.values())[:1]):
        differing = [name for name in SHARED if getattr(row.fingerprint, name) != getattr(other.fingerprint, name)]
        if differing:
            found = ", ".join(f"{name} {str(getattr(other.fingerprint, name))[:12]}" for name in differing)
            expected = ", ".join(f"{name} {str(getattr(row.fingerprint, name))[:12]}" for name in differing)
            raise InputError(
                f"baseline: expected rows of the same corrupted data ({expected}), found others ({found}); score the "
                "baseline on the same data"
            )
