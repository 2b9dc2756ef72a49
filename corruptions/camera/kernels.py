"""Compiled pixel loops. Imported only inside the functions that run them, since numba is slow to import."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray


@numba.njit(cache=True)
def encode(light: NDArray[Any], table: NDArray[Any], out: NDArray[Any]) -> None:
    """Look up the 8-bit code of linear light (n,) in ``table`` (65536,)."""
    for i in range(light.size):
        scaled = light[i] * np.float32(65535.0) + np.float32(0.5)
        out[i] = table[int(min(max(scaled, np.float32(0.0)), np.float32(65535.0)))]


@numba.njit(cache=True)
def relight(
    view: NDArray[Any],
    transmission: NDArray[Any],
    added: NDArray[Any],
    colour: NDArray[Any],
    decode_table: NDArray[Any],
    encode_table: NDArray[Any],
    out: NDArray[Any],
) -> None:
    """``encode(decode(view) * transmission + colour * added)`` per pixel of an (H, W, 3) view."""
    full = np.float32(65535.0)
    for row in range(view.shape[0]):
        for column in range(view.shape[1]):
            through, more = transmission[row, column] * full, added[row, column] * full
            for channel in range(3):
                scaled = decode_table[view[row, column, channel]] * through + colour[channel] * more + np.float32(0.5)
                out[row, column, channel] = encode_table[int(min(max(scaled, np.float32(0.0)), full))]


@numba.njit(cache=True)
def blend_shifted(
    padded: NDArray[Any],
    rows: NDArray[Any],
    columns: NDArray[Any],
    weights: NDArray[Any],
    encode_table: NDArray[Any],
    out: NDArray[Any],
) -> None:
    """Encode the weighted sum of shifted copies, ``sum_k weights[k] * padded[y + rows[k], x + columns[k]]``.

    A kernel of few non-zero entries (a line) costs its entries and not its area. ``padded`` is float32, ``out`` uint8,
    both with the channels laid out along the columns.
    """
    width = out.shape[1]
    total = np.empty(width, np.float32)
    for row in range(out.shape[0]):
        total[:] = np.float32(0.0)
        for k in range(len(weights)):
            source = padded[row + rows[k], columns[k] : columns[k] + width]
            weight = weights[k]
            for i in range(width):
                total[i] += weight * source[i]
        encode(total, encode_table, out[row])


@numba.njit(cache=True)
def alias_tables(transition: NDArray[Any], thresholds: NDArray[Any], aliases: NDArray[Any]) -> None:
    """Walker's alias tables of every row of ``transition`` (R, 256), built by Vose's method.

    ``thresholds`` uint32 (R, 256) holds the probability of keeping a column in units of 2**-24, ``aliases`` uint8
    (R, 256) the column taken otherwise.
    """
    size = transition.shape[1]
    small, large = np.empty(size, np.int64), np.empty(size, np.int64)
    for row in range(transition.shape[0]):
        scaled = transition[row] * size
        few, many = 0, 0
        for column in range(size):
            aliases[row, column] = column
            thresholds[row, column] = 1 << 24
            if scaled[column] < 1.0:
                small[few] = column
                few += 1
            else:
                large[many] = column
                many += 1
        while few > 0 and many > 0:
            few -= 1
            low, high = small[few], large[many - 1]
            thresholds[row, low] = int(scaled[low] * (1 << 24) + 0.5)
            aliases[row, low] = high
            scaled[high] -= 1.0 - scaled[low]
            if scaled[high] < 1.0:
                many -= 1
                small[few] = high
                few += 1


@numba.njit(cache=True)
def sample_alias(
    values: NDArray[Any], words: NDArray[Any], thresholds: NDArray[Any], aliases: NDArray[Any], out: NDArray[Any]
) -> None:
    """Draw a column of row ``values[i]`` for each random word: 8 bits choose a column, 24 keep or replace it."""
    for i in range(values.size):
        column = words[i] >> np.uint32(24)
        keep = (words[i] & np.uint32(0xFFFFFF)) < thresholds[values[i], column]
        out[i] = column if keep else aliases[values[i], column]


@numba.njit(cache=True)
def draw_capsules(
    centres: NDArray[Any],
    motions: NDArray[Any],
    radii: NDArray[Any],
    opacities: NDArray[Any],
    transmission: NDArray[Any],
) -> None:
    """Multiply ``transmission`` (H, W) by what each moving disc lets through.

    A disc of radius ``radii[i]`` that moves by ``motions[i]`` about ``centres[i]`` sweeps a capsule. Its opacity falls
    from ``opacities[i]`` on the path to 0 at the radius as ``1 - (distance / radius)**2``: a disc in motion covers the
    middle of its path longest. All in pixels, x before y.
    """
    height, width = transmission.shape
    for i in range(len(radii)):
        x, y = centres[i]
        half_x, half_y = motions[i, 0] / 2.0, motions[i, 1] / 2.0
        reach = radii[i]
        squared = half_x * half_x + half_y * half_y
        first_row = max(0, int(np.ceil(y - abs(half_y) - reach)))
        last_row = min(height - 1, int(np.floor(y + abs(half_y) + reach)))
        first_column = max(0, int(np.ceil(x - abs(half_x) - reach)))
        last_column = min(width - 1, int(np.floor(x + abs(half_x) + reach)))
        for row in range(first_row, last_row + 1):
            for column in range(first_column, last_column + 1):
                dx, dy = column - x, row - y
                along = (dx * half_x + dy * half_y) / squared if squared > 0.0 else 0.0
                along = min(1.0, max(-1.0, along))
                away = (dx - along * half_x) ** 2 + (dy - along * half_y) ** 2
                cover = 1.0 - away / (reach * reach)
                if cover > 0.0:
                    transmission[row, column] *= np.float32(1.0 - opacities[i] * cover)
