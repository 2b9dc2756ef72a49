"""Fog return of one LiDAR pulse: where the echo of the droplets peaks along the beam, and how strong it is.

Hahner et al., "Fog Simulation on Real LiDAR Point Clouds for 3D Object Detection in Adverse Weather", ICCV 2021: the
echo of a homogeneous fog in front of a target at range r0 is, up to a factor,

    I(R) = integral over t in [0, 2 tau] of sin^2(pi t / (2 tau)) exp(-2 alpha r) / r^2 xi(r) dt,   r = R - c t / 2,

for R <= r0. There I does not depend on r0, so the strongest echo before any target is a running maximum over R.
The range R of the echo is the one at which the pulse, 6 m long here, has passed; it includes half of it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

LIGHT_SPEED_M_PER_S = 299_792_458.0
# Half-power pulse width of the HDL-64E in the paper.
TAU_S = 20e-9
# Transmitter and receiver cones start to overlap at the first range and overlap fully from the second.
OVERLAP_START_M, OVERLAP_FULL_M = 0.9, 1.0
# The grids of the authors' tables; kept, because the position of the maximum is one of their nodes.
RANGE_STEP_M = 200.0 / 1999
TIME_NODES = 2000
# With the pulse wholly past the overlap (1 m + 6 m) a larger R only takes the fog further away: no maximum beyond.
_LAST_NODE = int(np.ceil((OVERLAP_FULL_M + LIGHT_SPEED_M_PER_S * TAU_S) / RANGE_STEP_M))


def overlap(range_m: NDArray[np.floating]) -> NDArray[np.floating]:
    """Share of the beam that the receiver sees at each range: 0 up to 0.9 m, 1 from 1 m, linear between."""
    return np.clip((range_m - OVERLAP_START_M) / (OVERLAP_FULL_M - OVERLAP_START_M), 0.0, 1.0)


@lru_cache(maxsize=64)
def fog_table(alpha_per_m: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Strongest fog echo in front of a target, for targets on a grid of ranges.

    Args:
        alpha_per_m: attenuation coefficient of the fog.

    Returns:
        (K,) range of the echo in metres and (K,) its value I, for targets at k * ``RANGE_STEP_M``. The last entry holds
        for every target further away. Read-only, as the tables are cached.
    """
    target_m = RANGE_STEP_M * np.arange(_LAST_NODE + 1)
    time_s = np.linspace(0.0, 2 * TAU_S, TIME_NODES)
    scatter_m = target_m[:, None] - LIGHT_SPEED_M_PER_S / 2 * time_s
    visible = overlap(scatter_m)
    scatter_m = np.where(visible > 0, scatter_m, 1.0)
    pulse = np.sin(np.pi / (2 * TAU_S) * time_s) ** 2
    echo = (pulse * np.exp(-2 * alpha_per_m * scatter_m) / scatter_m**2 * visible) @ _simpson_weights(time_s)
    strongest_at = np.maximum.accumulate(np.where(echo >= np.maximum.accumulate(echo), np.arange(len(echo)), 0))
    tables = target_m[strongest_at], echo[strongest_at]
    for table in tables:
        table.setflags(write=False)
    return tables


def _simpson_weights(nodes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights of composite Simpson for an even number of equidistant nodes.

    The odd interval is a trapezoid, once at the front and once at the end, averaged: the rule scipy had when the
    authors' tables were made. It moves the tables by 1e-5, and with it they are reproduced to 9 digits.
    """
    weights = np.ones(len(nodes))
    weights[[0, -1]] = 5 / 12
    weights[[1, -2]] = 13 / 12
    return weights * (nodes[1] - nodes[0])
