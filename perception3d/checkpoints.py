"""Checkpoints: read without running their code, compared with the model that they are for, then loaded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from corruptions.core import InputError
from perception3d.launch import check_checkpoint
from perception3d.models.sparse import SparseModule


def read_checkpoint(path: str) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """A checkpoint and its state dict, which may be the same; read without running any code that the file may hold.

    Raises:
        InputError: for a missing file, or one that does not load safely.
    """
    check_checkpoint(path)
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # torch says much more, and advises to switch the safe loading off
        reason = f"{error}".split(". ")[0].splitlines()[:1]
        raise InputError(
            f"{path}: expected an mmengine checkpoint, found a file that does not load safely: "
            f"{type(error).__name__}: {''.join(reason)}"
        ) from error
    if not isinstance(checkpoint, dict):
        return {}, {}
    return checkpoint, checkpoint.get("state_dict", checkpoint)


def read_weights(model: torch.nn.Module, path: str, classes: Sequence[str] | None = None) -> dict[str, torch.Tensor]:
    """Read a checkpoint of exactly this model.

    Args:
        model: the model, which is left as it is.
        path: mmengine checkpoint.
        classes: names of the classes that the model will be used with, in order.

    Returns:
        The state dict, with the model's ``_metadata``: mmdet3d turns the sparse convolutions of one that has none (as a
        plain dict) into another layout, though shapes say that they have this one.

    Raises:
        InputError: for a missing or unreadable file, weights of another model (names the first mismatches), or a model
            that was trained on other classes.
    """
    checkpoint, state = read_checkpoint(path)
    faults = state_faults(model.state_dict(), state)
    if faults:
        raise InputError(
            f"{path}: expected the weights of this config's model, found another model's ({len(faults)} differences): "
            + "; ".join(faults[:3])
            + "; use the config that the checkpoint was trained with"
        )
    trained = tuple(checkpoint.get("meta", {}).get("dataset_meta", {}).get("classes", ()))
    if classes and trained and trained != tuple(classes):
        raise InputError(
            f"{path}: expected a model of the classes {', '.join(classes)}; found one of {', '.join(trained)}; set "
            "metainfo.classes of the dataset to these"
        )
    versioned = OrderedDict(state)
    versioned._metadata = model.state_dict()._metadata  # type: ignore[attr-defined]
    return versioned


def load_weights(model: torch.nn.Module, path: str, classes: Sequence[str] | None = None) -> None:
    """Load a checkpoint of exactly this model, as :func:`read_weights` reads it."""
    model.load_state_dict(read_weights(model, path, classes))


def check_initial_weights(model: torch.nn.Module, path: str) -> None:
    """Raise :class:`InputError` unless a checkpoint holds weights to start the model, or parts of it, from.

    mmengine would warn, leave out what does not fit, and train from what the rest is.
    """
    state = read_checkpoint(path)[1]
    expected = model.state_dict()
    shared = [key for key in expected if key in state]
    if not shared:
        raise InputError(
            f"{path}: expected weights of this config's model or of parts of it, found none of its names, but "
            f"{', '.join(list(state)[:2]) or 'nothing'}; choose another load_from"
        )
    if faults := state_faults({key: expected[key] for key in shared}, {key: state[key] for key in shared}):
        raise InputError(
            f"{path}: expected weights of this config's model or of parts of it, found others ({len(faults)} "
            f"differences): {'; '.join(faults[:3])}; choose another load_from"
        )
    if unclear := unversioned(sparse_weights(model), state):
        raise InputError(
            f"{path}: expected the metadata of spconv 2 for {len(unclear)} sparse convolutions, found none for "
            f"{unclear[0]}: mmdet3d would reorder them; save the state dict of a model as it is, or convert published "
            "weights with tools/convert_cmt_checkpoint.py"
        )


def sparse_weights(model: torch.nn.Module) -> list[str]:
    """Keys of the kernels of the model's sparse convolutions."""
    modules = ((name, module) for name, module in model.named_modules() if isinstance(module, SparseModule))
    return [f"{name}.weight" for name, module in modules if getattr(module, "weight", None) is not None]


def unversioned(keys: Iterable[str], state: Mapping[str, torch.Tensor], prefix: str = "") -> list[str]:
    """Keys that a state dict has under a prefix, without saying that spconv 2 wrote them; mmdet3d would reorder these.

    ``state_dict()`` says it in ``_metadata``, which is lost when a script copies the entries to a plain dict.
    """
    versions = getattr(state, "_metadata", {})
    modules = {key: f"{prefix}{key.removesuffix('.weight')}" for key in keys if prefix + key in state}
    return [key for key, module in modules.items() if versions.get(module, {}).get("version") != 2]


def check_classes(model: torch.nn.Module, classes: Sequence[str]) -> None:
    """Raise :class:`InputError` unless a detector has as many classes as its data set."""
    found = getattr(getattr(model, "pts_bbox_head", None), "num_classes", None)
    if found is not None and found != len(classes):
        raise InputError(
            f"model.pts_bbox_head.num_classes: expected {len(classes)}, the classes of the data set "
            f"({', '.join(classes)}), found {found}; change it or metainfo.classes"
        )


def state_faults(expected: dict[str, torch.Tensor], found: dict[str, torch.Tensor]) -> list[str]:
    """Differences of two state dicts in words: missing and unexpected keys, other shapes."""
    faults = [f"{key} is missing" for key in expected if key not in found]
    faults += [f"{key} is unexpected" for key in found if key not in expected]
    faults += [
        f"{key} has shape {tuple(found[key].shape)}, expected {tuple(value.shape)}"
        for key, value in expected.items()
        if key in found and found[key].shape != value.shape
    ]
    return faults
