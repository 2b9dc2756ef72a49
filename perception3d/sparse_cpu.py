"""Sparse convolution on CPU from spconv's index pairs: gather, matrix product, sum.

spconv 2.3.8's own CPU kernels race with more than one thread and have no working backward. These torch operations give
the same numbers for any thread count: every output row is summed by one thread, in the order of the kernel offsets.
"""

from __future__ import annotations

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
"""Products of this size stay in the processor's cache, and in memory that the allocator need not fetch anew."""


@dataclass(frozen=True)
class Group:
    """Kernel offsets whose products are kept together and then summed in one pass.

    Attributes:
        offsets: kernel offset, input rows and output rows, int32.
        order: int32 (P,) rows of the products, those of each row of the sum in succession.
        starts: int32 (M,) the first of them for each row of the sum.
    """

    offsets: list[Pair]
    order: Tensor
    starts: Tensor

    def add_sums(self, out: Tensor, products: Tensor) -> None:
        """Add the products (P, C) to the rows of ``out`` (M, C) that they belong to."""
        out.add_(embedding_bag(self.order, products[: len(self.order)], self.starts, mode="sum"))


class ConvIndex:
    """Pairs of a sparse convolution, and what its sums need.

    Args:
        offsets: kernel offset, input rows and output rows, int32, of every offset that has pairs.
        centre: offset that maps each voxel to itself (submanifold), or None; not among ``offsets``.
        num_out: number of output voxels.
    """

    def __init__(self, offsets: list[Pair], centre: int | None, num_out: int) -> None:
        self.offsets = offsets
        self.centre = centre
        self.num_out = num_out
        counts = [len(rows) for _, rows, _ in offsets]
        self.num_pairs, self.most_pairs = sum(counts), max(counts, default=0)
        self._groups: dict[tuple[int, bool], list[Group]] = {}

    def groups(self, out: Tensor, to_out: bool) -> list[Group]:
        """Offsets in groups for sums into ``out`` (M, C), which are the output voxels, or the input voxels if not.

        A sum offset by offset would read and write ``out`` for each of them.
        """
        limit = max(CACHED_BYTES // (out.shape[1] * out.element_size()), self.most_pairs)
        key = (min(limit, self.num_pairs), to_out)
        if key not in self._groups:
            groups = _split(self.offsets, key[0])
            self._groups[key] = [_group(offsets, to_out, len(out)) for offsets in groups]
        return self._groups[key]


def _split(offsets: list[Pair], limit: int) -> list[list[Pair]]:
    """Successive offsets with at most ``limit`` pairs together, at least one offset each."""
    groups: list[list[Pair]] = []
    filled = limit
    for pair in offsets:
        filled += len(pair[1])
        if filled > limit:
            groups.append([])
            filled = len(pair[1])
        groups[-1].append(pair)
    return groups


def _group(offsets: list[Pair], to_out: bool, num_rows: int) -> Group:
    rows = torch.cat([rows_out if to_out else rows_in for _, rows_in, rows_out in offsets])
    counts = torch.bincount(rows, minlength=num_rows)
    return Group(offsets, torch.argsort(rows, stable=True).int(), (torch.cumsum(counts, 0) - counts).int())


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


def _products(groups: list[Group], channels: int, like: Tensor) -> Tensor:
    """Buffer for the products of any of the groups."""
    return like.new_empty(max((len(group.order) for group in groups), default=0), channels)


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
        groups, gather = index.groups(out, to_out=True), Gather(features, index.most_pairs)
        products = _products(groups, weight.shape[2], features)
        for group in groups:
            start = 0
            for k, rows_in, _ in group.offsets:
                torch.mm(gather(rows_in), weight[k], out=products[start : start + len(rows_in)])
                start += len(rows_in)
            group.add_sums(out, products)
        return out

    @staticmethod
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the features and of the weight."""
        features, weight = ctx.saved_tensors
        index: ConvIndex = ctx.index
        grad_out = grad_out.contiguous()
        grad_features, grad_weight = torch.zeros_like(features), torch.zeros_like(weight)
        if index.centre is not None:
            torch.mm(grad_out, weight[index.centre].T, out=grad_features)
            torch.mm(features.T, grad_out, out=grad_weight[index.centre])
        inputs, outputs = Gather(features, index.most_pairs), Gather(grad_out, index.most_pairs)
        groups = index.groups(grad_features, to_out=False)
        products = _products(groups, weight.shape[1], features)
        for group in groups:
            start = 0
            for k, rows_in, rows_out in group.offsets:
                gathered = outputs(rows_out)
                torch.mm(gathered, weight[k].T, out=products[start : start + len(rows_in)])
                torch.mm(inputs(rows_in).T, gathered, out=grad_weight[k])
                start += len(rows_in)
            group.add_sums(grad_features, products)
        return grad_features, grad_weight, None


# What the convolutions of one spconv index share, for as long as that index lives.
_indices: WeakIdKeyDictionary = WeakIdKeyDictionary()


def _shared_index(
    indice_pairs: Tensor, pair_counts: Tensor, num_out: int, submanifold: bool, inverse: bool
) -> ConvIndex:
    of_pairs = _indices.setdefault(indice_pairs, {})
    kind = (submanifold, inverse)
    if kind not in of_pairs:
        # a copy: views of the pairs would keep the key of this entry alive, and with it the entry, for ever
        offsets = list(offset_pairs(indice_pairs.clone(), pair_counts, submanifold, inverse))
        centre = indice_pairs.shape[1] // 2 if submanifold else None
        of_pairs[kind] = ConvIndex(offsets, centre, num_out)
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
    index = _shared_index(indice_pairs, pair_counts, num_out, submanifold, inverse)
    return SparseConvCpu.apply(features, weight.contiguous(), index)
