"""Beam missing: lasers that return nothing, through dirt or damage.

The model of Robo3D (Kong et al., ICCV 2023, arXiv 2303.17597), which drops 16, 32 or 48 of 64 lasers (8, 16, 24 of
32). Its code draws the lasers with replacement, so that "48 of 64" removes about 33; here they are distinct. It spares
the four uppermost and the five lowest lasers; here all may fail.
"""

from __future__ import annotations

import numpy as np

from corruptions.core import Corrupted, Corruption, Scan, check_within, select
from corruptions.sensors import rings_of


def beam_missing(scan: Scan, rng: np.random.Generator, *, drop_share: float) -> Corrupted:
    """Remove all points of ``round(drop_share * lasers)`` lasers drawn at random.

    Args:
        scan: the sweep; its rings are estimated where it has none.
        rng: random generator.
        drop_share: share of the sensor's lasers that fail, in [0, 1].

    Returns:
        The points of the other lasers, untouched.

    Raises:
        InputError: for a share outside [0, 1].
    """
    check_within("drop_share", drop_share, 0, 1)
    if len(scan.points) == 0:
        return select(scan, np.zeros(0, dtype=bool))
    ring, num_rings = rings_of(scan)
    works = np.ones(num_rings, dtype=bool)
    works[rng.choice(num_rings, round(drop_share * num_rings), replace=False)] = False
    return select(scan, works[ring])


BEAM_MISSING = Corruption(
    name="beam_missing",
    group="sensor failure",
    reference="Robo3D, Kong et al., ICCV 2023, arXiv 2303.17597",
    levels={"light": {"drop_share": 0.25}, "moderate": {"drop_share": 0.5}, "heavy": {"drop_share": 0.75}},
    fn=beam_missing,
    severity="share of lasers lost",
)
