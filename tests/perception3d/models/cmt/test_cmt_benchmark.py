from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from corruptions.core import InputError
from perception3d.apis import init_model
from perception3d.models.cmt import benchmark, benchmark_inputs
from perception3d.models.cmt.transformer import PackedAttention

CONFIG = Path(__file__).resolve().parents[4] / "configs/cmt/cmt-tiny_1xb2_nuscenes-sim.py"


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return init_model(CONFIG, device="cpu")


@pytest.fixture(scope="module")
def batches(model):
    return benchmark_inputs.batches(model.cfg, model, 2, keyframes=False)


def test_parts_are_the_whole(model, batches):
    report = benchmark.measure(model, batches)
    assert sum(part.parameters for part in report.parts) == sum(p.numel() for p in model.parameters())
    assert {part.name for part in report.parts if part.ms <= 0} == set()
    assert 0 < report.ours.decoder_ms < report.ours.head_ms < report.ours.total_ms
    assert report.published.memory_mb > 0
    assert report.difference < 1e-3
    rows = [line.split("|")[1].strip() for line in benchmark.markdown(report).splitlines() if line.startswith("| ")]
    names = [part.name for part in report.parts]
    assert rows == ["part", *names, "all", "attention", "ours", "written out, as published", "ratio"]


def test_parts_of_a_pass_add_up(model, batches):
    """Nested parts count once."""
    with torch.no_grad():
        ms = benchmark.pass_ms(model, batches[0], benchmark.parts_of(model))
    total = ms.pop("total")
    assert sum(ms.values()) == pytest.approx(total, rel=0.01)


def test_written_out_attention_is_torchs_own(model, batches):
    """It runs in the reference alone, and leaves nothing behind."""
    attention = next(module for module in model.modules() if isinstance(module, PackedAttention))
    query, key = torch.randn(2, 5, 96), torch.randn(2, 7, 96)
    valid = torch.tensor([[True] * 7, [True] * 4 + [False] * 3])[:, None, None]
    with torch.no_grad():
        expected = attention(query, key, key, valid)
        with benchmark.published_attention(model):
            assert "forward" in vars(attention)
            torch.testing.assert_close(attention(query, key, key, valid), expected, rtol=1e-4, atol=1e-5)
            grid = model.pts_bbox_head.bev_embedding.grid
            assert grid(4, 6) is not grid(4, 6)
        assert "forward" not in vars(attention)
        grid = model.pts_bbox_head.bev_embedding.grid
        assert grid(4, 6) is grid(4, 6)


def test_different_outputs_are_not_compared(model, batches, monkeypatch):
    monkeypatch.setattr(benchmark, "TOLERANCE", -1.0)
    with pytest.raises(ArithmeticError, match="differ by"):
        benchmark.measure(model, batches)


def test_synthetic_cameras_look_around():
    """A point straight ahead of camera i, at 60 i degrees, lies in the middle of its image, 10 m deep."""
    projections = benchmark_inputs.ring_of_cameras(64, 128)
    for view, yaw in enumerate(torch.arange(6) * torch.pi / 3):
        u, v, depth, one = projections[view] @ [10 * float(yaw.cos()), 10 * float(yaw.sin()), 0, 1]
        assert (u / depth, v / depth, depth, one) == pytest.approx((64, 32, 10, 1))


def test_bad_input(model):
    with pytest.raises(InputError, match="expected a CMTDetector, found Linear"):
        benchmark_inputs.batches(Config(), torch.nn.Linear(1, 1), 1, keyframes=False)
    cfg = Config(dict(test_dataloader=dict(dataset=dict(pipeline=[dict(type="a")]))))
    with pytest.raises(InputError, match="size of the images"):
        benchmark_inputs.batches(cfg, model, 1, keyframes=False)
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="--device cuda: expected a CUDA machine"):
            init_model(CONFIG, device="cuda")
