"""The sparse LiDAR branch against dense convolutions of the same weights."""

import pytest
import torch
from cmt_world import build, cloud, tiny_model
from torch.nn import functional as F


def dense_encoder(encoder, features, coors):
    """SparseEncoder written with ``conv3d``: a mask of active cells, convolutions that act on these alone."""
    depth, height, width = encoder.sparse_shape
    x = torch.zeros(1, features.shape[1], depth, height, width)
    mask = torch.zeros(1, 1, depth, height, width)
    z, y, x_index = coors[:, 1:].long().unbind(1)
    x[0, :, z, y, x_index] = features.T
    mask[0, 0, z, y, x_index] = 1

    def norm(values, layer, active):
        weight, bias = layer.weight.view(-1, 1, 1, 1), layer.bias.view(-1, 1, 1, 1)
        mean, variance = layer.running_mean.view(-1, 1, 1, 1), layer.running_var.view(-1, 1, 1, 1)
        return ((values - mean) / (variance + layer.eps).sqrt() * weight + bias) * active

    def conv(values, layer, stride=1, padding=1):
        # spconv 2 keeps (out, kD, kH, kW, in)
        return F.conv3d(values, layer.weight.permute(0, 4, 1, 2, 3), stride=stride, padding=padding)

    def strided(values, active, block):
        layer = block[0]
        place = dict(stride=layer.stride, padding=layer.padding)
        kernel = torch.ones(1, 1, *layer.kernel_size)
        reached = (F.conv3d(active, kernel, **place) > 0).float()
        return norm(conv(values, layer, **place), block[1], reached).relu(), reached

    first = encoder.conv_input
    x = norm(conv(x, first[0]), first[1], mask).relu()
    for stage in encoder.encoder_layers:
        for block in stage:
            if hasattr(block, "conv1"):
                inner = norm(conv(x, block.conv1), block.norm1, mask).relu()
                x = (norm(conv(inner, block.conv2), block.norm2, mask) + x).relu()
            else:
                x, mask = strided(x, mask, block)
    return strided(x, mask, encoder.conv_out)[0].flatten(1, 2)


def test_sparse_encoder_equals_dense_convolutions():
    model = build(tiny_model(("lidar",))).eval()
    for name, buffer in model.pts_middle_encoder.named_buffers():
        if name.endswith("running_mean"):
            buffer.uniform_(-0.2, 0.2)
        elif name.endswith("running_var"):
            buffer.uniform_(0.2, 1.0)
    voxels = model.data_preprocessor.voxelize([cloud(300, 0)], None)
    with torch.no_grad():
        features = model.pts_voxel_encoder(voxels["voxels"], voxels["num_points"], voxels["coors"]) / 100
        found = model.pts_middle_encoder(features, voxels["coors"], 1)
        expected = dense_encoder(model.pts_middle_encoder, features, voxels["coors"])
    assert found.shape == (1, 16, 8, 8)
    assert (expected != 0).float().mean() > 0.05
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_voxel_features_are_means():
    """Three points in one cell, one in another."""
    model = build(tiny_model(("lidar",))).eval()
    points = torch.tensor(
        [[0.1, 0.1, 0.05, 10, 0], [0.2, 0.3, 0.1, 40, 0.5], [0.3, 0.2, 0.15, 10, 0.1], [5, 5, 1, 7, 0]]
    )
    voxels = model.data_preprocessor.voxelize([points], None)
    features = model.pts_voxel_encoder(voxels["voxels"], voxels["num_points"], voxels["coors"])
    torch.testing.assert_close(features[0], points[:3].mean(0))
    torch.testing.assert_close(features[1], points[3])
    assert voxels["coors"].tolist() == [[0, 25, 32, 32], [0, 30, 44, 44]]


@pytest.mark.parametrize("heights_m", [[0.0], [-4.9, -4.7, -4.5]], ids=["blank", "a pole"])
def test_a_few_voxels_train(heights_m):
    """One voxel, as published masking leaves in a batch of one, or few: normalised with the running statistics."""
    model = build(tiny_model(("lidar",)))
    points = torch.zeros(len(heights_m), 5)
    points[:, 2] = torch.tensor(heights_m)
    voxels = model.data_preprocessor.voxelize([points], None)
    assert len(voxels["coors"]) == len(heights_m)
    encoded = []
    model.pts_middle_encoder.register_forward_hook(lambda module, inputs, output: encoded.append(output))
    for mode in (True, False):
        model.train(mode)
        features = model._lidar_features(voxels, 1)
        assert all(module.training is mode for module in model.pts_middle_encoder.modules())
        if mode:
            features.bev.sum().backward()
    torch.testing.assert_close(encoded[0], encoded[1])
    assert model.pts_middle_encoder.conv_input[0].weight.grad is not None
