"""Rain: extinction along the beam, and drops near the sensor that outshine a weak target.

After LISA (Kilic, Hegde, Sindagi, Cooper, Foster and Patel, "Lidar Light Scattering Augmentation (LISA): Physics-based
Simulation of Adverse Weather Conditions for 3D Object Detection", arXiv 2107.07004).

Drops: Marshall and Palmer (1948), ``N(D) = N0 exp(-L D)``, N0 = 8000 /m^3/mm, ``L = 4.1 R^-0.21`` /mm, R in mm/h.
Extinction: drops are far wider than the wavelength, so each takes twice its cross-section out of the beam (Mie
asymptote ``Q_ext = 2``): ``alpha = pi/4 * 2 * integral D^2 N(D) dD = pi N0 / L^3 * 1e-6`` per metre, or 3.65e-4 R^0.63,
within 10 % of the usual 1.45 R^0.64 dB/km from 1 to 100 mm/h. Powers relative to a white target at 1 m:

* target: ``rho / r^2 * exp(-2 alpha r)``
* drop: ``|(n-1)/(n+1)|^2 * min((D / B)^2, 1) / r_d^2 * exp(-2 alpha r_d)`` with the beam diameter
  ``B = r_d tan(divergence)``

The strongest return above the threshold wins. LISA draws every drop in the beam, thousands for a far target, and loops
over points. Only drops that beat the target and the threshold can matter, and of a Poisson process any part may be
drawn alone: we draw just the drops brighter than that, so the result follows the same law.

Other differences from LISA: a Poisson count where LISA rounds the mean up or down at random; a detection threshold
that loses nothing in clear air (``corruptions.weather.receiver``); range noise is off by default and, when on, only
the part that rain adds (the clear scan holds the rest), so that rain of 0 mm/h is the identity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corruptions.core import INTENSITY, KEPT, MOVED, Corrupted, Corruption, Scan, check_within, select
from corruptions.sensors import sensor
from corruptions.weather.receiver import clear_power, detection_probability, ranges, threshold_at

DROP_DENSITY_PER_M3_MM = 8000.0
SMALLEST_DROP_MM = 0.05
WATER_INDEX = 1.328  # at 905 nm
DROP_REFLECTANCE = ((WATER_INDEX - 1) / (WATER_INDEX + 1)) ** 2


def drop_slope_per_mm(rate_mm_per_h: float) -> float:
    """Slope L [1/mm] of the Marshall-Palmer drop size distribution; 1/L is the mean drop diameter."""
    return 4.1 * rate_mm_per_h**-0.21


def drops_per_m3(rate_mm_per_h: float) -> float:
    """Number of drops wider than 0.05 mm in a cubic metre: ``N0 / L * exp(-0.05 L)``."""
    slope = drop_slope_per_mm(rate_mm_per_h)
    return DROP_DENSITY_PER_M3_MM / slope * math.exp(-slope * SMALLEST_DROP_MM)


def extinction_per_m(rate_mm_per_h: float) -> float:
    """Extinction coefficient alpha [1/m] of rain, one way: ``pi N0 / L^3 * 1e-6``."""
    return math.pi * DROP_DENSITY_PER_M3_MM / drop_slope_per_mm(rate_mm_per_h) ** 3 * 1e-6


def rain(
    scan: Scan,
    rng: np.random.Generator,
    *,
    rate_mm_per_h: float,
    max_range_m: float | None = None,
    min_range_m: float = 1.5,
    divergence_rad: float | None = None,
    range_accuracy_m: float = 0.0,
) -> Corrupted:
    """Simulate rain.

    Args:
        scan: the sweep in clear air.
        rng: random generator.
        rate_mm_per_h: rain rate, 0 (the identity) to 300.
        max_range_m: range at which the sensor just sees a target of reflectance 0.9; sets the detection threshold. By
            default that of ``scan.sensor``.
        min_range_m: drops nearer than this are not seen (LISA).
        divergence_rad: full divergence of the beam, by default that of ``scan.sensor``.
        range_accuracy_m: standard deviation of the range at a signal-to-noise ratio of 1/2 (LISA: 0.09). 0 leaves the
            ranges of kept points alone. Above 0 every kept point shifts along its ray by ``N(0, s)`` with
            ``s = range_accuracy_m sqrt((exp(2 alpha r) - 1) / (2 SNR_clear))`` and is then MOVED, as KEPT promises the
            same position.

    Returns:
        Kept points with attenuated intensity, and points whose return now comes from a drop (MOVED); lost points are
        gone.

    Raises:
        InputError: for values out of range.
    """
    divergence_rad = sensor(scan.sensor).divergence_rad if divergence_rad is None else divergence_rad
    max_range_m = sensor(scan.sensor).max_range_m if max_range_m is None else max_range_m
    check_within("rate_mm_per_h", rate_mm_per_h, 0, 300)  # cloudbursts reach about 300
    check_within("min_range_m", min_range_m, 0, 1000)
    check_within("divergence_rad", divergence_rad, 1e-6, 0.1)
    check_within("range_accuracy_m", range_accuracy_m, 0, 10)
    threshold = threshold_at(max_range_m)
    if rate_mm_per_h == 0:
        return select(scan, np.ones(len(scan.points), dtype=bool))
    alpha = extinction_per_m(rate_mm_per_h)
    range_m = ranges(scan)
    transmission = np.exp(-2 * alpha * range_m)
    clear = clear_power(scan, range_m)
    seen = rng.random(len(clear)) < detection_probability(clear, transmission, threshold)

    to_beat = np.maximum(np.where(seen, clear * transmission, 0.0), threshold)
    drops = strongest_drops(to_beat, range_m, rng, rate_mm_per_h, min_range_m, divergence_rad)

    moved = np.zeros(len(clear), dtype=bool)
    new_range_m, intensity = range_m.copy(), scan.points[:, INTENSITY] * transmission
    if range_accuracy_m > 0:
        snr = np.maximum(clear / threshold, 1.0)
        new_range_m += rng.standard_normal(len(clear)) * range_accuracy_m * np.sqrt((1 / transmission - 1) / (2 * snr))
        np.maximum(new_range_m, 0.0, out=new_range_m)  # no return comes from behind the sensor
        moved[:] = True
    seen[drops.beam], moved[drops.beam] = True, True
    new_range_m[drops.beam], intensity[drops.beam] = drops.range_m, drops.reflectance * scan.intensity_max
    return _assemble(scan, seen, moved, new_range_m / range_m, intensity)


@dataclass(frozen=True)
class Drops:
    """The winning drop of each beam that has one: (K,) beam index, range [m], apparent reflectance."""

    beam: NDArray[np.int64]
    range_m: NDArray[np.float64]
    reflectance: NDArray[np.float64]


def strongest_drops(
    to_beat: NDArray[np.float64],
    range_m: NDArray[np.float64],
    rng: np.random.Generator,
    rate_mm_per_h: float,
    min_range_m: float,
    divergence_rad: float,
) -> Drops:
    """Draw the strongest drop of each beam, where one is stronger than what it has to beat.

    A drop at r beats power T when ``D > c r^2 exp(alpha r)``, ``c = tan(divergence) sqrt(T / R_water)``. The drops
    with ``D > c r^2`` include all of those, and form a Poisson process with closed-form statistics: with ``a = c L``,
    their mean number is ``N0/L * pi/4 tan^2(divergence) * sqrt(pi) / (4 a^1.5)``, their ranges have the density
    ``r^2 exp(-a r^2)`` (so that ``a r^2`` is gamma distributed with shape 3/2), and the excess of D over ``c r^2`` is
    exponential. Those that fail the exact test are then thrown away.

    Args:
        to_beat: (N,) relative power [1/m^2] that a drop must exceed, above 0.
        range_m: (N,) range of the target; drops lie in front of it.
        rng: random generator.
        rate_mm_per_h: rain rate.
        min_range_m: nearest range at which a drop is seen.
        divergence_rad: full divergence of the beam.

    Returns:
        The winners, at most one per beam, in order of beam.
    """
    slope_per_m = drop_slope_per_mm(rate_mm_per_h) * 1e3
    alpha = extinction_per_m(rate_mm_per_h)
    tangent = math.tan(divergence_rad)
    narrowest = tangent * np.sqrt(to_beat / DROP_REFLECTANCE)  # c: diameter per squared range
    falloff = narrowest * slope_per_m  # a
    all_drops_per_m3 = DROP_DENSITY_PER_M3_MM * 1e3 / slope_per_m
    mean = all_drops_per_m3 * math.pi / 4 * tangent**2 * math.sqrt(math.pi) / (4 * falloff * np.sqrt(falloff))

    beam = np.repeat(np.arange(len(to_beat)), rng.poisson(mean))
    drop_range_m = np.sqrt(rng.standard_gamma(1.5, len(beam)) / falloff[beam])
    diameter_m = narrowest[beam] * drop_range_m**2 + rng.standard_exponential(len(beam)) / slope_per_m

    covered = np.minimum(np.square(diameter_m / (drop_range_m * tangent)), 1.0)
    reflectance = DROP_REFLECTANCE * covered * np.exp(-2 * alpha * drop_range_m)
    power = reflectance / drop_range_m**2
    real = (diameter_m >= SMALLEST_DROP_MM * 1e-3) & (drop_range_m >= min_range_m) & (drop_range_m < range_m[beam])
    rows = np.flatnonzero(real & (power > to_beat[beam]))
    rows = rows[np.lexsort((power[rows], beam[rows]))]
    last_of_beam = np.diff(beam[rows], append=-1) != 0
    winners = rows[last_of_beam]
    return Drops(beam[winners], drop_range_m[winners], reflectance[winners])


def _assemble(
    scan: Scan,
    seen: NDArray[np.bool_],
    moved: NDArray[np.bool_],
    stretch: NDArray[np.float64],
    intensity: NDArray[np.float64],
) -> Corrupted:
    source = np.flatnonzero(seen).astype(np.int64)
    points = scan.points[source]
    rows = np.flatnonzero(moved[source])
    points[rows, :3] *= stretch[source[rows], None]
    points[:, INTENSITY] = intensity[source]
    status = np.full(len(source), KEPT)
    # A shift below the resolution of float32 is none.
    status[rows[(points[rows, :3] != scan.points[source[rows], :3]).any(axis=1)]] = MOVED
    return Corrupted(points, source, status)


RAIN = Corruption(
    name="rain",
    group="adverse weather",
    reference="Kilic et al., LISA, arXiv 2107.07004; Marshall and Palmer 1948",
    # Upper ends of slight, moderate and heavy rain in the WMO Guide to Instruments (WMO-No. 8): 2.5, 10 and 50 mm/h
    levels={
        "light": {"rate_mm_per_h": 2.5},
        "moderate": {"rate_mm_per_h": 10.0},
        "heavy": {"rate_mm_per_h": 50.0},
    },
    fn=rain,
    severity="share of points lost or moved, and energy lost",
)
