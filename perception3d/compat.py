"""Repairs that the pinned stack needs, each with its reason and the versions it covers.

:func:`repair_stack` applies them all, once. ``perception3d.models`` calls it on import (any ``perception3d.`` prefix in
a config imports that package), and so do the tools, so that notebooks and mmdet3d's own scripts are safe too.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import torch

from corruptions.core import InputError
from perception3d.hard_voxels import hard_voxels


@functools.cache
def repair_stack() -> None:
    """Apply every repair to the installed stack; later calls do nothing."""
    from mmengine.logging import print_log

    allow_mmengine_checkpoints()
    make_spconv_sound_on_cpu()
    keep_voxels_on_device()
    print_log(
        "perception3d repaired the stack: mmengine checkpoints load under weights_only, spconv is exact and trains on "
        "CPU, voxelisation follows the tensor's device",
        logger="current",
    )


def allow_mmengine_checkpoints() -> None:
    """Let ``torch.load(weights_only=True)``, the default since torch 2.6, read mmengine 0.10 checkpoints.

    They hold HistoryBuffer objects with numpy arrays. Two classes pickle their own methods as
    ``getattr(HistoryBuffer, "mean")``, so ``getattr`` is allowed in a form that gives those methods and no others.
    """
    import numpy as np

    multiarray: Any = np.core.multiarray
    dtypes = {type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")}
    torch.serialization.add_safe_globals(
        [
            *_pickled_methods(),
            (_pickled_method, "builtins.getattr"),
            (multiarray._reconstruct, "numpy.core.multiarray._reconstruct"),
            (multiarray.scalar, "numpy.core.multiarray.scalar"),
            # the names that numpy 2 writes
            (multiarray._reconstruct, "numpy._core.multiarray._reconstruct"),
            (multiarray.scalar, "numpy._core.multiarray.scalar"),
            np.ndarray,
            np.dtype,
            *sorted(dtypes, key=lambda kind: kind.__name__),
        ]
    )


def _pickled_methods() -> dict[type, tuple[str, ...]]:
    from mmengine.logging import HistoryBuffer
    from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler

    return {
        HistoryBuffer: ("current", "max", "mean", "min"),
        OneCycleParamScheduler: ("_annealing_cos", "_annealing_linear"),
    }


def _pickled_method(owner: Any, name: str) -> Any:
    if name not in _pickled_methods().get(owner, ()):
        raise ValueError(f"refused: the checkpoint asks for attribute {name!r} of {owner!r}")
    return getattr(owner, name)


def make_spconv_sound_on_cpu() -> None:
    """Compute spconv's convolutions on CPU tensors by :mod:`perception3d.sparse_cpu` (spconv 2.3.8).

    Its CPU gather and scatter race with more than one thread, so results differ from run to run, and its backward asks
    for a CUDA stream. Modules, names, parameters and index pairs stay spconv's; CUDA tensors take spconv's own kernels.
    """
    from cumm.tensorview.gemm import Activation
    from spconv.core import ConvAlgo
    from spconv.pytorch import conv, functional, ops

    def on_cpu(original: Any, **kind: bool) -> Any:
        @functools.wraps(original)
        def convolve(
            features: torch.Tensor,
            filters: torch.Tensor,
            indice_pairs: torch.Tensor,
            indice_pair_num: torch.Tensor,
            num_activate_out: int,
            algo: ConvAlgo,
            timer: Any = None,
            bias: torch.Tensor | None = None,
            *activation: Any,
        ) -> torch.Tensor:
            if features.is_cuda:
                args = (features, filters, indice_pairs, indice_pair_num, num_activate_out, algo, timer, bias)
                return original(*args, *activation)
            from perception3d import sparse_cpu  # numba and scipy

            if any(isinstance(value, Activation) and value != Activation.None_ for value in activation):
                raise NotImplementedError("a sparse convolution with a fused activation runs on CUDA only")
            out = sparse_cpu.convolve(features, filters, indice_pairs, indice_pair_num, num_activate_out, **kind)
            return out if bias is None else out + bias

        return convolve

    functional.indice_conv = on_cpu(functional.indice_conv)
    functional.indice_inverse_conv = on_cpu(functional.indice_inverse_conv, inverse=True)
    functional.indice_subm_conv = on_cpu(functional.indice_subm_conv, submanifold=True)
    ops.get_indice_pairs = _checked_pairs(ops.get_indice_pairs)
    conv.SparseConvolution._conv_forward = _native_on_cpu(conv.SparseConvolution._conv_forward)


def _native_on_cpu(original: Any) -> Any:
    """CUDA builds choose an algorithm for CUDA only, when a module is made; CPU tensors take the one that both have."""
    from spconv.core import ConvAlgo

    @functools.wraps(original)
    def _conv_forward(self: Any, training: bool, input: Any, *args: Any, **kwargs: Any) -> Any:
        if input.features.is_cuda:
            return original(self, training, input, *args, **kwargs)
        chosen, self.algo = self.algo, ConvAlgo.Native
        try:
            return original(self, training, input, *args, **kwargs)
        finally:
            self.algo = chosen

    return _conv_forward


def _checked_pairs(original: Any) -> Any:
    """Guard spconv's CPU index, which answers wrongly without a word in two cases.

    Above 2 ** 32 cells it pairs unrelated voxels, and coordinates that are not contiguous in memory (what
    ``Tensor.nonzero`` returns) are read in the wrong order.
    """

    @functools.wraps(original)
    def get_indice_pairs(
        indices: torch.Tensor, batch_size: int, spatial_shape: list[int], *args: Any, **kwargs: Any
    ) -> Any:
        cells = batch_size * math.prod(spatial_shape)
        if not indices.is_cuda and cells >= 2**32:
            raise InputError(
                f"sparse convolution on CPU: expected a grid under 2**32 cells, found batch {batch_size} x "
                f"{list(spatial_shape)} = {cells:.3g}; use a smaller batch, larger voxels or a smaller range"
            )
        return original(indices.contiguous(), batch_size, spatial_shape, *args, **kwargs)

    return get_indice_pairs


def keep_voxels_on_device() -> None:
    """Make mmdet3d 1.4's voxelisation follow the device of the points.

    Its MinkUNet branch calls ``.cuda()``; its cylindrical branch needs an mmcv op that has no CPU implementation, its
    hard branch one that mmcv has for CUDA only where it was built with CUDA.
    """
    from mmdet3d.models.data_preprocessors import Det3DDataPreprocessor, data_preprocessor
    from mmdet3d.models.data_preprocessors import voxelize as voxel_layers

    voxel_layers.dynamic_scatter_3d = _scatter_on_cpu(voxel_layers.dynamic_scatter_3d)
    data_preprocessor.dynamic_scatter_3d = voxel_layers.dynamic_scatter_3d
    voxel_layers.voxelization = _hard_voxels_on_any_device(voxel_layers.voxelization)
    original = Det3DDataPreprocessor.voxelize

    @functools.wraps(original)
    def voxelize(self: Any, points: list[torch.Tensor], data_samples: list[Any]) -> dict[str, torch.Tensor]:
        if self.voxel_type != "minkunet":
            return original(self, points, data_samples)
        parts = [_minkunet_voxels(self, *item) for item in enumerate(zip(points, data_samples, strict=True))]
        return {"voxels": torch.cat([voxels for voxels, _ in parts]), "coors": torch.cat([coors for _, coors in parts])}

    Det3DDataPreprocessor.voxelize = voxelize


def _minkunet_voxels(
    preprocessor: Any, batch_index: int, item: tuple[torch.Tensor, Any]
) -> tuple[torch.Tensor, torch.Tensor]:
    points, data_sample = item
    coors = torch.round(points[:, :3] / points.new_tensor(preprocessor.voxel_layer.voxel_size)).int()
    coors -= coors.min(0)[0]
    unique, voxel_of_point = torch.unique(coors, dim=0, return_inverse=True)
    rows = torch.arange(len(points), device=points.device)
    first = rows.new_full((len(unique),), len(points)).scatter_reduce_(0, voxel_of_point, rows, "amin")
    if preprocessor.training and preprocessor.max_voxels is not None and len(first) > preprocessor.max_voxels:
        first = first[torch.randperm(len(first), device=points.device)[: preprocessor.max_voxels]]
    if hasattr(data_sample.gt_pts_seg, "pts_semantic_mask"):
        data_sample.gt_pts_seg.voxel_semantic_mask = data_sample.gt_pts_seg.pts_semantic_mask[first]
    batch = coors.new_full((len(first), 1), batch_index)
    voxel_coors = [batch, coors[first]] if preprocessor.batch_first else [coors[first], batch]
    data_sample.batch_idx = batch[:, 0]
    data_sample.point2voxel_map = voxel_of_point
    return points[first], torch.cat(voxel_coors, dim=1)


def _hard_voxels_on_any_device(original: Any) -> Any:
    @functools.wraps(original)
    def voxelization(
        points: torch.Tensor, voxel_size: Any, coors_range: Any, max_points: int, max_voxels: int, deterministic: bool
    ) -> Any:
        if max_points == -1 or max_voxels == -1:
            return original(points, voxel_size, coors_range, max_points, max_voxels, deterministic)
        return hard_voxels(points, voxel_size, coors_range, max_points, max_voxels)

    return voxelization


def _scatter_on_cpu(original: Any) -> Any:
    """``dynamic_scatter_3d`` with a CPU form: voxels in lexicographic order, rows with a negative index left out."""

    @functools.wraps(original)
    def dynamic_scatter_3d(
        feats: torch.Tensor, coors: torch.Tensor, reduce_type: str = "max", return_map: bool = False
    ) -> tuple[torch.Tensor, ...]:
        if feats.is_cuda:
            return original(feats, coors, reduce_type, return_map)
        valid = (coors >= 0).all(dim=1)
        voxel_coors, voxel_of_valid = torch.unique(coors[valid], dim=0, return_inverse=True)
        reduce = {"max": "amax", "mean": "mean", "sum": "sum"}[reduce_type]
        index = voxel_of_valid[:, None].expand(-1, feats.shape[1])
        empty = feats.new_zeros(len(voxel_coors), feats.shape[1])
        voxels = empty.scatter_reduce(0, index, feats[valid], reduce, include_self=False)
        point2voxel_map = voxel_of_valid.new_full((len(feats),), -1)
        point2voxel_map[valid] = voxel_of_valid
        return (voxels, voxel_coors, point2voxel_map) if return_map else (voxels, voxel_coors)

    return dynamic_scatter_3d
