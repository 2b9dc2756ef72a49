import numpy as np
import pytest

from corruptions.weather.received_power import PULSE_M, highest_peak, strongest_echoes, take_free_part
from corruptions.weather.snow_flakes import SnowLaw, draw_flakes

DIVERGENCE_RAD = 3e-3


def echoes(beams, target_m, target_power, flake_power=0.9):
    """``strongest_echoes`` for lists of (range, centre, half width) per beam."""
    first = np.concatenate([[0], np.cumsum([len(beam) for beam in beams])])
    flakes = np.array([flake for beam in beams for flake in beam], float).reshape(-1, 3)
    targets = np.full(len(beams), float(target_m)), np.full(len(beams), float(target_power))
    return strongest_echoes(first, *flakes.T.copy(), DIVERGENCE_RAD, *targets, flake_power)


def covered(intervals):
    """Length of the union of intervals, the textbook way: sort and sweep."""
    total, reach = 0.0, -np.inf
    for left, right in sorted(intervals):
        total += max(0.0, right - max(left, reach))
        reach = max(reach, right)
    return total


def test_occlusion_adds_up():
    rng = np.random.default_rng(0)
    for _ in range(300):
        lengths = rng.exponential(0.2, 12)
        lefts = rng.uniform(0, 1, 12)
        intervals = [(left, min(left + length, 1.0)) for left, length in zip(lefts, lengths, strict=True)]
        starts, ends, count, total = np.empty(13), np.empty(13), 0, 0.0
        for number, (left, right) in enumerate(intervals, 1):
            free, count = take_free_part(left, right, starts, ends, count)
            total += free
            assert total == pytest.approx(covered(intervals[:number]), abs=1e-12)
        assert total <= 1 + 1e-12


def test_an_empty_interval_takes_nothing():
    assert take_free_part(0.4, 0.4, np.empty(2), np.empty(2), 0) == (0.0, 0)
    assert take_free_part(0.5, 0.4, np.empty(2), np.empty(2), 0) == (0.0, 0)


def test_flakes_and_target_by_hand():
    # Flake at 10 m over a third of the beam (half width 0.5 mrad): 0.9 / 3 / 100 = 0.003; target keeps 2/3.
    flake = (10.0, 0.0, 0.5e-3)
    echo_m, power = echoes([[flake]], 40.0, 0.3)
    assert (echo_m[0], power[0]) == pytest.approx((40.0, 0.2))
    echo_m, power = echoes([[flake]], 40.0, 0.003)
    assert (echo_m[0], power[0]) == pytest.approx((10.0, 0.003))
    # A second flake behind the first, half hidden by it: its free part is a sixth, the target keeps a half.
    behind = (20.0, 0.5e-3, 0.5e-3)
    _, power = echoes([[behind, flake]], 40.0, 0.3)
    assert power[0] == pytest.approx(0.15)
    # A flake over the edge of the beam counts with what is inside: a sixth.
    _, power = echoes([[(10.0, 1.5e-3, 0.5e-3)]], 40.0, 0.3)
    assert power[0] == pytest.approx(0.3 * 5 / 6)


def test_no_flakes_no_change():
    echo_m, power = echoes([[], [], []], 40.0, 0.3)
    assert echo_m.tolist() == [40.0] * 3
    assert power.tolist() == [0.3] * 3


def test_receiver_overlap():
    # Seen by half at 0.95 m, not at all within 0.9 m; the beam is full either way.
    full = 2 * DIVERGENCE_RAD
    _, power = echoes([[(0.95, 0.0, full)], [(0.85, 0.0, full)]], 40.0, 0.3)
    assert power[0] == pytest.approx(0.9 * 0.5 / 0.95**2)
    assert power[1] == 0


def test_a_flake_just_before_the_target_merges_with_it():
    # Two equal pulses d apart sum to cos(pi d / (c tau)) of their double, half way between, wherever both are on.
    first = 1e-3 * 100 / 0.9 * DIVERGENCE_RAD / 2  # half width of a flake of power 1e-3 at 10 m
    echo_m, power = echoes([[(10.0, 0.0, first)]], 10.1, 1e-3 / (1 - 2 * first / DIVERGENCE_RAD))
    # sin^2 terms: maximum a (1 + |cos(pi d / w)|) with d = 0.1, w = 2.998: 1e-3 * (1 + cos(0.104790)) = 1.994515e-3
    assert power[0] == pytest.approx(1.994515e-3, rel=1e-6)
    assert echo_m[0] == pytest.approx(10.05, abs=1e-9)


def received_wave(pulse_m, power, grid_m):
    """Sum of the pulses on a grid of ranges, as Hahner et al. compute it."""
    since = grid_m[:, None] - pulse_m
    return (power * np.sin(np.pi * since / PULSE_M) ** 2 * ((since >= 0) & (since <= PULSE_M))).sum(axis=1)


def test_the_peak_equals_that_of_a_fine_grid():
    rng = np.random.default_rng(1)
    grid_m = np.arange(0, 60, 1e-3)
    for _ in range(60):
        pulse_m = np.sort(rng.uniform(1, 50 if rng.random() < 0.5 else 12, rng.integers(1, 9)))
        power = rng.exponential(1, len(pulse_m)) / pulse_m ** rng.choice([0, 2])
        at_m, height = highest_peak(pulse_m, power, len(pulse_m), np.empty(9), np.empty(9))
        wave = received_wave(pulse_m, power, grid_m)
        assert height == pytest.approx(wave.max(), rel=1e-5)
        assert received_wave(pulse_m, power, np.array([at_m + PULSE_M / 2]))[0] == pytest.approx(height, rel=1e-9)


def test_whole_beams_equal_a_plain_implementation_on_a_10_cm_grid():
    """Sort, occlude, sum on the published grid, take the maximum: beam by beam, without any of the short cuts."""
    rng = np.random.default_rng(2)
    beams, flake_power = 400, 0.9 * 25
    target_m = rng.uniform(5, 80, beams)
    target_power = rng.choice([0.002, 0.02, 0.3], beams)
    flakes = draw_flakes(SnowLaw(2.5, 1.6), DIVERGENCE_RAD, target_m, rng)
    found_m, found_power = strongest_echoes(
        flakes.first, flakes.range_m, flakes.centre_rad, flakes.half_width_rad,
        DIVERGENCE_RAD, target_m, target_power, flake_power,
    )  # fmt: skip
    grid_m = np.arange(0, 1200) / 10
    for beam in range(beams):
        mine = np.arange(flakes.first[beam], flakes.first[beam + 1])
        mine = mine[np.argsort(flakes.range_m[mine])]
        left = np.clip(flakes.centre_rad - flakes.half_width_rad, -DIVERGENCE_RAD / 2, None)[mine]
        right = np.clip(flakes.centre_rad + flakes.half_width_rad, None, DIVERGENCE_RAD / 2)[mine]
        union = np.array([covered(list(zip(left[:k], right[:k], strict=True))) for k in range(len(mine) + 1)])
        share = np.diff(union) / DIVERGENCE_RAD
        range_m = flakes.range_m[mine]
        power = flake_power * share * np.clip((range_m - 0.9) / 0.1, 0, 1) / range_m**2
        pulse_m = np.append(range_m, target_m[beam])
        power = np.append(power, target_power[beam] * (1 - union[-1] / DIVERGENCE_RAD))
        wave = received_wave(pulse_m, power, grid_m)
        # 5 cm beside the peak a pulse is down to cos^2(pi 0.05 / 2.998) = 0.99726
        assert 0.997 * found_power[beam] <= wave.max() * (1 + 1e-9)
        assert wave.max() <= found_power[beam] * (1 + 1e-9)
        at_peak = received_wave(pulse_m, power, np.array([found_m[beam] + PULSE_M / 2]))[0]
        assert at_peak == pytest.approx(found_power[beam], rel=1e-9)


def test_the_light_that_passes_falls_exponentially():
    # Disks cover each direction independently: a share exp(-n E[d] r) of the beam passes, n E[d] = 1.5132e-3 per m.
    law, target_m = SnowLaw(2.5, 1.6), np.full(200_000, 60.0)
    assert law.extinction_per_m == pytest.approx(1.5132e-3, rel=1e-3)
    flakes = draw_flakes(law, DIVERGENCE_RAD, target_m, np.random.default_rng(3))
    _, passed = strongest_echoes(
        flakes.first, flakes.range_m, flakes.centre_rad, flakes.half_width_rad,
        DIVERGENCE_RAD, target_m, np.ones(len(target_m)), 0.0,
    )  # fmt: skip
    # exp(-0.090792) = 0.91321
    assert passed.mean() == pytest.approx(0.91321, abs=5 * passed.std() / np.sqrt(len(passed)))
    assert passed.std() / np.sqrt(len(passed)) < 5e-4
    assert passed.min() >= 0
    assert passed.max() <= 1
