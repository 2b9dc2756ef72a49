"""Evaluation of lidarseg predictions: numbers, intervals, breakdowns, comparison and the confusion as a picture."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from corruptions.files import write_atomically
from perception3d.conventions import NUSCENES_LIDARSEG_CLASSES
from perception3d.metrics.nuscenes_detection import bootstrap
from perception3d.metrics.nuscenes_detection.tables import aligned, comparison_markdown, number
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
        draws: scores in each bootstrap draw, by name; None without a bootstrap.
    """

    evaluation: Evaluation
    draws: dict[str, NDArray[np.float64]] | None

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
        tables += [parts_table("range", by_range(self.evaluation))] if self.evaluation.ranges_m else []
        if self.evaluation.ranges_m is None:
            tables.append("no scores by range: not all LiDAR sweeps are on disk")
        return "\n\n".join([*tables, parts_table("condition", by_condition(self.evaluation))])


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
        evaluation = evaluate(tree, truth, str(path))
    return Report(evaluation, None if copies is None else replicate(evaluation, copies))


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
    rows = [
        [part.name, str(part.sweeps), str(int(scores.points.sum())), str(int((scores.points > 0).sum()))]
        + [number(value) for value in (scores.miou_present, scores.fwiou, scores.accuracy)]
        for part in parts
        for scores in [part.scores]
    ]
    return aligned([title, "samples", "points", "classes", *SUMMARY], rows)


def write_report(report: Report, folder: Path) -> None:
    """Write ``metrics_summary.json`` (fields of nuscenes-devkit, and intervals), the tables, counts and a picture."""
    scores = report.evaluation.scores
    iou = dict(zip(NUSCENES_LIDARSEG_CLASSES, (_or_none(value) for value in scores.iou), strict=True))
    summary = {
        "iou_per_class": iou,
        "miou": _or_none(scores.miou),
        "freq_weighted_iou": _or_none(scores.fwiou),
        "accuracy": _or_none(scores.accuracy),
        "intervals_95": {
            name: {key: _or_none(value) for key, value in dataclasses.asdict(item).items()}
            for name, item in report.intervals.items()
        }
        or None,
    }
    write_atomically(folder / "metrics_summary.json", json.dumps(summary, indent=2, allow_nan=False).encode())
    scenes = parts_table("scene", by_scene(report.evaluation))
    write_atomically(folder / "tables.txt", f"{report.text()}\n\n{scenes}\n".encode())
    counts, picture = io.BytesIO(), io.BytesIO()
    np.save(counts, report.evaluation.confusion, allow_pickle=False)
    write_atomically(folder / "confusion_matrix.npy", counts.getvalue())
    confusion_picture(report.evaluation.confusion).savefig(picture, format="png")
    write_atomically(folder / "confusion.png", picture.getvalue())


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
    return "" if interval is None else f"   [{number(interval.low)}, {number(interval.high)}]"


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
