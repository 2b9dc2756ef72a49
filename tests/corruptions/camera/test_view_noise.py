"""Noise against the moments of its distributions."""

import numpy as np
import pytest

from corruptions.camera import Views, channel, corrupt_views
from corruptions.camera.light import DECODE

COUNT = 200 * 300 * 3


def uniform(code: int) -> Views:
    return Views(np.full((1, 200, 300, 3), code, np.uint8), "rgb")


def electrons(images: np.ndarray, full_well_e: float) -> np.ndarray:
    """The counts behind the codes; exact where every count has a code of its own."""
    return np.rint(DECODE[images].astype(np.float64) * full_well_e)


def assert_moments(values: np.ndarray, mean: float, variance: float) -> None:
    """Within five standard errors of the sample mean and (for near-normal values) variance."""
    assert values.mean() == pytest.approx(mean, abs=5 * np.sqrt(variance / COUNT))
    assert values.var() == pytest.approx(variance, rel=5 * np.sqrt(2 / COUNT) * 1.2)


@pytest.mark.parametrize("sigma", [5.0, 20.0])
def test_gaussian_noise_has_its_sigma(sigma):
    out = corrupt_views(uniform(128), "gaussian_noise", seed=0, sample="", sigma=sigma)
    assert_moments(out.astype(np.float64), 128.0, sigma**2 + 1 / 12)  # rounding adds 1/12


def test_noise_is_independent_between_pixels_and_channels():
    out = corrupt_views(uniform(128), "gaussian_noise", seed=0, sample="", sigma=10.0)[0].astype(np.float64) - 128
    for product in (out[:, 1:] * out[:, :-1], out[1:] * out[:-1], out[..., 1:] * out[..., :-1]):
        assert abs(product.mean()) < 5 * 100 / np.sqrt(product.size)


@pytest.mark.parametrize("code", [60, 120, 170])
def test_shot_noise_is_poisson(code):
    mean_e = 50.0 * float(DECODE[code])
    out = corrupt_views(uniform(code), "shot_noise", seed=0, sample="", full_well_e=50.0)
    counts = electrons(out, 50.0)
    assert_moments(counts, mean_e, mean_e)
    # P(n = 0) = exp(-mean) shows the shape, which a rounded normal distribution misses
    zero = np.exp(-mean_e)
    assert (counts == 0).mean() == pytest.approx(zero, abs=5 * np.sqrt(zero / COUNT) + 1e-12)


def test_shot_noise_vanishes_with_many_electrons(scene):
    out = corrupt_views(scene, "shot_noise", seed=0, sample="", full_well_e=1e7)
    assert (out != scene.images).mean() < 0.02
    assert np.abs(out.astype(int) - scene.images).max() <= 1


def test_darkness_has_the_moments_of_its_electrons():
    # 400 e- * 0.5 * light(200) = 115.5 e- of mean and variance, 5 e- of read noise, 1/12 of rounding it
    mean_e = 400.0 * 0.5 * float(DECODE[200])
    out = corrupt_views(
        uniform(200), "darkness", seed=0, sample="", exposure_stops=-1.0, full_well_e=400.0, read_noise_e=5.0
    )
    # several counts share a code up there, which adds the variance of rounding light to codes of about 3 e-
    counts = DECODE[out].astype(np.float64) * 400.0
    assert counts.mean() == pytest.approx(mean_e, rel=0.005)
    assert counts.var() == pytest.approx(mean_e + 25.0 + 1 / 12, rel=0.02)


def test_gain_after_the_sensor_brings_back_the_picture_with_its_noise():
    def out(**values):
        return DECODE[corrupt_views(uniform(150), "darkness", seed=0, sample="", read_noise_e=0.0, **values)]

    plain = out(exposure_stops=-4.0, full_well_e=4000.0)
    amplified = out(exposure_stops=-4.0, gain_stops=4.0, full_well_e=4000.0)
    light = float(DECODE[150])
    assert plain.mean() == pytest.approx(light / 16, rel=0.01)
    assert amplified.mean() == pytest.approx(light, rel=0.01)
    # relative noise stays that of the electrons: 1 / sqrt(4000 / 16 * light)
    assert amplified.std() / light == pytest.approx(1 / np.sqrt(250 * light), rel=0.02)


@pytest.mark.parametrize("share", [0.01, 0.2])
def test_impulses_hit_their_share_half_black_half_white(share):
    out = corrupt_views(uniform(77), "impulse_noise", seed=0, sample="", share=share)
    assert set(np.unique(out)) == {0, 77, 255}
    for value in (0, 255):
        assert (out == value).mean() == pytest.approx(share / 2, abs=5 * np.sqrt(share / 2 / COUNT))


@pytest.mark.parametrize(
    "transition",
    [
        channel.normal(3.0),
        channel.normal(200.0),
        channel.photoelectrons(20.0, 1.0, 0.0, 1.0),
        channel.photoelectrons(1e4, 2.0**-7, 4.0, 8.0),
        channel.impulses(0.3),
    ],
)
def test_transitions_are_distributions(transition):
    assert transition.shape == (256, 256) and transition.min() >= 0
    np.testing.assert_allclose(transition.sum(axis=1), 1.0, atol=1e-12)


def test_alias_sampling_follows_any_distribution():
    rng = np.random.default_rng(0)
    transition = rng.dirichlet(np.full(256, 0.1), 256)
    images = np.full((1, 500, 700, 3), 9, np.uint8)
    drawn = np.bincount(channel.sample(images, transition, rng).ravel(), minlength=256)
    expected = images.size * transition[9]
    likely = expected > 20
    chi2 = ((drawn - expected)[likely] ** 2 / expected[likely]).sum()
    assert chi2 < likely.sum() + 5 * np.sqrt(2 * likely.sum())
    # what is improbable is rare: all of it together within five standard deviations
    assert abs(drawn[~likely].sum() - expected[~likely].sum()) < 5 * np.sqrt(expected[~likely].sum() + 1)
