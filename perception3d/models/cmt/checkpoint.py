"""Published CMT checkpoints for this project's detector: what differs, and the proof that nothing else does.

Names and shapes are the same. Two things are not: mmdet3d reorders the weights of sparse convolutions unless the state
dict says that it is written by spconv 2, and files saved from a parallel wrapper have a prefix.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from corruptions.core import InputError
from perception3d.checkpoints import sparse_weights, state_faults, unversioned

PARALLEL_PREFIX = "module."


@dataclass(frozen=True)
class Conversion:
    """A converted state dict and what was done to it.

    Attributes:
        state_dict: entries of the model in its order, with ``_metadata``.
        prefixed: entries that lost the prefix of a parallel wrapper.
        permuted: sparse convolutions brought from mmcv's layout (kD, kH, kW, in, out) to spconv 2's
            (out, kD, kH, kW, in).
        kept: sparse convolutions that had spconv 2's layout.
        unversioned: sparse convolutions of which the source did not say that spconv 2 wrote them.
    """

    state_dict: OrderedDict[str, Tensor]
    prefixed: int
    permuted: int
    kept: int
    unversioned: int


def convert_state_dict(found: Mapping[str, Tensor], model: nn.Module) -> Conversion:
    """Make a state dict that ``model`` loads as it is, and load it.

    Args:
        found: entries of a published checkpoint.
        model: the detector of the config that belongs to it; gets the weights.

    Raises:
        InputError: entries missing, unexpected or of another shape: another model's checkpoint.
    """
    entries = {key.removeprefix(PARALLEL_PREFIX): value for key, value in found.items()}
    expected = model.state_dict()
    permuted, kept = 0, 0
    for key in sparse_weights(model):
        if key not in entries:
            continue
        shape = expected[key].shape
        if entries[key].shape != shape and entries[key].shape == (*shape[1:], shape[0]):
            entries[key] = entries[key].permute(4, 0, 1, 2, 3).contiguous()
            permuted += 1
        else:
            kept += 1
    faults = state_faults(expected, entries)
    if faults:
        raise InputError(
            f"expected the {len(expected)} entries of this config's model, found {len(entries)} with {len(faults)} "
            f"differences: {'; '.join(faults[:3])}; take the config that belongs to the checkpoint"
        )
    state = OrderedDict((key, entries[key]) for key in expected)
    state._metadata = expected._metadata  # type: ignore[attr-defined]
    model.load_state_dict(state)
    _check_loaded(model, entries)
    prefixed = sum(key.startswith(PARALLEL_PREFIX) for key in found)
    prefix = PARALLEL_PREFIX if prefixed else ""
    return Conversion(state, prefixed, permuted, kept, len(unversioned(sparse_weights(model), found, prefix)))


def _check_loaded(model: nn.Module, entries: Mapping[str, Tensor]) -> None:
    """Raise unless the model holds exactly these numbers: loading may reorder without a word."""
    loaded = model.state_dict()
    changed = [key for key, value in entries.items() if not torch.equal(loaded[key], value.to(loaded[key]))]
    if changed:
        raise RuntimeError(f"{len(changed)} entries changed while loading, the first is {changed[0]}")
