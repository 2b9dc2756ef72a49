"""Snowflakes in LiDAR beams: how many, how large, where.

Hahner et al., "LiDAR Snowfall Simulation for Robust 3D Object Detection", CVPR 2022: flakes are spheres cut by the
plane that a laser sweeps, so each is a disk in that plane. The authors throw disks into a circle of 80 m until they
cover the share of it that the snow occupies, one pattern per laser, and search it for each beam. Disks that cover 5e-6
of a plane are a Poisson process as good as exactly, and of a Poisson process the disks that touch one beam can be drawn
alone: no pattern, no search, no laser index. Given up is that neighbouring beams see the same flake. In patterns thrown
for an HDL-64E, 2 % (0.5 mm/h, 2.0 m/s) to 7 % (2.5 mm/h, 1.6 m/s) of the snow returns share their flake with the next.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError, check_within, unknown

# Slope of the exponential diameter law, per cm: factor * (rain-equivalent rate in mm/h) ** exponent.
DIAMETER_LAWS: Mapping[str, tuple[float, float]] = {
    "gunn": (25.5, -0.48),  # Gunn and Marshall 1958
    "sekhon": (22.9, -0.45),  # Sekhon and Srivastava 1970
}
LARGEST_DIAMETER_M = 0.02
# Density of snow relative to water, here and in the relation to rain (which has a second factor, 487 * 0.003).
SNOW_DENSITY = 0.1
# No flake further away is drawn: none is seen there, and one stray far point would ask for millions.
LAST_FLAKE_M = 120.0


@dataclass(frozen=True)
class SnowLaw:
    """Statistics of the disks that flakes cut out of a plane.

    Attributes:
        rate_mm_per_h: snowfall rate.
        terminal_velocity_m_per_s: fall speed of the flakes.
        diameter_law: a key of ``DIAMETER_LAWS``.
    """

    rate_mm_per_h: float
    terminal_velocity_m_per_s: float
    diameter_law: str = "gunn"

    def __post_init__(self) -> None:
        # Below these the diameter laws ask for countless flakes far finer than any that were measured.
        for name, low, high in (("rate_mm_per_h", 0.01, 100.0), ("terminal_velocity_m_per_s", 0.1, 10.0)):
            check_within(name, getattr(self, name), low, high)
        if self.diameter_law not in DIAMETER_LAWS:
            raise InputError(unknown("diameter_law", self.diameter_law, DIAMETER_LAWS))

    @property
    def occupancy(self) -> float:
        """Share of the plane that flakes cover: volume of snow per volume of air."""
        return self.rate_mm_per_h / (3.6e6 * SNOW_DENSITY * self.terminal_velocity_m_per_s)

    @property
    def rain_rate_mm_per_h(self) -> float:
        """Rate of the rain that scatters alike, which the diameter laws are stated in."""
        return (self.rate_mm_per_h / (487 * SNOW_DENSITY * 0.003 * self.terminal_velocity_m_per_s)) ** 1.5

    @property
    def slope_per_m(self) -> float:
        """Slope of the exponential law of sphere diameters."""
        factor, exponent = DIAMETER_LAWS[self.diameter_law]
        return 100 * factor * self.rain_rate_mm_per_h**exponent

    @property
    def mean_disk_diameter_m(self) -> float:
        """Mean over disks: pi / 4 of the mean sphere diameter, as spheres are cut at a uniform height."""
        return math.pi / 4 * self._sphere_moments()[0]

    @property
    def disks_per_m2(self) -> float:
        """Number of disks in a square metre of the plane."""
        return self.occupancy / (math.pi / 6 * self._sphere_moments()[1])

    @property
    def extinction_per_m(self) -> float:
        """Share of the beam that flakes block per metre of path: number density times mean diameter."""
        return self.disks_per_m2 * self.mean_disk_diameter_m

    def _sphere_moments(self) -> tuple[float, float]:
        """First and second moment of the exponential law cut off at ``LARGEST_DIAMETER_M``."""
        slope, largest = self.slope_per_m, LARGEST_DIAMETER_M
        lost = 1 / math.expm1(slope * largest)
        return 1 / slope - largest * lost, 2 / slope**2 - (largest**2 + 2 * largest / slope) * lost

    def draw_radii_m(self, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        """(count,) radii of disks: half an exponential diameter, times the cut at uniform height."""
        diameter = -np.log1p(rng.random(count) * math.expm1(-self.slope_per_m * LARGEST_DIAMETER_M)) / self.slope_per_m
        return diameter / 2 * np.sqrt(1 - np.square(rng.random(count)))

    def draw_wide_radii_m(self, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        """(count,) radii of disks met by an edge: the same law weighted by radius."""
        diameter = rng.standard_gamma(2.0, count) / self.slope_per_m
        while (too_large := diameter > LARGEST_DIAMETER_M).any():
            diameter[too_large] = rng.standard_gamma(2.0, np.count_nonzero(too_large)) / self.slope_per_m
        # A coordinate of a uniform point in the unit circle has the density sqrt(1 - h^2) that the weighting asks for.
        height = np.sqrt(rng.random(count)) * np.cos(2 * np.pi * rng.random(count))
        return diameter / 2 * np.sqrt(1 - np.square(height))


@dataclass(frozen=True)
class Flakes:
    """Flakes that touch beams, beam after beam.

    Attributes:
        first: int64 (N + 1,) flakes ``first[i]:first[i + 1]`` touch beam ``i``.
        range_m: (K,) distance of the flake's centre.
        centre_rad: (K,) angle of the centre off the axis of the beam, in the plane that the laser sweeps.
        half_width_rad: (K,) half the angle that the flake takes.
    """

    first: NDArray[np.int64]
    range_m: NDArray[np.float64]
    centre_rad: NDArray[np.float64]
    half_width_rad: NDArray[np.float64]


def draw_flakes(
    law: SnowLaw, divergence_rad: float, target_m: NDArray[np.floating], rng: np.random.Generator
) -> Flakes:
    """Draw the flakes that touch each beam in front of its target.

    A disk of radius q at range r touches a beam of full angle w when its centre is within w/2 + q/r of the axis. The
    number of such disks nearer than r0 has the mean ``n (w r0^2 / 2 + 2 E[q] r0)``: those in the wedge of the beam, and
    those that its two edges cut.

    Args:
        law: flake statistics.
        divergence_rad: full angle of the beams.
        target_m: (N,) range of the target of each beam.
        rng: random generator.

    Returns:
        The flakes of all beams; within a beam in no order.
    """
    target_m = np.minimum(target_m, LAST_FLAKE_M).astype(np.float64)
    wedge = law.disks_per_m2 * divergence_rad / 2 * np.square(target_m)
    edges = law.extinction_per_m * target_m
    count = rng.poisson(wedge + edges)
    target_m, edge_share = np.repeat(target_m, count), np.repeat(edges / np.maximum(wedge + edges, 1e-300), count)

    on_edge = rng.random(len(target_m)) < edge_share
    place = rng.random(len(target_m))
    range_m = target_m * np.where(on_edge, place, np.sqrt(place))
    radius_m = law.draw_radii_m(rng, len(target_m))
    radius_m[on_edge] = law.draw_wide_radii_m(rng, np.count_nonzero(on_edge))
    half_width_rad = np.arctan2(radius_m, range_m)
    centre_rad = (2 * rng.random(len(target_m)) - 1) * (divergence_rad / 2 + half_width_rad)
    first = np.concatenate([[0], np.cumsum(count)])
    return Flakes(first, range_m, centre_rad, half_width_rad)
