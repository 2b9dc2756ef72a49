import numpy as np
import pytest
import torch

from corruptions.core import InputError
from perception3d.models.segmentation.partition import GridPartition, majority_labels

RANGE = [-10.0, -10.0, -2.0, 10.0, 10.0, 2.0]


def clouds():
    rng = np.random.default_rng(0)
    low, high = [-12, -12, -3, 0], [12, 12, 3, 1]  # some points outside the range
    return [torch.from_numpy(rng.uniform(low, high, (count, 4)).astype(np.float32)) for count in (300, 170)]


def test_voxels_against_a_dictionary():
    points = clouds()
    voxels = GridPartition(0.5, RANGE, multiple=8)(points)
    expected = {}
    of_point = []
    for batch, cloud in enumerate(points):
        cells = np.floor((np.clip(cloud[:, :3].numpy(), RANGE[:3], np.array(RANGE[3:]) - 5e-4) - RANGE[:3]) / 0.5)
        cells = (cells - cells.min(0)).astype(int)
        for row, cell in enumerate(cells):
            key = (batch, *map(int, cell))
            expected.setdefault(key, []).append(cloud[row].numpy())
            of_point.append(key)
    assert sorted(expected) == [tuple(row) for row in voxels.coords.tolist()]
    means = np.stack([np.mean(expected[key], axis=0) for key in sorted(expected)])
    assert np.allclose(voxels.features.numpy(), means, atol=1e-5)
    assert [tuple(voxels.coords[row].tolist()) for row in voxels.voxel_of_point] == of_point
    assert voxels.points_per_sample == [300, 170]
    assert voxels.coords.is_contiguous()


def test_grid_is_padded_so_that_strided_levels_lose_no_voxel():
    voxels = GridPartition(0.5, RANGE, multiple=16)(clouds())
    assert all(size % 16 == 0 for size in voxels.spatial_shape)
    assert (voxels.coords[:, 1:] < torch.tensor(voxels.spatial_shape)).all()
    assert (voxels.coords[:, 1:] >= 0).all()


def test_one_stray_return_cannot_blow_up_the_grid():
    cloud = torch.tensor([[0.0, 0, 0, 0.5], [1e6, 0, 0, 0.5], [10.0, 10.0, 2.0, 0.5]])
    voxels = GridPartition(0.5, RANGE)([cloud])
    assert max(voxels.spatial_shape) <= 48  # 20 m / 0.5 m = 40 cells, padded to 48
    assert len(voxels.voxel_of_point) == 3


@pytest.mark.parametrize("offset", [0.0, 7.25])
def test_order_of_points_does_not_matter(offset):
    cloud = clouds()[0] + offset * 0.01
    order = torch.from_numpy(np.random.default_rng(1).permutation(len(cloud)))
    a, b = GridPartition(0.5, RANGE)([cloud]), GridPartition(0.5, RANGE)([cloud[order]])
    assert torch.equal(a.coords, b.coords)
    assert torch.equal(a.voxel_of_point[order], b.voxel_of_point)


def test_majority_labels_by_hand():
    labels = torch.tensor([3, 3, 1, 19, 19, 19, 2, 19])
    voxel = torch.tensor([0, 0, 0, 0, 1, 1, 2, 2])
    # voxel 0: 3 twice, 1 once, one ignored -> 3; voxel 1: only ignored -> 19; voxel 2: one vote for 2 beats ignored
    assert majority_labels(labels, voxel, 3, ignore=19).tolist() == [3, 19, 2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, RANGE), "voxel_size_m: expected a size above 0"),
        ((0.5, RANGE[:5]), "point_cloud_range: expected x_min"),
        ((0.5, [1, 0, 0, 0, 1, 1]), "point_cloud_range: expected x_min"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(InputError, match=message):
        GridPartition(*arguments)


def test_empty_cloud_is_an_error():
    with pytest.raises(InputError, match="empty cloud"):
        GridPartition(0.5, RANGE)([torch.zeros(0, 4)])


def test_feature_scale():
    cloud = clouds()[0]
    raw = GridPartition(0.5, RANGE)([cloud])
    scaled = GridPartition(0.5, RANGE, feature_scale=(0.05, 0.05, 0.5, 2.0))([cloud])
    assert torch.equal(raw.coords, scaled.coords)
    assert torch.allclose(scaled.features, raw.features * torch.tensor([0.05, 0.05, 0.5, 2.0]), atol=1e-5)
