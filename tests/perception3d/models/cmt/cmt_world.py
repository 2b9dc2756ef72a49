"""A small detector, its inputs, and the files of known answers."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from mmdet3d.registry import MODELS
from mmdet3d.structures import Det3DDataSample, LiDARInstance3DBoxes
from mmengine.structures import InstanceData

import perception3d.models  # noqa: F401

ROOT = Path(__file__).resolve().parents[4]
RANGE = [-12.8, -12.8, -5.0, 12.8, 12.8, 3.0]


class KnownAnswers:
    """One file of known answers, with the inputs and weights that belong to it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.draws = _module(folder / "deterministic.py")
        self.arrays = np.load(folder / f"{name}.npz", allow_pickle=False)
        self.meta = json.loads(str(self.arrays["meta"]))
        self.inputs = {key: self._draw(spec) for key, spec in self.meta["inputs"].items()}
        weights = self.draws.fill({key: tuple(shape) for key, shape in self.meta.get("state_dict", [])})
        self._check("checksum_weights", weights)
        self._check("checksum_inputs", _flat(self.inputs))
        self.weights = {key: torch.from_numpy(value) for key, value in weights.items()}

    def __getitem__(self, key: str) -> torch.Tensor:
        return torch.from_numpy(self.arrays[key])

    def names(self) -> list[str]:
        return list(self.arrays.files)

    def input(self, key: str) -> torch.Tensor:
        return torch.from_numpy(self.inputs[key])

    def weights_of(self, prefix: str) -> dict[str, torch.Tensor]:
        return {key[len(prefix) :]: value for key, value in self.weights.items() if key.startswith(prefix)}

    def _draw(self, spec: dict[str, Any]) -> Any:
        return getattr(self.draws, spec["call"])(*spec["args"])

    def _check(self, key: str, values: dict[str, np.ndarray]) -> None:
        if key in self.arrays.files:
            np.testing.assert_allclose(self.draws.checksum(values), self.arrays[key], rtol=1e-12)


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("cmt_deterministic", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _flat(inputs: dict[str, Any]) -> dict[str, np.ndarray]:
    parts = {}
    for key, value in inputs.items():
        named = {f"{key}.{i}": part for i, part in enumerate(value)} if isinstance(value, tuple) else {key: value}
        parts.update(named)
    return parts


def tiny_model(sensors=("lidar", "camera"), **head) -> dict[str, Any]:
    """Config of a detector of the full structure at a small size: BEV 8 x 8, images of 64 x 96, 40 queries."""
    preprocessor = dict(type="Det3DDataPreprocessor", mean=[100.0] * 3, std=[50.0] * 3, pad_size_divisor=32)
    model = dict(
        type="perception3d.CMTDetector",
        pts_bbox_head=dict(
            type="perception3d.CMTHead",
            point_cloud_range=RANGE,
            sensors=sensors,
            lidar_channels=32,
            embed_dims=32,
            num_queries=40,
            num_layers=2,
            num_heads=2,
            hidden_dims=32,
            box_coder=dict(type="perception3d.CMTBoxCoder", post_center_range=[-20, -20, -10, 20, 20, 10], max_num=30),
            **head,
        ),
    )
    if "lidar" in sensors:
        preprocessor |= dict(
            voxel=True,
            voxel_layer=dict(
                max_num_points=5, voxel_size=[0.4, 0.4, 0.2], max_voxels=(2000, 2000), point_cloud_range=RANGE
            ),
        )
        model |= dict(
            pts_voxel_encoder=dict(type="HardSimpleVFE", num_features=5),
            pts_middle_encoder=dict(
                type="SparseEncoder",
                in_channels=5,
                sparse_shape=[41, 64, 64],
                base_channels=4,
                output_channels=8,
                order=("conv", "norm", "act"),
                encoder_channels=((4, 4, 8), (8, 8, 8), (8, 8, 8), (8, 8)),
                encoder_paddings=((0, 0, 1), (0, 0, 1), (0, 0, [0, 1, 1]), (0, 0)),
                block_type="basicblock",
            ),
            pts_backbone=dict(
                type="SECOND", in_channels=16, out_channels=[16, 16], layer_nums=[1, 1], layer_strides=[1, 2]
            ),
            pts_neck=dict(
                type="SECONDFPN",
                in_channels=[16, 16],
                out_channels=[16, 16],
                upsample_strides=[1, 2],
                use_conv_for_no_stride=True,
            ),
        )
    if "camera" in sensors:
        model |= dict(
            img_backbone=dict(type="perception3d.VoVNet", arch="V-19-slim-eSE"),
            img_neck=dict(type="perception3d.CPFPN", in_channels=[384, 512], out_channels=32),
        )
    return model | dict(data_preprocessor=preprocessor)


def projections(views: int, height: int = 64, width: int = 96) -> np.ndarray:
    """Cameras at the origin, looking around evenly: camera axes right, down, forward."""
    out = np.zeros((views, 4, 4))
    for view in range(views):
        yaw = 2 * np.pi * view / views
        forward, right = [np.cos(yaw), np.sin(yaw), 0], [np.sin(yaw), -np.cos(yaw), 0]
        extrinsic = np.eye(4)
        extrinsic[:3, :3] = [right, [0, 0, -1], forward]
        intrinsic = np.array([[60.0, 0, width / 2, 0], [0, 60.0, height / 2, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
        out[view] = intrinsic @ extrinsic
    return out


def cloud(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    low, high = torch.tensor([-12.0, -12, -3, 0, 0]), torch.tensor([12.0, 12, 1, 255, 0.5])
    return low + (high - low) * torch.rand(count, 5, generator=generator)


def sample(objects: int = 3, seed: int = 0, views: int = 3, **meta: Any) -> Det3DDataSample:
    generator = torch.Generator().manual_seed(seed)
    draw = torch.rand(objects, 9, generator=generator)
    low = torch.tensor([-10.0, -10, -2, 0.5, 0.5, 0.5, -3, -2, -2])
    high = torch.tensor([10.0, 10, 0, 5, 2, 2, 3, 2, 2])
    out = Det3DDataSample(metainfo=dict(sample_idx=seed, lidar2img=projections(views), **meta))
    out.gt_instances_3d = InstanceData(
        bboxes_3d=LiDARInstance3DBoxes(low + (high - low) * draw, box_dim=9),
        labels_3d=torch.randint(0, 10, (objects,), generator=generator),
    )
    return out


def pictures(seed: int, views: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(100 + seed)
    return torch.randint(0, 256, (views, 3, 64, 96), generator=generator).to(torch.uint8)


def batch(points: list[torch.Tensor] | None, images: list[torch.Tensor] | None, samples: list[Det3DDataSample]):
    inputs = {} if points is None else {"points": points}
    if images is not None:
        inputs["img"] = images
    return {"inputs": inputs, "data_samples": samples}


def build(cfg: dict[str, Any], seed: int = 0):
    torch.manual_seed(seed)
    return MODELS.build(cfg)
