"""Sparse convolution on CPU from spconv's index pairs: gather, matrix product, sum.

spconv 2.3.8's own CPU kernels race with more than one thread and have no working backward. Here each block of output
rows is the work of one thread, which adds the products in the order of the kernel offsets: the same bits in every run.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg  # noqa: F401  (loads the BLAS that the kernels use, for threadpoolctl to find)
import threadpoolctl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.utils.weak import WeakIdKeyDictionary

from perception3d.sparse_kernels import add_products, arrange, weight_gradient

BLOCKS = 16
"""Blocks of a convolution, for several threads to share; fewer, of at least ``FEWEST_ROWS``, for few rows."""

FEWEST_ROWS, MOST_ROWS = 256, 2048

SERIAL_PRODUCTS = 2**22
"""Multiplications that take less time on one thread than starting others."""


@dataclass(frozen=True)
class Sums:
    """What the rows of a sparse convolution are sums of.

    Attributes:
        sources: int32 (P,) rows that are multiplied, see :func:`perception3d.sparse_kernels.arrange`.
        targets: int32 (P,) rows of the sums.
        starts: int64 (num_blocks * K + 1,).
        block_rows: rows of a block.
        num_blocks: number of blocks.
    """

    sources: NDArray[np.int32]
    targets: NDArray[np.int32]
    starts: NDArray[np.int64]
    block_rows: int
    num_blocks: int


# The sums of the convolutions of one spconv index, for as long as that index lives.
_sums: WeakIdKeyDictionary = WeakIdKeyDictionary()


@dataclass(frozen=True)
class Pairs:
    """Pairs of the rows of a sparse convolution.

    Attributes:
        indice_pairs: int32 (2, K, L) spconv's input and output rows for each kernel offset, padded with -1.
        counts: int32 (K,) number of valid pairs of each offset.
        num_in: number of input voxels N.
        num_out: number of output voxels M.
        submanifold: spconv then lists the first K // 2 offsets only: offset K - 1 - k is pair k with input and output
            swapped, and the centre is the identity.
        inverse: swap input and output (inverse convolution).
    """

    indice_pairs: Tensor
    counts: Tensor
    num_in: int
    num_out: int
    submanifold: bool
    inverse: bool

    @property
    def centre(self) -> int:
        """Offset that maps each voxel to itself and has no pairs, or -1."""
        return len(self.counts) // 2 if self.submanifold else -1

    def sums(self, to_out: bool) -> Sums:
        """Sums into the output voxels, or those of the gradient into the input voxels.

        Submanifold pairs are the same in both directions, with the offsets in reverse.
        """
        to_second = self.submanifold or to_out != self.inverse
        of_pairs = _sums.setdefault(self.indice_pairs, {})
        if to_second not in of_pairs:
            first, second = self.indice_pairs.numpy()
            rows = (first, second) if to_second else (second, first)
            of_pairs[to_second] = _arranged(*rows, self, self.num_out if to_out else self.num_in)
        return of_pairs[to_second]


def _arranged(rows_in: NDArray[np.int32], rows_out: NDArray[np.int32], pairs: Pairs, num_rows: int) -> Sums:
    num_blocks = max(1, min(BLOCKS, num_rows // FEWEST_ROWS), num_rows // MOST_ROWS)
    block_rows = max(1, -(-num_rows // num_blocks))
    counts = pairs.counts.numpy()
    sources, targets, starts = arrange(rows_in, rows_out, counts, pairs.submanifold, block_rows, num_blocks)
    return Sums(sources, targets, starts, block_rows, num_blocks)


class SparseConvCpu(Function):
    """Gather - matrix product - sum over the kernel offsets; the backward gathers again instead of storing."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, pairs: Pairs) -> Tensor:
        """Convolve.

        Args:
            ctx: autograd context.
            features: (N, C_in), contiguous.
            weight: (K, C_in, C_out), contiguous.
            pairs: of the N input and M output voxels.

        Returns:
            (M, C_out).
        """
        ctx.save_for_backward(features, weight)
        ctx.pairs = pairs
        return _sum_products(features, weight, pairs, to_out=True)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the features and of the weight."""
        features, weight = ctx.saved_tensors
        pairs: Pairs = ctx.pairs
        grad_out = grad_out.contiguous()
        grad_features = grad_weight = None
        if ctx.needs_input_grad[0]:
            turned = weight.transpose(1, 2)
            turned = turned.flip(0) if pairs.submanifold else turned
            grad_features = _sum_products(grad_out, turned.contiguous(), pairs, to_out=False)
        if ctx.needs_input_grad[1]:
            grad_weight = _grad_weight(features, grad_out, weight, pairs)
        return grad_features, grad_weight, None


def _sum_products(features: Tensor, weight: Tensor, pairs: Pairs, to_out: bool) -> Tensor:
    sums = pairs.sums(to_out)
    out = features.new_empty(pairs.num_out if to_out else pairs.num_in, weight.shape[2])
    arrays = [tensor.detach().numpy() for tensor in (features, weight, out)]
    fixed = (*arrays, sums.sources, sums.targets, sums.starts, pairs.centre, sums.block_rows)
    threads = _threads(len(sums.sources) * weight[0].numel())
    # several portions a thread, as others may hold up one of them
    ends = np.linspace(0, sums.num_blocks, min(sums.num_blocks, 1 if threads == 1 else 4 * threads) + 1).astype(int)
    _run([functools.partial(add_products, *fixed, *part) for part in zip(ends[:-1], ends[1:], strict=True)], threads)
    return out


def _grad_weight(features: Tensor, grad_out: Tensor, weight: Tensor, pairs: Pairs) -> Tensor:
    sums = pairs.sums(to_out=True)
    out = torch.empty_like(weight)
    arrays = [tensor.detach().numpy() for tensor in (features, grad_out, out)]
    fixed = (*arrays, sums.sources, sums.targets, sums.starts, pairs.centre)
    longest_first = sorted(range(len(out)), key=lambda k: k != pairs.centre)
    jobs = [functools.partial(weight_gradient, *fixed, k) for k in longest_first]
    _run(jobs, _threads(len(sums.sources) * weight[0].numel()))
    return out


def _threads(products: int) -> int:
    return torch.get_num_threads() if products > SERIAL_PRODUCTS else 1


def _run(jobs: Sequence[Callable[[], None]], threads: int) -> None:
    with _blas().limit(limits=1):  # products of this size are too small to share
        if threads == 1 or len(jobs) == 1:
            for job in jobs:
                job()
            return
        for future in [_pool(threads, os.getpid()).submit(job) for job in jobs]:
            future.result()


@functools.cache
def _blas() -> threadpoolctl.ThreadpoolController:
    return threadpoolctl.ThreadpoolController().select(user_api="blas")


@functools.cache
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """One for each process: threads do not survive a fork."""
    return ThreadPoolExecutor(threads, thread_name_prefix="sparse_cpu")


def convolve(
    features: Tensor,
    filters: Tensor,
    indice_pairs: Tensor,
    pair_counts: Tensor,
    num_out: int,
    *,
    submanifold: bool = False,
    inverse: bool = False,
) -> Tensor:
    """Sparse convolution on CPU with spconv's filters and index pairs.

    Args:
        features: (N, C_in) features of the input voxels.
        filters: (C_out, *kernel_size, C_in), spconv's layout.
        indice_pairs: int32 (2, K, L) see :class:`Pairs`; not to be changed afterwards.
        pair_counts: int32 (K,).
        num_out: number of output voxels M.
        submanifold: output voxels are the input voxels.
        inverse: apply the pairs of a strided convolution backwards.

    Returns:
        (M, C_out) features of the output voxels. Half precision is summed in single precision.
    """
    weight = filters.reshape(filters.shape[0], -1, filters.shape[-1]).permute(1, 2, 0)  # (K, C_in, C_out)
    dtype = torch.promote_types(features.dtype, torch.float32)
    pairs = Pairs(indice_pairs, pair_counts, len(features), num_out, submanifold, inverse)
    out = SparseConvCpu.apply(features.to(dtype).contiguous(), weight.to(dtype).contiguous(), pairs)
    return out.to(features.dtype)
