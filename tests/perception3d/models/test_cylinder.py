"""Cylinder3D's parts against dense convolutions and written-out formulas."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import batch_norm, conv3d, leaky_relu

from corruptions.core import InputError
from perception3d.models.segmentation import AsymmetricUNet, CylinderPartition, PointEncoder
from perception3d.models.segmentation.cylinder import AsymmetricBlock, DecomposedContext
from perception3d.models.sparse import SparseConvTensor

SHAPE = [7, 6, 5]


def sparse_voxels(channels):
    generator = torch.Generator().manual_seed(0)
    coords = (torch.rand((2, *SHAPE), generator=generator) < 0.4).nonzero().int()
    features = torch.randn(len(coords), channels, generator=generator)
    return SparseConvTensor(features, coords.contiguous(), SHAPE, 2)


def random_norms(module):
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm1d):
            for tensor in (part.running_mean, part.weight.data, part.bias.data):
                tensor.normal_(generator=torch.Generator().manual_seed(len(tensor)))
            part.running_var.uniform_(0.5, 2, generator=torch.Generator().manual_seed(1))
    return module.eval()


def dense_submanifold(features, coords, conv):
    """Dense convolution of the occupied voxels, read at the occupied voxels."""
    grid = features.new_zeros(2, *SHAPE, features.shape[1])
    grid[tuple(coords.long().T)] = features
    weight = conv.weight.permute(0, 4, 1, 2, 3)
    out = conv3d(grid.permute(0, 4, 1, 2, 3), weight, padding=[size // 2 for size in weight.shape[2:]])
    return out.permute(0, 2, 3, 4, 1)[tuple(coords.long().T)]


def normalised(features, norm):
    return batch_norm(features, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)


def test_asymmetric_block_equals_dense_convolutions():
    torch.manual_seed(0)
    voxels = sparse_voxels(3)
    block = random_norms(AsymmetricBlock(3, 4, level=0))
    total = 0
    for path, kernels in ((block.flat_first, [(1, 3, 3), (3, 1, 3)]), (block.upright_first, [(3, 1, 3), (1, 3, 3)])):
        features = voxels.features
        for layer, kernel in zip(path, kernels, strict=True):
            assert layer.conv.weight.shape[1:4] == kernel
            features = leaky_relu(dense_submanifold(features, voxels.indices, layer.conv))
            features = normalised(features, layer.norm)
        total = total + features
    assert torch.allclose(block(voxels).features, total, atol=1e-5)


def test_context_equals_dense_convolutions():
    torch.manual_seed(0)
    voxels = sparse_voxels(4)
    context = random_norms(DecomposedContext(4, level=0))
    gate = 0
    for conv, norm, kernel in zip(context.convs, context.norms, [(3, 1, 1), (1, 3, 1), (1, 1, 3)], strict=True):
        assert conv.weight.shape[1:4] == kernel
        gate = gate + torch.sigmoid(normalised(dense_submanifold(voxels.features, voxels.indices, conv), norm))
    assert torch.allclose(context(voxels).features, gate * voxels.features, atol=1e-5)


def cloud():
    rng = np.random.default_rng(0)
    return rng.uniform([-60, -60, -6, 0], [60, 60, 4, 1], (500, 4)).astype(np.float32)


def test_partition_against_a_loop():
    points = cloud()
    voxels = CylinderPartition((48, 36, 8))([torch.from_numpy(points)])
    for row, (x, y, z, intensity) in enumerate(points.astype(float)):
        rho, phi = math.hypot(x, y), math.atan2(y, x)
        cell = (
            min(int(rho / (50 / 48)), 47),
            min(int((phi + math.pi) / (2 * math.pi / 36)), 35),
            min(max(math.floor((z + 4) / (6 / 8)), 0), 7),
        )
        assert tuple(voxels.coords[voxels.voxel_of_point[row]].tolist()) == (0, *cell)
        centre = ((cell[0] + 0.5) * 50 / 48, (cell[1] + 0.5) * math.pi / 18 - math.pi, (cell[2] + 0.5) * 6 / 8 - 4)
        expected = [rho - centre[0], phi - centre[1], z - centre[2], rho, phi, z, x, y, intensity]
        assert np.allclose(voxels.point_features[row], expected, atol=1e-4)
    assert voxels.spatial_shape == [48, 36, 8]


def test_far_points_share_the_border_voxel():
    points = torch.tensor([[1e6, 0.0, 9.0, 0.5], [60.0, 0.1, 3.0, 0.5], [-1.0, 0.0, -9.0, 0.5], [-1.0, -0.0, -9.0, 0]])
    voxels = CylinderPartition()([points])
    assert voxels.voxel_of_point[0] == voxels.voxel_of_point[1]
    # straight behind, azimuth is pi or -pi by the sign of y: the last and the first voxel
    assert voxels.coords[voxels.voxel_of_point].tolist() == [[0, 479, 180, 31]] * 2 + [[0, 9, 359, 0], [0, 9, 0, 0]]


def test_encoder_takes_the_maximum_of_each_voxel():
    torch.manual_seed(0)
    clouds = [torch.from_numpy(cloud()), torch.from_numpy(cloud()[:70])]
    voxels = CylinderPartition((12, 9, 4))(clouds)
    encoder = PointEncoder(9, (8, 6), out_channels=5).eval()
    points = encoder.layers(voxels.point_features)
    for row, got in enumerate(encoder(voxels)):
        most = points[voxels.voxel_of_point == row].max(dim=0).values
        assert torch.allclose(got, encoder.compress(most), atol=1e-5)


def test_cylinder3d_has_the_published_size():
    """55.8 M, counted from the widths: two paths of 9-tap pairs, a strided and an inverse 27-tap one a level."""
    network = AsymmetricUNet(16, (32, 64, 128, 256, 512))

    def block(a, b):
        return 2 * (9 * a * b + 9 * b * b) + 4 * 2 * b

    total = block(16, 32)
    for a, b in ((32, 64), (64, 128), (128, 256), (256, 512)):
        total += block(a, b) + 27 * b * b
    for a, b in ((512, 512), (512, 256), (256, 128), (128, 64)):
        total += 27 * a * b + 27 * b * b + (9 + 9 + 27) * b * b + 4 * 2 * b
    total += 3 * 3 * 64 * 64 + 3 * 2 * 64
    assert sum(p.numel() for p in network.parameters()) == total
    encoder = PointEncoder()
    layers = 9 * 2 + sum(a * b + b for a, b in ((9, 64), (64, 128), (128, 256), (256, 256), (256, 16)))
    layers += 2 * (64 + 128 + 256)
    assert sum(p.numel() for p in encoder.parameters()) == layers
    head = 128 * 19 + 19
    assert round((total + layers + head) / 1e6, 1) == 55.8


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: CylinderPartition((480, 360)), "grid_shape: expected three sizes"),
        (lambda: CylinderPartition(rho_range_m=(50, 0)), "rho_range_m: expected a lower and a higher bound"),
        (lambda: CylinderPartition(z_range_m=(2,)), "z_range_m: expected a lower and a higher bound"),
        (lambda: AsymmetricUNet(16, (32, 64)), "channels: expected 5 widths"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(InputError, match=message):
        call()
