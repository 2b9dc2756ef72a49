"""Points that go missing: everywhere (density decrease) or in patches (cutout). What is left is untouched."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from corruptions.core import Corrupted, Corruption, InputError, Scan, check_within, select
from corruptions.noise.displacement import choose_share


def density_decrease(scan: Scan, rng: np.random.Generator, *, drop_share: float) -> Corrupted:
    """Remove a share of the points at random.

    Args:
        scan: the sweep.
        rng: random generator.
        drop_share: share of the points that go, in [0, 1].

    Returns:
        The remaining points.

    Raises:
        InputError: for a share outside [0, 1].
    """
    check_within("drop_share", drop_share, 0, 1)
    keep = np.ones(len(scan.points), dtype=bool)
    keep[choose_share(len(scan.points), drop_share, rng)] = False
    return select(scan, keep)


def cutout(scan: Scan, rng: np.random.Generator, *, patches: int, patch_share: float = 0.02) -> Corrupted:
    """Remove patches: each a random remaining point and its nearest neighbours.

    Args:
        scan: the sweep.
        rng: random generator.
        patches: number of patches.
        patch_share: size of a patch as a share of the scan's points, rounded down to points.

    Returns:
        The points outside the patches; ``patches * floor(patch_share * N)`` are gone.

    Raises:
        InputError: for values out of range, or patches that together exceed the scan.
    """
    check_within("patches", patches, 0, whole=True)
    check_within("patch_share", patch_share, 0, 1)
    if patches * patch_share > 1:
        raise InputError(
            f"patches: {patches} of {patch_share:g} of the scan each exceed it; take fewer or smaller ones"
        )
    keep = np.ones(len(scan.points), dtype=bool)
    size = int(patch_share * len(keep))
    xyz = np.ascontiguousarray(scan.points[:, :3].T)
    for _ in range(patches if size else 0):
        left = np.flatnonzero(keep)
        dx, dy, dz = xyz - xyz[:, left[rng.integers(len(left))], None]
        patch = _smallest(dx * dx + dy * dy + dz * dz, size)
        keep[patch] = False
        xyz[:, patch] = np.inf  # far from every later centre
    return select(scan, keep)


def _smallest(values: NDArray[np.float32], size: int) -> NDArray[np.intp]:
    """Indices of the ``size`` smallest; a bound from every 16th value, twice what is needed, leaves few to sort out."""
    sample = values[::16]
    rank = min(size // 8, len(sample) - 1)
    few = np.flatnonzero(values <= np.partition(sample, rank)[rank])
    if len(few) < size:
        few = np.arange(len(values))
    return few[np.argpartition(values[few], size - 1)[:size]]


DENSITY_DECREASE = Corruption(
    name="density_decrease",
    group="sensor failure",
    # Dong et al. remove 6 ... 30 %; the released generator of MultiCorrupt removes these shares.
    reference="MultiCorrupt, Beemelmanns et al., IV 2024, arXiv 2402.11677 (points reducing)",
    levels={"light": {"drop_share": 0.2}, "moderate": {"drop_share": 0.4}, "heavy": {"drop_share": 0.6}},
    fn=density_decrease,
    severity="share of points lost",
)
CUTOUT = Corruption(
    name="cutout",
    group="sensor failure",
    reference="Dong et al., CVPR 2023, arXiv 2303.11040, severities 1, 3, 5",
    levels={"light": {"patches": 2}, "moderate": {"patches": 5}, "heavy": {"patches": 10}},
    fn=cutout,
    severity="share of points lost",
)
