import numpy as np
import pytest

from corruptions.core import INTENSITY, KEPT, InputError, Scan
from corruptions.semantics import members
from corruptions.weather.wet_ground import (
    WET_GROUND,
    film_darkening,
    film_transmission,
    fresnel_reflectance,
    internal_reflectance,
    wet_ground,
)

LEVELS = ("light", "moderate", "heavy")
every_scan = pytest.mark.parametrize("scan_fixture", ["street_scan", "kitti_scan"])


def cosine(degrees):
    return np.cos(np.radians(np.atleast_1d(np.asarray(degrees, dtype=float))))


def test_fresnel_at_normal_incidence():
    # ((1.33 - 1.0003) / (1.33 + 1.0003))^2 = (0.3297 / 2.3303)^2 = 0.020018
    for share in fresnel_reflectance(np.ones(1), 1.0003, 1.33):
        assert share == pytest.approx(0.020018, rel=1e-4)
    assert film_transmission(np.ones(1)) == pytest.approx(1 - 0.020018, rel=1e-5)


def test_fresnel_at_brewsters_angle_and_grazing():
    brewster = np.degrees(np.arctan(1.33 / 1.0003))  # 53.1 degrees
    r_s, r_p = fresnel_reflectance(cosine(brewster), 1.0003, 1.33)
    assert r_p == pytest.approx(0, abs=1e-15)
    # There both rays are at right angles, and R_s = ((n^2 - 1) / (n^2 + 1))^2
    n_sq = (1.33 / 1.0003) ** 2
    assert r_s == pytest.approx(((n_sq - 1) / (n_sq + 1)) ** 2)
    for share in fresnel_reflectance(np.zeros(1), 1.0003, 1.33):
        assert share == pytest.approx(1)


def test_fresnel_amplitudes_conserve_energy():
    # The transmitted power from its own amplitude, t^2 n2 cos2 / (n1 cos1): R + T = 1
    cos_1 = cosine([0, 20, 45, 53, 70, 85])
    cos_2 = np.sqrt(1 - (1.0003 / 1.33) ** 2 * (1 - cos_1**2))
    r_s, r_p = fresnel_reflectance(cos_1, 1.0003, 1.33)
    t_s = 2 * 1.0003 * cos_1 / (1.0003 * cos_1 + 1.33 * cos_2)
    t_p = 2 * 1.0003 * cos_1 / (1.0003 * cos_2 + 1.33 * cos_1)
    flux = 1.33 * cos_2 / (1.0003 * cos_1)
    assert r_s + t_s**2 * flux == pytest.approx(np.ones(6))
    assert r_p + t_p**2 * flux == pytest.approx(np.ones(6))


def test_fresnel_is_the_same_both_ways_and_total_beyond_the_critical_angle():
    cos_1 = cosine([10, 50, 80])
    cos_2 = np.sqrt(1 - (1.0003 / 1.33) ** 2 * (1 - cos_1**2))
    down, up = fresnel_reflectance(cos_1, 1.0003, 1.33), fresnel_reflectance(cos_2, 1.33, 1.0003)
    assert down[0] == pytest.approx(up[0]) and down[1] == pytest.approx(up[1])
    for share in fresnel_reflectance(cosine(60), 1.33, 1.0003):  # critical angle 48.8 degrees
        assert share == pytest.approx(1)


def test_internal_reflectance_equals_walshs_closed_form():
    # Walsh (1926), diffuse light onto a dielectric of index n
    n = 1.33 / 1.0003
    diffuse = (
        0.5
        + (n - 1) * (3 * n + 1) / (6 * (n + 1) ** 2)
        + n**2 * (n**2 - 1) ** 2 / (n**2 + 1) ** 3 * np.log((n - 1) / (n + 1))
        - 2 * n**3 * (n**2 + 2 * n - 1) / ((n**2 + 1) * (n**4 - 1))
        + 8 * n**4 * (n**4 + 1) / ((n**2 + 1) * (n**4 - 1) ** 2) * np.log(n)
    )
    assert internal_reflectance() == pytest.approx(1 - (1 - diffuse) / n**2, abs=1e-4)


def test_film_sums_the_reflections_inside_it():
    cos, rho = cosine([0, 60, 80]), np.array([0.1, 0.5, 0.9])
    # Ray by ray: in, scattered, out; or back down, scattered again, out ...
    transmission, trapped = film_transmission(cos), rho * internal_reflectance()
    series = sum(trapped**bounce for bounce in range(200))
    direct = transmission * transmission * (1.0003 / 1.33) ** 2 * series
    assert film_darkening(cos, rho, 1.0) == pytest.approx(direct)
    # Half of the texture filled: half of the effect
    assert film_darkening(cos, rho, 0.5) == pytest.approx((1 + direct) / 2)


def test_film_darkens_more_at_grazing_angles_and_never_brightens():
    cos = np.linspace(0, 1, 101)
    for rho in (0.0, 0.3, 1.0):
        ratio = film_darkening(cos, np.full(101, rho), 1.0)
        assert (np.diff(ratio) >= 0).all()
        assert ratio.min() >= 0 and ratio.max() <= 1
    assert (film_darkening(cos, np.full(101, 0.3), 0.0) == 1).all()


@every_scan
def test_no_film_is_the_identity(scan_fixture, request):
    scan = request.getfixturevalue(scan_fixture)
    out = wet_ground(scan, np.random.default_rng(0), water_height_mm=0.0)
    assert np.array_equal(out.points, scan.points) and (out.status == KEPT).all()


@every_scan
def test_only_ground_changes(scan_fixture, request):
    scan = request.getfixturevalue(scan_fixture)
    off_ground = ~members(scan.labels, "semantickitti", "ground")
    out = WET_GROUND(scan, np.random.default_rng(0), "heavy")
    assert np.array_equal(out.points[off_ground[out.source]], scan.points[off_ground])
    assert (out.points[:, INTENSITY] <= scan.points[out.source, INTENSITY]).all()
    assert np.array_equal(out.points[:, :3], scan.points[out.source, :3])


def test_kept_ground_returns_the_darkened_intensity():
    # Level ground 1.5 m below the sensor, met at 60 degrees: range 3 m
    azimuth = np.linspace(0, 2 * np.pi, 1000, endpoint=False)
    points = np.column_stack([3 * np.sin(np.pi / 3) * np.cos(azimuth), 3 * np.sin(np.pi / 3) * np.sin(azimuth)])
    points = np.column_stack([points, np.full(1000, -1.5), np.full(1000, 0.2)]).astype(np.float32)
    # Points of the far ground for the plane fit, which begins 3 m from the axis
    scan = Scan(np.concatenate([points, points * np.float32([4, 4, 1, 1])]), 1.0, labels=np.full(2000, 40))
    out = wet_ground(scan, np.random.default_rng(0), water_height_mm=1.2, noise_floor=0.0)
    # Fresnel at 60 degrees: cos' = sqrt(1 - (1.0003/1.33)^2 * 3/4) = 0.75877
    # R_s = ((0.50015 - 1.00916) / 1.50931)^2 = 0.11374, R_p = ((0.75900 - 0.665) / 1.42400)^2 = 0.00436, T = 0.94095
    # 0.94095^2 * (1.0003/1.33)^2 / (1 - 0.2 * 0.4716) = 0.50083 / 0.90568 = 0.55299
    assert out.points[:1000, INTENSITY] == pytest.approx(0.2 * 0.55299, rel=1e-3)


@every_scan
def test_levels_lose_more_ground_and_energy(scan_fixture, request):
    scan = request.getfixturevalue(scan_fixture)
    ground = members(scan.labels, "semantickitti", "ground").sum()
    outs = [WET_GROUND(scan, np.random.default_rng(0), level) for level in LEVELS]
    lost = [(len(scan.points) - len(out.points)) / ground for out in outs]
    energy = [scan.points[:, INTENSITY].sum() - out.points[:, INTENSITY].sum() for out in outs]
    assert 0 < lost[0] < lost[1] < lost[2] < 0.5, "the ground thins out and does not vanish"
    assert 0 < energy[0] < energy[1] < energy[2]


def test_wet_ground_fades_with_range(kitti_scan):
    out = WET_GROUND(kitti_scan, np.random.default_rng(0), "heavy")
    lost = np.ones(len(kitti_scan.points), dtype=bool)
    lost[out.source] = False
    ground = members(kitti_scan.labels, "semantickitti", "ground")
    shares = [
        lost[ground & (kitti_scan.range_m >= near) & (kitti_scan.range_m < far)].mean()
        for near, far in ((3, 15), (15, 20), (20, 30), (30, 50))
    ]
    assert shares[0] < 0.1 < shares[2] < shares[3]
    assert np.all(np.diff(shares) > 0)


def test_labels_and_plane_fit_agree(kitti_scan):
    def lost(scan):
        return 1 - len(WET_GROUND(scan, np.random.default_rng(0), "heavy").points) / len(scan.points)

    assert lost(Scan(kitti_scan.points, 1.0)) == pytest.approx(lost(kitti_scan), abs=0.03)


def test_without_ground_nothing_is_wet(street_scan):
    walls = ~members(street_scan.labels, "semantickitti", "ground")
    scan = Scan(street_scan.points[walls], 1.0, labels=street_scan.labels[walls])
    out = WET_GROUND(scan, np.random.default_rng(0), "heavy")
    assert np.array_equal(out.points, scan.points)


@pytest.mark.parametrize(
    "bad",
    [
        {"water_height_mm": -0.1},
        {"water_height_mm": 1.0, "pavement_depth_mm": 0.0},
        {"water_height_mm": 1.0, "noise_floor": 1.5},
    ],
)
def test_bad_values_are_named(bad, street_scan):
    with pytest.raises(InputError, match=list(bad)[-1]):
        wet_ground(street_scan, np.random.default_rng(0), **bad)
