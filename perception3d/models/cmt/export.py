"""CMT as an ONNX graph: all that is dense, from images and the map of the sparse encoder to box codes.

Not in the graph: voxelisation and the sparse encoder (ONNX has no sparse convolution), and the selection of detections
(``CMTBoxCoder``), which needs no network.
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from corruptions.core import InputError
from corruptions.files import write_atomically
from perception3d.models.cmt.cameras import Cameras
from perception3d.models.cmt.detector import CMTDetector
from perception3d.models.cmt.encodings import bev_cell_centres, pixel_grid
from perception3d.models.cmt.tokens import Tokens

OPSET = 18
INPUTS = {"lidar": ("dense",), "camera": ("img", "img_from_lidar", "lidar_from_img")}
OUTPUTS = ("logits", "code")


class DenseCMT(nn.Module):
    """The dense part of a detector for one sample, with every camera there.

    A fused model also serves with one of its sensors: a graph for each set of sensors, all with the same weights.

    Args:
        model: the detector, in evaluation mode on the CPU.
        sensors: sensors that the graph takes, of "lidar" and "camera"; None: those of the model.

    Raises:
        InputError: for a sensor that the model does not have.
    """

    def __init__(self, model: CMTDetector, sensors: Sequence[str] | None = None) -> None:
        super().__init__()
        has = [name for name, there in (("lidar", model.with_lidar), ("camera", model.with_cameras)) if there]
        sensors = has if sensors is None else sensors
        if not set(sensors) <= set(has):
            raise InputError(f"sensors: expected some of {', '.join(has)}, found {', '.join(sensors)}")
        self.model = model
        self.names = tuple(name for sensor in has if sensor in sensors for name in INPUTS[sensor])

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Raw outputs of the last decoder layer.

        Args:
            inputs: tensors in the order of ``names``: ``dense`` (1, C, H, W), the output of the sparse encoder; ``img``
                (V, 3, h, w), normalised images; ``img_from_lidar`` (V, 4, 4), and ``lidar_from_img``, their inverses,
                taken in float64.

        Returns:
            Class logits (Q, classes) and box codes (Q, 10).
        """
        given = dict(zip(self.names, inputs, strict=True))
        tokens: dict[str, Tokens] = {}
        cameras = None
        if "dense" in given:
            tokens["lidar"] = self._lidar_tokens(given["dense"])
        if "img" in given:
            views, _, height, width = given["img"].shape
            everywhere = torch.ones(1, views, dtype=torch.bool)
            matrices = given["img_from_lidar"][None], given["lidar_from_img"][None]
            cameras = Cameras(*matrices, (height, width), everywhere)
            tokens["camera"] = self._image_tokens(given["img"], cameras)
        outputs = self.model.pts_bbox_head._decode(tokens, cameras, None, None, last_only=True)
        return outputs.logits[-1, 0], outputs.code[-1, 0]

    def _lidar_tokens(self, dense: Tensor) -> Tokens:
        head = self.model.pts_bbox_head
        bev = head.shared_conv(self.model.pts_neck(self.model.pts_backbone(dense))[0])
        cells = bev_cell_centres(*_rows_and_columns(bev))
        return Tokens(bev.flatten(2).transpose(1, 2), head.bev_embedding(cells)[None], grid=_rows_and_columns(bev))

    def _image_tokens(self, images: Tensor, cameras: Cameras) -> Tokens:
        features = self.model.img_neck(self.model.img_backbone(images))[0]
        pixels = pixel_grid(*_rows_and_columns(features), cameras.image_size)
        pos = self.model.pts_bbox_head.rv_embedding(pixels, cameras.lidar_from_img)
        feats = features.flatten(2).transpose(1, 2).flatten(0, 1)[None]
        return Tokens(feats, pos.flatten(1, 2), grid=_rows_and_columns(features))


def _rows_and_columns(maps: Tensor) -> tuple[int, int]:
    return maps.shape[-2], maps.shape[-1]


@torch.no_grad()
def example_inputs(graph: DenseCMT, batch: Any) -> tuple[Tensor, ...]:
    """Inputs of the graph from a batch of one sample, as a data loader gives it."""
    model = graph.model
    prepared = model.data_preprocessor(batch)
    given: dict[str, Tensor] = {}
    if "dense" in graph.names:
        voxels = prepared["inputs"]["voxels"]
        features = model.pts_voxel_encoder(voxels["voxels"], voxels["num_points"], voxels["coors"])
        given["dense"] = model.pts_middle_encoder(features, voxels["coors"], 1)
    if "img" in graph.names:
        images = prepared["inputs"]["imgs"]
        metas = [prepared["data_samples"][0].metainfo]
        cameras = Cameras.from_metas(metas, images.shape[1], _rows_and_columns(images), images.device)
        given |= {
            "img": images[0],
            "img_from_lidar": cameras.img_from_lidar[0],
            "lidar_from_img": cameras.lidar_from_img[0],
        }
    return tuple(given[name] for name in graph.names)


def export(graph: DenseCMT, inputs: tuple[Tensor, ...], path: Path) -> None:
    """Write the graph for inputs of these shapes, whole or not at all.

    Raises:
        InputError: the packages that write ONNX are not installed.
    """
    for package in ("onnx", "onnxscript"):
        if importlib.util.find_spec(package) is None:
            raise InputError(f"expected the package {package}, found none; pip install 'perception3d[export]'")
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "graph.onnx"
        torch.onnx.export(
            graph,
            inputs,
            made,
            input_names=list(graph.names),
            output_names=list(OUTPUTS),
            dynamo=True,
            opset_version=OPSET,
            external_data=False,
        )
        write_atomically(path, made.read_bytes())


@torch.no_grad()
def difference(graph: DenseCMT, inputs: tuple[Tensor, ...], path: Path) -> float | None:
    """Largest difference of the outputs in onnxruntime, relative, absolute below 1; None if that is not installed."""
    if importlib.util.find_spec("onnxruntime") is None:
        return None
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    feed = {name: tensor.numpy() for name, tensor in zip(graph.names, inputs, strict=True)}
    pairs = zip(session.run(list(OUTPUTS), feed), graph(*inputs), strict=True)
    return max(
        float((np.abs(found - expected.numpy()) / np.maximum(np.abs(expected.numpy()), 1)).max())
        for found, expected in pairs
    )
