"""Kernels of the sparse convolution on CPU: serial, without Python's lock, so that several threads can share the work.

A stretch of pairs is gathered, multiplied and added to its rows while it stays in the processor's cache. Products are
numpy's ``dot``, which numba takes from scipy's BLAS.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

GATHERED_BYTES = 2**18
"""Rows gathered at a time, and their products, each of this size: both stay in a second-level cache of 1 MiB."""

SMALL_PRODUCT = 1_000_000
"""Multiplications up to which OpenBLAS multiplies without copying its operands into tiles first."""


@njit(cache=True, nogil=True)
def arrange(
    rows_in: NDArray[np.int32],
    rows_out: NDArray[np.int32],
    counts: NDArray[np.int32],
    mirrored: bool,
    block_rows: int,
    num_blocks: int,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
    """Sort pairs by block of output rows, then by kernel offset.

    Args:
        rows_in: (K, N) input row of each pair of each offset.
        rows_out: (K, N) output row.
        counts: (K,) number of pairs of each offset.
        mirrored: only the first K // 2 offsets are listed; offset K - 1 - k has the pairs of k the other way round.
        block_rows: rows of a block.
        num_blocks: number of blocks.

    Returns:
        Input rows (P,), output rows (P,), and where block b has the pairs of offset k, (num_blocks * K + 1,): from
        [b * K + k] up to the next.
    """
    volume = len(counts)
    listed = volume // 2 if mirrored else volume
    starts = np.zeros(num_blocks * volume + 1, np.int64)
    for k in range(listed):
        for p in range(counts[k]):
            starts[rows_out[k, p] // block_rows * volume + k + 1] += 1
            if mirrored:
                starts[rows_in[k, p] // block_rows * volume + volume - k] += 1
    for part in range(num_blocks * volume):
        starts[part + 1] += starts[part]
    free = starts[:-1].copy()
    sources, targets = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.int32)
    for k in range(listed):
        for p in range(counts[k]):
            row_in, row_out = rows_in[k, p], rows_out[k, p]
            place = row_out // block_rows * volume + k
            sources[free[place]], targets[free[place]] = row_in, row_out
            free[place] += 1
            if mirrored:
                place = row_in // block_rows * volume + volume - 1 - k
                sources[free[place]], targets[free[place]] = row_out, row_in
                free[place] += 1
    return sources, targets, starts


@njit(cache=True, nogil=True)
def gather(values: NDArray, rows: NDArray[np.int32], out: NDArray) -> None:
    """Copy the ``rows`` (P,) of ``values`` (N, C) to the first P of ``out``."""
    for p in range(len(rows)):
        row = rows[p]
        for c in range(values.shape[1]):
            out[p, c] = values[row, c]


@njit(cache=True, nogil=True)
def add_products(
    features: NDArray,
    weight: NDArray,
    out: NDArray,
    sources: NDArray[np.int32],
    targets: NDArray[np.int32],
    starts: NDArray[np.int64],
    centre: int,
    block_rows: int,
    first: int,
    last: int,
) -> None:
    """Write the rows of ``out`` in the blocks from ``first`` up to ``last``, each summed in the order of the offsets.

    Args:
        features: (N, C_in).
        weight: (K, C_in, C_out).
        out: (M, C_out).
        sources: (P,) rows of ``features``, see :func:`arrange`.
        targets: (P,) rows of ``out``.
        starts: (num_blocks * K + 1,).
        centre: offset that maps each row to itself and has no pairs, or -1.
        block_rows: rows of a block.
        first: block.
        last: block.
    """
    volume, width_in, width_out = weight.shape
    most = max(64, GATHERED_BYTES // (max(width_in, width_out) * features.itemsize))
    gathered, products = np.empty((most, width_in), features.dtype), np.empty((most, width_out), features.dtype)
    for block in range(first, last):
        low, high = block * block_rows, min((block + 1) * block_rows, len(out))
        if centre < 0:
            out[low:high] = 0
        elif low < high:
            np.dot(features[low:high], weight[centre], out[low:high])
        for k in range(volume):
            end = starts[block * volume + k + 1]
            for start in range(starts[block * volume + k], end, most):
                count = min(most, end - start)
                gather(features, sources[start : start + count], gathered)
                np.dot(gathered[:count], weight[k], products[:count])
                for p in range(count):
                    row = targets[start + p]
                    for c in range(width_out):
                        out[row, c] += products[p, c]


@njit(cache=True, nogil=True)
def weight_gradient(
    features: NDArray,
    grad_out: NDArray,
    out: NDArray,
    sources: NDArray[np.int32],
    targets: NDArray[np.int32],
    starts: NDArray[np.int64],
    centre: int,
    k: int,
) -> None:
    """Write the gradient of the weight of offset ``k``.

    Args:
        features: (N, C_in).
        grad_out: (M, C_out) gradient of the output.
        out: (K, C_in, C_out), of which [k] is written.
        sources: (P,) rows of ``features``, see :func:`arrange`.
        targets: (P,) rows of ``grad_out``.
        starts: (num_blocks * K + 1,).
        centre: offset that maps each row to itself and has no pairs, or -1.
        k: kernel offset.
    """
    volume, width_in, width_out = out.shape
    most = SMALL_PRODUCT // (width_in * width_out)
    if most < 128:
        most = max(64, GATHERED_BYTES // (max(width_in, width_out) * features.itemsize))
    most = min(most, 2048)
    part = np.empty((width_in, width_out), features.dtype)
    out[k] = 0
    if k == centre:
        for start in range(0, len(features), most):
            np.dot(features[start : start + most].T, grad_out[start : start + most], part)
            out[k] += part
        return
    inputs, gradients = np.empty((most, width_in), features.dtype), np.empty((most, width_out), features.dtype)
    filled = 0
    for block in range(len(starts) // volume):
        start, end = starts[block * volume + k], starts[block * volume + k + 1]
        while start < end:
            count = min(most - filled, end - start)
            gather(features, sources[start : start + count], inputs[filled:])
            gather(grad_out, targets[start : start + count], gradients[filled:])
            start, filled = start + count, filled + count
            if filled == most:
                np.dot(inputs.T, gradients, part)
                out[k] += part
                filled = 0
    if filled:
        np.dot(inputs[:filled].T, gradients[:filled], part)
        out[k] += part
