"""Points where no labelled surface is, and surfaces measured badly: jitter of regions, airborne clutter, intensity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from corruptions.core import INTENSITY, check_within
from perception3d.registry import TRANSFORMS
from perception3d.transforms.augmentation import Augmentation, check_span, log_uniform, ranges_m, xyzi_of

NO_INSTANCE = 0


@TRANSFORMS.register_module()
class SelectiveJitter(Augmentation):
    """Jitter every point of a random region: an interval of distances or a sector of azimuths. Labels stay.

    After Park et al., "Rethinking Data Augmentation for Robust LiDAR Semantic Segmentation in Adverse Weather", ECCV
    2024. It differs from the local distortion of SemanticKITTI-C, which jitters a fixed share of points, each alone.

    Args:
        prob: chance that it acts on a scan.
        max_sigma_m: the standard deviation per axis is uniform in [0, max_sigma_m].
    """

    def __init__(self, prob: float = 0.5, max_sigma_m: float = 0.2) -> None:
        super().__init__(prob)
        check_within("max_sigma_m", max_sigma_m, 0, 10)
        self.max_sigma_m = max_sigma_m

    def apply(self, results: dict, rng: np.random.Generator) -> dict:
        """Move the points of the region."""
        points = xyzi_of(results)
        rows = np.flatnonzero(draw_region(points, rng))
        sigma_m = np.float32(rng.uniform(0, self.max_sigma_m))
        points[rows, :3] += rng.standard_normal((len(rows), 3), dtype=np.float32) * sigma_m
        return results


def draw_region(points: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Points (bool (N,)) of a random interval of distances (between two points' own) or a azimuth sector."""
    if rng.random() < 0.5:
        range_m = ranges_m(points)
        near, far = np.sort(range_m[rng.integers(len(points), size=2)])
        return (range_m >= near) & (range_m <= far)
    turn = (np.arctan2(points[:, 1], points[:, 0]) - rng.uniform(0, 2 * np.pi)) % (2 * np.pi)
    return turn < rng.uniform(0, 2 * np.pi)


@TRANSFORMS.register_module()
class NearClutter(Augmentation):
    """Returns of small things in the air (dust, exhaust, insects): random rays end early, without a class.

    A drawn ray returns at ``min_range_m`` + an exponential distance, where that is nearer than its target. The return
    comes instead of the target's, or as a second one; one of the two for the whole scan. No weather model is behind it:
    the chance does not depend on the target, and the intensity is any.

    Args:
        prob: chance that it acts on a scan.
        max_share: the share of the rays is ``max_share`` u^2 with u uniform: mostly few.
        scale_m: least and most mean of the exponential distance, drawn log-uniform.
        min_range_m: nearest return.
        ignore_index: train id of the new points.
    """

    def __init__(
        self,
        prob: float = 0.5,
        max_share: float = 0.6,
        scale_m: Sequence[float] = (1.5, 20.0),
        min_range_m: float = 1.0,
        ignore_index: int = 19,
    ) -> None:
        super().__init__(prob)
        check_within("max_share", max_share, 0, 1)
        check_within("min_range_m", min_range_m, 0, 100)
        self.max_share = max_share
        self.scale_m = check_span("scale_m", scale_m, 0.01, 1000.0)
        self.min_range_m = min_range_m
        self.ignore_index = ignore_index

    def apply(self, results: dict, rng: np.random.Generator) -> dict:
        """Put the returns in."""
        points = xyzi_of(results)
        rows = np.flatnonzero(rng.random(len(points)) < self.max_share * rng.uniform() ** 2)
        at_m = self.min_range_m + rng.exponential(log_uniform(rng, self.scale_m), len(rows))
        target_m = ranges_m(points[rows])
        early = at_m < target_m
        rows, nearer = rows[early], (at_m[early] / target_m[early]).astype(np.float32)
        clutter = points[rows]
        clutter[:, :3] *= nearer[:, None]
        brightest = max(float(points[:, INTENSITY].max()), 0.0)
        clutter[:, INTENSITY] = rng.uniform(0, brightest * rng.uniform(), len(rows))
        if rng.random() < 0.5:
            points[rows] = clutter
            return self._label(results, rows)
        return self._append(results, clutter)

    def _label(self, results: dict, rows: NDArray[np.intp]) -> dict:
        for key, value in (("pts_semantic_mask", self.ignore_index), ("pts_instance_mask", NO_INSTANCE)):
            if key in results:
                results[key] = results[key].copy()
                results[key][rows] = value
        return results

    def _append(self, results: dict, clutter: NDArray[np.float32]) -> dict:
        points = results["points"]
        results["points"] = points.cat([points, points.new_point(clutter)])
        for key, value in (("pts_semantic_mask", self.ignore_index), ("pts_instance_mask", NO_INSTANCE)):
            if key in results:
                filled = np.full(len(clutter), value, dtype=results[key].dtype)
                results[key] = np.concatenate([results[key], filled])
        return results


@TRANSFORMS.register_module()
class RandomIntensity(Augmentation):
    """Intensity of another device or calibration: random gain, offset and range correction; or none at all.

    Received power falls with the square of the distance and every device corrects for it in its own way, hence the
    factor (10 m / r)^k with a random k.

    Args:
        prob: chance that it acts on a scan.
        gain: least and most factor, drawn log-uniform.
        max_offset: the offset is uniform in +-max_offset, as a share of ``intensity_max``.
        range_exponent: least and most k.
        drop_prob: chance that an affected scan has intensity 0 everywhere.
        intensity_max: full scale of the column: 1.0 SemanticKITTI, 255.0 nuScenes; results are clipped to it.
    """

    def __init__(
        self,
        prob: float = 0.5,
        gain: Sequence[float] = (0.1, 2.0),
        max_offset: float = 0.1,
        range_exponent: Sequence[float] = (-0.5, 2.0),
        drop_prob: float = 0.3,
        intensity_max: float = 1.0,
    ) -> None:
        super().__init__(prob)
        check_within("max_offset", max_offset, 0, 1)
        check_within("drop_prob", drop_prob, 0, 1)
        self.gain = check_span("gain", gain, 1e-3, 1e3)
        self.max_offset = max_offset
        self.range_exponent = check_span("range_exponent", range_exponent, -4.0, 4.0)
        self.drop_prob = drop_prob
        self.intensity_max = intensity_max

    def apply(self, results: dict, rng: np.random.Generator) -> dict:
        """Change the intensity column."""
        points = xyzi_of(results)
        if rng.random() < self.drop_prob:
            points[:, INTENSITY] = 0
            return results
        correction = (10.0 / np.maximum(ranges_m(points), 1.0)) ** rng.uniform(*self.range_exponent)
        shifted = points[:, INTENSITY] * (log_uniform(rng, self.gain) * correction)
        shifted += rng.uniform(-1, 1) * self.max_offset * self.intensity_max
        points[:, INTENSITY] = np.clip(shifted, 0, self.intensity_max)
        return results
