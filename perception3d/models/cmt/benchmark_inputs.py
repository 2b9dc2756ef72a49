"""Batches to measure CMT on: synthetic ones of a config's sizes, or keyframes of a data set."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmdet3d.registry import DATASETS
from mmdet3d.structures import Det3DDataSample, LiDARInstance3DBoxes
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from numpy.typing import NDArray

from corruptions.benchmark import machine
from corruptions.core import InputError
from corruptions.synthetic import FOCAL_PER_WIDTH, synthetic_scan
from perception3d.models.cmt.detector import CMTDetector

NUM_CAMERAS = 6
AZIMUTH_STEPS = 4166
"""Of the synthetic sweep; gives the 250 000 points of some ten sweeps of nuScenes."""


def batches(cfg: Config, model: CMTDetector, samples: int, keyframes: bool) -> list[Any]:
    """Batches of one sample: the first keyframes of the test data, or the same synthetic one each time.

    Raises:
        InputError: for another model than CMT.
    """
    if not isinstance(model, CMTDetector):
        raise InputError(f"{cfg.filename}: expected a CMTDetector, found {type(model).__name__}")
    if not keyframes:
        return [synthetic_batch(cfg, model)] * samples
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    return [pseudo_collate([dataset[index]]) for index in range(min(samples, len(dataset)))]


def synthetic_batch(cfg: Config, model: CMTDetector) -> Any:
    """One sample: a street as LiDAR sees it, noise as images, six cameras around.

    Args:
        cfg: its test pipeline says how large the images are.
        model: its sensors are served.

    Raises:
        InputError: for a model with cameras and a config that does not say how large images are.
    """
    inputs: dict[str, torch.Tensor] = {}
    sample = Det3DDataSample(metainfo={"box_type_3d": LiDARInstance3DBoxes, "sample_idx": 0})
    if model.with_lidar:
        scan = synthetic_scan(steps=AZIMUTH_STEPS).points
        points = np.column_stack([scan[:, :3], scan[:, 3] * 255, np.zeros(len(scan))]).astype(np.float32)
        inputs["points"] = torch.from_numpy(points)
    if model.with_cameras:
        height, width = image_size(cfg)
        noise = np.random.default_rng(0).integers(0, 256, (NUM_CAMERAS, 3, height, width), dtype=np.uint8)
        inputs["img"] = torch.from_numpy(noise)
        sample.set_metainfo({"lidar2img": ring_of_cameras(height, width)})
    return pseudo_collate([{"inputs": inputs, "data_samples": sample}])


def image_size(cfg: Config) -> tuple[int, int]:
    """Height and width of the images that the test pipeline gives."""
    sizes = [step.size for step in cfg.test_dataloader.dataset.pipeline if "size" in step]
    if not sizes:
        raise InputError(
            f"{cfg.filename}: expected a step with the size of the images in the test pipeline, found none"
        )
    return sizes[-1][0], sizes[-1][1]


def ring_of_cameras(height: int, width: int) -> NDArray[np.float64]:
    """(6, 4, 4) projections of cameras that look ahead, and every 60 degrees, with nuScenes' focal length."""
    intrinsics = np.eye(4)
    intrinsics[0, 0] = intrinsics[1, 1] = FOCAL_PER_WIDTH * width
    intrinsics[:2, 2] = width / 2, height / 2
    matrices = []
    for yaw in np.arange(NUM_CAMERAS) * (2 * np.pi / NUM_CAMERAS):
        forward, left = np.array([np.cos(yaw), np.sin(yaw), 0]), np.array([-np.sin(yaw), np.cos(yaw), 0])
        camera = np.eye(4)
        camera[:3, :3] = np.stack([-left, [0, 0, -1], forward])
        matrices.append(intrinsics @ camera)
    return np.stack(matrices)


def describe(batches: Sequence[Any], model: CMTDetector) -> str:
    """Sizes of the first batch, processor, device, threads and load of the machine in words."""
    parts = [f"{len(batches)} passes of each kind"]
    prepared = model.data_preprocessor(batches[0])["inputs"]
    if "voxels" in prepared:
        parts.append(f"{len(batches[0]['inputs']['points'][0])} points in {len(prepared['voxels']['coors'])} voxels")
    if "imgs" in prepared:
        _, views, _, height, width = prepared["imgs"].shape
        parts.append(f"{views} images of {width} x {height}")
    device = next(model.parameters()).device
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else machine()["cpu"]
    parts += [where, f"torch {torch.__version__}", f"{torch.get_num_threads()} thread(s)"]
    return ", ".join([*parts, f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"])
