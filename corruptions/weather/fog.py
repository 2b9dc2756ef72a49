"""Fog: attenuation of every return, and replacement of far returns by the echo of the fog itself.

Hahner et al., "Fog Simulation on Real LiDAR Point Clouds for 3D Object Detection in Adverse Weather", ICCV 2021.
With i0 and r0 the intensity and range of a clear return,

    i_hard = i0 exp(-2 alpha r0)                   the target, attenuated on the way there and back
    i_soft = i0 I(r0) r0^2 beta / beta0            the fog in front of it, see ``fog_pulse``

and the stronger one is recorded. Both are proportional to i0: whether the fog wins depends on the range alone.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from corruptions.core import INTENSITY, KEPT, MOVED, Corrupted, Corruption, InputError, Scan, check_within
from corruptions.weather.fog_pulse import RANGE_STEP_M, fog_table
from corruptions.weather.receiver import clear_power, detection_probability, ranges, threshold_at

# Contrast threshold of the meteorological optical range: MOR = ln(20) / alpha (Koschmieder, 5 % contrast).
LN_20 = math.log(20.0)
# Backscattering coefficient of fog in 1/(m sr) times MOR in m (Rasshofer et al. 2011, as used by Hahner et al.).
BACKSCATTER_PER_SR = 0.046
# Differential reflectivity of the hard target, 1e-6 / pi (Hahner et al.).
BETA_0_PER_SR = 1e-6 / math.pi


def fog(
    scan: Scan,
    rng: np.random.Generator,
    *,
    alpha_per_m: float | None = None,
    mor_m: float | None = None,
    beta_per_m_sr: float | None = None,
    range_noise_m: float = 10.0,
    max_range_m: float | None = None,
) -> Corrupted:
    """Corrupt a sweep with homogeneous fog.

    Args:
        scan: clear sweep; any intensity scale, nothing is rounded.
        rng: draws the range noise of the fog returns.
        alpha_per_m: attenuation coefficient; give this or ``mor_m``.
        mor_m: meteorological optical range (visibility) in metres, ln(20) / alpha.
        beta_per_m_sr: backscattering coefficient; by default 0.046 / MOR, tied to alpha.
        range_noise_m: half width of the noise on fog returns. A fog return at range R is put at R r0 / u with u uniform
            in r0 +- this, and never behind the target it hides.
        max_range_m: range at which a target of reflectance 0.9 is only just seen in clear air. Returns that the fog
            pushes below that threshold can be lost (``receiver.detection_probability``). By default none is lost, as
            published. An HDL-32E shows 240 m, in nuScenes as in RADIATE.

    Returns:
        Attenuated returns as KEPT, fog returns as MOVED. Points of intensity 0 are never replaced.

    Raises:
        InputError: for a missing, doubled, negative or non-finite parameter.
    """
    alpha, beta = _coefficients(alpha_per_m, mor_m, beta_per_m_sr)
    check_within("range_noise_m", range_noise_m, 0, 1000)
    target_m = scan.range_m
    echo_m, hard, soft = _gains(alpha, beta, target_m)
    clear = scan.points[:, INTENSITY]
    moved = (soft > hard) & (clear > 0)

    points = scan.points.copy()
    gain = np.where(moved, soft, hard)
    points[:, INTENSITY] *= gain
    rows = np.flatnonzero(moved)
    points[rows, INTENSITY] = np.minimum(points[rows, INTENSITY], scan.intensity_max)
    shrinkage = _shrinkage(rng, echo_m[rows], target_m[rows], range_noise_m)
    for column in points.T[:3]:  # twice as fast as the three at once
        column[rows] *= shrinkage

    source = np.arange(len(points), dtype=np.int64)
    status = np.where(moved, MOVED, KEPT)
    if max_range_m is None:
        return Corrupted(points, source, status)
    # Soft and hard intensities are both normalised to r0, so the gain is the share of the clear power that arrives.
    chance = detection_probability(clear_power(scan, ranges(scan)), gain, threshold_at(max_range_m))
    seen = rng.random(len(points)) < chance
    return Corrupted(points[seen], source[seen], status[seen])


def replacement_range_m(alpha_per_m: float, beta_per_m_sr: float | None = None) -> float:
    """Range from which on the fog hides every target, in metres to 1 mm; infinity when beyond 1 km."""
    alpha, beta = _coefficients(alpha_per_m, None, beta_per_m_sr)
    near, far = 0.0, 1000.0
    while far - near > 1e-3:
        middle = (near + far) / 2
        _, hard, soft = _gains(alpha, beta, np.array([middle], dtype=np.float32))
        near, far = (near, middle) if soft[0] > hard[0] else (middle, far)
    return far if far < 1000.0 else math.inf


def _gains(
    alpha_per_m: float, beta_per_m_sr: float, target_m: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Range of the fog echo in metres, i_hard / i0 and i_soft / i0, for targets at ``target_m`` (N,)."""
    table_m, table_echo = fog_table(alpha_per_m)
    table_gain = table_echo * (beta_per_m_sr / BETA_0_PER_SR)
    node = np.minimum(target_m * np.float32(1 / RANGE_STEP_M), np.float32(len(table_m) - 1)).astype(np.intp)
    hard = np.exp(np.float32(-2 * alpha_per_m) * target_m)
    soft = table_gain.astype(np.float32)[node] * np.square(target_m)
    return table_m.astype(np.float32)[node], hard, soft


def _shrinkage(
    rng: np.random.Generator, echo_m: NDArray[np.float32], target_m: NDArray[np.float32], noise_m: float
) -> NDArray[np.float32]:
    """Factor in (0, 1] that takes each target to its fog echo, with range noise.

    The echo R is put at R r0 / u. The published bound u >= r0 - noise passes 0 for near targets; u >= R is the same as
    "not behind the target" and keeps the range positive.
    """
    low_m = np.maximum(target_m - noise_m, echo_m)
    return (echo_m / (low_m + rng.random(len(low_m)) * (target_m + noise_m - low_m))).astype(np.float32)


def _coefficients(alpha_per_m: float | None, mor_m: float | None, beta_per_m_sr: float | None) -> tuple[float, float]:
    """Attenuation and backscattering coefficient from what the caller gave."""
    if alpha_per_m is not None and mor_m is None:
        alpha = alpha_per_m
    elif alpha_per_m is None and mor_m is not None:
        check_within("mor_m", mor_m, 1)
        alpha = LN_20 / mor_m
    else:
        found = "neither" if mor_m is None else f"alpha_per_m={alpha_per_m} and mor_m={mor_m}"
        raise InputError(f"fog: expected one of alpha_per_m and mor_m, found {found}; a named level sets alpha_per_m")
    check_within("alpha_per_m", alpha, 0, 10)
    beta = BACKSCATTER_PER_SR * alpha / LN_20 if beta_per_m_sr is None else beta_per_m_sr
    check_within("beta_per_m_sr", beta, 0, 10)
    return float(alpha), float(beta)


# SemanticKITTI-C (Yan et al., IJCV 2024) gives "beta = 0.005, 0.06, 0.2" without a unit. These are the smallest, the
# middle and the largest attenuation coefficient of the published tables of Hahner et al., whose script names its output
# after alpha as "beta": hence alpha, i.e. an MOR of 599, 50 and 15 m. Targets beyond 35.6 m (moderate) and 13.6 m
# (heavy) become fog; light fog only attenuates.
FOG = Corruption(
    name="fog",
    group="adverse weather",
    reference="Hahner et al., Fog Simulation on Real LiDAR Point Clouds, ICCV 2021",
    levels={
        "light": {"alpha_per_m": 0.005},
        "moderate": {"alpha_per_m": 0.06},
        "heavy": {"alpha_per_m": 0.2},
    },
    fn=fog,
    severity="attenuation coefficient: share of the power lost, and points replaced by fog returns",
)
