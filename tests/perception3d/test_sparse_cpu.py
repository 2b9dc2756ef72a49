"""The sparse convolution on CPU in blocks, stretches and threads."""

import multiprocessing

import pytest
import torch
from spconv.pytorch import SparseConv3d, SparseConvTensor, SparseInverseConv3d, SubMConv3d

import perception3d.models  # noqa: F401  (repairs the stack)
from perception3d import sparse_benchmark, sparse_cpu


def voxels(channels, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    coords = (torch.rand(1, 9, 8, 7, generator=generator) < 0.5).nonzero().int().contiguous()
    return SparseConvTensor(torch.randn(len(coords), channels, generator=generator).to(dtype), coords, [9, 8, 7], 1)


@pytest.fixture(params=[1, 7, 1000])
def blocks(request, monkeypatch):
    """One block, some, and one for each voxel; several threads share the smallest work."""
    monkeypatch.setattr(sparse_cpu, "BLOCKS", request.param)
    monkeypatch.setattr(sparse_cpu, "FEWEST_ROWS", 1)
    monkeypatch.setattr(sparse_cpu, "SERIAL_PRODUCTS", 0)


@pytest.mark.parametrize(("width_in", "width_out"), [(4, 6), (16, 512)])
@pytest.mark.parametrize("count", [1, 3])
def test_any_blocks_give_the_dense_convolution(blocks, count, width_in, width_out):
    """The wide one takes several stretches for the pairs of an offset."""
    torch.manual_seed(0)
    inputs = voxels(width_in)
    conv = SubMConv3d(width_in, width_out, 3, padding=1, bias=False, indice_key="a").double()
    features = inputs.features.requires_grad_(True)
    with sparse_benchmark.threads(count):
        out = conv(inputs).features
        upstream = torch.randn_like(out)
        gradients = torch.autograd.grad(out, [features, conv.weight], upstream)
    dense = torch.zeros(1, 9, 8, 7, width_in, dtype=torch.float64)
    dense = dense.index_put(tuple(inputs.indices.long().T), features).permute(0, 4, 1, 2, 3)
    expected = torch.nn.functional.conv3d(dense, conv.weight.permute(0, 4, 1, 2, 3), padding=1)
    expected = expected.permute(0, 2, 3, 4, 1)[tuple(inputs.indices.long().T)]
    assert torch.allclose(out, expected, atol=1e-12)
    for a, b in zip(gradients, torch.autograd.grad(expected, [features, conv.weight], upstream), strict=True):
        assert torch.allclose(a, b, atol=1e-10)


def down_and_up(count=1):
    """Bits of strided, submanifold and inverse convolutions and their gradients on ``count`` threads."""
    torch.manual_seed(0)
    down = SparseConv3d(5, 33, 2, stride=2, bias=False, indice_key="d")
    level = SubMConv3d(33, 33, 3, padding=1, bias=False, indice_key="l")
    up = SparseInverseConv3d(33, 17, 2, bias=False, indice_key="d")
    inputs = voxels(5, torch.float32)
    features = inputs.features.requires_grad_(True)
    with sparse_benchmark.threads(count):
        out = up(level(down(inputs))).features
        gradients = torch.autograd.grad(out.square().sum(), [features, down.weight, level.weight, up.weight])
    return [tensor.detach().numpy().tobytes() for tensor in (out, *gradients)]


def test_same_bits_on_any_number_of_threads(blocks):
    assert down_and_up(1) == down_and_up(2) == down_and_up(4)


def test_a_forked_process_convolves_with_threads_of_its_own(monkeypatch):
    monkeypatch.setattr(sparse_cpu, "SERIAL_PRODUCTS", 0)
    here = down_and_up(2)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(down_and_up, (2,)).get(timeout=60) == here


def test_half_precision_sums_in_single_precision():
    torch.manual_seed(0)
    conv = SubMConv3d(4, 4, 3, padding=1, bias=False, indice_key="a").bfloat16()
    out = conv(voxels(4, torch.bfloat16)).features
    single = conv.float()(
        voxels(4, torch.bfloat16).replace_feature(voxels(4, torch.bfloat16).features.float())
    ).features
    assert out.dtype == torch.bfloat16 and torch.equal(out, single.bfloat16())


def test_convolutions_of_one_index_share_its_sums_which_die_with_it():
    before = len(sparse_cpu._sums)
    inputs = voxels(4)
    convs = [SubMConv3d(4, 4, 3, padding=1, bias=False, indice_key="a").double() for _ in range(2)]
    out = convs[1](convs[0](inputs))
    out.features.sum().backward()
    (sums,) = list(sparse_cpu._sums.values())[before:]
    assert len(sums) == 1  # forwards and backwards
    del inputs, out
    assert len(sparse_cpu._sums) == before


def test_benchmark_counts_the_work():
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(300, 4, generator=generator) * torch.tensor([4, 4, 1, 1.0])
    rows = list(sparse_benchmark.measure(points.numpy(), repeat=1))
    cells = {tuple(cell) for cell in ((points[:, :3] + torch.tensor([80, 80, 5.0])) / 0.2).floor().int().tolist()}
    pairs = sum(max(abs(a - b) for a, b in zip(one, other, strict=True)) <= 1 for one in cells for other in cells)
    for row in rows:
        assert row.voxels == len(cells)
        assert row.gflop == pytest.approx(2e-9 * pairs * row.channels**2)
        assert row.difference < 1e-5
    assert len(sparse_benchmark.markdown(rows).splitlines()) == 4 + len(rows)
