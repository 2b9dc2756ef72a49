import numpy as np
import pytest
from scipy.integrate import trapezoid

from corruptions.core import INTENSITY, KEPT, MOVED, InputError, Scan
from corruptions.weather.rain import RAIN, drop_slope_per_mm, drops_per_m3, extinction_per_m, rain, strongest_drops


def beams(count, range_m, reflectance):
    """``count`` equal returns straight ahead."""
    points = np.zeros((count, 4), np.float32)
    points[:, 0], points[:, INTENSITY] = range_m, reflectance
    return Scan(points, 1.0)


@pytest.mark.parametrize("rate", [1.0, 2.5, 10.0, 50.0, 100.0])
def test_extinction_is_near_the_published_power_law(rate):
    # 1.45 R^0.64 dB/km; 1 dB = ln(10) / 10 nepers of power
    per_m = 1.45 * rate**0.64 * np.log(10) / 10 / 1000
    assert extinction_per_m(rate) == pytest.approx(per_m, rel=0.10)
    assert per_m == pytest.approx(3.34e-4 * rate**0.64, rel=1e-3)


def test_closed_forms_equal_integrals_over_the_drop_size_distribution():
    rate = 10.0
    diameter_mm = np.linspace(0, 30, 300_001)
    density = 8000 * np.exp(-4.1 * rate**-0.21 * diameter_mm)  # per m^3 and mm
    wide = diameter_mm >= 0.05
    assert drops_per_m3(rate) == pytest.approx(trapezoid(density[wide], diameter_mm[wide]), rel=1e-3)
    cross_section_m2 = np.pi / 4 * (diameter_mm * 1e-3) ** 2
    assert extinction_per_m(rate) == pytest.approx(trapezoid(2 * cross_section_m2 * density, diameter_mm), rel=1e-6)


def test_kept_points_are_attenuated_twice_along_the_way():
    scan = beams(100, 20.0, 0.5)
    out = rain(scan, np.random.default_rng(0), rate_mm_per_h=10.0)
    kept = out.status == KEPT
    # alpha = pi * 8000 / (4.1 * 10^-0.21)^3 * 1e-6 = 1.5556e-3 /m; exp(-2 * 1.5556e-3 * 20) = 0.93968
    assert out.points[kept, INTENSITY] == pytest.approx(0.5 * 0.93968, rel=1e-5)
    assert np.array_equal(out.points[kept, :3], scan.points[out.source[kept], :3])


def test_returns_are_lost_in_proportion_to_the_power_below_the_threshold():
    # P_min = 0.9 / 120^2 = 6.25e-5; clear 0.2 / 50^2 = 8e-5; in rain of 50 mm/h alpha = 4.2878e-3,
    # exp(-2 alpha 50) = 0.65130: 5.2104e-5 arrives, 0.83366 of the threshold
    out = rain(beams(20_000, 50.0, 0.2), np.random.default_rng(1), rate_mm_per_h=50.0, min_range_m=50.0)
    # standard deviation of the share is sqrt(0.834 * 0.166 / 20000) = 0.0026
    assert len(out.points) / 20_000 == pytest.approx(0.83366, abs=0.011)


def test_returns_without_power_survive_with_the_transmission():
    # exp(-2 * 4.2878e-3 * 50) = 0.65130; standard deviation 0.0034
    out = rain(beams(20_000, 50.0, 0.0), np.random.default_rng(1), rate_mm_per_h=50.0, min_range_m=50.0)
    assert len(out.points) / 20_000 == pytest.approx(0.65130, abs=0.014)


def every_drop(rng, count, range_m, rate, min_range_m, divergence_rad, to_beat):
    """LISA without the short cut: draw all drops in each beam; ranges and powers of the winners."""
    volume = np.pi / 3 * range_m * (range_m * np.tan(divergence_rad) / 2) ** 2
    alpha = extinction_per_m(rate)
    ranges, powers = [], []
    for drops in rng.poisson(drops_per_m3(rate) * volume, count):
        r = range_m * rng.random(drops) ** (1 / 3)
        diameter = 0.05e-3 + rng.exponential(1e-3 / drop_slope_per_mm(rate), drops)
        covered = np.minimum((diameter / (r * np.tan(divergence_rad))) ** 2, 1)
        power = ((1.328 - 1) / (1.328 + 1)) ** 2 * covered * np.exp(-2 * alpha * r) / r**2
        power[r < min_range_m] = 0
        if drops and power.max() > to_beat:
            ranges.append(r[power.argmax()])
            powers.append(power.max())
    return np.array(ranges), np.array(powers)


@pytest.mark.parametrize(("range_m", "to_beat"), [(12.0, 1e-4), (12.0, 6.25e-5), (2.0, 1e-5), (5.0, 1e-6)])
def test_strongest_drops_follow_the_law_of_drawing_every_drop(range_m, to_beat):
    count, rate, min_range_m, divergence_rad = 20_000, 30.0, 1.5, 3e-3
    ranges, powers = every_drop(np.random.default_rng(2), count, range_m, rate, min_range_m, divergence_rad, to_beat)
    drops = strongest_drops(
        np.full(count, to_beat), np.full(count, range_m), np.random.default_rng(3), rate, min_range_m, divergence_rad
    )
    assert len(np.unique(drops.beam)) == len(drops.beam)
    # Two Poisson counts of some hundreds or more: 4.5 standard deviations of their difference
    assert len(drops.beam) > 200
    assert abs(len(drops.beam) - len(ranges)) < 4.5 * np.sqrt(len(drops.beam) + len(ranges))
    for ours, reference in ((drops.range_m, ranges), (drops.reflectance / drops.range_m**2, powers)):
        # Two-sample Kolmogorov-Smirnov distance, level 0.001: 1.95 sqrt(1/n + 1/m)
        grid = np.sort(np.concatenate([ours, reference]))
        gap = np.searchsorted(np.sort(ours), grid) / len(ours) - np.searchsorted(np.sort(reference), grid) / len(
            reference
        )
        assert np.abs(gap).max() < 1.95 * np.sqrt(1 / len(ours) + 1 / len(reference))


@pytest.mark.parametrize(("rate", "range_m", "to_beat"), [(5.0, 10.0, 6.25e-5), (50.0, 3.0, 2e-4), (50.0, 8.0, 2e-5)])
def test_share_of_beams_with_a_drop_equals_the_integral_along_the_beam(rate, range_m, to_beat):
    # Drops of the beam's cross-section that are wide enough to beat the target, summed along the beam: a Poisson mean
    r = np.linspace(1.5, range_m, 20_001)
    beam_m = r * np.tan(3e-3)
    needed_m = beam_m * r * np.sqrt(to_beat / 0.0198506) * np.exp(extinction_per_m(rate) * r)
    slope_per_mm = 4.1 * rate**-0.21
    wide_enough_per_m3 = 8000 / slope_per_mm * np.exp(-slope_per_mm * np.maximum(needed_m * 1e3, 0.05))
    wide_enough_per_m3[needed_m > beam_m] = 0  # not even a drop as wide as the beam is
    share = 1 - np.exp(-trapezoid(wide_enough_per_m3 * np.pi / 4 * beam_m**2, r))

    count = 400_000
    drops = strongest_drops(np.full(count, to_beat), np.full(count, range_m), np.random.default_rng(4), rate, 1.5, 3e-3)
    deviation = np.sqrt(share * (1 - share) / count)
    assert deviation < 0.02 * share
    assert len(drops.beam) / count == pytest.approx(share, abs=4.5 * deviation)


def test_drops_lie_on_the_ray_between_minimum_range_and_target(street_scan):
    scan = street_scan
    out = rain(scan, np.random.default_rng(0), rate_mm_per_h=100.0)
    moved = out.status == MOVED
    assert moved.sum() > 20
    target, drop = scan.points[out.source[moved], :3], out.points[moved, :3]
    range_m, drop_range_m = np.linalg.norm(target, axis=1), np.linalg.norm(drop, axis=1)
    assert (drop_range_m >= 1.5 - 1e-5).all() and (drop_range_m < range_m).all()
    assert np.einsum("ij,ij->i", target, drop) == pytest.approx(range_m * drop_range_m, rel=1e-6)
    # No drop returns more than the reflectance of a water surface: (0.328 / 2.328)^2 = 0.01985
    assert out.points[moved, INTENSITY].max() <= 0.01986


@pytest.mark.parametrize("scale", [1.0, 255.0])
def test_no_rain_is_the_identity_and_the_limit_is_continuous(scale, make_street):
    scan = make_street(intensity_max=scale)
    points = scan.points
    assert (points[:, INTENSITY] == 0).any()
    dry = rain(scan, np.random.default_rng(0), rate_mm_per_h=0.0)
    assert np.array_equal(dry.points, points) and (dry.status == KEPT).all()
    nearly = rain(scan, np.random.default_rng(0), rate_mm_per_h=1e-6, range_accuracy_m=0.09)
    assert len(nearly.points) == len(points)
    assert nearly.points == pytest.approx(points, rel=1e-4, abs=1e-4)


def test_range_noise_is_the_excess_over_clear_air_and_marks_points_moved():
    scan = beams(20_000, 30.0, 0.8)
    out = rain(scan, np.random.default_rng(0), rate_mm_per_h=50.0, min_range_m=30.0, range_accuracy_m=0.09)
    # SNR = (0.8 / 900) / 6.25e-5 = 14.222; exp(2 * 4.2878e-3 * 30) - 1 = 0.29340
    # 0.09 * sqrt(0.29340 / (2 * 14.222)) = 0.0091406 m
    noise = np.linalg.norm(out.points[:, :3], axis=1) - 30.0
    assert noise.std() == pytest.approx(0.0091406, rel=0.02)
    assert abs(noise.mean()) < 3e-4
    shifted = (out.points[:, :3] != scan.points[out.source, :3]).any(axis=1)
    assert np.array_equal(out.status == MOVED, shifted)
    # all but those shifted by less than half a step of float32, 1e-6 of 9e-3 m
    assert shifted.mean() > 0.999


def test_range_noise_puts_no_point_behind_the_sensor():
    # 0.5 m away at a range accuracy of 10 m: a standard deviation of 10 sqrt((exp(2 * 4.2878e-3 * 0.5) - 1) / 2 / 1)
    # = 0.46 m at a signal-to-noise ratio of 1, about 14 % of the points below zero
    scan = beams(2000, 0.5, 0.0)
    out = rain(scan, np.random.default_rng(0), rate_mm_per_h=50.0, range_accuracy_m=10.0)
    along = np.einsum("ij,ij->i", out.points[:, :3], scan.points[out.source, :3])
    assert along.min() == 0
    assert 0.1 < (along == 0).mean() < 0.18


def severity(scan, level):
    out = RAIN(scan, np.random.default_rng(0), level)
    changed = 1 - (out.status == KEPT).sum() / len(scan.points)
    return changed, scan.points[:, INTENSITY].sum() - out.points[:, INTENSITY].sum()


@pytest.mark.parametrize("scan_fixture", ["street_scan", "kitti_scan"])
def test_levels_lose_more_points_and_energy(scan_fixture, request):
    scan = request.getfixturevalue(scan_fixture)
    changed, energy = zip(*(severity(scan, level) for level in ("light", "moderate", "heavy")), strict=True)
    assert 0 < changed[0] < changed[1] < changed[2]
    assert 0 < energy[0] < energy[1] < energy[2]


def test_intensity_of_kept_points_never_rises(kitti_scan):
    out = RAIN(kitti_scan, np.random.default_rng(0), "heavy")
    kept = out.status == KEPT
    assert (out.points[kept, INTENSITY] <= kitti_scan.points[out.source[kept], INTENSITY]).all()
    # Rain, even heavy, leaves a LiDAR of this class working: most points stay.
    assert kept.mean() > 0.95


def test_the_sensor_sets_threshold_and_divergence(street_scan):
    points = street_scan.points
    near, far = Scan(points, 1.0, sensor="HDL-32E"), Scan(points, 1.0, sensor="OS-1-128")
    for scan, range_m, divergence_rad in ((near, 106.0, 2.79e-3), (far, 240.0, 3.14e-3)):
        by_name = rain(scan, np.random.default_rng(0), rate_mm_per_h=50.0)
        by_value = rain(
            Scan(points, 1.0),
            np.random.default_rng(0),
            rate_mm_per_h=50.0,
            max_range_m=range_m,
            divergence_rad=divergence_rad,
        )
        assert np.array_equal(by_name.points, by_value.points)


def test_a_point_at_the_origin_stays():
    scan = Scan(np.array([[0, 0, 0, 0.5], [0, 0, 0, 0]], np.float32), 1.0)
    out = rain(scan, np.random.default_rng(0), rate_mm_per_h=50.0)
    assert out.points == pytest.approx(scan.points, abs=1e-4)


@pytest.mark.parametrize(
    "bad",
    [
        {"rate_mm_per_h": -1.0},
        {"rate_mm_per_h": float("nan")},
        {"rate_mm_per_h": 5.0, "max_range_m": 0.0},
        {"rate_mm_per_h": 5.0, "min_range_m": -1.0},
        {"rate_mm_per_h": 5.0, "divergence_rad": 3.0},
        {"rate_mm_per_h": 5.0, "range_accuracy_m": -0.1},
    ],
)
def test_bad_values_are_named(bad, street_scan):
    with pytest.raises(InputError, match=list(bad)[-1]):
        rain(street_scan, np.random.default_rng(0), **bad)
