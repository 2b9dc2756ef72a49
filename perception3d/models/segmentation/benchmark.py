"""Time of a scan through a segmentation network: voxelisation, network, scatter back to the points."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from numpy.typing import NDArray

from corruptions.core import InputError
from perception3d.launch import check_device
from perception3d.models.segmentation.segmentor import LidarSegmentor
from perception3d.registry import MODELS


@dataclass(frozen=True)
class Row:
    """Median milliseconds of the parts for one config.

    Attributes:
        name: of the config.
        parameters: of the model.
        points: of the scan.
        rows: voxels, or points of the branch, that the head classifies.
        voxelisation_ms: points to voxels, with their mean features where the model has no encoder.
        network_ms: encoder, backbone and head.
        scatter_ms: class of every point from the logits of its row.
    """

    name: str
    parameters: int
    points: int
    rows: int
    voxelisation_ms: float
    network_ms: float
    scatter_ms: float


def load_models(paths: Sequence[Path], device: str) -> dict[str, LidarSegmentor]:
    """Model of each config with random weights, by the name of the config."""
    check_device(device)
    models = {}
    for path in paths:
        if not path.is_file():
            raise InputError(f"config: expected a file, found none: {path}")
        cfg = Config.fromfile(path)
        init_default_scope(cfg.get("default_scope", "mmdet3d"))
        model = MODELS.build(cfg.model)
        if not isinstance(model, LidarSegmentor):
            raise InputError(f"{path}: expected a LidarSegmentor, found {cfg.model.type}")
        models[path.stem] = model.eval().to(device)
    return models


@torch.no_grad()
def measure(models: dict[str, LidarSegmentor], points: NDArray[np.float32], repeat: int) -> list[Row]:
    """Time the models in turn, so that a busy moment of the machine meets all of them.

    Args:
        models: by name, on one device.
        points: (N, 4) x, y, z in metres, intensity 0..1.
        repeat: timed passes; one more comes first.
    """
    device = next(next(iter(models.values())).parameters()).device
    cloud = torch.from_numpy(points).to(device)
    passes: dict[str, list[tuple[float, ...]]] = {name: [] for name in models}
    rows: dict[str, int] = {}
    for _ in range(repeat + 1):
        for name, model in models.items():
            parts, rows[name] = _one_pass(model, cloud)
            passes[name].append(parts)
    return [
        Row(
            name,
            sum(parameter.numel() for parameter in model.parameters()),
            len(points),
            rows[name],
            *(1e3 * statistics.median(part) for part in zip(*passes[name][1:], strict=True)),
        )
        for name, model in models.items()
    ]


def _one_pass(model: LidarSegmentor, cloud: torch.Tensor) -> tuple[tuple[float, float, float], int]:
    times = [_now(cloud)]
    voxels = model.voxelise([cloud])
    if model.encoder is None:
        _ = voxels.features
    times.append(_now(cloud))
    features, row_of_point = model.embed(voxels)
    logits = model.decode_head(features)
    times.append(_now(cloud))
    logits.argmax(dim=1)[row_of_point]
    times.append(_now(cloud))
    first, second, third = (after - before for before, after in zip(times[:-1], times[1:], strict=True))
    return (first, second, third), len(features)


def _now(cloud: torch.Tensor) -> float:
    """Seconds. Other work on the machine does not count where one thread does all of ours."""
    if cloud.is_cuda:
        torch.cuda.synchronize()
    elif torch.get_num_threads() == 1:
        return time.thread_time()
    return time.perf_counter()


def markdown(rows: Sequence[Row], device: str = "cpu") -> str:
    """The rows as a Markdown table, with device, threads and what was measured above."""
    threads = torch.get_num_threads()
    lines = [
        f"{device}, {threads} thread(s), median {'processor' if (device, threads) == ('cpu', 1) else 'wall'} time",
        "",
        "| config | parameters | points | rows | voxelisation ms | network ms | scatter back ms |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        lines.append(
            f"| {row.name} | {row.parameters / 1e6:.2f} M | {row.points} | {row.rows} "
            f"| {row.voxelisation_ms:.1f} | {row.network_ms:.1f} | {row.scatter_ms:.1f} |"
        )
    return "\n".join(lines)
