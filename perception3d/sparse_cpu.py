"""Sparse convolution on CPU from spconv's index pairs: gather, matrix product, sum.

spconv 2.3.8's own CPU kernels race with more than one thread and have no working backward. These torch operations give
the same numbers for any thread count: every output row is summed by one thread, in the order of the kernel offsets.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.functional import embedding_bag
from torch.utils.weak import WeakIdKeyDictionary

Pair = tuple[int, Tensor, Tensor]

CACHED_BYTES = 32 * 2**20
"""Products up to this size stay in the processor's cache, and in memory that the allocator need not fetch anew."""


@dataclass(frozen=True)
class Bags:
    """For each row of a sum, which rows of a list are added: order[starts[i]:starts[i + 1]] for row i, int32."""

    order: Tensor
    starts: Tensor


class ConvIndex:
    """Pairs of a sparse convolution, and what its sums need.

    Args:
        offsets: kernel offset, input rows and output rows, int32, of every offset that has pairs.
        centre: offset that maps each voxel to itself (submanifold), or None; not among ``offsets``.
        num_in: number of input voxels.
        num_out: number of output voxels.
    """

    def __init__(self, offsets: list[Pair], centre: int | None, num_in: int, num_out: int) -> None:
        self.offsets = offsets
        self.centre = centre
        self.num_in = num_in
        self.num_out = num_out
        counts = [len(rows) for _, rows, _ in offsets]
        self.num_pairs, self.most_pairs = sum(counts), max(counts, default=0)

    @functools.cached_property
    def to_out(self) -> Bags:
        """Pairs of each output row."""
        return _bags([rows for _, _, rows in self.offsets], self.num_out)

    @functools.cached_property
    def to_in(self) -> Bags:
        """Pairs of each input row."""
        return _bags([rows for _, rows, _ in self.offsets], self.num_in)


def _bags(rows: list[Tensor], num_rows: int) -> Bags:
    target = torch.cat(rows)
    order = torch.argsort(target, stable=True)
    counts = torch.bincount(target, minlength=num_rows)
    return Bags(order.int(), (torch.cumsum(counts, 0) - counts).int())


def offset_pairs(indice_pairs: Tensor, pair_counts: Tensor, submanifold: bool, inverse: bool) -> Iterator[Pair]:
    """Kernel offset, input rows and output rows of every offset that has pairs.

    Args:
        indice_pairs: int32 (2, K, N) spconv's input and output rows for each kernel offset, padded with -1.
        pair_counts: int (K,) number of valid pairs of each offset.
        submanifold: spconv then lists the first K // 2 offsets only: offset K - 1 - k is pair k with input and output
            swapped, and the centre is the identity (left out here).
        inverse: swap input and output (inverse convolution).
    """
    kernel_volume = indice_pairs.shape[1]
    counts = pair_counts.tolist()
    listed = kernel_volume // 2 if submanifold else kernel_volume
    for k in range(listed):
        if counts[k] == 0:
            continue
        rows_in, rows_out = indice_pairs[0, k, : counts[k]], indice_pairs[1, k, : counts[k]]
        yield (k, rows_out, rows_in) if inverse else (k, rows_in, rows_out)
        if submanifold:
            yield kernel_volume - 1 - k, rows_out, rows_in


class Gather:
    """Rows of ``source`` (N, C) in one buffer for all kernel offsets; the next call overwrites it.

    Memory that the allocator hands out afresh for every offset costs as much again as the copy.

    Args:
        source: (N, C).
        most_rows: rows of the largest gather.
    """

    def __init__(self, source: Tensor, most_rows: int) -> None:
        self.source = source
        self.buffer = source.new_empty(most_rows, source.shape[1])

    def __call__(self, rows: Tensor) -> Tensor:
        """(P, C) of ``rows``, int32 (P,)."""
        return torch.index_select(self.source, 0, rows, out=self.buffer[: len(rows)])


class ScatteredSum:
    """Sum of matrix products whose rows go to scattered rows of ``out``.

    Adding them one by one reads and writes ``out`` for every kernel offset. Where all products together are small they
    are kept, and each row of ``out`` is summed in one go.

    Args:
        out: (M, C) to add to.
        num_products: rows of all products together.
    """

    def __init__(self, out: Tensor, num_products: int) -> None:
        self.out = out
        kept = num_products * out.shape[1] * out.element_size() <= CACHED_BYTES
        self.products = out.new_empty(num_products, out.shape[1]) if kept else None
        self.filled = 0

    def add(self, rows: Tensor, left: Tensor, right: Tensor) -> None:
        """Add ``left`` (P, C') @ ``right`` (C', C) to ``rows`` int32 (P,) of the sum, each named once."""
        if self.products is None:
            self.out.index_add_(0, rows, left @ right)
        else:
            torch.mm(left, right, out=self.products[self.filled : self.filled + len(left)])
            self.filled += len(left)

    def total(self, index: ConvIndex, to_out: bool) -> Tensor:
        """(M, C), once the products of all pairs of the index were added in its order."""
        if self.products is None or self.filled == 0:
            return self.out
        bags = index.to_out if to_out else index.to_in
        return self.out.add_(embedding_bag(bags.order, self.products, bags.starts, mode="sum"))


class SparseConvCpu(Function):
    """Gather - matrix product - sum over the kernel offsets; the backward gathers again instead of storing."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, index: ConvIndex) -> Tensor:
        """Convolve.

        Args:
            ctx: autograd context.
            features: (N, C_in).
            weight: (K, C_in, C_out).
            index: pairs of the N input and M output voxels.

        Returns:
            (M, C_out).
        """
        ctx.save_for_backward(features, weight)
        ctx.index = index
        shape = (index.num_out, weight.shape[2])
        out = features.new_zeros(shape) if index.centre is None else features @ weight[index.centre]
        result = ScatteredSum(out, index.num_pairs)
        inputs = Gather(features, index.most_pairs)
        for k, rows_in, rows_out in index.offsets:
            result.add(rows_out, inputs(rows_in), weight[k])
        return result.total(index, to_out=True)

    @staticmethod
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the features and of the weight, each only where asked for."""
        features, weight = ctx.saved_tensors
        index: ConvIndex = ctx.index
        need_features, need_weight = ctx.needs_input_grad[:2]
        grad_out = grad_out.contiguous()
        grad_features, grad_weight = torch.zeros_like(features), torch.zeros_like(weight)
        if index.centre is not None:
            torch.mm(grad_out, weight[index.centre].T, out=grad_features)
            torch.mm(features.T, grad_out, out=grad_weight[index.centre])
        result = ScatteredSum(grad_features, index.num_pairs)
        inputs, outputs = Gather(features, index.most_pairs), Gather(grad_out, index.most_pairs)
        for k, rows_in, rows_out in index.offsets:
            gathered = outputs(rows_out)
            if need_features:
                result.add(rows_in, gathered, weight[k].T)
            if need_weight:
                torch.mm(inputs(rows_in).T, gathered, out=grad_weight[k])
        grad_features = result.total(index, to_out=False)
        return grad_features if need_features else None, grad_weight if need_weight else None, None


# What the convolutions of one spconv index share, for as long as that index lives.
_indices: WeakIdKeyDictionary = WeakIdKeyDictionary()


def _shared_index(
    indice_pairs: Tensor, pair_counts: Tensor, num_in: int, num_out: int, submanifold: bool, inverse: bool
) -> ConvIndex:
    of_pairs = _indices.setdefault(indice_pairs, {})
    kind = (submanifold, inverse)
    if kind not in of_pairs:
        offsets = list(offset_pairs(indice_pairs, pair_counts, submanifold, inverse))
        centre = indice_pairs.shape[1] // 2 if submanifold else None
        of_pairs[kind] = ConvIndex(offsets, centre, num_in, num_out)
    return of_pairs[kind]


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
        indice_pairs: int32 (2, K, N) see :func:`offset_pairs`; not to be changed afterwards.
        pair_counts: int (K,).
        num_out: number of output voxels M.
        submanifold: output voxels are the input voxels.
        inverse: apply the pairs of a strided convolution backwards.

    Returns:
        (M, C_out) features of the output voxels.
    """
    weight = filters.reshape(filters.shape[0], -1, filters.shape[-1]).permute(1, 2, 0)  # (K, C_in, C_out)
    index = _shared_index(indice_pairs, pair_counts, len(features), num_out, submanifold, inverse)
    return SparseConvCpu.apply(features, weight.contiguous(), index)
