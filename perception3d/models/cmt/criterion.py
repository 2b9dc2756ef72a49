"""Losses of a decoder pass: matched queries, denoising queries, and what each sum is divided by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from corruptions.core import InputError
from perception3d.models.cmt.box_coder import encode_boxes
from perception3d.models.cmt.denoising import DenoisingConfig, DenoisingSet, num_groups
from perception3d.models.cmt.losses import (
    LossConfig,
    assign,
    box_cost,
    box_loss,
    check_finite,
    classification_cost,
    classification_loss,
    denoising_divisor,
    named_by_layer,
    process_mean,
)


@dataclass(frozen=True)
class Objects:
    """Ground truth of one sample.

    Attributes:
        boxes: (G, 9) x, y, z of the geometric centre, l, w, h in metres, yaw, vx, vy.
        labels: (G,) class indices.
    """

    boxes: Tensor
    labels: Tensor

    @classmethod
    def of_sample(cls, data_sample: Any, num_classes: int, device: torch.device) -> Objects:
        """Read ``gt_instances_3d`` of an mmdet3d data sample.

        Raises:
            InputError: boxes without velocity, or with a size or number that has no code; labels of other classes.
        """
        truth = data_sample.gt_instances_3d
        name = f"sample {data_sample.metainfo.get('sample_idx', '?')}"
        width = truth.bboxes_3d.tensor.shape[1]
        if width != 9:
            raise InputError(f"{name}: expected boxes of 9 numbers (with velocity), found {width}")
        labels = truth.labels_3d.long()
        if ((labels < 0) | (labels >= num_classes)).any():
            raise InputError(
                f"{name}: expected labels 0 .. {num_classes - 1}, found {labels.min()} .. {labels.max()}; the classes "
                "of the data set are not the model's, or objects of other classes were not filtered out"
            )
        boxes = torch.cat([truth.bboxes_3d.gravity_center, truth.bboxes_3d.tensor[:, 3:]], dim=1)
        bad = ~torch.isfinite(encode_boxes(boxes)).all(dim=1)
        if bad.any():
            raise InputError(
                f"{name}: {int(bad.sum())} of {len(boxes)} ground-truth boxes have a size <= 0 or a number that is not "
                f"finite, the first is {boxes[bad][0].tolist()}; filter them in the pipeline"
            )
        return cls(boxes.to(device), labels.to(device))


@dataclass(frozen=True)
class Divisors:
    """What the sums of the four losses are divided by, equal on all processes."""

    classification: float
    box: float
    denoising_classification: float
    denoising_box: float

    @classmethod
    def of_batch(
        cls,
        objects: Sequence[Objects],
        num_queries: int,
        cfg: LossConfig,
        denoising: DenoisingConfig,
        device: torch.device,
    ) -> Divisors:
        """Count this batch and average over the processes; every process must call it, whatever its batch holds.

        The published code divides by the counts of its own process in all but one of the four.
        """
        counts = [len(part.labels) for part in objects]
        groups = num_groups(max(counts), num_queries, denoising) if any(counts) else 0
        positives, negatives, copies = process_mean(
            [sum(counts), len(objects) * num_queries - sum(counts), groups * sum(counts)], device
        )
        return cls(
            classification=max(positives + cfg.background_weight * negatives, 1.0),
            box=max(positives, 1.0),
            denoising_classification=denoising_divisor(copies, denoising.split),
            denoising_box=max(copies, 1.0),
        )


def matching_losses(
    logits: Tensor, code: Tensor, objects: Sequence[Objects], divisors: Divisors, cfg: LossConfig
) -> dict[str, Tensor]:
    """Losses of logits (L, B, Q, C) and codes (L, B, Q, 10), each layer matched to the objects on its own.

    Raises:
        FloatingPointError: a cost is not finite; the message names the loss that belongs to it.
    """
    num_layers, _, num_queries, num_classes = logits.shape
    targets = torch.full(logits.shape[:3], num_classes, device=logits.device)
    matched, target_codes = [], []
    for sample, truth in enumerate(objects):
        if len(truth.labels) > num_queries:
            raise InputError(f"expected at most {num_queries} objects, one a query, found {len(truth.labels)}")
        target_code = encode_boxes(truth.boxes)
        class_cost = classification_cost(logits[:, sample].detach(), truth.labels, cfg)
        distance = box_cost(code[:, sample].detach(), target_code, cfg)
        by_layer = named_by_layer("loss_cls", class_cost.sum(dim=(1, 2)))
        check_finite(by_layer | named_by_layer("loss_bbox", distance.sum(dim=(1, 2))), "matching cost")
        query = assign(class_cost + distance)
        targets[:, sample].scatter_(1, query, truth.labels.expand(num_layers, -1))
        matched.append(code[:, sample].gather(1, query[..., None].expand(-1, -1, code.shape[-1])))
        target_codes.append(target_code)
    losses = named_by_layer("loss_cls", classification_loss(logits, targets, divisors.classification, cfg))
    boxes = box_loss(torch.cat(matched, dim=1), torch.cat(target_codes), divisors.box, cfg)
    return losses | named_by_layer("loss_bbox", boxes)


def denoising_losses(
    logits: Tensor,
    code: Tensor,
    denoising: DenoisingSet | None,
    divisors: Divisors,
    cfg: LossConfig,
    weight: float,
) -> dict[str, Tensor]:
    """Losses of the denoising rows (L, B, rows, ...); zeros for a batch without objects.

    The box loss covers all copies, those that have to become background too; kept as published.
    """
    if denoising is None:
        zeros = logits.new_zeros(len(logits))
        return named_by_layer("dn_loss_cls", zeros) | named_by_layer("dn_loss_bbox", zeros)
    rows = (slice(None), denoising.batch_index, denoising.row)
    classes = classification_loss(logits[rows], denoising.labels, divisors.denoising_classification, cfg)
    boxes = box_loss(code[rows], encode_boxes(denoising.boxes), divisors.denoising_box, cfg)
    return named_by_layer("dn_loss_cls", weight * classes) | named_by_layer("dn_loss_bbox", weight * boxes)
