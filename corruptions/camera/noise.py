"""Sensor noise: normal, shot and impulse noise, drawn value by value (``corruptions.camera.channel``)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from corruptions.camera import channel
from corruptions.camera.views import ViewCorruption, Views, check_range


def gaussian_noise(views: Views, rng: np.random.Generator, *, sigma: float) -> NDArray[np.uint8]:
    """Add normal noise to every value of every channel, then round and saturate.

    Args:
        views: images in RGB.
        rng: random generator.
        sigma: standard deviation on the encoded 0..255 scale.

    Returns:
        uint8 (V, H, W, 3).
    """
    check_range("sigma", sigma, 1e-3, 255.0)
    return channel.sample(views.images, channel.normal(float(sigma)), rng)


def shot_noise(views: Views, rng: np.random.Generator, *, full_well_e: float) -> NDArray[np.uint8]:
    """Count photoelectrons: Poisson noise whose variance is the light itself.

    ``n ~ Poisson(full_well_e * light)``, shown as ``n / full_well_e``, both in linear light (EMVA 1288, section 2:
    variance of the electron number equals its mean).

    Args:
        views: images in RGB.
        rng: random generator.
        full_well_e: electrons of one value at full scale; fewer are noisier.

    Returns:
        uint8 (V, H, W, 3).
    """
    check_range("full_well_e", full_well_e, 1.0, 1e7)
    transition = channel.photoelectrons(float(full_well_e), exposure=1.0, read_noise_e=0.0, gain=1.0)
    return channel.sample(views.images, transition, rng)


def impulse_noise(views: Views, rng: np.random.Generator, *, share: float) -> NDArray[np.uint8]:
    """Replace a share of all values by 0 or 255: dead and stuck photosites, or bit errors on the way.

    A photosite sees one colour, so the three channels of a pixel fail apart from each other.

    Args:
        views: images in RGB.
        rng: random generator.
        share: probability that a value is replaced.

    Returns:
        uint8 (V, H, W, 3).
    """
    check_range("share", share, 0.0, 1.0)
    return channel.sample(views.images, channel.impulses(share), rng)


GAUSSIAN_NOISE = ViewCorruption(
    name="gaussian_noise",
    reference="additive white Gaussian noise on encoded values",
    levels={"light": {"sigma": 10.0}, "moderate": {"sigma": 25.0}, "heavy": {"sigma": 50.0}},
    fn=gaussian_noise,
    severity="mean absolute change; sigma",
    parameter_docs={"sigma": "standard deviation on the 0..255 scale"},
)

SHOT_NOISE = ViewCorruption(
    name="shot_noise",
    reference="EMVA 1288 release 4.0, section 2 (linear camera model)",
    levels={"light": {"full_well_e": 300.0}, "moderate": {"full_well_e": 80.0}, "heavy": {"full_well_e": 20.0}},
    fn=shot_noise,
    severity="mean absolute change; 1 / full_well_e",
    parameter_docs={"full_well_e": "photoelectrons of one value at full scale"},
)

IMPULSE_NOISE = ViewCorruption(
    name="impulse_noise",
    reference="salt-and-pepper noise per photosite",
    levels={"light": {"share": 0.01}, "moderate": {"share": 0.04}, "heavy": {"share": 0.12}},
    fn=impulse_noise,
    severity="mean absolute change; share",
    parameter_docs={"share": "probability that a value becomes 0 or 255"},
)
