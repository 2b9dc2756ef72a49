"""Sparse convolution on CPU from spconv's index pairs: gather, matrix product, scatter.

spconv 2.3.8's own CPU kernels race with more than one thread and have no working backward. These torch operations give
the same numbers for any thread count: within one kernel offset an output voxel occurs at most once, so the scatter has
nothing to race for and the order of the sums is fixed by the loop over offsets.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

Pair = tuple[int, Tensor, Tensor]


def offset_pairs(indice_pairs: Tensor, pair_counts: Tensor, submanifold: bool, inverse: bool) -> Iterator[Pair]:
    """Kernel offset, input rows and output rows of every offset that has pairs.

    Args:
        indice_pairs: int (2, K, N) spconv's input and output rows for each kernel offset, padded with -1.
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
        rows_in, rows_out = indice_pairs[0, k, : counts[k]].long(), indice_pairs[1, k, : counts[k]].long()
        yield (k, rows_out, rows_in) if inverse else (k, rows_in, rows_out)
        if submanifold:
            yield kernel_volume - 1 - k, rows_out, rows_in


class SparseConvCpu(Function):
    """Gather - matrix product - scatter over the kernel offsets; the backward gathers again instead of storing."""

    @staticmethod
    def forward(
        ctx: Any, features: Tensor, weight: Tensor, num_out: int, pairs: list[Pair], centre: int | None
    ) -> Tensor:
        """Convolve.

        Args:
            ctx: autograd context.
            features: (N, C_in).
            weight: (K, C_in, C_out).
            num_out: number of output voxels M.
            pairs: offset, input rows, output rows.
            centre: offset that maps each voxel to itself (submanifold), or None.

        Returns:
            (M, C_out).
        """
        ctx.save_for_backward(features, weight)
        ctx.pairs, ctx.centre = pairs, centre
        out = features.new_zeros(num_out, weight.shape[2]) if centre is None else features @ weight[centre]
        for k, rows_in, rows_out in pairs:
            out.index_add_(0, rows_out, features.index_select(0, rows_in) @ weight[k])
        return out

    @staticmethod
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the features and of the weight, each only where asked for."""
        features, weight = ctx.saved_tensors
        need_features, need_weight = ctx.needs_input_grad[:2]
        grad_out = grad_out.contiguous()
        grad_features, grad_weight = torch.zeros_like(features), torch.zeros_like(weight)
        if ctx.centre is not None:
            torch.mm(grad_out, weight[ctx.centre].T, out=grad_features)
            torch.mm(features.T, grad_out, out=grad_weight[ctx.centre])
        for k, rows_in, rows_out in ctx.pairs:
            gathered = grad_out.index_select(0, rows_out)
            if need_features:
                grad_features.index_add_(0, rows_in, gathered @ weight[k].T)
            if need_weight:
                torch.mm(features.index_select(0, rows_in).T, gathered, out=grad_weight[k])
        return grad_features if need_features else None, grad_weight if need_weight else None, None, None, None


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
        indice_pairs: int (2, K, N) see :func:`offset_pairs`.
        pair_counts: int (K,).
        num_out: number of output voxels M.
        submanifold: output voxels are the input voxels.
        inverse: apply the pairs of a strided convolution backwards.

    Returns:
        (M, C_out) features of the output voxels.
    """
    weight = filters.reshape(filters.shape[0], -1, filters.shape[-1]).permute(1, 2, 0)  # (K, C_in, C_out)
    centre = weight.shape[0] // 2 if submanifold else None
    pairs = list(offset_pairs(indice_pairs, pair_counts, submanifold, inverse))
    return SparseConvCpu.apply(features, weight.contiguous(), num_out, pairs, centre)
