"""Motion blur: the sweep sits off its true position, and every point jitters about it.

The model of Robo3D (Kong et al., "Robo3D: Towards Robust and Reliable 3D Perception against Corruptions", ICCV 2023,
arXiv 2303.17597): one shift ``N(0, s)`` per axis for the whole scan plus jitter of 0.1 s in x and y and 0.05 s in z
per point.

Two changes. The shift has a random direction and the fixed length ``sqrt(3) s``, the root mean square of theirs: with
a random length a heavy scan is often less blurred than a light one. Their limit of 3 s on a jitter of 0.1 s can never
act and is left out.
"""

from __future__ import annotations

import numpy as np

from corruptions.core import ADDED, Corrupted, Corruption, Scan, check_within
from corruptions.noise.displacement import displace

JITTER_SHARE = (0.1, 0.1, 0.05)


def motion_blur(scan: Scan, rng: np.random.Generator, *, sigma_m: float) -> Corrupted:
    """Shift the scan by ``sqrt(3) sigma_m`` in a random direction and jitter each point by a tenth of ``sigma_m``.

    Args:
        scan: the sweep.
        rng: random generator.
        sigma_m: standard deviation of the shift per axis, in metres; 0 is the identity.

    Returns:
        All points, MOVED; intensity as it was. They still belong to what they hit, so labels may follow them.

    Raises:
        InputError: for ``sigma_m`` outside 0 to 1000 m.
    """
    check_within("sigma_m", sigma_m, 0, 1000)
    direction = rng.standard_normal(3)
    shift_m = direction / np.linalg.norm(direction) * np.sqrt(3) * sigma_m
    jitter_m = rng.standard_normal((len(scan.points), 3), dtype=np.float32)
    for axis in range(3):
        jitter_m[:, axis] *= np.float32(JITTER_SHARE[axis] * sigma_m)
        jitter_m[:, axis] += np.float32(shift_m[axis])
    return displace(scan, slice(None), jitter_m)


MOTION_BLUR = Corruption(
    name="motion_blur",
    group="measurement noise",
    reference="Robo3D, Kong et al., ICCV 2023, arXiv 2303.17597",
    levels={"light": {"sigma_m": 0.20}, "moderate": {"sigma_m": 0.25}, "heavy": {"sigma_m": 0.30}},
    fn=motion_blur,
    severity="root mean square displacement",
    drop=(ADDED,),
)
