"""Speed of the sparse convolution on CPU beside a plain matrix product and spconv's own code."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from spconv.core import ConvAlgo
from spconv.pytorch import functional
from threadpoolctl import threadpool_limits

from perception3d.compat import repair_stack
from perception3d.models.segmentation.partition import GridPartition
from perception3d.models.sparse import SparseConvTensor, SubMConv3d
from perception3d.sparse_cpu import convolve

WIDTHS = (16, 32, 64, 128)
VOXEL_SIZE_M = 0.2


@dataclass(frozen=True)
class Row:
    """One 3x3x3 submanifold convolution; times of interleaved calls in milliseconds, medians unless said otherwise.

    Attributes:
        channels: input and output width.
        voxels: number of voxels.
        gflop: of the products over all pairs of voxels.
        product_ms: the matrix products alone, on rows gathered before; processor time on one thread, by torch or by
            numpy, whichever is faster.
        ours_ms: this project's convolution, likewise.
        spconv_ms: spconv's own code, likewise; with more threads it races.
        one_thread_ms: this project's, wall time, the least of the calls: the machine at its quietest.
        two_threads_ms: likewise on two threads, in turn with one.
        difference: largest difference between this project's result and spconv's.
    """

    channels: int
    voxels: int
    gflop: float
    product_ms: float
    ours_ms: float
    spconv_ms: float
    one_thread_ms: float
    two_threads_ms: float
    difference: float


@torch.no_grad()
def measure(points: NDArray[np.float32], repeat: int) -> Iterator[Row]:
    """Time convolutions of different widths over the voxels of one scan.

    Args:
        points: (N, 4) x, y, z in metres, intensity.
        repeat: timed calls of each kind; one more comes first.
    """
    repair_stack()
    grid = GridPartition(VOXEL_SIZE_M, [-80.0, -80.0, -5.0, 80.0, 80.0, 3.0])([torch.from_numpy(points)])
    generator = torch.Generator().manual_seed(0)
    for channels in WIDTHS:
        features = torch.randn(len(grid.coords), channels, generator=generator)
        module = SubMConv3d(channels, channels, 3, padding=1, bias=False, indice_key="level")
        index = module(SparseConvTensor(features, grid.coords, grid.spatial_shape, 1)).indice_dict["level"]
        yield _row(features, module.weight, index.indice_pairs, index.indice_pair_num, repeat)


def _row(features: torch.Tensor, filters: torch.Tensor, pairs: torch.Tensor, counts: torch.Tensor, repeat: int) -> Row:
    channels, voxels = features.shape[1], len(features)
    weight = filters.reshape(channels, -1, channels).permute(1, 2, 0).contiguous()
    products = list(_products(features, weight, pairs, counts))
    own = functional.indice_subm_conv.__wrapped__

    def ours() -> torch.Tensor:
        return convolve(features, filters, pairs, counts, voxels, submanifold=True)

    def theirs() -> torch.Tensor:
        return own(features, filters, pairs, counts, voxels, ConvAlgo.Native)

    def plain() -> None:
        for rows, matrix in products:
            torch.mm(rows, matrix)

    def plain_numpy() -> None:
        for rows, matrix in products:
            np.dot(rows.numpy(), matrix.numpy())

    with threads(1), threadpool_limits(1):
        difference = float((ours() - theirs()).abs().max())
        torch_ms, numpy_ms, ours_ms, spconv_ms = map(
            statistics.median, interleaved((plain, plain_numpy, ours, theirs), repeat, time.thread_time)
        )
    one_thread, two_threads = interleaved((threads(1)(ours), threads(2)(ours)), repeat, time.perf_counter)
    return Row(
        channels,
        voxels,
        sum(2e-9 * rows.numel() * matrix.shape[1] for rows, matrix in products),
        min(torch_ms, numpy_ms),
        ours_ms,
        spconv_ms,
        min(one_thread),
        min(two_threads),
        difference,
    )


def _products(
    features: torch.Tensor, weight: torch.Tensor, pairs: torch.Tensor, counts: torch.Tensor
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Both factors of each offset; spconv lists half of them, the others have the same pairs swapped."""
    volume = len(weight)
    for k, count in enumerate(counts.tolist()[: volume // 2]):
        first, second = pairs[:, k, :count].long()
        yield features[first], weight[k]
        yield features[second], weight[volume - 1 - k]
    yield features, weight[volume // 2]


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Torch on ``count`` threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def interleaved(calls: Sequence[Callable[[], Any]], repeat: int, clock: Callable[[], float]) -> list[list[float]]:
    """Milliseconds of each call, taken in turn after one round that does not count."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(repeat + 1):
        for call, of_call in zip(calls, times, strict=True):
            start = clock()
            call()
            of_call.append(1e3 * (clock() - start))
    return [of_call[1:] for of_call in times]


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [
        f"3x3x3 submanifold, {VOXEL_SIZE_M} m voxels; one thread in processor time, two beside one in wall time",
        "",
        "| channels | voxels | GFLOP | plain product GFLOP/s | ours GFLOP/s | share | spconv GFLOP/s "
        "| ours, 2 threads GFLOP/s | times 1 thread | largest difference |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        product, ours, own, two = (
            1e3 * row.gflop / ms for ms in (row.product_ms, row.ours_ms, row.spconv_ms, row.two_threads_ms)
        )
        lines.append(
            f"| {row.channels} | {row.voxels} | {row.gflop:.2f} | {product:.0f} | {ours:.0f} "
            f"| {row.product_ms / row.ours_ms:.0%} | {own:.0f} | {two:.0f} "
            f"| {row.one_thread_ms / row.two_threads_ms:.2f} | {row.difference:.0e} |"
        )
    return "\n".join(lines)
