"""The models on a CUDA device against the same weights on the CPU."""

import copy
from pathlib import Path

import pytest
import torch
from mmdet3d.structures import Det3DDataSample, PointData
from mmengine.config import Config
from mmengine.optim import AmpOptimWrapper
from mmengine.registry import MODELS, init_default_scope
from spconv.pytorch import SparseConv3d, SparseConvTensor, SparseInverseConv3d, SubMConv3d

import perception3d.models  # noqa: F401  (repairs the stack)
from corruptions.synthetic import synthetic_scan
from perception3d.models.cmt.benchmark_inputs import synthetic_batch

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
CONFIGS = Path(__file__).parents[3] / "configs"
SEGMENTATION = ["minkunet_small", "spvcnn_small", "cylinder3d_small"]


@pytest.fixture(autouse=True)
def exact():
    init_default_scope("mmdet3d")
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


def test_sparse_convolutions_and_their_gradients():
    generator = torch.Generator().manual_seed(0)
    coords = (torch.rand((2, 16, 12, 20), generator=generator) < 0.2).nonzero().int().contiguous()
    features = torch.randn(len(coords), 16, generator=generator)
    torch.manual_seed(0)
    layers = torch.nn.ModuleList(
        [
            SubMConv3d(16, 32, 3, padding=1, bias=True, indice_key="a"),
            SparseConv3d(32, 32, 2, stride=2, bias=False, indice_key="d"),
            SparseInverseConv3d(32, 16, 2, bias=False, indice_key="d"),
        ]
    )

    def run(device):
        module = copy.deepcopy(layers).to(device)
        inputs = features.to(device).requires_grad_(True)
        x = SparseConvTensor(inputs, coords.to(device), [16, 12, 20], 2)
        for layer in module:
            x = layer(x)
        gradients = torch.autograd.grad(x.features.square().sum(), [inputs, *module.parameters()])
        return [x.features.detach().cpu(), *(gradient.cpu() for gradient in gradients)]

    for cuda, cpu in zip(run("cuda"), run("cpu"), strict=True):
        torch.testing.assert_close(cuda, cpu, rtol=1e-3, atol=1e-3 * float(cpu.abs().max()))


def street(count=2):
    """Scans with labels by height."""
    clouds, samples = [], []
    for index in range(count):
        points = torch.from_numpy(synthetic_scan(steps=300 + 50 * index).points[:, :4].copy())
        sample = Det3DDataSample()
        sample.gt_pts_seg = PointData(pts_semantic_mask=((points[:, 2] + 3) * 3).long().clamp(0, 18))
        clouds.append(points)
        samples.append(sample)
    return clouds, samples


@pytest.mark.parametrize("name", SEGMENTATION)
def test_segmentation_scores_and_losses(name):
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(CONFIGS / f"_base_/models/{name}.py").model)
    clouds, samples = street()

    def run(device):
        there = copy.deepcopy(model).to(device)
        data = there.data_preprocessor({"inputs": {"points": clouds}, "data_samples": copy.deepcopy(samples)}, True)
        losses = there.train()(data["inputs"], data["data_samples"], mode="loss")
        with torch.no_grad():
            logits = there.eval().encode_decode(data["inputs"], data["data_samples"])
        return [loss.detach().cpu() for loss in losses.values()] + [scores.cpu() for scores in logits]

    for cuda, cpu in zip(run("cuda"), run("cpu"), strict=True):
        # divisions differ in the last bit, so a few points at borders of voxels are in the next one
        off = (cuda - cpu).abs() > 1e-3 * cpu.abs().max()
        assert cuda.shape == cpu.shape and off.float().mean() < 0.02


@pytest.mark.parametrize("name", ["cmt-tiny_1xb2_nuscenes-sim", "cmt_r50_voxel0100_800x320_8xb4-cyclic-20e_nuscenes"])
def test_cmt_outputs(name):
    cfg = Config.fromfile(CONFIGS / f"cmt/{name}.py")
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).eval()
    batch = synthetic_batch(cfg, model)

    def run(device):
        there = copy.deepcopy(model).to(device)
        data = there.data_preprocessor(copy.deepcopy(batch), False)
        with torch.no_grad():
            outputs = there(data["inputs"], data["data_samples"], mode="tensor")
        return outputs.logits.cpu(), outputs.code.cpu()

    for cuda, cpu in zip(run("cuda"), run("cpu"), strict=True):
        torch.testing.assert_close(cuda, cpu, rtol=1e-3, atol=1e-3 * float(cpu.abs().max()))


@pytest.mark.parametrize("name", SEGMENTATION)
def test_segmentation_trains_in_mixed_precision(name):
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(CONFIGS / f"_base_/models/{name}.py").model).cuda().train()
    clouds, samples = street()
    optimizer = AmpOptimWrapper(optimizer=torch.optim.AdamW(model.parameters(), lr=2e-3), loss_scale="dynamic")
    totals = []
    for _ in range(12):
        batch = {"inputs": {"points": clouds}, "data_samples": copy.deepcopy(samples)}
        totals.append(float(sum(model.train_step(batch, optimizer).values())))
    assert all(torch.isfinite(torch.tensor(totals))) and totals[-1] < 0.8 * totals[0]
