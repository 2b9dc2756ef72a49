"""Scans as sparser sensors see them: random subsets of beams, lost points, short visibility.

Density as a training variable follows Kim et al., "Rethinking LiDAR Domain Generalization: Single Source as Multiple
Density Domains", ECCV 2024. Leaving out random beams is close in kind to the cross-device settings of SemanticKITTI-C;
the fixed patterns of those settings (every 2nd, every 4th beam, centred) are never drawn, nor is their rule for points.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from corruptions.core import check_within
from corruptions.device.beam_reduction import BEAM_REDUCTION, evenly
from corruptions.sensors import estimate_rings
from corruptions.sensors import sensor as sensor_model
from perception3d.registry import TRANSFORMS
from perception3d.transforms.augmentation import (
    Augmentation,
    check_span,
    log_uniform,
    ranges_m,
    select_points,
    xyzi_of,
)

SCORED_BEAMS = tuple(sorted({level["beams"] for level in BEAM_REDUCTION.levels.values()}))


def draw_beams(rng: np.random.Generator, num_rings: int, min_beams: float) -> NDArray[np.bool_]:
    """Beams to keep: about evenly spaced, with a random count, phase and irregularity.

    The beams are cut into equal strata, one beam of each stays. Its place is the same in every stratum, or drawn anew,
    or anything between. The patterns that SemanticKITTI-C scores are drawn again.

    Args:
        rng: random stream.
        num_rings: number of beams of the sensor.
        min_beams: fewest beams to keep; the count is log-uniform from there to all.

    Returns:
        bool (num_rings,).
    """
    while True:
        beams = int(log_uniform(rng, (min_beams, num_rings + 1 - 1e-9)))
        irregularity = rng.uniform()
        place = (1 - irregularity) * rng.uniform() + irregularity * rng.uniform(size=beams)
        keep = np.zeros(num_rings, dtype=bool)
        keep[np.floor(num_rings / beams * (np.arange(beams) + place)).astype(np.intp)] = True
        if not is_scored_pattern(keep):
            return keep


def is_scored_pattern(keep: NDArray[np.bool_]) -> bool:
    """Whether the kept beams (bool (num_rings,)) are those of a cross-device setting of SemanticKITTI-C."""
    kept = np.flatnonzero(keep)
    return any(np.array_equal(kept, evenly(beams, len(keep))) for beams in SCORED_BEAMS if beams <= len(keep))


def chance_of_return(range_m: NDArray[np.float32], visibility_m: float, sharpness: float) -> NDArray[np.float32]:
    """(N,) chance exp(-(r / visibility)^sharpness) that a point is still seen; 1 / e at the visibility."""
    return np.exp(-((range_m / np.float32(visibility_m)) ** np.float32(sharpness)))


@TRANSFORMS.register_module()
class RandomBeams(Augmentation):
    """Leave out beams at random (:func:`draw_beams`). Directly after the labels: files store points beam by beam.

    Args:
        prob: chance that it acts on a scan.
        min_beams: fewest beams to keep.
        sensor: LiDAR model in ``corruptions.sensors``.
        ring_dim: column that holds the laser index (4 in nuScenes); None to estimate it.
    """

    def __init__(
        self, prob: float = 0.5, min_beams: int = 16, sensor: str = "HDL-64E", ring_dim: int | None = None
    ) -> None:
        super().__init__(prob)
        self.sensor = sensor_model(sensor)
        check_within("min_beams", min_beams, 2, self.sensor.num_rings, whole=True)
        self.min_beams = min_beams
        self.ring_dim = ring_dim

    def apply(self, results: dict, rng: np.random.Generator) -> dict:
        """Keep the points of the drawn beams."""
        points = xyzi_of(results)
        keep = draw_beams(rng, self.sensor.num_rings, self.min_beams)
        if self.ring_dim is None:
            ring = estimate_rings(points, self.sensor)
        else:
            ring = points[:, self.ring_dim].astype(np.int32)
        return select_points(results, keep[ring])


@TRANSFORMS.register_module()
class RandomPointDrop(Augmentation):
    """Leave out a random share of the points.

    Args:
        prob: chance that it acts on a scan.
        max_share: the share is uniform in [0, max_share].
    """

    def __init__(self, prob: float = 0.5, max_share: float = 0.5) -> None:
        super().__init__(prob)
        check_within("max_share", max_share, 0, 1)
        self.max_share = max_share

    def apply(self, results: dict, rng: np.random.Generator) -> dict:
        """Keep the others."""
        share = rng.uniform(0, self.max_share)
        return select_points(results, rng.random(len(results["points"])) >= share)


@TRANSFORMS.register_module()
class RandomVisibility(Augmentation):
    """Lose points with distance, as through dirt, weak lasers or thick air; none is moved, none is dimmed.

    Args:
        prob: chance that it acts on a scan.
        visibility_m: least and most distance at which 1 / e of the points is left, drawn log-uniform.
        sharpness: least and most exponent: 1 fades slowly, large values cut at the visibility.
    """

    def __init__(
        self,
        prob: float = 0.3,
        visibility_m: Sequence[float] = (8.0, 60.0),
        sharpness: Sequence[float] = (1.0, 6.0),
    ) -> None:
        super().__init__(prob)
        self.visibility_m = check_span("visibility_m", visibility_m, 1.0, 1000.0)
        self.sharpness = check_span("sharpness", sharpness, 0.1, 100.0)

    def apply(self, results: dict, rng: np.random.Generator) -> dict:
        """Keep what is still seen."""
        chance = chance_of_return(
            ranges_m(xyzi_of(results)), log_uniform(rng, self.visibility_m), rng.uniform(*self.sharpness)
        )
        return select_points(results, rng.random(len(chance)) < chance)
