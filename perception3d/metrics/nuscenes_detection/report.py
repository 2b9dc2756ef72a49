"""Evaluation of results files: numbers, intervals, breakdowns and pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError
from perception3d.metrics.nuscenes_detection import bootstrap, breakdown, plots, tables
from perception3d.metrics.nuscenes_detection.devkit import GroundTruth
from perception3d.metrics.nuscenes_detection.evaluate import Evaluation, evaluate
from perception3d.metrics.nuscenes_detection.scores import class_curves
from perception3d.submission.faults import listing
from perception3d.submission.files import replacing
from perception3d.submission.nuscenes_det import read_results

FAULTS_SHOWN = 5


@dataclass(frozen=True)
class Breakdowns:
    """Scores of parts of the split; not official.

    Attributes:
        ranges: by distance from the ego vehicle.
        conditions: by weather and light.
        visibilities: recall by visibility.
    """

    ranges: list[breakdown.PartScores]
    conditions: list[breakdown.PartScores]
    visibilities: list[breakdown.Recalls]


@dataclass(frozen=True)
class Report:
    """Everything about one results file.

    Attributes:
        evaluation: matches and official scores.
        meta: "meta" of the file.
        copies: draws of keyframes from ``bootstrap.draw_scenes``; no intervals without.
    """

    evaluation: Evaluation
    meta: Mapping[str, Any]
    copies: NDArray[np.int64] | None = None

    @cached_property
    def draws(self) -> dict[str, NDArray[np.float64]] | None:
        """Scores in each bootstrap draw, by name; None without a bootstrap."""
        return None if self.copies is None else bootstrap.replicate(self.evaluation, self.copies)

    @cached_property
    def breakdowns(self) -> Breakdowns:
        """Scores of parts, with intervals after a bootstrap."""
        return Breakdowns(
            breakdown.by_range(self.evaluation, self.copies),
            breakdown.by_condition(self.evaluation, self.copies),
            breakdown.by_visibility(self.evaluation, self.copies),
        )

    @property
    def intervals(self) -> dict[str, bootstrap.Interval] | None:
        """Scores with their intervals, by name; None without a bootstrap."""
        return None if self.draws is None else bootstrap.intervals(self.values, self.draws)

    @property
    def values(self) -> dict[str, float]:
        """Scores by name."""
        return bootstrap.flat(self.evaluation.scores)

    def text(self) -> str:
        """Official table, then the breakdowns but for that by scene, which is long."""
        evaluation, parts = self.evaluation, self.breakdowns
        scene_count = len(set(evaluation.truth.scenes))
        note = f"[95 % interval over {scene_count} scenes]\n" if self.draws is not None else ""
        return "\n\n".join(
            [
                note + tables.official_table(evaluation.scores, self.intervals),
                "Not official: means over the classes that occur in each part",
                tables.parts_table("range", parts.ranges),
                tables.parts_table("condition", parts.conditions),
                tables.recalls_table("visibility", parts.visibilities, evaluation.scores.rules.match_m),
            ]
        )


def report_on(path: Path, truth: GroundTruth, copies: NDArray[np.int64] | None = None) -> Report:
    """Evaluate a results file.

    Args:
        path: the file.
        truth: ground truth of its split.
        copies: draws of keyframes from ``bootstrap.draw_scenes``; no intervals without.

    Raises:
        InputError: for a file with faults.
    """
    results = read_results(path, truth.tokens)
    if results.faults:
        raise InputError(
            f"{path}: {len(results.faults)} faults, expected none (tools/submit.py nuscenes-det lists them all):\n"
            f"{listing(results.faults, FAULTS_SHOWN)}"
        )
    return Report(evaluate(results.boxes, truth), results.meta, copies)


def write_report(report: Report, folder: Path) -> None:
    """Write ``metrics_summary.json`` (the devkit's fields, intervals, breakdowns), the tables, the curves as PNG."""
    scores, scenes = report.evaluation.scores, breakdown.by_scene(report.evaluation)
    parts = report.breakdowns
    named = (("ranges", parts.ranges), ("conditions", parts.conditions), ("scenes", scenes))
    summary = {
        **scores.to_dict(),
        "meta": report.meta,
        "intervals_95": {name: item.to_dict() for name, item in (report.intervals or {}).items()} or None,
        "breakdowns": {
            **{title: [_part(part) for part in rows] for title, rows in named},
            "visibilities": [_recall(item, scores.rules.match_m) for item in parts.visibilities],
        },
    }
    with replacing(folder / "metrics_summary.json", "w") as file:
        json.dump(summary, file, indent=2, allow_nan=False)
    with replacing(folder / "tables.txt", "w") as file:
        file.write(f"{report.text()}\n\n{tables.parts_table('scene', scenes)}\n")
    curves = class_curves(report.evaluation.matches)
    for name, draw in (("precision_recall", plots.precision_curves), ("true_positive_errors", plots.error_curves)):
        with replacing(folder / f"{name}.png") as file:
            draw(curves, scores).savefig(file, format="png")


def _part(part: breakdown.PartScores) -> dict[str, Any]:
    counts = {"name": part.name, "samples": part.samples, "boxes": int(part.scores.positives.sum())}
    summary = part.scores.summary() if counts["boxes"] else {}
    numbers = {name: bootstrap.or_none(value) for name, value in summary.items()}
    return {**counts, **numbers, "intervals_95": {name: item.to_dict() for name, item in part.spread.items()}}


def _recall(item: breakdown.Recalls, match_m: Sequence[float]) -> dict[str, Any]:
    names = [f"recall@{distance:g}" for distance in match_m]
    errors = dict(zip(tables.CLASS_ERRORS, map(bootstrap.or_none, item.errors), strict=True))
    recall = dict(zip(names, map(bootstrap.or_none, item.recall), strict=True))
    spread = {name: interval.to_dict() for name, interval in zip(names, item.spread, strict=False)}
    return {"name": item.name, "boxes": item.annotations, **recall, **errors, "intervals_95": spread}


def compare(names: Sequence[str], reports: Sequence[Report]) -> str:
    """Markdown table of several results; differences are to the first, with paired intervals after a bootstrap."""
    values = [report.values for report in reports]
    base = reports[0]
    differences = [
        bootstrap.difference(values[0], other, base.draws, report.draws)
        for other, report in zip(values[1:], reports[1:], strict=True)
        if base.draws is not None and report.draws is not None
    ]
    return tables.comparison_markdown(names, values, differences or None)
