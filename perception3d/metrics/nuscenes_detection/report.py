"""Evaluation of results files: numbers, intervals, breakdowns and pictures."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
class Report:
    """Everything about one results file.

    Attributes:
        evaluation: matches and official scores.
        meta: "meta" of the file.
        draws: scores in each bootstrap draw, by name; None without a bootstrap.
    """

    evaluation: Evaluation
    meta: Mapping[str, Any]
    draws: dict[str, NDArray[np.float64]] | None

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
        evaluation = self.evaluation
        recalls, match_m = breakdown.by_visibility(evaluation), evaluation.scores.rules.match_m
        scene_count = len(set(evaluation.truth.scenes))
        note = f"[95 % interval over {scene_count} scenes]\n" if self.draws is not None else ""
        return "\n\n".join(
            [
                note + tables.official_table(evaluation.scores, self.intervals),
                "Not official: means over the classes that occur in each part",
                tables.parts_table("range", breakdown.by_range(evaluation)),
                tables.parts_table("condition", breakdown.by_condition(evaluation)),
                tables.recalls_table("visibility", recalls, match_m),
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
    evaluation = evaluate(results.boxes, truth)
    return Report(evaluation, results.meta, None if copies is None else bootstrap.replicate(evaluation, copies))


def write_report(report: Report, folder: Path) -> None:
    """Write ``metrics_summary.json`` (fields of nuscenes-devkit, and intervals), the tables, and the curves as PNG."""
    scores = report.evaluation.scores
    spread = {name: dataclasses.asdict(item) for name, item in (report.intervals or {}).items()}
    summary = {**scores.to_dict(), "meta": report.meta, "intervals_95": spread or None}
    with replacing(folder / "metrics_summary.json", "w") as file:
        json.dump(summary, file, indent=2)
    with replacing(folder / "tables.txt", "w") as file:
        scenes = tables.parts_table("scene", breakdown.by_scene(report.evaluation))
        file.write(f"{report.text()}\n\n{scenes}\n")
    curves = class_curves(report.evaluation.matches)
    for name, draw in (("precision_recall", plots.precision_curves), ("true_positive_errors", plots.error_curves)):
        with replacing(folder / f"{name}.png") as file:
            draw(curves, scores).savefig(file, format="png")


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
