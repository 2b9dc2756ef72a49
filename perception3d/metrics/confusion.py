"""Semantic segmentation scores as functions of one confusion matrix; fractions, in numpy.

The matrix has one row per true class and one column per predicted class, and a last column for predictions of
"ignore", so matrices of samples, ranks and shards add up exactly.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError


def confusion_matrix(
    prediction: NDArray[np.integer], truth: NDArray[np.integer], num_classes: int = 19, ignore: int = 19
) -> NDArray[np.int64]:
    """Count points by true and predicted class.

    Args:
        prediction: int (N,) in 0..num_classes - 1, or ``ignore`` for a point left without a class.
        truth: int (N,) in 0..num_classes - 1, or ``ignore`` for a point that is not scored.
        num_classes: number of classes.
        ignore: id outside 0..num_classes - 1.

    Returns:
        int64 (num_classes, num_classes + 1): rows truth, columns prediction, last column predictions of ``ignore``.

    Raises:
        InputError: for different lengths, or ids that are neither a class nor ``ignore``.
    """
    if prediction.shape != truth.shape or truth.ndim != 1:
        raise InputError(
            f"prediction: expected one class per labelled point {truth.shape}, found {prediction.shape}; predictions "
            "must be in the order of the loaded points, every point once"
        )
    _check_ids(prediction, num_classes, ignore, "prediction")
    _check_ids(truth, num_classes, ignore, "truth")
    scored = truth != ignore
    column = np.where(prediction[scored] == ignore, num_classes, prediction[scored]).astype(np.int64)
    cell = truth[scored].astype(np.int64) * (num_classes + 1) + column
    counts = np.bincount(cell, minlength=num_classes * (num_classes + 1))
    return counts.reshape(num_classes, num_classes + 1).astype(np.int64)


def iou_per_class(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Intersection over union of each class as in semantic-kitti-api (``auxiliary/np_ioueval.py``).

    TP / (TP + FP + FN + 1e-15) over the points whose true class is scored. Predicting "ignore" on such a point is a
    miss; a class that neither occurs nor is predicted has 0 (not nan).

    Args:
        confusion: int64 (K, K + 1) from :func:`confusion_matrix`.

    Returns:
        float64 (K,) in 0..1.
    """
    true_positive = np.diagonal(confusion)
    union = confusion.sum(axis=1) + confusion[:, :-1].sum(axis=0) - true_positive
    return true_positive / (union + 1e-15)


def miou_official(confusion: NDArray[np.int64]) -> float:
    """Plain mean of :func:`iou_per_class` over all classes, absent ones included, as in semantic-kitti-api."""
    return float(iou_per_class(confusion).mean())


def miou_present(confusion: NDArray[np.int64], classes: Sequence[int]) -> float:
    """Mean of :func:`iou_per_class` over a fixed list of classes.

    Args:
        confusion: int64 (K, K + 1).
        classes: train ids, usually those that occur in the clean ground truth of the split. The list must be the same
            for all settings that are compared: a corruption can remove the last point of a rare class.

    Raises:
        InputError: as :func:`check_classes`.
    """
    check_classes(classes, len(confusion))
    return float(iou_per_class(confusion)[list(classes)].mean())


def check_classes(classes: Sequence[int], num_classes: int) -> None:
    """Raise :class:`InputError` unless ``classes`` are different train ids in 0..num_classes - 1, at least one."""
    if len(classes) == 0 or len(set(classes)) != len(classes) or not set(classes) <= set(range(num_classes)):
        raise InputError(
            f"present_classes: expected different train ids in 0..{num_classes - 1}, at least one, "
            f"found {list(classes)}; take them from dataset.present_classes()"
        )


def accuracy(confusion: NDArray[np.int64]) -> float:
    """Share of correct points as in semantic-kitti-api: predictions of "ignore" are not in the denominator."""
    return float(np.trace(confusion) / (confusion[:, :-1].sum() + 1e-15))


def classes_in_truth(confusion: NDArray[np.int64]) -> tuple[int, ...]:
    """Train ids with at least one true point."""
    return tuple(int(train_id) for train_id in np.flatnonzero(confusion.sum(axis=1)))


def _check_ids(ids: NDArray[np.integer], num_classes: int, ignore: int, name: str) -> None:
    if 0 <= ignore < num_classes:
        raise InputError(f"ignore: expected an id outside 0..{num_classes - 1}, found {ignore}")
    bad = ((ids < 0) | (ids >= num_classes)) & (ids != ignore)
    if bad.any():
        raise InputError(
            f"{name}: expected ids 0..{num_classes - 1} or {ignore} (ignore), found "
            f"{', '.join(map(str, np.unique(ids[bad])[:5]))} in {int(bad.sum())} of {len(ids)} points"
        )
