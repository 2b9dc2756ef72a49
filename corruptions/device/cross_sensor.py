"""Cross-sensor: the scan as a LiDAR with fewer lasers and half the azimuth resolution would have seen it.

The model of Robo3D (Kong et al., ICCV 2023, arXiv 2303.17597), which drops 16, 32 or 48 of 64 lasers (8, 16, 24 of 32)
at even spacing and then every second point. Its code takes every second point of the whole remaining array, so that a
laser may lose more than half or less; here it is every second one of each laser, and the lasers are spaced evenly at
every level.
"""

from __future__ import annotations

import numpy as np

from corruptions.core import Corrupted, Corruption, Scan, check_within
from corruptions.device.beam_reduction import beam_reduction
from corruptions.sensors import sensor


def cross_sensor(scan: Scan, rng: np.random.Generator, *, drop_share: float, stride: int = 2) -> Corrupted:
    """Keep ``lasers - round(drop_share * lasers)`` lasers, evenly spaced, and every ``stride``-th point of each.

    Nothing is drawn from ``rng``: the same lasers are missing in every scan, as with a real device.

    Args:
        scan: the sweep; its rings are estimated where it has none.
        rng: random generator (not used).
        drop_share: share of the sensor's lasers to leave out, 0 to just below 1.
        stride: 2 keeps every second point of a kept laser.

    Returns:
        The kept points, untouched.

    Raises:
        InputError: for a share outside [0, 1] or one that leaves no laser.
    """
    check_within("drop_share", drop_share, 0, 1)
    num_rings = sensor(scan.sensor).num_rings if scan.ring is None else scan.ring_count
    return beam_reduction(scan, rng, beams=num_rings - round(drop_share * num_rings), stride=stride)


CROSS_SENSOR = Corruption(
    name="cross_sensor",
    group="cross-device",
    reference="Robo3D, Kong et al., ICCV 2023, arXiv 2303.17597",
    levels={"light": {"drop_share": 0.25}, "moderate": {"drop_share": 0.5}, "heavy": {"drop_share": 0.75}},
    fn=cross_sensor,
    severity="share of points lost",
)
