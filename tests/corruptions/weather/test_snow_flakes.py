import numpy as np
import pytest
from scipy.spatial import cKDTree

from corruptions.core import InputError
from corruptions.weather.snow_flakes import LARGEST_DIAMETER_M, SnowLaw, draw_flakes

DIVERGENCE_RAD = 3e-3
CIRCLE_M = 80.0
STOCK = [(0.5, 2.0), (1.0, 1.6), (2.5, 1.6)]


@pytest.mark.parametrize(
    ("rate", "velocity", "rain_rate", "occupancy"),
    [
        (0.5, 2.0, 2.2384, 6.944e-7),
        (1.5, 0.6, 70.784, 6.944e-6),
        (2.5, 1.6, 34.975, 4.340e-6),
    ],
)
def test_occupancy_and_rain_rate(rate, velocity, rain_rate, occupancy):
    # by hand for the first: 0.5 / (3.6e6 * 0.1 * 2) = 6.944e-7; (0.5 / (487 * 0.1 * 0.003 * 2))^1.5 = 1.7112^1.5
    law = SnowLaw(rate, velocity)
    assert law.rain_rate_mm_per_h == pytest.approx(rain_rate, rel=2e-4)
    assert law.occupancy == pytest.approx(occupancy, rel=2e-4)


@pytest.mark.parametrize(
    ("rate", "velocity", "disks", "mean_diameter_mm"),
    # counted in the patterns that Hahner et al. released
    [(0.5, 2.0, 40_000, 0.45), (1.0, 1.6, 26_700, 0.87), (2.5, 1.6, 17_800, 1.70)],
)
def test_disks_in_a_circle_of_80_m(rate, velocity, disks, mean_diameter_mm):
    law = SnowLaw(rate, velocity)
    assert law.disks_per_m2 * np.pi * CIRCLE_M**2 == pytest.approx(disks, rel=0.01)
    assert law.mean_disk_diameter_m * 1e3 == pytest.approx(mean_diameter_mm, abs=0.01)


def test_the_other_diameter_law():
    # 22.9 * 2.2384^-0.45 = 15.933 per cm, 25.5 * 2.2384^-0.48 = 17.320 per cm
    assert SnowLaw(0.5, 2.0, "sekhon").slope_per_m == pytest.approx(1593.3, rel=1e-3)
    assert SnowLaw(0.5, 2.0, "gunn").slope_per_m == pytest.approx(1732.0, rel=1e-3)


@pytest.mark.parametrize(("rate", "velocity"), [*STOCK, (1.5, 0.6), (100.0, 0.5)])
def test_drawn_disks_have_the_moments_of_the_law(rate, velocity):
    law = SnowLaw(rate, velocity)
    rng = np.random.default_rng(0)
    radii = law.draw_radii_m(rng, 400_000)
    # standard error of the mean of near-exponential values: 1 / sqrt(400 000) = 0.16 %, of the area 0.4 %
    assert 2 * radii.mean() == pytest.approx(law.mean_disk_diameter_m, rel=0.008)
    assert law.disks_per_m2 * np.pi * np.square(radii).mean() == pytest.approx(law.occupancy, rel=0.02)
    assert radii.max() <= LARGEST_DIAMETER_M / 2
    wide = law.draw_wide_radii_m(rng, 400_000)
    # weighted by radius the k-th moment is E[q^(k+1)] / E[q]
    assert wide.mean() == pytest.approx(np.square(radii).mean() / radii.mean(), rel=0.01)
    assert np.square(wide).mean() == pytest.approx((radii**3).mean() / radii.mean(), rel=0.04)
    assert wide.max() <= LARGEST_DIAMETER_M / 2


def throw_pattern(rate, velocity, rng):
    """The pattern of one laser as Hahner et al. describe it: ranges, azimuths, radii of disks in a circle of 80 m.

    Disks are thrown until they cover the occupied share of the circle; those that overlap an earlier one or cover the
    sensor are rejected.
    """
    occupied_m2 = rate / (3.6e6 * 0.1 * velocity) * np.pi * CIRCLE_M**2
    rain_rate = (rate / (487 * 0.1 * 0.003 * velocity)) ** 1.5
    mean_m = 1 / (100 * 25.5 * rain_rate**-0.48)
    diameter = rng.exponential(mean_m, 60_000)
    while (diameter > 0.02).any():
        diameter[diameter > 0.02] = rng.exponential(mean_m, int((diameter > 0.02).sum()))
    height = rng.uniform(-0.5, 0.5, len(diameter)) * diameter
    radius = np.sqrt((diameter / 2) ** 2 - height**2)
    place = rng.uniform(-CIRCLE_M, CIRCLE_M, (3 * len(radius), 2))
    place = place[np.hypot(*place.T) < CIRCLE_M][: len(radius)]
    for one, other in cKDTree(place).query_pairs(0.02):
        if np.hypot(*(place[one] - place[other])) < radius[one] + radius[other]:
            radius[max(one, other)] = 0
    radius[np.hypot(*place.T) < radius] = 0
    used = slice(0, int(np.searchsorted(np.cumsum(np.pi * radius**2), occupied_m2)))
    keep = radius[used] > 0
    x, y = place[used][keep].T
    return np.hypot(x, y), np.arctan2(y, x), radius[used][keep]


def flakes_in_pattern(pattern, target_m, beams=1000):
    """Number of flakes in each of ``beams`` beams of a turn, and the part of each beam that they block (unclipped)."""
    range_m, azimuth, radius = pattern
    before = range_m < target_m
    half = np.arcsin(radius[before] / range_m[before])
    count, blocked = np.zeros(beams), np.zeros(beams)
    for beam, axis in enumerate(np.arange(beams) * 2 * np.pi / beams):
        off = (azimuth[before] - axis + np.pi) % (2 * np.pi) - np.pi
        left, right = np.maximum(off - half, -DIVERGENCE_RAD / 2), np.minimum(off + half, DIVERGENCE_RAD / 2)
        width = right - left
        count[beam], blocked[beam] = (width > 0).sum(), width[width > 0].sum() / DIVERGENCE_RAD
    return count, blocked


@pytest.mark.parametrize(("rate", "velocity"), STOCK)
def test_drawn_flakes_equal_thrown_flakes(rate, velocity):
    """Drawing the flakes of each beam alone gives the statistics of patterns thrown disk by disk."""
    target_m, patterns = 40.0, 3
    rng = np.random.default_rng(5)
    thrown = [flakes_in_pattern(throw_pattern(rate, velocity, rng), target_m) for _ in range(patterns)]
    count, blocked = (np.concatenate(values) for values in zip(*thrown, strict=True))

    flakes = draw_flakes(SnowLaw(rate, velocity), DIVERGENCE_RAD, np.full(60_000, target_m), rng)
    drawn = np.diff(flakes.first)
    left = np.maximum(flakes.centre_rad - flakes.half_width_rad, -DIVERGENCE_RAD / 2)
    right = np.minimum(flakes.centre_rad + flakes.half_width_rad, DIVERGENCE_RAD / 2)
    width = (right - left) / DIVERGENCE_RAD
    assert (width > 0).all(), "each drawn flake touches its beam"
    drawn_blocked = np.bincount(np.repeat(np.arange(len(drawn)), drawn), width, len(drawn))

    def standard_error(one, other):
        return np.hypot(one.std() / np.sqrt(len(one)), other.std() / np.sqrt(len(other)))

    assert abs(count.mean() - drawn.mean()) < 4 * standard_error(count, drawn)
    assert abs(blocked.mean() - drawn_blocked.mean()) < 4 * standard_error(blocked, drawn_blocked)
    # a Poisson count: variance = mean; standard error of a variance of 3000 counts is 2.6 %
    assert count.var() == pytest.approx(count.mean(), rel=0.11)
    assert drawn.var() == pytest.approx(drawn.mean(), rel=0.03)


def test_mean_number_of_flakes_by_hand():
    # (0.5, 2.0): 40 000 / (pi 80^2) = 1.9894 per m^2 of mean diameter 0.4534 mm. To 50 m the wedge of 3 mrad has
    # 3.75 m^2 and its edges 50 m each: 1.9894 * (3.75 + 2 * 0.4534e-3 / 2 * 50) = 1.9894 * 3.7727 = 7.505
    law = SnowLaw(0.5, 2.0)
    flakes = draw_flakes(law, DIVERGENCE_RAD, np.full(100_000, 50.0), np.random.default_rng(0))
    assert np.diff(flakes.first).mean() == pytest.approx(7.505, abs=0.035)
    # uniform in the wedge: mean range 2/3 of the target's (the few at the edges: 1/2)
    assert flakes.range_m.mean() == pytest.approx(50 * 2 / 3, abs=0.1)
    assert flakes.range_m.max() < 50


def test_no_beams_and_targets_at_the_sensor():
    law = SnowLaw(0.5, 2.0)
    assert draw_flakes(law, DIVERGENCE_RAD, np.zeros(0), np.random.default_rng(0)).first.tolist() == [0]
    assert draw_flakes(law, DIVERGENCE_RAD, np.zeros(3), np.random.default_rng(0)).first.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.001, 2.0), "rate_mm_per_h: expected a number in [0.01, 100], found 0.001"),
        ((float("nan"), 2.0), "rate_mm_per_h: expected a number in [0.01, 100], found nan"),
        ((0.5, 0.0), "terminal_velocity_m_per_s: expected a number in [0.1, 10], found 0.0"),
        ((0.5, 2.0, "gun"), "unknown diameter_law 'gun': did you mean gunn"),
    ],
)
def test_bad_laws(arguments, message):
    with pytest.raises(InputError) as error:
        SnowLaw(*arguments)
    assert message in str(error.value)
