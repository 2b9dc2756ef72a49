"""Time and memory of CMT part by part, and beside the same weights through written-out attention."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from perception3d.models.cmt.detector import CMTDetector
from perception3d.models.cmt.encodings import bev_cell_centres
from perception3d.models.cmt.head import HeadOutputs
from perception3d.models.cmt.transformer import PackedAttention

Methods = Sequence[tuple[Any, str]]

HEAD, DECODER = "head", "decoder"
TOLERANCE = 1e-3
"""Largest difference of outputs (relative, absolute below 1) at which two times may be compared."""


@dataclass
class Stopwatch:
    """Milliseconds by part. A part called inside another counts for itself alone."""

    device: torch.device
    ms: dict[str, float] = field(default_factory=dict)
    _inner_ms: list[float] = field(default_factory=lambda: [0.0])

    def watched(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with its time added to the part."""

        def call(*args: Any, **kwargs: Any) -> Any:
            start = now_ms(self.device)
            self._inner_ms.append(0.0)
            result = function(*args, **kwargs)
            whole = now_ms(self.device) - start
            self.ms[part] = self.ms.get(part, 0.0) + whole - self._inner_ms.pop()
            self._inner_ms[-1] += whole
            return result

        return call


@dataclass(frozen=True)
class Part:
    """One part of the model: parameters, and its median milliseconds."""

    name: str
    parameters: int
    ms: float


@dataclass(frozen=True)
class Attention:
    """Inference with one kind of attention: median milliseconds without a look at the parts, and peak memory.

    Attributes:
        total_ms: from a batch of the data loader to detections.
        head_ms: of these from features to detections.
        decoder_ms: of these in the decoder.
        memory_mb: peak memory of the device; on a CPU the resident set of the process so far, with everything loaded.
    """

    total_ms: float
    head_ms: float
    decoder_ms: float
    memory_mb: float


@dataclass(frozen=True)
class Report:
    """What was measured.

    Attributes:
        parts: in the order in which they run.
        ours: as the model is.
        published: with the matrices of attention written out, and the BEV encoding computed in every pass.
        difference: largest difference between the raw outputs of both, relative, absolute below 1.
    """

    parts: tuple[Part, ...]
    ours: Attention
    published: Attention
    difference: float


@torch.no_grad()
def measure(model: CMTDetector, batches: Sequence[Any]) -> Report:
    """Measure inference.

    Passes with a look at the parts, without, and with written-out attention take turns, so that a busy moment of the
    machine meets all of them. One pass of each attention comes first. Times are those of :func:`now_ms`.

    Args:
        model: in evaluation mode.
        batches: of one sample each, as a data loader gives them; each is passed three times.

    Raises:
        ArithmeticError: the outputs of both kinds of attention differ.
    """
    device = next(model.parameters()).device
    head = model.pts_bbox_head
    inside: dict[str, Methods] = {HEAD: [(head, "predict")], DECODER: [(head.transformer, "forward")]}
    outputs, memory_mb = _first_pass(model, batches[0], device)
    with published_attention(model):
        expected, published_mb = _first_pass(model, batches[0], device)
    difference = _difference(outputs, expected)
    if not difference <= TOLERANCE:
        raise ArithmeticError(f"outputs with written-out attention differ by {difference:.1e}: times say nothing")
    watched, plain, published = [], [], []
    for batch in batches:
        watched.append(pass_ms(model, batch, parts_of(model)))
        plain.append(pass_ms(model, batch, inside))
        with published_attention(model):
            published.append(pass_ms(model, batch, inside))
    count = _parameters(model)
    parts = tuple(Part(name, count[name], statistics.median(ms[name] for ms in watched)) for name in parts_of(model))
    return Report(parts, _attention(plain, memory_mb), _attention(published, published_mb), difference)


def parts_of(model: CMTDetector) -> dict[str, Methods]:
    """The methods of each part, in the order in which they run."""
    head, preprocessor = model.pts_bbox_head, model.data_preprocessor
    parts: dict[str, Methods] = {"copy and normalise": [(preprocessor, "forward")]}
    if model.with_lidar:
        parts |= {
            "voxelisation": [(preprocessor, "voxelize"), (model.pts_voxel_encoder, "forward")],
            "LiDAR encoder": [(model.pts_middle_encoder, "forward")],
            "SECOND and its neck": [(model.pts_backbone, "forward"), (model.pts_neck, "forward")],
        }
    if model.with_cameras:
        parts |= {"image backbone": [(model.img_backbone, "forward")], "image neck": [(model.img_neck, "forward")]}
    return parts | {
        "tokens and their encodings": [(head, "tokens")],
        "queries": [(head, "_decode")],
        DECODER: [(head.transformer, "forward")],
        "task heads": [(head.task_heads[0], "forward")],
        "box decoding": [(head.box_coder, "decode")],
        "the rest": [(model, "test_step")],
    }


def pass_ms(model: CMTDetector, batch: Any, parts: Mapping[str, Methods]) -> dict[str, float]:
    """Milliseconds of one pass: of the parts, and ``total``."""
    device = next(model.parameters()).device
    watch = Stopwatch(device)
    methods = [(owner, method, part) for part, found in parts.items() for owner, method in found]
    for owner, method, part in methods:
        setattr(owner, method, watch.watched(part, getattr(owner, method)))
    try:
        start = now_ms(device)
        model.test_step(batch)
        return {**watch.ms, "total": now_ms(device) - start}
    finally:
        for owner, method, _ in methods:
            delattr(owner, method)


@contextmanager
def published_attention(model: CMTDetector) -> Iterator[None]:
    """Run the same weights as published: matrices of attention are written out, the BEV encoding is not kept.

    The published self-attention is ``nn.MultiheadAttention`` with ``need_weights``; its cross-attention needs
    flash-attn, without which it is the same. For inference.
    """
    embedding = model.pts_bbox_head.bev_embedding
    attentions = [module for module in model.modules() if isinstance(module, PackedAttention)]
    for attention in attentions:
        attention.forward = _written_out(attention)  # type: ignore[method-assign]
    device = next(embedding.parameters()).device
    embedding.grid = lambda height, width: embedding(bev_cell_centres(height, width, device))
    try:
        yield
    finally:
        del embedding.grid
        for attention in attentions:
            del attention.forward


def _written_out(attention: PackedAttention) -> Callable[..., Tensor]:
    width = attention.out_proj.in_features
    module = nn.MultiheadAttention(width, attention.num_heads, batch_first=True).eval()
    module.load_state_dict(attention.state_dict())
    module.to(attention.in_proj_weight.device)

    def forward(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None, dtype: Any = None) -> Tensor:
        blocked = None if allowed is None else ~allowed[:, 0, 0]
        return module(query, key, value, key_padding_mask=blocked, need_weights=True)[0]

    return forward


def _first_pass(model: CMTDetector, batch: Any, device: torch.device) -> tuple[HeadOutputs, float]:
    """Raw outputs, and the peak memory in MB.

    Convolutions keep their float32 here: in TF32 the last bits of their inputs make differences of 1e-3.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        outputs = model(**model.data_preprocessor(batch), mode="tensor")
    if device.type == "cuda":
        return outputs, torch.cuda.max_memory_allocated(device) / 2**20
    return outputs, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def _difference(outputs: HeadOutputs, expected: HeadOutputs) -> float:
    pairs = ((outputs.logits, expected.logits), (outputs.code, expected.code))
    return max(float(((ours - theirs).abs() / theirs.abs().clamp(min=1)).max()) for ours, theirs in pairs)


def _attention(passes: Sequence[Mapping[str, float]], memory_mb: float) -> Attention:
    return Attention(
        statistics.median(ms["total"] for ms in passes),
        statistics.median(ms[HEAD] + ms[DECODER] for ms in passes),
        statistics.median(ms[DECODER] for ms in passes),
        memory_mb,
    )


def _parameters(model: CMTDetector) -> dict[str, int]:
    """Number of parameters of each part; those of the encodings and of the queries count at their first use."""
    head = model.pts_bbox_head
    modules: dict[str, list[nn.Module | None]] = {
        "LiDAR encoder": [model.pts_middle_encoder],
        "SECOND and its neck": [model.pts_backbone, model.pts_neck],
        "image backbone": [model.img_backbone],
        "image neck": [model.img_neck],
        "tokens and their encodings": [head.shared_conv, head.bev_embedding, head.rv_embedding],
        "queries": [head.reference_points, head.content],
        DECODER: [head.transformer],
        "task heads": [head.task_heads],
    }
    return {
        name: sum(
            parameter.numel()
            for module in modules.get(name, ())
            if module is not None
            for parameter in module.parameters()
        )
        for name in parts_of(model)
    }


def now_ms(device: torch.device) -> float:
    """The clock after all work that the device was given; on a CPU the processor time of the process.

    On one thread that is the wall time of an idle machine, and other work there hardly changes it.
    """
    if device.type == "cpu":
        return 1e3 * time.process_time()
    torch.cuda.synchronize(device)
    return 1e3 * time.perf_counter()


def markdown(report: Report) -> str:
    """The report as two Markdown tables."""
    whole = sum(part.ms for part in report.parts)
    lines = ["| part | parameters | ms | share |", "|---|---:|---:|---:|"]
    for part in report.parts:
        parameters = f"{part.parameters:,}" if part.parameters else ""
        lines.append(f"| {part.name} | {parameters} | {part.ms:.1f} | {part.ms / whole:.0%} |")
    lines.append(f"| all | {sum(part.parameters for part in report.parts):,} | {whole:.1f} | |")
    lines += ["", "| attention | total ms | FPS | head ms | decoder ms | peak MB |", "|---|---:|---:|---:|---:|---:|"]
    for name, row in (("ours", report.ours), ("written out, as published", report.published)):
        lines.append(
            f"| {name} | {row.total_ms:.1f} | {1e3 / row.total_ms:.2f} | {row.head_ms:.1f} | {row.decoder_ms:.1f} "
            f"| {row.memory_mb:.0f} |"
        )
    ratios = [
        getattr(report.published, key) / getattr(report.ours, key) for key in ("total_ms", "head_ms", "decoder_ms")
    ]
    lines.append("| ratio | {:.2f} | | {:.2f} | {:.2f} | |".format(*ratios))
    return "\n".join([*lines, "", f"Largest difference of the raw outputs: {report.difference:.1e}"])
