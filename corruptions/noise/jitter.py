"""Position noise: Gaussian and uniform on every point, impulses on a share of them.

The LiDAR noise of Dong et al., "Benchmarking Robustness of 3D Object Detection to Common Corruptions in Autonomous
Driving", CVPR 2023, arXiv 2303.11040, at its severities 1, 3 and 5. Their code adds the same numbers, meant as metres,
to the intensity too; here only x, y, z are noisy. The points still belong to what they hit, so labels may follow them.
"""

from __future__ import annotations

import numpy as np

from corruptions.core import ADDED, Corrupted, Corruption, Scan, check_within
from corruptions.noise.displacement import choose_share, displace


def gaussian_noise(scan: Scan, rng: np.random.Generator, *, sigma_m: float) -> Corrupted:
    """Shift every point by ``N(0, sigma_m)`` in x, y and z.

    Args:
        scan: the sweep.
        rng: random generator.
        sigma_m: standard deviation along each axis.

    Returns:
        All points, moved.

    Raises:
        InputError: for ``sigma_m`` outside 0 to 1000 m.
    """
    check_within("sigma_m", sigma_m, 0, 1000)
    noise = rng.standard_normal((len(scan.points), 3), dtype=np.float32)
    return displace(scan, slice(None), noise * np.float32(sigma_m))


def uniform_noise(scan: Scan, rng: np.random.Generator, *, amplitude_m: float) -> Corrupted:
    """Shift every point by a uniform draw from ``[-amplitude_m, amplitude_m)`` in x, y and z.

    Args:
        scan: the sweep.
        rng: random generator.
        amplitude_m: largest shift along an axis.

    Returns:
        All points, moved.

    Raises:
        InputError: for ``amplitude_m`` outside 0 to 1000 m.
    """
    check_within("amplitude_m", amplitude_m, 0, 1000)
    noise = rng.random((len(scan.points), 3), dtype=np.float32)
    return displace(scan, slice(None), (2 * noise - 1) * np.float32(amplitude_m))


def impulse_noise(scan: Scan, rng: np.random.Generator, *, share: float, amplitude_m: float = 0.1) -> Corrupted:
    """Shift a share of the points by ``+amplitude_m`` or ``-amplitude_m`` in each of x, y and z.

    Args:
        scan: the sweep.
        rng: random generator.
        share: share of the points that move, in [0, 1].
        amplitude_m: length of the shift along each axis.

    Returns:
        All points, the chosen ones moved.

    Raises:
        InputError: for a share outside [0, 1] or an amplitude outside 0 to 1000 m.
    """
    check_within("share", share, 0, 1)
    check_within("amplitude_m", amplitude_m, 0, 1000)
    rows = choose_share(len(scan.points), share, rng)
    signs = rng.integers(0, 2, size=(len(rows), 3)) * 2 - 1
    return displace(scan, rows, signs.astype(np.float32) * np.float32(amplitude_m))


_DONG = "Dong et al., CVPR 2023, arXiv 2303.11040, severities 1, 3, 5"

GAUSSIAN_NOISE = Corruption(
    name="gaussian_noise",
    group="measurement noise",
    reference=_DONG,
    levels={"light": {"sigma_m": 0.02}, "moderate": {"sigma_m": 0.06}, "heavy": {"sigma_m": 0.10}},
    fn=gaussian_noise,
    severity="root mean square displacement",
    drop=(ADDED,),
)
UNIFORM_NOISE = Corruption(
    name="uniform_noise",
    group="measurement noise",
    reference=_DONG,
    levels={"light": {"amplitude_m": 0.02}, "moderate": {"amplitude_m": 0.06}, "heavy": {"amplitude_m": 0.10}},
    fn=uniform_noise,
    severity="root mean square displacement",
    drop=(ADDED,),
)
IMPULSE_NOISE = Corruption(
    name="impulse_noise",
    group="measurement noise",
    reference=_DONG,
    levels={"light": {"share": 1 / 30}, "moderate": {"share": 1 / 20}, "heavy": {"share": 1 / 10}},
    fn=impulse_noise,
    severity="share of points moved",
)
