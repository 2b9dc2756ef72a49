"""What is wrong with a submission, in whole: a server says only the first thing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One thing a leaderboard would refuse or score wrongly.

    Attributes:
        where: file, token and index, e.g. ``results[3e8750f3...][17].size``.
        what: what was expected and what was found.
    """

    where: str
    what: str

    def __str__(self) -> str:
        return _one_line(f"{self.where}: {self.what}")


def listing(faults: Sequence[Fault], limit: int | None = None) -> str:
    """The faults one by line; beyond ``limit`` the rest is counted by kind."""
    shown = list(map(str, faults[:limit]))
    rest = Counter(_kind(fault) for fault in faults[len(shown) :])
    return "\n".join(shown + [f"... and {count} more: {kind}" for kind, count in rest.most_common()])


def _kind(fault: Fault) -> str:
    return fault.what.split(", found ")[0]


def _one_line(text: str) -> str:
    """The text with what no terminal prints as it is, line breaks and lone surrogates, in Python's escapes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
