import numpy as np
import pytest

from corruptions.core import INTENSITY, KEPT, MOVED, InputError, Scan
from corruptions.noise.crosstalk import CROSSTALK, crosstalk
from corruptions.noise.jitter import (
    GAUSSIAN_NOISE,
    IMPULSE_NOISE,
    UNIFORM_NOISE,
    gaussian_noise,
    impulse_noise,
    uniform_noise,
)
from corruptions.noise.motion_blur import MOTION_BLUR, motion_blur

LEVELS = ("light", "moderate", "heavy")
ALL = (GAUSSIAN_NOISE, UNIFORM_NOISE, IMPULSE_NOISE, CROSSTALK, MOTION_BLUR)
every_corruption = pytest.mark.parametrize("corruption", ALL, ids=lambda corruption: corruption.name)


def shifts(scan, out):
    """(N, 3) displacement of every point in metres."""
    assert np.array_equal(out.source, np.arange(len(scan.points)))
    return out.points[:, :3].astype(np.float64) - scan.points[:, :3]


def test_gaussian_noise_has_its_standard_deviation_on_each_axis(street_scan):
    noise = shifts(street_scan, gaussian_noise(street_scan, np.random.default_rng(0), sigma_m=0.05))
    # 12 800 draws an axis: standard error of a standard deviation sigma / sqrt(2 N) = 0.6 %, of the mean 0.9 % of sigma
    assert noise.std(axis=0) == pytest.approx(0.05, rel=0.03)
    assert noise.mean(axis=0) == pytest.approx(0, abs=0.002)
    assert np.abs(np.corrcoef(noise.T) - np.eye(3)).max() < 0.04


def test_uniform_noise_fills_its_interval(street_scan):
    noise = shifts(street_scan, uniform_noise(street_scan, np.random.default_rng(0), amplitude_m=0.06))
    assert np.abs(noise).max() == pytest.approx(0.06, rel=1e-3)
    assert noise.std(axis=0) == pytest.approx(0.06 / np.sqrt(3), rel=0.02)


def test_impulses_have_one_size_and_an_exact_share(street_scan):
    out = impulse_noise(street_scan, np.random.default_rng(0), share=0.1, amplitude_m=0.25)
    hit = out.status == MOVED
    assert hit.sum() == 1280  # a tenth of 12 800
    # float32 keeps 40 m to 4e-6
    assert np.abs(shifts(street_scan, out)[hit]) == pytest.approx(0.25, abs=1e-5)
    # 3 x 1280 signs: standard error of the mean 1 / sqrt(3840) = 0.016
    assert np.sign(shifts(street_scan, out)[hit]).mean() == pytest.approx(0, abs=0.065)


def test_crosstalk_hits_an_exact_share_and_spares_the_intensity(street_scan):
    out = crosstalk(street_scan, np.random.default_rng(0), share=0.25)
    hit = out.status == MOVED
    assert hit.sum() == 3200
    # 3200 draws an axis: standard error 1.25 %
    assert shifts(street_scan, out)[hit].std(axis=0) == pytest.approx(3.0, rel=0.05)
    assert np.array_equal(out.points[~hit], street_scan.points[~hit])


def test_motion_blur_shifts_the_scan_and_jitters_the_points(street_scan):
    noise = shifts(street_scan, motion_blur(street_scan, np.random.default_rng(0), sigma_m=0.3))
    # The mean of 12 800 jitters adds less than 1 mm to the shift of sqrt(3) * 0.3 = 0.5196 m
    assert np.linalg.norm(noise.mean(axis=0)) == pytest.approx(0.5196, abs=0.002)
    assert noise.std(axis=0) == pytest.approx([0.03, 0.03, 0.015], rel=0.03)


def test_motion_blur_goes_in_any_direction(street_scan):
    scan = Scan(street_scan.points[:50], 1.0)
    directions = [
        shifts(scan, motion_blur(scan, np.random.default_rng(k), sigma_m=1.0)).mean(axis=0) for k in range(400)
    ]
    # Uniform on the sphere of radius sqrt(3): mean 0, variance 1 per axis
    assert np.mean(directions, axis=0) == pytest.approx(0, abs=0.2)
    assert np.var(directions, axis=0) == pytest.approx(1, abs=0.2)


@every_corruption
@pytest.mark.parametrize("level", LEVELS)
def test_intensity_stays(corruption, level, street_scan):
    out = corruption(street_scan, np.random.default_rng(0), level)
    assert np.array_equal(out.points[:, INTENSITY], street_scan.points[:, INTENSITY])


@every_corruption
@pytest.mark.parametrize("scan_fixture", ["street_scan", "kitti_scan"])
def test_levels_grow(corruption, scan_fixture, request):
    scan = request.getfixturevalue(scan_fixture)
    outs = [corruption(scan, np.random.default_rng(k), level) for k, level in enumerate(LEVELS)]
    square_m2 = [np.square(shifts(scan, out)).mean() for out in outs]
    moved = [(out.status == MOVED).mean() for out in outs]
    if corruption.severity == "share of points moved":
        assert 0 < moved[0] < moved[1] < moved[2]
    else:
        assert corruption.severity == "root mean square displacement"
        assert 0 < square_m2[0] < square_m2[1] < square_m2[2]


@pytest.mark.parametrize(
    ("fn", "nothing"),
    [
        (gaussian_noise, {"sigma_m": 0.0}),
        (uniform_noise, {"amplitude_m": 0.0}),
        (impulse_noise, {"share": 0.0}),
        (crosstalk, {"share": 0.0}),
        (motion_blur, {"sigma_m": 0.0}),
    ],
)
def test_no_noise_is_the_identity(fn, nothing, street_scan):
    out = fn(street_scan, np.random.default_rng(0), **nothing)
    assert np.array_equal(out.points, street_scan.points)
    assert (out.status == KEPT).all()


@pytest.mark.parametrize(
    ("fn", "bad", "name"),
    [
        (gaussian_noise, {"sigma_m": -1.0}, "sigma_m"),
        (uniform_noise, {"amplitude_m": float("nan")}, "amplitude_m"),
        (impulse_noise, {"share": 1.1}, "share"),
        (impulse_noise, {"share": 0.1, "amplitude_m": -1.0}, "amplitude_m"),
        (crosstalk, {"share": 2.0}, "share"),
        (crosstalk, {"share": 0.1, "sigma_m": -1.0}, "sigma_m"),
        (motion_blur, {"sigma_m": -0.1}, "sigma_m"),
    ],
)
def test_bad_values_are_named(fn, bad, name, street_scan):
    with pytest.raises(InputError, match=name):
        fn(street_scan, np.random.default_rng(0), **bad)
