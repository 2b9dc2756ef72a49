"""What random augmentations of labelled scans share: a chance, a random stream, and labels that follow the points."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from numpy.typing import NDArray

from corruptions.core import InputError, check_within
from perception3d.transforms.randomness import next_generator

LABELS = ("pts_semantic_mask", "pts_instance_mask")


class Augmentation(BaseTransform):
    """A transform that acts with a chance, on a random stream of its own.

    Args:
        prob: chance that it acts on a scan, in [0, 1].
    """

    def __init__(self, prob: float = 1.0) -> None:
        check_within("prob", prob, 0, 1)
        self.prob = prob

    def transform(self, results: dict) -> dict:
        """Apply with chance ``prob``."""
        rng = next_generator()
        return self.apply(results, rng) if rng.random() < self.prob else results

    def apply(self, results: dict, rng: np.random.Generator) -> dict:
        """The augmentation itself."""
        raise NotImplementedError


def check_span(name: str, span: Any, low: float, high: float) -> tuple[float, float]:
    """A pair (least, most) within [low, high]; raises :class:`InputError` for anything else."""
    pair = tuple(span)
    if len(pair) != 2 or not low <= pair[0] <= pair[1] <= high:
        raise InputError(f"{name}: expected (least, most) in [{low:g}, {high:g}], found {span}")
    return float(pair[0]), float(pair[1])


def log_uniform(rng: np.random.Generator, span: tuple[float, float]) -> float:
    """A draw whose logarithm is uniform over the span, which is above 0."""
    return float(np.exp(rng.uniform(*np.log(span))))


def select_points(results: dict, keep: NDArray[np.bool_]) -> dict:
    """Keep some points with their labels; all of them where none would be left.

    Args:
        results: sample with ``points`` and labels, changed in place.
        keep: bool (N,).
    """
    if not keep.any():
        return results
    results["points"] = results["points"][torch.from_numpy(keep)]
    for key in LABELS:
        if key in results:
            results[key] = results[key][keep]
    return results


def xyzi_of(results: dict) -> NDArray[np.float32]:
    """float32 (N, C) points of a sample, sharing memory with them: x, y, z in metres, intensity, ...."""
    return results["points"].tensor.numpy()


def ranges_m(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,) distance from the sensor in metres."""
    return np.sqrt(np.einsum("ij,ij->i", points[:, :3], points[:, :3]))
