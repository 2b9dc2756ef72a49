"""Evaluation of lidarseg predictions: numbers, intervals, breakdowns, comparison and the confusion as a picture."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from corruptions.files import write_atomically
from perception3d.conventions import NUSCENES_LIDARSEG_CLASSES
from perception3d.metrics.nuscenes_detection import bootstrap
from perception3d.metrics.nuscenes_detection.tables import INTERVAL, aligned, bounds, comparison_markdown, number
from perception3d.metrics.nuscenes_lidarseg.evaluate import (
    Evaluation,
    PartScores,
    by_condition,
    by_range,
    by_scene,
    evaluate,
    replicate,
)
from perception3d.metrics.nuscenes_lidarseg.truth import LidarsegTruth
from perception3d.submission.files import open_tree

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 110
SUMMARY = ("mIoU", "fwIoU", "acc")


@dataclass(frozen=True)
class Report:
    """Everything about one submission.

    Attributes:
        evaluation: counts and official scores.
        copies: draws of keyframes from ``bootstrap.draw_scenes``; no intervals without.
    """

    evaluation: Evaluation
    copies: NDArray[np.int64] | None = None

    @cached_property
    def draws(self) -> dict[str, NDArray[np.float64]] | None:
        """Scores in each bootstrap draw, by name; None without a bootstrap."""
        return None if self.copies is None else replicate(self.evaluation, self.copies)

    @cached_property
    def ranges(self) -> list[PartScores]:
        """By distance, with intervals after a bootstrap; empty where it is not known."""
        return by_range(self.evaluation, self.copies)

    @cached_property
    def conditions(self) -> list[PartScores]:
        """By weather and light, with intervals after a bootstrap."""
        return by_condition(self.evaluation, self.copies)

    @property
    def intervals(self) -> dict[str, bootstrap.Interval]:
        """Scores with their intervals, by name; empty without a bootstrap."""
        return {} if self.draws is None else bootstrap.intervals(self.values, self.draws)

    @property
    def values(self) -> dict[str, float]:
        """Scores by name."""
        return self.evaluation.scores.values()

    def text(self) -> str:
        """Official numbers, then the breakdowns but for that by scene, which is long."""
        tables = [official_table(self), "Not official: means over the classes that occur in each part"]
        tables += [parts_table("range", self.ranges)] if self.ranges else []
        if self.evaluation.ranges_m is None:
            tables.append("no scores by range: not all LiDAR sweeps are on disk")
        return "\n\n".join([*tables, parts_table("condition", self.conditions)])


def report_on(path: Path, truth: LidarsegTruth, copies: NDArray[np.int64] | None = None) -> Report:
    """Evaluate a submission.

    Args:
        path: folder or zip.
        truth: ground truth of its split.
        copies: draws of keyframes from ``bootstrap.draw_scenes``; no intervals without.

    Raises:
        InputError: for a submission with faults.
    """
    with open_tree(path) as tree:
        return Report(evaluate(tree, truth, str(path)), copies)


def official_table(report: Report) -> str:
    """The summary, then a row per class, with intervals after a bootstrap."""
    scores, values, spread = report.evaluation.scores, report.values, report.intervals
    scenes = len(set(report.evaluation.truth.scenes))
    lines = [f"[95 % interval over {scenes} scenes]"] if spread else []
    lines += [f"{name:5} {values[name]:.4f}{_bounds(spread.get(name))}" for name in SUMMARY]
    rows = [
        [name, str(points), number(values[f"IoU/{name}"]), _bounds(spread.get(f"IoU/{name}")).strip()]
        for name, points in zip(NUSCENES_LIDARSEG_CLASSES, scores.points, strict=True)
    ]
    heads = ["class", "points", "IoU", "interval"]
    columns = len(heads) if spread else len(heads) - 1
    return "\n".join(lines) + "\n\n" + aligned(heads[:columns], [row[:columns] for row in rows])


def parts_table(title: str, parts: Sequence[PartScores]) -> str:
    """A breakdown; means over the classes that occur in each part."""
    rows, spread = [], any(part.spread for part in parts)
    for part in parts:
        scores = part.scores
        counts = [part.sweeps, int(scores.points.sum()), int((scores.points > 0).sum())]
        means = [number(value) for value in (scores.miou_present, scores.fwiou, scores.accuracy)]
        means[1:1] = [bounds(part.spread.get("mIoU"))] if spread else []
        rows.append([part.name, *map(str, counts), *means])
    heads = ["mIoU", INTERVAL, *SUMMARY[1:]] if spread else list(SUMMARY)
    return aligned([title, "samples", "points", "classes", *heads], rows)


def write_report(report: Report, folder: Path) -> None:
    """Write ``metrics_summary.json`` (the devkit's fields, intervals, breakdowns), the tables, counts and a picture."""
    scores, scenes = report.evaluation.scores, by_scene(report.evaluation)
    iou = dict(zip(NUSCENES_LIDARSEG_CLASSES, (bootstrap.or_none(value) for value in scores.iou), strict=True))
    summary = {
        "iou_per_class": iou,
        "miou": bootstrap.or_none(scores.miou),
        "freq_weighted_iou": bootstrap.or_none(scores.fwiou),
        "accuracy": bootstrap.or_none(scores.accuracy),
        "intervals_95": {name: item.to_dict() for name, item in report.intervals.items()} or None,
        "breakdowns": {
            title: [_part(part) for part in parts]
            for title, parts in (("ranges", report.ranges), ("conditions", report.conditions), ("scenes", scenes))
        },
    }
    write_atomically(folder / "metrics_summary.json", json.dumps(summary, indent=2, allow_nan=False).encode())
    table = parts_table("scene", scenes)
    write_atomically(folder / "tables.txt", f"{report.text()}\n\n{table}\n".encode())
    counts, picture = io.BytesIO(), io.BytesIO()
    np.save(counts, report.evaluation.confusion, allow_pickle=False)
    write_atomically(folder / "confusion_matrix.npy", counts.getvalue())
    confusion_picture(report.evaluation.confusion).savefig(picture, format="png")
    write_atomically(folder / "confusion.png", picture.getvalue())


def _part(part: PartScores) -> dict[str, Any]:
    means = {"mIoU": part.scores.miou_present, "fwIoU": part.scores.fwiou, "acc": part.scores.accuracy}
    counts = {"name": part.name, "samples": part.sweeps, "points": int(part.scores.points.sum())}
    numbers = {name: bootstrap.or_none(value) for name, value in means.items()}
    return {**counts, **numbers, "intervals_95": {name: item.to_dict() for name, item in part.spread.items()}}


def compare(names: Sequence[str], reports: Sequence[Report]) -> str:
    """Markdown table of several submissions; differences are to the first, with paired intervals after a bootstrap."""
    values = [report.values for report in reports]
    base = reports[0]
    differences = [
        bootstrap.difference(values[0], other, base.draws, report.draws)
        for other, report in zip(values[1:], reports[1:], strict=True)
        if base.draws is not None and report.draws is not None
    ]
    return comparison_markdown(names, values, differences or None)


def confusion_picture(confusion: NDArray[np.int64]) -> Figure:
    """Where the points of each class went, in per cent of the class; rows sum to 100."""
    from matplotlib.figure import Figure

    points = confusion.sum(axis=1, keepdims=True)
    share = 100 * np.divide(confusion[:, :-1], points, out=np.zeros((len(confusion),) * 2), where=points > 0)
    figure = Figure(figsize=(9.5, 8), dpi=DPI, layout="constrained")
    axis = figure.subplots()
    image = axis.imshow(share, cmap="Blues", vmin=0, vmax=100)
    for row, column in np.argwhere(share >= 0.5):
        colour = "white" if share[row, column] > 60 else "black"
        axis.text(column, row, f"{share[row, column]:.0f}", ha="center", va="center", fontsize=8, color=colour)
    names = [name.replace("_", " ") for name in NUSCENES_LIDARSEG_CLASSES]
    absent = ["" if count else " (none)" for count in points[:, 0]]
    axis.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(len(names)), [name + note for name, note in zip(names, absent, strict=True)])
    axis.set_xlabel("predicted")
    axis.set_ylabel("true")
    figure.colorbar(image, ax=axis, label="per cent of the true points", shrink=0.8)
    return figure


def _bounds(interval: bootstrap.Interval | None) -> str:
    return "" if interval is None else f"   {bounds(interval)}"
