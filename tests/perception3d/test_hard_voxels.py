"""Hard voxelisation against mmcv's compiled op."""

import pytest
import torch
from mmcv.ops.voxelize import voxelization
from mmdet3d.models.data_preprocessors.voxelize import VoxelizationByGridShape

import perception3d.models  # noqa: F401  (repairs the stack)
from perception3d.hard_voxels import hard_voxels

RANGE_M = [-4.0, -4.0, -1.0, 4.0, 4.0, 1.0]


def scattered(count, seed=0):
    """Points in and around the range; a third at the edges of cells, where rounding decides."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(count, 5, generator=generator) * 10 - 5
    points[::3, :3] = torch.round(points[::3, :3] * 10) / 10
    return points


@pytest.mark.parametrize(("max_points", "max_voxels"), [(3, 20000), (10, 50), (1, 1), (2, 0)])
@pytest.mark.parametrize("voxel_size_m", [[0.5, 0.5, 0.5], [0.1, 0.3, 0.2]])
def test_equals_mmcv(max_points, max_voxels, voxel_size_m):
    points = scattered(4000)
    got = hard_voxels(points, voxel_size_m, RANGE_M, max_points, max_voxels)
    wanted = voxelization(points, voxel_size_m, RANGE_M, max_points, max_voxels, True)
    for ours, theirs in zip(got, wanted, strict=True):
        assert ours.dtype == theirs.dtype and torch.equal(ours, theirs)


def test_by_hand():
    """Cells of 1 m: x 0.2 and 0.7 share cell 0, x 1.5 is in cell 1, 9 is outside; one point is kept per cell."""
    points = torch.tensor([[1.5, 0, 0, 7], [0.2, 0, 0, 8], [9.0, 0, 0, 9], [0.7, 0, 0, 6]])
    voxels, coors, number = hard_voxels(points, [1, 1, 1], [0, 0, 0, 4, 2, 1], 1, 10)
    assert voxels[:, 0, 3].tolist() == [7, 8] and coors.tolist() == [[0, 0, 1], [0, 0, 0]] and number.tolist() == [1, 1]


def test_an_empty_cloud_has_no_voxels():
    voxels, coors, number = hard_voxels(torch.zeros(0, 5), [1, 1, 1], RANGE_M, 10, 100)
    assert voxels.shape == (0, 10, 5) and coors.shape == (0, 3) and number.shape == (0,)


def test_mmdet3d_uses_it():
    layer = VoxelizationByGridShape(RANGE_M, max_num_points=3, voxel_size=[0.5, 0.5, 0.5], max_voxels=(10, 40))
    points = scattered(500)
    for training, most in ((True, 10), (False, 40)):
        for ours, theirs in zip(
            layer.train(training)(points), hard_voxels(points, [0.5] * 3, RANGE_M, 3, most), strict=True
        ):
            assert torch.equal(ours, theirs) and len(ours) == most


@pytest.mark.gpu
def test_cuda_equals_cpu():
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    points = scattered(100_000)
    cpu = hard_voxels(points, [0.1, 0.1, 0.2], RANGE_M, 10, 3000)
    cuda = hard_voxels(points.cuda(), [0.1, 0.1, 0.2], RANGE_M, 10, 3000)
    for ours, theirs in zip(cuda, cpu, strict=True):
        assert torch.equal(ours.cpu(), theirs)
