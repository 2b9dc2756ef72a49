"""Detections or annotated boxes of many nuScenes keyframes as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError
from perception3d.conventions import NUSCENES_ATTRIBUTES, NUSCENES_DETECTION_CLASSES

LABELS = {name: label for label, name in enumerate(NUSCENES_DETECTION_CLASSES)}
ATTRIBUTES = {"": -1, **{name: index for index, name in enumerate(NUSCENES_ATTRIBUTES)}}


@dataclass(frozen=True)
class NuScenesBoxes:
    """N boxes in the global frame, one row each, in the order of their file.

    Attributes:
        sample: int64 (N,) position of the keyframe in a list of sample tokens kept beside the boxes.
        label: int64 (N,) position in ``NUSCENES_DETECTION_CLASSES``.
        center_m: float64 (N, 3) x, y, z.
        size_m: float64 (N, 3) width, length, height.
        rotation: float64 (N, 4) quaternion w, x, y, z.
        velocity_m_s: float64 (N, 2) x, y; nan where an annotation has none.
        attribute: int64 (N,) position in ``NUSCENES_ATTRIBUTES``, -1 for none.
        score: float64 (N,) confidence of a detection; -1 for annotations.
    """

    sample: NDArray[np.int64]
    label: NDArray[np.int64]
    center_m: NDArray[np.float64]
    size_m: NDArray[np.float64]
    rotation: NDArray[np.float64]
    velocity_m_s: NDArray[np.float64]
    attribute: NDArray[np.int64]
    score: NDArray[np.float64]

    def __post_init__(self) -> None:
        count = len(self.sample)
        for name, width in (("center_m", 3), ("size_m", 3), ("rotation", 4), ("velocity_m_s", 2)):
            if getattr(self, name).shape != (count, width):
                raise InputError(f"{name}: expected shape {(count, width)}, found {getattr(self, name).shape}")
        for name in ("label", "attribute", "score"):
            if getattr(self, name).shape != (count,):
                raise InputError(f"{name}: expected shape {(count,)}, found {getattr(self, name).shape}")

    def __len__(self) -> int:
        return len(self.sample)

    def take(self, rows: NDArray[Any]) -> NuScenesBoxes:
        """The boxes of ``rows``, a mask or indices."""
        return NuScenesBoxes(*(getattr(self, field.name)[rows] for field in fields(self)))


def concatenate(parts: Sequence[NuScenesBoxes]) -> NuScenesBoxes:
    """All boxes of ``parts``, in order; no parts give no boxes."""
    if not parts:
        return empty()
    return NuScenesBoxes(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(NuScenesBoxes)))


def empty() -> NuScenesBoxes:
    """No boxes."""
    whole, real = np.zeros(0, dtype=np.int64), np.zeros(0)
    return NuScenesBoxes(
        whole, whole, np.zeros((0, 3)), np.zeros((0, 3)), np.zeros((0, 4)), np.zeros((0, 2)), whole, real
    )
