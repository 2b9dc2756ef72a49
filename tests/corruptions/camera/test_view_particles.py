"""Drops and flakes against integrals over their size distributions and the optics of a pinhole."""

import numpy as np
import pytest
from scipy.integrate import quad

from corruptions.camera import Views, corrupt_views
from corruptions.camera.particles import NEAREST_M, RESOLVED_PX, Camera, Particles, scatter, shadow, visible
from corruptions.camera.rain import marshall_palmer, terminal_velocity_m_per_s
from corruptions.camera.snow import gunn_marshall

FOCAL = 600.0
SHAPE = (300, 500)
SPECTRA = [marshall_palmer(30.0), gunn_marshall(2.0)]


def one(distance_m: float, diameter_m: float) -> Particles:
    return Particles(np.array([[250.0, 150.0]]), np.array([distance_m]), np.array([diameter_m]))


def test_fall_speed_of_drops_against_the_measurements_of_gunn_and_kinzer():
    # Gunn and Kinzer 1949: diameters in mm, speeds in m/s
    measured = {1.0: 4.03, 2.0: 6.49, 3.0: 8.06, 4.0: 8.83, 5.0: 9.09}
    for diameter_mm, speed in measured.items():
        assert terminal_velocity_m_per_s(np.array([diameter_mm * 1e-3]))[0] == pytest.approx(speed, rel=0.04)


@pytest.mark.parametrize("rate", [1.0, 10.0, 100.0])
def test_drops_carry_about_their_rain_rate(rate):
    rain = marshall_palmer(rate)

    def flux(d_mm):
        speed = terminal_velocity_m_per_s(np.array([d_mm * 1e-3]))[0]
        return np.pi / 6 * d_mm**3 * rain.n0_per_m3_mm * np.exp(-rain.slope_per_mm * d_mm) * speed

    # mm3 / (m2 s) = 1e-6 mm/s; Marshall and Palmer's fit to the rate is known to be good to some 20 %
    assert quad(flux, 0, 15)[0] * 1e-6 * 3600 == pytest.approx(rate, rel=0.2)


@pytest.mark.parametrize("rate", [0.5, 1.5, 2.5])
def test_flakes_at_one_metre_per_second_carry_their_snowfall_rate(rate):
    snow = gunn_marshall(rate)
    volume = quad(lambda d: np.pi / 6 * d**3 * snow.n0_per_m3_mm * np.exp(-snow.slope_per_mm * d), 0, 40)[0]
    assert volume * 1e-6 * 3600 * 1.0 == pytest.approx(rate, rel=0.1)


@pytest.mark.parametrize("spectrum", SPECTRA)
def test_extinction_is_twice_the_shadow_of_all_particles(spectrum):
    def shadow_mm2(d):
        return np.pi / 4 * (spectrum.swelling * d) ** 2 * spectrum.n0_per_m3_mm * np.exp(-spectrum.slope_per_mm * d)

    assert spectrum.extinction_per_m == pytest.approx(2 * quad(shadow_mm2, 0, 60)[0] * 1e-6, rel=1e-6)


def test_rain_extinction_is_the_known_power_law():
    # 4.1**-3 * 8000 * pi * 1e-6 = 3.65e-4 per metre, times R**0.63: twice the geometric shadow of Marshall-Palmer drops
    assert marshall_palmer(40.0).extinction_per_m == pytest.approx(3.65e-4 * 40**0.63, rel=2e-3)


@pytest.mark.parametrize("spectrum", SPECTRA)
def test_number_and_nearness_of_resolved_particles(spectrum):
    area_sr = 1.1**2 * SHAPE[0] * SHAPE[1] / FOCAL**2

    def per_m3_in(d_mm, low, high):
        farthest = FOCAL * spectrum.swelling * d_mm * 1e-3 / RESOLVED_PX
        low, high = max(low, NEAREST_M), min(high, farthest)
        return spectrum.n0_per_m3_mm * np.exp(-spectrum.slope_per_mm * d_mm) * max(0.0, high**3 - low**3) / 3 * area_sr

    rng = np.random.default_rng(0)
    draws = [scatter(spectrum, FOCAL, SHAPE, rng) for _ in range(40)]
    distances = np.concatenate([draw.distance_m for draw in draws])
    for low, high in ((0.0, 1e3), (0.5, 1.5), (1.5, 4.0)):
        expected = 40 * quad(per_m3_in, 0, 60, args=(low, high), limit=400)[0]
        found = ((distances >= low) & (distances < high)).sum()
        assert found == pytest.approx(expected, abs=5 * np.sqrt(expected))
    widths = np.concatenate([FOCAL * draw.diameter_m / draw.distance_m for draw in draws])
    assert widths.min() >= RESOLVED_PX * (1 - 1e-9)


@pytest.mark.parametrize("velocity", [(0.0, 0.0), (0.0, 6.0), (3.0, -4.0)])
@pytest.mark.parametrize("aperture_mm", [0.0, 8.0])
def test_motion_and_defocus_spread_the_blocked_light_and_keep_its_sum(velocity, aperture_mm):
    # f D / z = 600 * 0.02 / 1 = 12 px: area pi/4 * 144 = 113.1 px
    camera = Camera(65.0, aperture_mm, exposure_s=0.01)
    through = shadow(one(1.0, 0.02), np.array([velocity]), camera, FOCAL, SHAPE)
    blocked = (1.0 - through.astype(np.float64)).sum()
    assert blocked == pytest.approx(np.pi / 4 * 144, rel=0.01)
    assert through.min() >= 0


def test_a_streak_is_as_long_as_its_fall():
    # 600 px * 8 m/s * 0.01 s / 2 m = 24 px down, and round ends of 0.5 * 600 * 0.003 / 2 + 0.7 = 1.15 px
    through = shadow(one(2.0, 0.003), np.array([[0.0, 8.0]]), Camera(65.0, 0.0, 0.01), FOCAL, SHAPE)
    rows, columns = np.nonzero(through < 1)
    assert rows.min() == 150 - 13 and rows.max() == 150 + 13
    assert set(columns) == {249, 250, 251}


def test_particles_behind_the_scene_are_hidden():
    depth_m = np.full(SHAPE, 3.0, np.float32)
    assert len(visible(one(3.5, 0.002), depth_m).distance_m) == 0
    assert len(visible(one(2.5, 0.002), depth_m).distance_m) == 1
    assert len(visible(one(3.5, 0.002), None).distance_m) == 1


@pytest.mark.parametrize("name", ["rain", "snow"])
def test_particles_are_bright_before_dark_and_dark_before_bright(name):
    images = np.full((1, 240, 400, 3), 20, np.uint8)
    images[0, :60] = 255  # a quarter of sky sets the light of the surroundings: 0.75
    out = corrupt_views(Views(images, "rgb"), name, "heavy", seed=0, sample="a", assumed_depth_m=0.0)
    assert out[0, 60:].min() == 20 and out[0, 60:].max() > 40
    assert out[0, :60].max() == 255 and out[0, :60].min() < 254


@pytest.mark.parametrize("name", ["rain", "snow"])
def test_far_scene_drowns_in_the_veil(name):
    images = np.full((1, 60, 100, 3), 20, np.uint8)
    images[0, :10] = 200
    depth_m = np.full((1, 60, 100), 1e5, np.float32)
    depth_m[0, 30:] = 0.4  # nearer than the nearest particle
    out = corrupt_views(Views(images, "rgb", depth_m), name, "light", seed=0, sample="a")
    assert np.abs(out[0, :30].astype(int) - 200).max() <= 8  # airlight of the 90 % quantile, particles at 94-95 % of it
    assert np.abs(out[0, 30:].astype(int) - 20).max() <= 1
