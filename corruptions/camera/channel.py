"""Noise that treats every value alone, as a table: the probability of each 8-bit output for each 8-bit input.

A pixel has 256 values before and 256 after, so noise of any distribution, with rounding and saturation, is a 256 x 256
matrix. Sampling from it is exact and costs one random word and one look-up per value (Walker 1977, Vose 1991), where
drawing Poisson numbers costs ten times that.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from corruptions.camera.light import DECODE, srgb_to_linear

CODES = np.arange(256)
_TAIL_SIGMAS, _TAIL_COUNTS = 7.0, 20.0  # beyond their sum, normal and Poisson counts hold less than 1e-11


def sample(images: NDArray[np.uint8], transition: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw an output for every value of ``images`` from its row of ``transition`` (256, 256); new array."""
    from corruptions.camera import kernels

    thresholds, aliases = np.empty((256, 256), np.uint32), np.empty((256, 256), np.uint8)
    kernels.alias_tables(transition, thresholds, aliases)
    out = np.empty_like(images)
    for view, noisy in zip(images, out, strict=True):
        words = rng.integers(0, 1 << 32, view.size, dtype=np.uint32)
        kernels.sample_alias(view.reshape(-1), words, thresholds, aliases, noisy.reshape(-1))
    return out


@lru_cache(maxsize=16)
def normal(sigma: float) -> NDArray[np.float64]:
    """Transition of normal noise of standard deviation ``sigma``, in units of the 0..255 scale."""
    from scipy.special import ndtr

    return _transition(ndtr((CODES[:-1] + 0.5 - CODES[:, None]) / sigma))


@lru_cache(maxsize=16)
def photoelectrons(full_well_e: float, exposure: float, read_noise_e: float, gain: float) -> NDArray[np.float64]:
    """Transition of a sensor that counts electrons: Poisson shot noise, normal read noise, gain.

    Args:
        full_well_e: electrons of a pixel at full scale.
        exposure: factor on the light before it is counted.
        read_noise_e: standard deviation of the read noise in electrons, which is rounded to whole electrons.
        gain: factor on the counted value.

    Returns:
        float64 (256, 256). Value i gives ``n ~ Poisson(exposure * full_well_e * light(i)) + read noise`` and becomes
        the code nearest to light ``gain * n / full_well_e``.
    """
    mean_e = exposure * full_well_e * DECODE.astype(np.float64)
    borders_e = full_well_e / gain * srgb_to_linear((CODES[:-1] + 0.5) / 255.0)
    return _transition(_electron_cdf(borders_e, mean_e, read_noise_e))


def impulses(share: float) -> NDArray[np.float64]:
    """Transition that replaces a ``share`` of all values by 0 or 255, each as likely."""
    transition = (1.0 - share) * np.eye(256)
    transition[:, [0, 255]] += share / 2.0
    return transition


def _transition(cumulative: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities from ``P(output <= j)`` for j in 0..254; what lies outside saturates."""
    rows = len(cumulative)
    transition = np.diff(np.hstack([np.zeros((rows, 1)), cumulative, np.ones((rows, 1))]), axis=1)
    transition.setflags(write=False)  # kept by the caches
    return transition


def _electron_cdf(
    borders_e: NDArray[np.float64], mean_e: NDArray[np.float64], read_noise_e: float
) -> NDArray[np.float64]:
    """``P(n <= border)`` (256, 255) for n a Poisson count of ``mean_e`` (256,) plus read noise in whole electrons."""
    from scipy.special import ndtr, pdtr

    means, borders = np.broadcast_arrays(mean_e[:, None], np.floor(borders_e))
    # Far from its mean a count is surely below or above the border: only the borders between cost an evaluation.
    near = np.abs(borders - means) < _TAIL_SIGMAS * np.sqrt(means + read_noise_e**2) + _TAIL_COUNTS
    cumulative = (borders > means).astype(np.float64)
    reach = int(np.ceil(_TAIL_SIGMAS * read_noise_e))
    offsets = np.arange(-reach, reach + 1)
    read = np.ones(1)
    if read_noise_e > 0:
        read = ndtr((offsets + 0.5) / read_noise_e) - ndtr((offsets - 0.5) / read_noise_e)
    total = np.zeros(int(near.sum()))
    for offset, probability in zip(offsets, read, strict=True):
        left = borders[near] - offset
        total += probability * np.where(left >= 0, pdtr(np.maximum(left, 0), means[near]), 0.0)
    cumulative[near] = np.clip(total / read.sum(), 0.0, 1.0)
    return cumulative
