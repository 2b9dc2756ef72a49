"""CMT's head: tokens, queries, decoder, task branches, losses; the maths is in the modules beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from torch import Tensor, nn

from corruptions.core import InputError
from perception3d.models.cmt.box_coder import Detections
from perception3d.models.cmt.cameras import Cameras
from perception3d.models.cmt.content import SampledContent
from perception3d.models.cmt.criterion import Divisors, Objects, denoising_losses, matching_losses
from perception3d.models.cmt.denoising import DenoisingConfig, DenoisingSet, make_denoising
from perception3d.models.cmt.encodings import BEVEmbedding, RayEmbedding, denormalise_points
from perception3d.models.cmt.losses import LossConfig, check_finite
from perception3d.models.cmt.queries import LOGIT_EPS, encode_queries
from perception3d.models.cmt.task_head import BOX_BRANCHES, TaskHead
from perception3d.models.cmt.tokens import SensorFeatures, Tokens, image_tokens, join_tokens, lidar_tokens
from perception3d.models.cmt.transformer import CMTTransformer
from perception3d.registry import MODELS, TASK_UTILS

SENSORS = ("lidar", "camera")


@dataclass(frozen=True)
class HeadOutputs:
    """Raw outputs of L decoder layers for Q queries, denoising ones first.

    Attributes:
        logits: (L, B, Q, classes).
        code: (L, B, Q, 10) box code; see ``box_coder``.
    """

    logits: Tensor
    code: Tensor

    def split(self, rows: int) -> tuple[HeadOutputs, HeadOutputs]:
        """The outputs of the first queries, and of the others."""
        first = HeadOutputs(self.logits[:, :, :rows], self.code[:, :, :rows])
        return first, HeadOutputs(self.logits[:, :, rows:], self.code[:, :, rows:])


@MODELS.register_module()
class CMTHead(BaseModule):
    """Detection head of the Cross Modal Transformer (Yan et al., ICCV 2023), for LiDAR, cameras or both.

    One decoder serves every combination: it attends to the tokens of the sensors a sample has.

    Args:
        point_cloud_range: x, y, z min and max in metres, over which places are normalised.
        box_coder: config of the coder that selects detections.
        sensors: sensors the model has weights for, of "lidar" and "camera".
        lidar_channels: channels of the BEV map.
        embed_dims: width of tokens and queries.
        num_queries: learned queries.
        num_classes: classes.
        num_layers: decoder layers.
        num_heads: attention heads.
        hidden_dims: width inside the feed-forward networks.
        dropout: dropout rate of the decoder.
        kernel_size: width of the task branches' convolutions over the queries; see ``TaskHead``.
        class_prior: class probability at the start of training; see ``TaskHead``.
        sampled_content: start queries with the features at their reference points; see ``content``. Published: zeros.
        modality_agnostic: in training, decode from each sensor alone as well, with losses of its own, so that the
            shared decoder learns to work without the other (after MEFormer, Cha et al., 2024). Inference is unchanged.
        loss: fields of ``LossConfig``.
        denoising: fields of ``DenoisingConfig``.
        with_cp: recompute decoder layers in the backward pass to save memory.
        init_cfg: initialisation config.
    """

    def __init__(
        self,
        point_cloud_range: Sequence[float],
        box_coder: dict[str, Any],
        sensors: Sequence[str] = SENSORS,
        lidar_channels: int = 512,
        embed_dims: int = 256,
        num_queries: int = 900,
        num_classes: int = 10,
        num_layers: int = 6,
        num_heads: int = 8,
        hidden_dims: int = 1024,
        dropout: float = 0.1,
        kernel_size: int = 1,
        class_prior: float | None = 0.1,
        sampled_content: bool = False,
        modality_agnostic: bool = False,
        loss: dict[str, Any] | None = None,
        denoising: dict[str, Any] | None = None,
        with_cp: bool = False,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if not sensors or not set(sensors) <= set(SENSORS):
            raise InputError(f"CMTHead sensors: expected some of {SENSORS}, found {tuple(sensors)}")
        if modality_agnostic and set(sensors) != set(SENSORS):
            raise InputError(f"CMTHead modality_agnostic: expected sensors {SENSORS}, found {tuple(sensors)}")
        self.sensors = tuple(sensors)
        self.num_queries = num_queries
        self.num_classes = num_classes
        self.modality_agnostic = modality_agnostic
        self.loss_cfg = LossConfig(**(loss or {}))
        self.denoising_cfg = DenoisingConfig(**(denoising or {}))
        self.box_coder = TASK_UTILS.build(box_coder)
        self.register_buffer("point_cloud_range", torch.tensor(point_cloud_range), persistent=False)

        self.shared_conv: ConvModule | None = None
        self.rv_embedding: RayEmbedding | None = None
        if "lidar" in sensors:
            self.shared_conv = ConvModule(lidar_channels, embed_dims, 3, padding=1, norm_cfg=dict(type="BN2d"))
        if "camera" in sensors:
            self.rv_embedding = RayEmbedding(embed_dims, point_cloud_range)
        self.bev_embedding = BEVEmbedding(embed_dims)
        self.reference_points = nn.Embedding(num_queries, 3)
        nn.init.uniform_(self.reference_points.weight)
        self.content = SampledContent(embed_dims, sensors) if sampled_content else None
        self.transformer = CMTTransformer(num_layers, embed_dims, num_heads, hidden_dims, dropout, with_cp)
        # A list of one: the published code allows several tasks, every published config has one of all classes.
        self.task_heads = nn.ModuleList([TaskHead(embed_dims, num_layers, num_classes, kernel_size, class_prior)])

    def forward(self, features: SensorFeatures) -> HeadOutputs:
        """Outputs of every decoder layer for the learned queries."""
        with full_precision(self._device) as cross_dtype:
            return self._decode(self.tokens(features), features.cameras, None, cross_dtype)

    def predict(self, features: SensorFeatures) -> list[Detections]:
        """Detections of each sample, from the last decoder layer; the branches of the others are not computed."""
        with full_precision(self._device) as cross_dtype:
            outputs = self._decode(self.tokens(features), features.cameras, None, cross_dtype, last_only=True)
            pairs = zip(outputs.logits[-1], outputs.code[-1], strict=True)
            return [self.box_coder.decode(logits, code) for logits, code in pairs]

    def loss(self, features: SensorFeatures, data_samples: Sequence[Any]) -> dict[str, Tensor]:
        """Losses by name, four a decoder layer and pass, from data samples with ``gt_instances_3d``.

        Raises:
            FloatingPointError: a term is not finite; the message names it.
        """
        objects = [Objects.of_sample(sample, self.num_classes, self._device) for sample in data_samples]
        with full_precision(self._device) as cross_dtype:
            tokens = self.tokens(features)
            losses = self._pass_losses(tokens, features.cameras, objects, cross_dtype)
            for sensor in SENSORS if self.modality_agnostic else ():
                alone = self._pass_losses(*only(sensor, tokens, features.cameras, objects), cross_dtype)
                losses |= {f"{sensor}_only.{name}": value for name, value in alone.items()}
        check_finite(losses)
        return losses

    def tokens(self, features: SensorFeatures) -> dict[str, Tokens]:
        """Tokens by sensor, of the sensors that any sample has; empty ones where no sample has any."""
        tokens: dict[str, Tokens] = {}
        if features.lidar is not None and self.shared_conv is not None:
            bev = self.shared_conv(features.lidar.bev.float())
            tokens["lidar"] = lidar_tokens(bev, features.lidar.present, self.bev_embedding)
        if features.camera is not None and self.rv_embedding is not None:
            tokens["camera"] = image_tokens(features.camera.images.float(), features.camera.cameras, self.rv_embedding)
        if not tokens:
            nothing = self.reference_points.weight.new_zeros(features.batch_size, 0, self.bev_embedding.embed_dims)
            tokens["none"] = Tokens(nothing, nothing)
        return tokens

    @property
    def _device(self) -> torch.device:
        return self.reference_points.weight.device

    def _decode(
        self,
        tokens: dict[str, Tokens],
        cameras: Cameras | None,
        denoising: DenoisingSet | None,
        cross_dtype: torch.dtype | None,
        last_only: bool = False,
    ) -> HeadOutputs:
        """Outputs for the denoising queries, if any, and the learned ones."""
        joined = join_tokens(list(tokens.values()))
        references = self.reference_points.weight.expand(len(joined.feats), -1, -1)
        if denoising is not None:
            references = torch.cat([denoising.references, references], dim=1)
        logits = torch.logit(references, eps=LOGIT_EPS)
        query_pos = encode_queries(logits, self.bev_embedding, self.rv_embedding, cameras)
        allowed = None if denoising is None else denoising.allowed
        content = None
        if self.content is not None:
            content = self.content(tokens, logits.sigmoid(), cameras, self.point_cloud_range)
        decoded = self.transformer(query_pos, joined, allowed, cross_dtype, last_only, content)
        return self._outputs(self.task_heads[0](decoded), logits)

    def _outputs(self, branches: dict[str, Tensor], reference_logits: Tensor) -> HeadOutputs:
        """Class logits and code; ``center`` and ``height`` are offsets to the reference, squashed into the range."""
        offsets = torch.cat([branches["center"], branches["height"]], dim=-1)
        in_range = denormalise_points((offsets + reference_logits).sigmoid(), self.point_cloud_range)
        rest = [branches[name] for name in BOX_BRANCHES if name not in ("center", "height")]
        return HeadOutputs(branches["cls_logits"], torch.cat([in_range, *rest], dim=-1))

    def _pass_losses(
        self,
        tokens: dict[str, Tokens],
        cameras: Cameras | None,
        objects: Sequence[Objects],
        cross_dtype: torch.dtype | None,
    ) -> dict[str, Tensor]:
        """Losses of one pass through the decoder; none for a pass without samples."""
        divisors = Divisors.of_batch(objects, self.num_queries, self.loss_cfg, self.denoising_cfg, self._device)
        if not tokens or not objects:
            return {}
        denoising = make_denoising(
            [part.boxes for part in objects],
            [part.labels for part in objects],
            self.point_cloud_range,
            self.num_queries,
            self.num_classes,
            self.denoising_cfg,
        )
        outputs = self._decode(tokens, cameras, denoising, cross_dtype)
        rows = 0 if denoising is None else denoising.num_rows
        noised, learned = outputs.split(rows)
        losses = matching_losses(learned.logits, learned.code, objects, divisors, self.loss_cfg)
        return losses | denoising_losses(
            noised.logits, noised.code, denoising, divisors, self.loss_cfg, self.denoising_cfg.weight
        )


def only(
    sensor: str, tokens: dict[str, Tokens], cameras: Cameras | None, objects: Sequence[Objects]
) -> tuple[dict[str, Tokens], Cameras | None, list[Objects]]:
    """What a batch holds for one sensor: its tokens, cameras and objects, of the samples that have the sensor."""
    if sensor not in tokens:
        return {}, None, []
    valid = tokens[sensor].valid
    rows = torch.arange(len(objects)) if valid is None else valid.any(dim=1).cpu().nonzero()[:, 0]
    kept = cameras.of_samples(rows) if cameras is not None and sensor == "camera" else None
    return {sensor: tokens[sensor].of_samples(rows)}, kept, [objects[row] for row in rows.tolist()]


@contextmanager
def full_precision(device: torch.device) -> Iterator[torch.dtype | None]:
    """Leave autocast, as the published head does, and give the precision it asked for (None without autocast).

    Only the cross-attention, most of the work, then runs in that precision; the published one always ran in float16.
    """
    dtype = torch.get_autocast_dtype(device.type) if torch.is_autocast_enabled(device.type) else None
    with torch.autocast(device.type, enabled=False):
        yield dtype
