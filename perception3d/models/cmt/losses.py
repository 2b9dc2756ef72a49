"""Matching and losses of CMT: focal classification, L1 on the box code, Hungarian assignment (Carion et al., 2020).

All functions take every decoder layer at once, in the leading dimension.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

COST_CODE_SIZE = 8
"""Velocity, the last two numbers of the code, does not take part in matching."""


@dataclass(frozen=True)
class LossConfig:
    """Weights of costs and losses; the defaults are the published ones.

    Attributes:
        cls_weight: weight of the focal term, as cost and as loss.
        box_weight: weight of the L1 term, as cost and as loss.
        alpha: weight of positives in the focal term (Lin et al., ICCV 2017).
        gamma: focusing exponent of the focal term.
        background_weight: what an unmatched query counts in the divisor of the focal loss.
        code_weights: weights of the ten numbers of the code.
    """

    cls_weight: float = 2.0
    box_weight: float = 0.25
    alpha: float = 0.25
    gamma: float = 2.0
    background_weight: float = 0.1
    code_weights: tuple[float, ...] = (2.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.2, 0.2)


def focal_loss(logits: Tensor, targets: Tensor, alpha: float, gamma: float) -> Tensor:
    """Sigmoid focal loss (..., C) of logits (..., C) against labels (...); label C is background."""
    positive = F.one_hot(targets, logits.shape[-1] + 1)[..., :-1].bool()
    signed = torch.where(positive, logits, -logits)
    weight = torch.where(positive, alpha, 1 - alpha)
    return -weight * torch.sigmoid(-signed) ** gamma * F.logsigmoid(signed)


def classification_cost(logits: Tensor, labels: Tensor, cfg: LossConfig, eps: float = 1e-12) -> Tensor:
    """Focal cost (..., Q, G) of giving each of G objects (labels (G,)) to each of Q queries (logits (..., Q, C)).

    It is what the focal loss gains when the query takes the class.
    """
    p = logits.sigmoid()
    negative = -(1 - p + eps).log() * (1 - cfg.alpha) * p**cfg.gamma
    positive = -(p + eps).log() * cfg.alpha * (1 - p) ** cfg.gamma
    return cfg.cls_weight * (positive - negative)[..., labels]


def box_cost(code: Tensor, target_code: Tensor, cfg: LossConfig) -> Tensor:
    """Weighted L1 distance (..., Q, G) of codes (..., Q, 10) and (G, 10) without velocity."""
    weights = code.new_tensor(cfg.code_weights)
    ours, theirs = (values[..., :COST_CODE_SIZE] * weights[:COST_CODE_SIZE] for values in (code, target_code))
    return cfg.box_weight * torch.cdist(ours, theirs.expand(*code.shape[:-2], *theirs.shape), p=1)


def assign(cost: Tensor) -> Tensor:
    """Query (L, G) of each object that minimises the sum of finite costs (L, Q, G), layer by layer."""
    from scipy.optimize import linear_sum_assignment

    queries = cost.new_zeros(cost.shape[0], cost.shape[2], dtype=torch.long)
    for layer, matrix in enumerate(cost.detach().cpu().numpy()):
        rows, columns = linear_sum_assignment(matrix)
        queries[layer, torch.from_numpy(columns)] = torch.from_numpy(rows).to(queries.device)
    return queries


def classification_loss(logits: Tensor, targets: Tensor, divisor: Tensor | float, cfg: LossConfig) -> Tensor:
    """Focal loss (L,) of logits (L, ..., C) against labels (L, ...) or (...)."""
    targets = targets.expand(logits.shape[:-1])
    return cfg.cls_weight * focal_loss(logits, targets, cfg.alpha, cfg.gamma).flatten(1).sum(1) / divisor


def box_loss(code: Tensor, target_code: Tensor, divisor: Tensor | float, cfg: LossConfig) -> Tensor:
    """L1 loss (L,) of codes (L, N, 10) against codes of the same shape or (N, 10)."""
    weighted = (code - target_code).abs() * code.new_tensor(cfg.code_weights)
    return cfg.box_weight * weighted.flatten(1).sum(1) / divisor


def named_by_layer(name: str, values: Tensor) -> dict[str, Tensor]:
    """Loss entries of L layers: the last plain, the others as ``d0.``, ``d1.``, and so on."""
    last = len(values) - 1
    return {name if layer == last else f"d{layer}.{name}": value for layer, value in enumerate(values)}


def check_finite(losses: Mapping[str, Tensor], what: str = "loss") -> None:
    """Stop with the names of the terms that are not finite.

    Args:
        losses: terms by name.
        what: what they are terms of.

    Raises:
        FloatingPointError: a term is inf or nan. Hiding it would train on, on noise.
    """
    finite = torch.isfinite(torch.stack([value.detach() for value in losses.values()]))
    if not finite.all():
        named = ", ".join(f"{name}={value.item()}" for name, value in losses.items() if not torch.isfinite(value))
        raise FloatingPointError(
            f"{what} is not finite: {named}; lower the learning rate, or check the input and the boxes"
        )


def denoising_divisor(count: float, split: float) -> float:
    """Expected number of denoising queries whose noise vector lies in the ball of radius ``split``, at least 1.

    A cube of side 2 holds 8 units of volume, the ball 4/3 pi split ** 3.
    """
    return max(count * math.pi / 6 * split**3, 1.0)


def process_mean(counts: Sequence[float], device: torch.device) -> list[float]:
    """Mean over the processes, so that a gradient does not depend on how objects fall on processes.

    Every process must call it, whatever its batch holds.
    """
    from mmengine.dist import all_reduce, get_world_size

    if get_world_size() == 1:
        return [float(count) for count in counts]
    values = torch.tensor(counts, dtype=torch.float32, device=device)
    all_reduce(values, "mean")
    return values.tolist()
