import numpy as np
import pytest
from scipy.integrate import quad

from corruptions.core import INTENSITY, KEPT, MOVED, InputError, Scan
from corruptions.files import read_points
from corruptions.weather.fog import FOG, fog, replacement_range_m
from corruptions.weather.fog_pulse import RANGE_STEP_M, fog_table

SPEED_OF_LIGHT, TAU = 299_792_458.0, 20e-9
DIRECTION = np.array([0.6, -0.64, 0.48])  # 0.36 + 0.4096 + 0.2304 = 1


def ray(ranges_m, intensity=0.4, intensity_max=1.0):
    """Targets along one ray."""
    points = np.zeros((len(ranges_m), 4), np.float32)
    points[:, :3] = np.asarray(ranges_m)[:, None] * DIRECTION
    points[:, INTENSITY] = intensity
    return Scan(points, intensity_max)


def run(scan, seed=0, **parameters):
    return fog(scan, np.random.default_rng(seed), **parameters)


# The tables of Hahner et al. were made with the Simpson rule of scipy before 1.11; these values are its output for
# their integrand, computed with scipy 1.10.1: alpha, then R_fog and I_fog far from the target and for one at 2 m.
CHECK_VALUES = [
    (0.005, 4.702351176, 4.567987868e-09, 1.900950475, 3.738173868e-10),
    (0.03, 4.702351176, 4.205777338e-09, 1.900950475, 3.531433936e-10),
    (0.06, 4.602301151, 3.815637193e-09, 1.900950475, 3.298678300e-10),
    (0.2, 4.502251126, 2.475990224e-09, 1.900950475, 2.402723391e-10),
]


@pytest.mark.parametrize(("alpha", "far_m", "far_echo", "near_m", "near_echo"), CHECK_VALUES)
def test_fog_echo_check_values(alpha, far_m, far_echo, near_m, near_echo):
    echo_m, echo = fog_table(alpha)
    assert (echo_m[-1], echo[-1]) == pytest.approx((far_m, far_echo), rel=1e-9)
    node = int(2.0 / RANGE_STEP_M)
    assert (echo_m[node], echo[node]) == pytest.approx((near_m, near_echo), rel=1e-9)


@pytest.mark.parametrize("alpha", [0.0, 0.06, 0.2])
def test_fog_echo_is_the_highest_value_of_the_integral(alpha):
    def integrand(time, range_m):
        here_m = range_m - SPEED_OF_LIGHT * time / 2
        overlap = min(max((here_m - 0.9) / 0.1, 0), 1)
        return np.sin(np.pi * time / (2 * TAU)) ** 2 * np.exp(-2 * alpha * here_m) / here_m**2 * overlap

    def echo_at(range_m):
        kinks = [2 * (range_m - here_m) / SPEED_OF_LIGHT for here_m in (1.0, 0.9)]
        last = min(2 * TAU, kinks[1])
        inside = [kinks[0]] if 0 < kinks[0] < last else None
        return quad(integrand, 0, last, args=(range_m,), points=inside, epsabs=0, epsrel=1e-10)[0]

    for target_m in (1.5, 2.6, 4.0, 30.0):
        grid_m = np.arange(10, min(int(target_m / RANGE_STEP_M), 80) + 1) * RANGE_STEP_M
        values = [echo_at(range_m) for range_m in grid_m]
        echo_m, echo = fog_table(alpha)
        node = min(int(target_m / RANGE_STEP_M), len(echo) - 1)
        # 2000 Simpson nodes over an integrand with a kink: 1e-4 of the exact integral
        assert echo[node] == pytest.approx(max(values), rel=1e-4)
        assert echo_m[node] == pytest.approx(grid_m[np.argmax(values)], abs=1e-9)


@pytest.mark.parametrize("alpha", [0.005, 0.03, 0.06, 0.2])
def test_fog_echo_is_none_up_to_1_m_and_settled_from_5_m(alpha):
    _, echo = fog_table(alpha)
    assert (echo[: int(1.0 / RANGE_STEP_M) + 1] == 0).all()
    assert (echo[int(5.0 / RANGE_STEP_M) :] == echo[-1]).all()
    assert (np.diff(echo) >= 0).all()


@pytest.mark.parametrize(
    ("parameters", "threshold_m"),
    [
        ({"alpha_per_m": 0.03}, 62.4),
        ({"alpha_per_m": 0.06}, 35.6),
        ({"alpha_per_m": 0.2}, 13.6),
        # backscattering given on its own, as Robo3D does, without and with attenuation
        ({"alpha_per_m": 0.0, "beta_per_m_sr": 0.005}, 117.1),
        ({"alpha_per_m": 0.0, "beta_per_m_sr": 0.06}, 33.8),
        ({"alpha_per_m": 0.0, "beta_per_m_sr": 0.2}, 18.5),
        ({"alpha_per_m": 0.06, "beta_per_m_sr": 0.005}, 26.4),
        ({"alpha_per_m": 0.06, "beta_per_m_sr": 0.06}, 15.1),
        ({"alpha_per_m": 0.06, "beta_per_m_sr": 0.2}, 10.7),
    ],
)
def test_targets_beyond_the_threshold_become_fog(parameters, threshold_m):
    ranges_m = np.arange(20, 1500) * 0.1
    out = run(ray(ranges_m), **parameters)
    moved = out.status == MOVED
    assert np.array_equal(moved, np.sort(moved)), "from the threshold on all targets are hidden"
    assert ranges_m[moved].min() == pytest.approx(threshold_m, abs=0.11)
    assert replacement_range_m(**parameters) == pytest.approx(threshold_m, abs=0.06)


def test_light_fog_replaces_nothing_within_120_m():
    out = FOG(ray(np.linspace(0.5, 120, 2000)), np.random.default_rng(0), "light")
    assert (out.status == KEPT).all()
    assert replacement_range_m(0.005) > 120


def test_threshold_by_hand():
    # At 36 m and alpha 0.06: hard exp(-4.32) = 0.013300; MOR = ln(20)/0.06 = 49.929 m, beta = 0.046/MOR = 9.2131e-4,
    # beta0 = 1e-6/pi: soft 3.815637e-9 * 36^2 * 9.2131e-4 * pi * 1e6 = 0.014313. At 35 m: 0.014996 and 0.013529.
    far, near = (run(ray([range_m], 0.5), alpha_per_m=0.06, range_noise_m=0) for range_m in (36.0, 35.0))
    assert far.status[0] == MOVED
    assert far.points[0, INTENSITY] == pytest.approx(0.5 * 0.014313, rel=1e-4)
    assert np.linalg.norm(far.points[0, :3]) == pytest.approx(4.602301, rel=1e-6)
    assert near.status[0] == KEPT
    assert near.points[0, INTENSITY] == pytest.approx(0.5 * 0.014996, rel=1e-4)


def test_kept_points_stay_in_place_and_are_attenuated(street_scan):
    out = run(street_scan, alpha_per_m=0.06)
    kept = out.status == KEPT
    clear = street_scan.points[out.source[kept]]
    assert np.array_equal(out.points[kept, :3], clear[:, :3])
    expected = clear[:, INTENSITY] * np.exp(-0.12 * np.linalg.norm(clear[:, :3].astype(float), axis=1))
    np.testing.assert_allclose(out.points[kept, INTENSITY], expected, rtol=1e-5)


def test_no_fog_is_the_identity(kitti_scan):
    out = run(kitti_scan, alpha_per_m=0.0, max_range_m=100.0)
    assert np.array_equal(out.points, kitti_scan.points)
    assert (out.status == KEPT).all()


def test_vanishing_fog_tends_to_the_identity(street_scan):
    out = run(street_scan, alpha_per_m=1e-6)
    assert (out.status == KEPT).all()
    np.testing.assert_allclose(out.points, street_scan.points, rtol=1e-4)


def test_fog_returns_lie_on_the_ray_before_the_target_within_the_noise():
    ranges_m = np.repeat([14.0, 20.0, 60.0], 4000)
    out = run(ray(ranges_m), alpha_per_m=0.2)
    assert (out.status == MOVED).all()
    found_m = out.points[:, :3] @ DIRECTION
    np.testing.assert_allclose(out.points[:, :3], found_m[:, None] * DIRECTION, atol=1e-4)
    # R r0 / u: u from r0 + 10 down to max(r0 - 10, R), with R = 4.50225
    for target_m, low_m, high_m in ((14.0, 2.62631, 14.0), (20.0, 3.0015, 9.0045), (60.0, 3.85907, 5.4027)):
        here = found_m[ranges_m == target_m]
        assert low_m <= here.min() * (1 + 1e-5)
        assert here.max() <= high_m * (1 + 1e-5)
        assert (here.min(), here.max()) == pytest.approx((low_m, high_m), rel=0.01)


def test_near_targets_with_strong_backscatter_stay_in_front_of_the_sensor():
    # r0 < 10 m: the published noise divides by a number that passes 0
    out = run(ray(np.linspace(2.0, 9.9, 2000)), alpha_per_m=0.0, beta_per_m_sr=5.0)
    moved = out.status == MOVED
    assert moved.mean() > 0.7
    found_m = out.points[moved, :3] @ DIRECTION
    target_m = np.linspace(2.0, 9.9, 2000)[moved]
    assert (found_m > 0.5).all()
    assert (found_m <= target_m * (1 + 1e-6)).all()


def test_points_without_intensity_are_never_replaced():
    out = run(ray(np.linspace(1, 150, 500), intensity=0.0), alpha_per_m=0.2)
    assert (out.status == KEPT).all()
    assert (out.points[:, INTENSITY] == 0).all()


@pytest.mark.parametrize("level", FOG.levels)
def test_the_intensity_scale_changes_nothing_else(level, make_street):
    unit = FOG(make_street(), np.random.default_rng(3), level)
    byte = FOG(make_street(intensity_max=255.0), np.random.default_rng(3), level)
    assert np.array_equal(unit.status, byte.status)
    assert np.array_equal(unit.points[:, :3], byte.points[:, :3])
    np.testing.assert_allclose(unit.points[:, INTENSITY] * 255, byte.points[:, INTENSITY], rtol=1e-5)


def test_strong_fog_returns_are_clipped_at_full_scale():
    out = run(ray([100.0], intensity=200.0, intensity_max=255.0), alpha_per_m=0.0, beta_per_m_sr=0.2)
    # unclipped: 200 * 4.64e-9 * 100^2 * 0.2 * pi * 1e6 = 5800
    assert out.points[0, INTENSITY] == 255.0


def test_visibility_is_another_name_for_attenuation(street_scan):
    by_mor = run(street_scan, mor_m=50.0)
    # alpha = ln(20) / 50 = 0.0599146
    by_alpha = run(street_scan, alpha_per_m=np.log(20) / 50)
    assert np.array_equal(by_mor.points, by_alpha.points)


def test_each_level_loses_more_energy_and_replaces_more_points(kitti_scan):
    energy, replaced = [], []
    for level in FOG.levels:
        out = FOG(kitti_scan, np.random.default_rng(0), level)
        energy.append(out.points[out.status == KEPT, INTENSITY].sum(dtype=float))
        replaced.append(int((out.status == MOVED).sum()))
    assert energy == sorted(energy, reverse=True)
    assert replaced == sorted(replaced)
    assert replaced[0] == 0 < replaced[1] < 0.5 * replaced[2]


def test_returns_below_the_detection_threshold_are_lost_in_proportion():
    # threshold 0.9 / 100^2 = 9e-5; clear 0.4 / 50^2 = 1.6e-4; exp(-2 * 0.01 * 50) = 0.36788: 0.65401 of it arrives
    scan = ray(np.full(20_000, 50.0))
    out = run(scan, alpha_per_m=0.01, max_range_m=100.0)
    # standard deviation sqrt(0.654 * 0.346 / 20000) = 0.0034
    assert len(out.points) / 20_000 == pytest.approx(0.65401, abs=0.015)
    assert len(run(scan, alpha_per_m=0.01).points) == 20_000


def test_denser_fog_loses_more_returns(street_scan):
    left = [len(run(street_scan, alpha_per_m=alpha, max_range_m=60.0).points) for alpha in (0.005, 0.02, 0.05, 0.1)]
    assert left == sorted(left, reverse=True)
    assert left[-1] < 0.8 * left[0]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "expected one of alpha_per_m and mor_m, found neither"),
        ({"alpha_per_m": 0.1, "mor_m": 50.0}, "found alpha_per_m=0.1 and mor_m=50.0"),
        ({"alpha_per_m": -0.1}, "alpha_per_m: expected a number in [0, 10], found -0.1"),
        ({"alpha_per_m": np.nan}, "alpha_per_m: expected a number in [0, 10], found nan"),
        ({"mor_m": 0.0}, "mor_m: expected a number of at least 1, found 0.0"),
        ({"alpha_per_m": 0.1, "beta_per_m_sr": -1.0}, "beta_per_m_sr: expected a number in [0, 10], found -1.0"),
        ({"alpha_per_m": 0.1, "range_noise_m": -1.0}, "range_noise_m: expected a number in [0, 1000], found -1.0"),
        ({"alpha_per_m": 0.1, "max_range_m": 0.0}, "max_range_m: expected a number in [1, 1000], found 0.0"),
    ],
)
def test_bad_parameters(parameters, message, street_scan):
    with pytest.raises(InputError) as error:
        run(street_scan, **parameters)
    assert message in str(error.value)


def beyond_30_m(points):
    """Share of the returns outside the vehicle, beyond 1.5 m, that lie beyond 30 m."""
    range_m = np.linalg.norm(points[:, :3], axis=1)
    return (range_m > 30).sum() / (range_m > 1.5).sum()


def test_real_fog_loses_far_returns_as_simulated(data_root):
    """RADIATE (real fog) and nuScenes (clear) share the HDL-32E; other scenes, so the bands are wide."""
    foggy = [
        beyond_30_m(np.loadtxt(path, delimiter=","))
        for path in sorted((data_root / "radiate" / "tiny_foggy" / "velo_lidar").glob("*.csv"))
    ]
    clear, simulated = [], []
    for path in sorted((data_root / "nuscenes" / "samples" / "LIDAR_TOP").glob("*.bin"))[::3]:
        points = read_points(path, columns=5)
        clear.append(beyond_30_m(points))
        out = run(Scan(points, 255.0, sensor="HDL-32E"), alpha_per_m=0.045, max_range_m=240.0)
        simulated.append(beyond_30_m(out.points))
        # The real scans show no ring of droplets around the sensor: most echoes of the fog are below its threshold.
        assert (out.status == MOVED).mean() < 0.01
    if not (foggy and clear):
        pytest.skip("no RADIATE or nuScenes scans")
    assert np.mean(clear) > 0.05
    assert 0.5 * np.mean(foggy) < np.mean(simulated) < 2 * np.mean(foggy)
