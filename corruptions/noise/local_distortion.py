"""Local distortion: a share of the points is measured at a wrong place nearby.

Yan et al., IJCV 132(7), 2024: 20 % of the points are jittered with a Gaussian of standard deviation sigma. The paper
gives no unit, axis or intensity rule; here sigma is in metres and acts on each axis alone, the points are drawn without
replacement, and the intensity stays.
"""

from __future__ import annotations

import numpy as np

from corruptions.core import Corrupted, Corruption, Scan, check_within
from corruptions.noise.displacement import choose_share, displace


def local_distortion(scan: Scan, rng: np.random.Generator, *, share: float, sigma_m: float) -> Corrupted:
    """Jitter ``round(share * N)`` points by N(0, sigma_m) along x, y and z.

    Args:
        scan: the sweep.
        rng: random stream.
        share: share of the points that are jittered, 0..1.
        sigma_m: standard deviation per axis in metres, 0 to 1000.

    Returns:
        The points in the order of the input, jittered ones ``MOVED``.
    """
    check_within("share", share, 0, 1)
    check_within("sigma_m", sigma_m, 0, 1000)
    rows = choose_share(len(scan.points), share, rng)
    return displace(scan, rows, rng.standard_normal((len(rows), 3), dtype=np.float32) * np.float32(sigma_m))


LOCAL_DISTORTION = Corruption(
    name="local_distortion",
    group="measurement noise",
    reference="Yan et al., IJCV 2024, local distortion",
    fn=local_distortion,
    levels={
        "light": {"share": 0.2, "sigma_m": 0.05},
        "moderate": {"share": 0.2, "sigma_m": 0.1},
        "heavy": {"share": 0.2, "sigma_m": 0.2},
    },
    severity="sigma_m",
)
