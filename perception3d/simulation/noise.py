"""Noise of texture coordinates: the same point has the same value in every picture."""

from __future__ import annotations

import math

from numba import njit


@njit(cache=True, inline="always")
def lattice(x: int, y: int, seed: int) -> float:
    """A number in 0 ... 1 for each point of a square lattice."""
    h = (x * 374761393 + y * 668265263 + seed * 1442695041) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 1274126177) & 0xFFFFFFFF
    h = ((h ^ (h >> 15)) * 2246822519) & 0xFFFFFFFF
    return ((h ^ (h >> 16)) & 0xFFFFFF) * (1.0 / 16777216.0)


@njit(cache=True)
def value_noise(x: float, y: float, seed: int) -> float:
    """Smooth noise in 0 ... 1 with features of unit size."""
    fx, fy = math.floor(x), math.floor(y)
    i, j = int(fx), int(fy)
    u, v = x - fx, y - fy
    u, v = u * u * (3.0 - 2.0 * u), v * v * (3.0 - 2.0 * v)
    low = lattice(i, j, seed) * (1.0 - u) + lattice(i + 1, j, seed) * u
    high = lattice(i, j + 1, seed) * (1.0 - u) + lattice(i + 1, j + 1, seed) * u
    return low * (1.0 - v) + high * v


@njit(cache=True)
def detail(x: float, y: float, frequency: float, footprint: float, seed: int) -> float:
    """Noise about 0 within -0.5 ... 0.5 of a frequency per metre, gone where a pixel's footprint is larger than it."""
    share = 1.0 - footprint * frequency
    if share <= 0.0:
        return 0.0
    return share * (value_noise(x * frequency, y * frequency, seed) - 0.5)


@njit(cache=True, inline="always")
def line(x: float, period: float, width: float, footprint: float) -> float:
    """How much of a pixel lines of ``width`` around every multiple of ``period`` cover."""
    off = abs(x - period * math.floor(x / period + 0.5))
    half = 0.5 * max(width, footprint)
    if half > 0.5 * period:
        return width / period
    cover = (half - off) / max(footprint, 1e-4) + 0.5
    return min(max(cover, 0.0), 1.0) * width / (2.0 * half)


@njit(cache=True, inline="always")
def smoothstep(low: float, high: float, x: float) -> float:
    """0 below ``low``, 1 above ``high``, smooth between."""
    t = min(max((x - low) / (high - low), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)
