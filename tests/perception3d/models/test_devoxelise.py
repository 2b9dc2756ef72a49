"""Trilinear values against scipy on a full grid and a written-out sum on a sparse one."""

import itertools

import numpy as np
import pytest
import torch
from scipy.interpolate import RegularGridInterpolator

from perception3d.models.segmentation.devoxelise import Interpolate, rows_of_cells, surrounding_voxels
from perception3d.models.segmentation.spvcnn import PointBranch
from perception3d.models.sparse import SparseConvTensor

SHAPE = [6, 5, 4]


def grid(occupancy, seed=0):
    """Occupied voxels of two samples in random order, and values of three channels."""
    generator = torch.Generator().manual_seed(seed)
    coords = (torch.rand((2, *SHAPE), generator=generator) < occupancy).nonzero().int()
    coords = coords[torch.randperm(len(coords), generator=generator)]
    return coords, torch.randn(len(coords), 3, generator=generator, dtype=torch.float64)


def points_in(coords, count, seed=1):
    """Points at random places of occupied voxels."""
    generator = torch.Generator().manual_seed(seed)
    voxel = coords[torch.randint(len(coords), (count,), generator=generator)]
    return voxel[:, 1:] + torch.rand(count, 3, generator=generator, dtype=torch.float64), voxel[:, 0].long()


def test_full_grid_equals_scipy():
    coords, values = grid(occupancy=2.0)
    positions, batch = points_in(coords, 200)
    got = Interpolate.apply(values, surrounding_voxels(positions, batch, coords, SHAPE))
    centres = [np.arange(size) + 0.5 for size in SHAPE]
    dense = np.zeros((2, *SHAPE, 3))
    dense[tuple(coords.T.numpy())] = values
    # beyond the outermost centres the voxels outside the grid are empty: the value of the nearest place between centres
    inside = np.clip(positions.numpy(), 0.5, np.array(SHAPE) - 0.5)
    for sample in range(2):
        expected = RegularGridInterpolator(centres, dense[sample])(inside[batch.numpy() == sample])
        assert np.allclose(got[batch == sample], expected, atol=1e-12)


def test_sparse_grid_equals_the_sum_over_occupied_voxels():
    coords, values = grid(occupancy=0.4)
    positions, batch = points_in(coords, 100)
    got = Interpolate.apply(values, surrounding_voxels(positions, batch, coords, SHAPE))
    table = {tuple(coord): value for coord, value in zip(coords.tolist(), values, strict=True)}
    for row, (position, sample) in enumerate(zip(positions.numpy(), batch.tolist(), strict=True)):
        total, weights = torch.zeros(3, dtype=torch.float64), 0.0
        for cell in itertools.product(*(range(size) for size in SHAPE)):
            weight = np.prod(np.maximum(1 - np.abs(position - np.array(cell) - 0.5), 0))
            if weight > 0 and (sample, *cell) in table:
                total, weights = total + weight * table[(sample, *cell)], weights + weight
        assert weights >= 0.125 - 1e-9
        assert torch.allclose(got[row], total / weights, atol=1e-12)


def test_gradient():
    coords, values = grid(occupancy=0.4)
    corners = surrounding_voxels(*points_in(coords, 30), coords, SHAPE)
    assert torch.autograd.gradcheck(lambda x: Interpolate.apply(x, corners), values.requires_grad_(True))


def test_voxels_take_the_mean_of_their_points_at_each_stride():
    coords = torch.tensor([[0, 0, 0, 0], [0, 1, 1, 1], [0, 3, 3, 3]], dtype=torch.int32)
    positions = torch.tensor([[0.2, 0.9, 0.5], [1.5, 1.5, 1.5], [3.9, 3.1, 3.0], [3.5, 3.5, 3.5]])
    values = torch.tensor([[1.0], [2.0], [4.0], [8.0]])
    branch = PointBranch(positions, torch.zeros(4, dtype=torch.long), [4, 4, 4])
    fine = SparseConvTensor(torch.zeros(3, 1), coords, [4, 4, 4], 1)
    assert branch.to_voxels(values, fine).features.flatten().tolist() == [1, 2, 6]
    coarse = SparseConvTensor(torch.zeros(2, 1), torch.tensor([[0, 1, 1, 1], [0, 0, 0, 0]]).int(), [2, 2, 2], 1)
    assert branch.to_voxels(values, coarse).features.flatten().tolist() == [6, 1.5]


def test_rows_of_cells():
    coords, _ = grid(occupancy=0.3)
    order = torch.randperm(len(coords), generator=torch.Generator().manual_seed(3))
    rows = rows_of_cells(coords[order, 0].long(), coords[order, 1:].long(), coords, SHAPE)
    assert torch.equal(rows, order)


@pytest.mark.parametrize("place", [0.0, 0.5, 1.0, 2.9999])
def test_a_point_alone_takes_the_value_of_its_voxel(place):
    cell = int(place)
    coords = torch.tensor([[0, cell, cell, cell]], dtype=torch.int32)
    corners = surrounding_voxels(torch.full((1, 3), place), torch.zeros(1, dtype=torch.long), coords, [4, 4, 4])
    assert Interpolate.apply(torch.tensor([[7.0]]), corners).tolist() == [[7.0]]
