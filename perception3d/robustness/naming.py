"""What the scores of a task are called, for everything that shows rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from perception3d.robustness.rows import Row


@dataclass(frozen=True)
class Naming:
    """Names of the metrics of a task.

    Attributes:
        headline: the metric of all means and pictures, in per cent.
        second: the other mean over classes, in per cent.
        further: what else a setting has.
        digits: digits of ``further`` in tables.
        retention: heading of the headline in per cent of the clean one.
        means: names of the mean over the types of the headline, and of its retention.
        of_class: name of the score of one class.
        sample: what is counted.
        progress: the metrics of a line of progress.
    """

    headline: str
    second: str
    further: tuple[str, ...]
    digits: int
    retention: str
    means: tuple[str, str]
    of_class: str
    sample: str
    progress: tuple[str, ...]


SEGMENTATION = Naming(
    "mIoU_present", "mIoU", ("acc",), 1, "R", ("RmIoU", "mR"), "IoU", "scan", ("mIoU_present", "mIoU", "acc")
)
DETECTION = Naming(
    *("NDS", "mAP", ("mATE", "mASE", "mAOE", "mAVE", "mAAE"), 3, "RA", ("mean NDS", "mRA")),
    *("AP", "keyframe", ("NDS", "mAP")),
)


def naming_of(rows: Iterable[Row]) -> Naming:
    """Names for rows of one task; those of segmentation where nothing says otherwise."""
    for row in rows:
        of_several_sensors = bool(row.setting.get("parts"))
        if of_several_sensors or (row.score is not None and DETECTION.headline in row.score.metrics):
            return DETECTION
    return SEGMENTATION


def number(value: float | None, form: str = ".1f") -> str:
    """A number for people, or "-"."""
    return "-" if value is None else format(value, form)
