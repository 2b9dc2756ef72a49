"""IoU per class, mIoU and fwIoU as nuscenes-devkit has them, from confusion counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception3d.conventions import NUSCENES_LIDARSEG_CLASSES


@dataclass(frozen=True)
class LidarsegScores:
    """Scores of a set of points; fractions.

    Attributes:
        iou: float64 (16,) by class; nan for one that neither occurs nor is predicted.
        points: int64 (16,) true points by class.
        correct: number of points with the right class.
    """

    iou: NDArray[np.float64]
    points: NDArray[np.int64]
    correct: int

    @property
    def miou(self) -> float:
        """Mean IoU over the classes that occur or are predicted; nan without any."""
        known = ~np.isnan(self.iou)
        return float(self.iou[known].mean()) if known.any() else float("nan")

    @property
    def miou_present(self) -> float:
        """Mean IoU over the classes that occur: what parts of a data set are compared by. Not an official number."""
        return float(self.iou[self.points > 0].mean()) if self.points.any() else float("nan")

    @property
    def fwiou(self) -> float:
        """Mean IoU weighted by the number of true points; nan without any."""
        total = self.points.sum()
        return float(np.nansum(self.points * self.iou) / total) if total else float("nan")

    @property
    def accuracy(self) -> float:
        """Share of points with the right class; nan without any."""
        total = self.points.sum()
        return float(self.correct / total) if total else float("nan")

    def values(self) -> dict[str, float]:
        """``mIoU``, ``fwIoU``, ``acc`` and ``IoU/<class>``."""
        classes = zip(NUSCENES_LIDARSEG_CLASSES, self.iou.tolist(), strict=True)
        summary = {"mIoU": self.miou, "fwIoU": self.fwiou, "acc": self.accuracy}
        return {**summary, **{f"IoU/{name}": value for name, value in classes}}


def score(confusion: NDArray[np.int64]) -> LidarsegScores:
    """Scores of a confusion matrix int64 (16, 16 or 17) as ``metrics.confusion`` counts it.

    The union is rounded to float32 before the division, as nuscenes-devkit does: above 16.8 million points, as the
    driveable surface of the validation split has, that is seen in the eighth digit.
    """
    hits = np.diagonal(confusion)
    union = confusion.sum(axis=1) + confusion[:, : len(confusion)].sum(axis=0) - hits
    divisor = union.astype(np.float32).astype(np.float64)
    iou = np.divide(hits, divisor, out=np.full(len(hits), np.nan), where=union > 0)
    return LidarsegScores(iou, confusion.sum(axis=1), int(hits.sum()))
