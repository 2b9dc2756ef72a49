"""Scores relative to clean data and to a baseline model: CE, RR of Robo3D, and RA, RRA of MultiCorrupt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from corruptions.core import InputError
from corruptions.scores import (
    Levels,
    corruption_errors,
    mce,
    mra,
    mrr,
    mrra,
    relative_resistance_abilities,
    resilience_rates,
    resistance_abilities,
)
from corruptions.suites import Suite
from perception3d.robustness.collect import markdown_table
from perception3d.robustness.naming import DETECTION, naming_of, number
from perception3d.robustness.rows import Row

SHARED = ("suite", "seed", "data", "engine")
"""What the rows of two models must have in common to be compared."""


@dataclass(frozen=True)
class RelativeLine:
    """A type of corruption, or the mean over the types; None where a setting is missing.

    Attributes:
        name: the type.
        retained: RR, in per cent of the clean mIoU_present; of a detector RA, as a fraction of the clean NDS.
        against: CE, the errors in per cent of the baseline's; of a detector RRA, the gain over the baseline in per
            cent. None without a baseline.
    """

    name: str
    retained: float | None
    against: float | None


@dataclass(frozen=True)
class Relative:
    """Relative scores of a model.

    Attributes:
        types: each type.
        mean: means over the types, named after both.
        names: names of the columns.
        digits: digits of the first column.
    """

    types: tuple[RelativeLine, ...]
    mean: RelativeLine
    names: tuple[str, str]
    digits: int


def relative_scores(suite: Suite, rows: Mapping[str, Row], baseline: Mapping[str, Row]) -> Relative:
    """Each type against clean and against a baseline, then the means.

    Args:
        suite: the suite.
        rows: rows of a model by folder.
        baseline: rows of the baseline model; may be empty.

    Raises:
        InputError: for rows of another task, other scans, another seed or engine than the baseline's.
    """
    check_comparable(rows, baseline)
    return relative_to(suite, rows, levels_of(suite, baseline))


def relative_to(suite: Suite, rows: Mapping[str, Row], reference: Levels) -> Relative:
    """The same against the headline scores of a baseline by type and level, wherever they come from."""
    naming = naming_of(rows.values())
    levels = levels_of(suite, rows)
    clean = _metric(rows.get(suite.clean_folder), naming.headline)
    if naming is DETECTION:
        own, other = resistance_abilities(levels, clean), relative_resistance_abilities(levels, reference)
        mean = RelativeLine("mRA, mRRA", mra(levels, clean), mrra(levels, reference))
        names, digits = ("RA", "RRA"), 3
    else:
        own, other = resilience_rates(levels, clean), corruption_errors(levels, reference)
        mean = RelativeLine("mRR, mCE", mrr(levels, clean), mce(levels, reference))
        names, digits = ("RR", "CE"), 1
    return Relative(tuple(RelativeLine(name, own[name], other[name]) for name in levels), mean, names, digits)


def relative_markdown(relative: Relative) -> str:
    """The lines as a table."""
    lines = [
        (name, number(line.retained, f".{relative.digits}f"), number(line.against))
        for name, line in [
            *((line.name, line) for line in relative.types),
            (f"**{relative.mean.name}**", relative.mean),
        ]
    ]
    return markdown_table(("type", *relative.names), lines)


def levels_of(suite: Suite, rows: Mapping[str, Row]) -> dict[str, list[float | None]]:
    """Headline scores by type, in the order of the levels; None where a setting is missing."""
    headline = naming_of(rows.values()).headline
    return {name: [_metric(rows.get(folder), headline) for folder in folders] for name, folders in suite.types.items()}


def check_comparable(rows: Mapping[str, Row], baseline: Mapping[str, Row]) -> None:
    """Raise :class:`InputError` for rows that are not of the same corrupted data, scored the same way."""
    for row, other in ((row, other) for row in list(rows.values())[:1] for other in list(baseline.values())[:1]):
        differing = [name for name in SHARED if getattr(row.fingerprint, name) != getattr(other.fingerprint, name)]
        if differing:
            found = ", ".join(f"{name} {str(getattr(other.fingerprint, name))[:12]}" for name in differing)
            expected = ", ".join(f"{name} {str(getattr(row.fingerprint, name))[:12]}" for name in differing)
            raise InputError(
                f"baseline: expected rows of the same corrupted data ({expected}), found others ({found}); score the "
                "baseline on the same data"
            )


def _metric(row: Row | None, name: str) -> float | None:
    return row.score.metrics.get(name) if row is not None and row.score is not None else None
