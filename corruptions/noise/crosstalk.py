"""Crosstalk: pulses of another LiDAR put a few points far from where they belong.

The model of Robo3D (Kong et al., ICCV 2023, arXiv 2303.17597): a share of the points gets ``N(0, 3 m)`` noise. Their
code adds the same noise to the intensity, where its metres have no meaning and throw it out of range; here the
intensity stays. Their draws depend on the number of worker processes; ours come from the generator alone.
"""

from __future__ import annotations

import numpy as np

from corruptions.core import Corrupted, Corruption, Scan, check_within
from corruptions.noise.displacement import choose_share, displace


def crosstalk(scan: Scan, rng: np.random.Generator, *, share: float, sigma_m: float = 3.0) -> Corrupted:
    """Shift a share of the points by ``N(0, sigma_m)`` in x, y and z.

    Args:
        scan: the sweep.
        rng: random generator.
        share: share of the points hit, in [0, 1]; drawn without replacement.
        sigma_m: standard deviation of the shift per axis in metres.

    Returns:
        All points, those hit MOVED.

    Raises:
        InputError: for a share outside [0, 1] or ``sigma_m`` outside 0 to 1000 m.
    """
    check_within("share", share, 0, 1)
    check_within("sigma_m", sigma_m, 0, 1000)
    rows = choose_share(len(scan.points), share, rng)
    return displace(scan, rows, rng.standard_normal((len(rows), 3), dtype=np.float32) * np.float32(sigma_m))


CROSSTALK = Corruption(
    name="crosstalk",
    group="measurement noise",
    reference="Robo3D, Kong et al., ICCV 2023, arXiv 2303.17597",
    levels={"light": {"share": 0.006}, "moderate": {"share": 0.008}, "heavy": {"share": 0.010}},
    fn=crosstalk,
    severity="share of points moved",
)
