"""Cross-device: the scan as a LiDAR with fewer lasers, and fewer points per laser, would have seen it.

Yan et al., IJCV 132(7), 2024: 32 or 16 of 64 beams are kept (dense), of which half of the points are kept (sparse). The
paper does not say which; here every 2nd or 4th laser, centred in the field of view, and every 2nd point of a laser.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from corruptions.core import Corrupted, Corruption, InputError, Scan, check_within, select
from corruptions.sensors import rings_of


def beam_reduction(scan: Scan, rng: np.random.Generator, *, beams: int, stride: int = 1) -> Corrupted:
    """Keep ``beams`` lasers, evenly spaced, and every ``stride``-th point of each, in the order of the file.

    Nothing is drawn from ``rng``: the same lasers are missing in every scan, as with a real device.

    Args:
        scan: the sweep; its rings are estimated where it has none.
        rng: random stream (not used).
        beams: lasers to keep.
        stride: 1 keeps every point of a kept laser, 2 every second one.

    Returns:
        The kept points in the order of the input.

    Raises:
        InputError: when the scan has fewer than ``beams`` lasers.
    """
    check_within("stride", stride, 1, whole=True)
    check_within("beams", beams, 1, whole=True)
    if len(scan.points) == 0:
        return select(scan, np.zeros(0, dtype=bool))
    ring, num_rings = rings_of(scan)
    if beams > num_rings:
        raise InputError(f"beams: the scan has {num_rings} lasers, found {beams}; take a level for fewer beams")
    kept_ring = np.zeros(num_rings, dtype=bool)
    kept_ring[evenly(beams, num_rings)] = True
    keep = kept_ring[ring]
    if stride > 1:
        keep &= _rank_in_ring(ring, num_rings) % stride == 0
    return select(scan, keep)


def evenly(beams: int, num_rings: int) -> NDArray[np.intp]:
    """(beams,) ring indices spread evenly over 0..num_rings - 1, centred: 1, 3, 5 ... for 32 of 64."""
    return (2 * np.arange(beams) + 1) * num_rings // (2 * beams)


def _rank_in_ring(ring: NDArray[np.integer], num_rings: int) -> NDArray[np.intp]:
    """(N,) how many points of the same ring come before each point."""
    by_ring = np.argsort(ring.astype(np.int16), kind="stable")
    counts = np.bincount(ring, minlength=num_rings)
    rank = np.empty(len(ring), dtype=np.intp)
    rank[by_ring] = np.arange(len(ring)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rank


BEAM_REDUCTION = Corruption(
    name="beam_reduction",
    group="cross-device",
    reference="Yan et al., IJCV 2024, cross 32-beam and 16-beam device",
    fn=beam_reduction,
    levels={
        "dense_32beam": {"beams": 32, "stride": 1},
        "sparse_32beam": {"beams": 32, "stride": 2},
        "dense_16beam": {"beams": 16, "stride": 1},
        "sparse_16beam": {"beams": 16, "stride": 2},
    },
    severity="share of the points removed; sparse_32beam and dense_16beam remove about the same",
)
