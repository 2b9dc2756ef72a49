"""Test configs that write a submission instead of scoring; works on mmengine configs, without importing them."""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import PurePath
from typing import Any

from corruptions.core import InputError

PREFIXES = {"NuScenesDetMetric": "jsonfile_prefix", "LidarSegMetric": "submission_prefix"}
"""Argument of each metric that says where the submission goes, as mmdet3d names them."""

LABEL_LOADERS = ("LoadLidarLabels", "LoadAnnotations3D", "PointSegClassMapping")


def format_only(cfg: MutableMapping[str, Any], folder: str) -> str:
    """Have the test write a submission and read no annotation, so that it runs on the test split.

    Args:
        cfg: config to change: its metric writes only, and label loaders leave its test pipelines.
        folder: where the submission goes, unless the metric has a place of its own.

    Returns:
        Where it goes.

    Raises:
        InputError: for a metric that writes no submission.
    """
    metric = cfg.get("test_evaluator")
    name = _name(metric) if isinstance(metric, dict) else str(metric)
    if not isinstance(metric, dict) or name not in PREFIXES:
        known = ", ".join(f"perception3d.{known}" for known in PREFIXES)
        raise InputError(f"--format-only: expected one test_evaluator of {known}, found {name}; change the config")
    metric["format_only"] = True
    metric[PREFIXES[name]] = metric.get(PREFIXES[name]) or folder
    dataset = cfg["test_dataloader"]["dataset"]
    dataset["pipeline"] = _without_labels(dataset["pipeline"])
    if "tta_pipeline" in cfg:
        cfg["tta_pipeline"] = _without_labels(cfg["tta_pipeline"])
    return metric[PREFIXES[name]]


def use_split(cfg: MutableMapping[str, Any], split: str) -> None:
    """Test on another split: info files are those of the val split, with its name in place of "val".

    Raises:
        InputError: for an info file that does not end in ``_val.pkl``, from which the other's name would follow.
    """
    parts = [cfg["test_dataloader"]["dataset"], cfg["test_evaluator"]]
    for part in parts:
        if isinstance(part, dict) and "ann_file" in part:
            path = PurePath(part["ann_file"])
            if not path.stem.endswith("_val"):
                raise InputError(
                    f"--split {split}: expected an info file NAME_val.pkl in the config, found {path.name}; set "
                    "test_dataloader.dataset.ann_file with --cfg-options"
                )
            part["ann_file"] = str(path.with_name(f"{path.stem.removesuffix('val')}{split}{path.suffix}"))


def _without_labels(pipeline: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [transform for transform in pipeline if _name(transform) not in LABEL_LOADERS]


def _name(part: dict[str, Any]) -> str:
    kind = part.get("type", "")
    return kind.rpartition(".")[2] if isinstance(kind, str) else kind.__name__
