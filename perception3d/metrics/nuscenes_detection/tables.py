"""Scores as text: the official table, the breakdowns, and results side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from perception3d.conventions import NUSCENES_DETECTION_CLASSES
from perception3d.metrics.nuscenes_detection.bootstrap import Interval
from perception3d.metrics.nuscenes_detection.breakdown import PartScores, Recalls
from perception3d.metrics.nuscenes_detection.rules import MEAN_ERROR_NAMES
from perception3d.metrics.nuscenes_detection.scores import DetectionScores

ERRORS = tuple(MEAN_ERROR_NAMES.values())
CLASS_ERRORS = tuple(name[1:] for name in ERRORS)
INTERVAL = "95 %"  # heads the column of intervals


def official_table(scores: DetectionScores, spread: Mapping[str, Interval] | None = None) -> str:
    """NDS, mAP and mean errors, then a row per class, as nuscenes-devkit prints them."""
    summary = scores.summary()
    spans = {name: f"   {bounds(item)}" for name, item in (spread or {}).items()}
    lines = [f"{name:5} {summary[name]:.4f}{spans.get(name, '')}" for name in ("NDS", "mAP", *ERRORS)]
    rows = [
        [name, str(count), *map(number, [ap, *distance_ap, *errors])]
        for name, count, ap, distance_ap, errors in zip(
            NUSCENES_DETECTION_CLASSES, scores.positives, scores.class_ap, scores.ap, scores.errors, strict=True
        )
    ]
    heads = ["class", "boxes", "AP", *(f"AP@{distance:g}" for distance in scores.rules.match_m), *CLASS_ERRORS]
    return "\n".join(lines) + "\n\n" + aligned(heads, rows)


def parts_table(title: str, parts: Sequence[PartScores]) -> str:
    """A breakdown; means over the classes that occur in each part."""
    rows, spread = [], any(part.spread for part in parts)
    for part in parts:
        scores = part.scores
        classes = len(scores.positives)
        values = [scores.mean_ap, scores.nds, *scores.mean_errors] if classes else [np.nan] * 7
        counts = [str(part.samples), str(int(scores.positives.sum())), str(classes)]
        cells = [*map(number, values)]
        if spread:
            cells[:2] = [cells[0], bounds(part.spread.get("mAP")), cells[1], bounds(part.spread.get("NDS"))]
        rows.append([part.name, *counts, *cells])
    heads = ["mAP", INTERVAL, "NDS", INTERVAL] if spread else ["mAP", "NDS"]
    return aligned([title, "samples", "boxes", "classes", *heads, *ERRORS], rows)


def recalls_table(title: str, recalls: Sequence[Recalls], match_m: Sequence[float]) -> str:
    """Recall and errors by visibility."""
    spread = any(item.spread for item in recalls)
    heads = [head for distance in match_m for head in (f"recall@{distance:g}", INTERVAL)[: 1 + spread]]
    rows = []
    for item in recalls:
        cells = [
            cell
            for value, interval in zip(item.recall, item.spread or [None] * len(item.recall), strict=True)
            for cell in (number(value), bounds(interval))[: 1 + spread]
        ]
        rows.append([item.name, str(item.annotations), *cells, *map(number, item.errors)])
    return aligned([title, "boxes", *heads, *CLASS_ERRORS], rows)


def comparison_markdown(
    names: Sequence[str],
    values: Sequence[Mapping[str, float]],
    differences: Sequence[Mapping[str, Interval]] | None,
) -> str:
    """Results side by side, the first as the base of the differences, with intervals where there are any.

    Args:
        names: one for each result.
        values: from ``bootstrap.flat``.
        differences: for each result but the first, from ``bootstrap.difference``; None without intervals.
    """
    heads = ["score", names[0], *(head for name in names[1:] for head in (name, "difference"))]
    lines = [f"| {' | '.join(heads)} |", "|---|" + "---:|" * (len(heads) - 1)]
    for key in values[0]:
        cells = [key, number(values[0][key], ".4f")]
        for index, other in enumerate(values[1:]):
            apart = other[key] - values[0][key]
            span = f" [{_signed(differences[index][key])}]" if differences and not np.isnan(apart) else ""
            cells += [number(other[key], ".4f"), number(apart, "+.4f") + span]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def bounds(interval: Interval | None) -> str:
    """An interval for people; "-" for none."""
    return "-" if interval is None else f"[{number(interval.low)}, {number(interval.high)}]"


def _signed(interval: Interval) -> str:
    return f"{interval.low:+.4f}, {interval.high:+.4f}"


def number(value: float, form: str = ".3f") -> str:
    """A number for people, three digits by default; "-" for nan."""
    return "-" if np.isnan(value) else format(value, form)


def aligned(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of text, the first to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in (heads, *rows)
    )
