"""Boxes to the ten numbers that CMT regresses, and back."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from corruptions.core import InputError
from perception3d.registry import TASK_UTILS


def encode_boxes(boxes: Tensor) -> Tensor:
    """Code (..., 10) of boxes.

    The order (cx, cy, log l, log w, cz, log h, sin yaw, cos yaw, vx, vy) differs from the order in which the head's
    branches are concatenated, so the branch called ``height`` learns log l and ``dim`` learns (log w, cz, log h). Kept
    for published weights.

    Args:
        boxes: (..., 9) x, y, z of the geometric centre, l, w, h in metres, yaw, vx, vy.
    """
    x, y, z, length, width, height, yaw, vx, vy = boxes.unbind(-1)
    return torch.stack([x, y, length.log(), width.log(), z, height.log(), yaw.sin(), yaw.cos(), vx, vy], dim=-1)


def decode_boxes(code: Tensor) -> Tensor:
    """Boxes (..., 9) of codes (..., 10); inverse of :func:`encode_boxes`."""
    x, y, log_length, log_width, z, log_height, sin, cos, vx, vy = code.unbind(-1)
    sizes = [log_length.exp(), log_width.exp(), log_height.exp()]
    return torch.stack([x, y, z, *sizes, torch.atan2(sin, cos), vx, vy], dim=-1)


@dataclass(frozen=True)
class Detections:
    """Detections of one sample, best first.

    Attributes:
        boxes: (N, 9) x, y, z of the geometric centre, l, w, h in metres, yaw, vx, vy.
        scores: (N,) in [0, 1].
        labels: (N,) class indices.
        query: (N,) index of the query that made each.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    query: Tensor


@TASK_UTILS.register_module()
class CMTBoxCoder:
    """Selects detections from class logits and codes.

    Args:
        post_center_range: x, y, z min and max in metres; a detection is kept if its centre is inside, bounds included.
        max_num: number of (query, class) pairs taken before that test; no suppression follows.
        score_threshold: lowest score kept.
    """

    def __init__(self, post_center_range: list[float], max_num: int = 300, score_threshold: float = 0.0) -> None:
        if len(post_center_range) != 6:
            raise InputError(f"post_center_range: expected 6 numbers, found {post_center_range}")
        self.post_center_range = post_center_range
        self.max_num = max_num
        self.score_threshold = score_threshold

    def decode(self, logits: Tensor, code: Tensor) -> Detections:
        """Detections of one sample from logits (Q, classes) and codes (Q, 10)."""
        scores, index = logits.sigmoid().flatten().topk(min(self.max_num, logits.numel()))
        query, labels = index // logits.shape[1], index % logits.shape[1]
        boxes = decode_boxes(code[query])
        low, high = boxes.new_tensor(self.post_center_range).view(2, 3)
        keep = ((boxes[:, :3] >= low) & (boxes[:, :3] <= high)).all(dim=1) & (scores >= self.score_threshold)
        return Detections(boxes[keep], scores[keep], labels[keep], query[keep])
