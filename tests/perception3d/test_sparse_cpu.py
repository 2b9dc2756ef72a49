"""The sums of the sparse convolution when its products go in several groups."""

import pytest
import torch
from spconv.pytorch import SparseConvTensor, SubMConv3d

import perception3d.models  # noqa: F401  (repairs the stack)
from perception3d import sparse_benchmark, sparse_cpu


def voxels(channels):
    generator = torch.Generator().manual_seed(0)
    coords = (torch.rand(1, 9, 8, 7, generator=generator) < 0.5).nonzero().int().contiguous()
    return SparseConvTensor(torch.randn(len(coords), channels, generator=generator).double(), coords, [9, 8, 7], 1)


@pytest.mark.parametrize("cached_bytes", [1, 20_000, 2**30])
def test_any_grouping_gives_the_dense_convolution(monkeypatch, cached_bytes):
    """One offset a group, several, and all together."""
    monkeypatch.setattr(sparse_cpu, "CACHED_BYTES", cached_bytes)
    torch.manual_seed(0)
    inputs = voxels(4)
    conv = SubMConv3d(4, 6, 3, padding=1, bias=False, indice_key="a").double()
    features = inputs.features.requires_grad_(True)
    out = conv(inputs).features
    dense = torch.zeros(1, 9, 8, 7, 4, dtype=torch.float64)
    dense = dense.index_put(tuple(inputs.indices.long().T), features).permute(0, 4, 1, 2, 3)
    expected = torch.nn.functional.conv3d(dense, conv.weight.permute(0, 4, 1, 2, 3), padding=1)
    expected = expected.permute(0, 2, 3, 4, 1)[tuple(inputs.indices.long().T)]
    assert torch.allclose(out, expected, atol=1e-12)
    upstream = torch.randn_like(out)
    for a, b in zip(*(torch.autograd.grad(y, [features, conv.weight], upstream) for y in (out, expected)), strict=True):
        assert torch.allclose(a, b, atol=1e-11)


def test_convolutions_of_one_index_share_it_and_it_dies_with_them():
    before = len(sparse_cpu._indices)
    inputs = voxels(4)
    convs = [SubMConv3d(4, 4, 3, padding=1, bias=False, indice_key="a").double() for _ in range(2)]
    with torch.no_grad():
        out = convs[1](convs[0](inputs))
    assert len(sparse_cpu._indices) == before + 1
    del inputs, out
    assert len(sparse_cpu._indices) == before


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
