"""The stack repairs against what they stand in for: dense convolutions, mmengine's own checkpoints, hostile pickles."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.registry import PARAM_SCHEDULERS
from spconv.pytorch import SparseConv3d, SparseConvTensor, SparseInverseConv3d, SubMConv3d, ops

import perception3d.models  # noqa: F401  (repairs the stack)
from corruptions.core import InputError
from perception3d.compat import repair_stack

SHAPE = (9, 8, 10)
CHANNELS_IN, CHANNELS_OUT = 5, 7


@pytest.fixture(params=[1, 2, 4])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def sparse_batch(dtype=torch.float64, occupancy=0.25):
    generator = torch.Generator().manual_seed(0)
    occupied = torch.rand((2, *SHAPE), generator=generator) < occupancy
    coords = occupied.nonzero().int()
    features = torch.randn(len(coords), CHANNELS_IN, generator=generator, dtype=dtype)
    return features, coords


def to_dense(features, coords, shape):
    dense = features.new_zeros((2, *shape, features.shape[1]))
    return dense.index_put(tuple(coords.long().T), features).permute(0, 4, 1, 2, 3)


def at(dense, coords):
    return dense.permute(0, 2, 3, 4, 1)[tuple(coords.long().T)]


def dense_weight(module):
    """spconv stores (out, kz, ky, kx, in); conv3d wants (out, in, kz, ky, kx)."""
    return module.weight.permute(0, 4, 1, 2, 3)


def compare(out, expected, inputs, upstream, tolerance=1e-10):
    assert out.shape == expected.shape
    assert torch.allclose(out, expected, atol=tolerance)
    got = torch.autograd.grad(out, inputs, upstream)
    want = torch.autograd.grad(expected, inputs, upstream)
    for a, b in zip(got, want, strict=True):
        assert torch.allclose(a, b, atol=tolerance)


def test_submanifold_equals_dense_convolution(threads):
    features, coords = sparse_batch()
    features.requires_grad_(True)
    module = SubMConv3d(CHANNELS_IN, CHANNELS_OUT, 3, padding=1, bias=True, indice_key="a").double()
    out = module(SparseConvTensor(features, coords, SHAPE, 2)).features
    dense = torch.nn.functional.conv3d(to_dense(features, coords, SHAPE), dense_weight(module), module.bias, padding=1)
    compare(out, at(dense, coords), [features, module.weight, module.bias], torch.randn_like(out))


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (3, 1, 1)])
def test_strided_equals_dense_convolution(threads, kernel, stride, padding):
    features, coords = sparse_batch()
    features.requires_grad_(True)
    module = SparseConv3d(CHANNELS_IN, CHANNELS_OUT, kernel, stride=stride, padding=padding, bias=False).double()
    result = module(SparseConvTensor(features, coords, SHAPE, 2))
    dense = torch.nn.functional.conv3d(
        to_dense(features, coords, SHAPE), dense_weight(module), stride=stride, padding=padding
    )
    assert tuple(dense.shape[2:]) == tuple(result.spatial_shape)
    expected = at(dense, result.indices)
    # voxels that the sparse convolution does not list are zero in the dense one
    assert torch.isclose(expected.abs().sum(), dense.abs().sum())
    compare(result.features, expected, [features, module.weight], torch.randn_like(expected))


def test_inverse_equals_dense_transposed_convolution(threads):
    features, coords = sparse_batch()
    down = SparseConv3d(CHANNELS_IN, 4, 2, stride=2, bias=False, indice_key="d").double()
    up = SparseInverseConv3d(4, 3, 2, bias=False, indice_key="d").double()
    coarse = down(SparseConvTensor(features, coords, (10, 8, 10), 2))
    coarse_features = coarse.features.detach().requires_grad_(True)
    out = up(coarse.replace_feature(coarse_features)).features
    dense = torch.nn.functional.conv_transpose3d(
        to_dense(coarse_features, coarse.indices, coarse.spatial_shape), up.weight.permute(4, 0, 1, 2, 3), stride=2
    )
    compare(out, at(dense, coords), [coarse_features, up.weight], torch.randn_like(out))


def test_same_bits_between_runs_and_close_between_thread_counts():
    features, coords = sparse_batch(torch.float32, occupancy=0.5)
    module = SubMConv3d(CHANNELS_IN, 64, 3, padding=1, bias=False, indice_key="a")

    def run(threads):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        inputs = features.clone().requires_grad_(True)
        out = module(SparseConvTensor(inputs, coords, SHAPE, 2)).features
        grads = torch.autograd.grad(out.square().sum(), [inputs, module.weight])
        torch.set_num_threads(before)
        return [out.detach(), *grads]

    for threads in (1, 2, 4):
        first, second = run(threads), run(threads)
        assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
        assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-4) for a, b in zip(first, run(1), strict=True))


def test_real_scan_equals_dense_lookup(data_root):
    """A submanifold convolution with all-ones weights counts the occupied neighbours: count them another way."""
    points = np.fromfile(data_root / "semantickitti/sequences/08/velodyne/000000.bin", np.float32).reshape(-1, 4)
    cells = np.floor(points[:, :3] / 0.2).astype(np.int64)
    cells = np.unique(cells - cells.min(0), axis=0)
    shape = (cells.max(0) + 1).tolist()
    occupied = np.zeros([size + 2 for size in shape], np.int64)
    occupied[tuple(cells.T + 1)] = 1
    offsets = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), -1).reshape(-1, 3)
    expected = sum(occupied[tuple((cells + offset).T)] for offset in offsets)

    coords = torch.from_numpy(np.concatenate([np.zeros((len(cells), 1)), cells], 1)).int()
    module = SubMConv3d(1, 1, 3, padding=1, bias=False, indice_key="a")
    torch.nn.init.ones_(module.weight)
    out = module(SparseConvTensor(torch.ones(len(cells), 1), coords, shape, 1)).features
    assert np.array_equal(out.detach().numpy()[:, 0].astype(np.int64), expected)


def test_grid_beyond_the_index_is_refused():
    coords = torch.zeros(1, 4, dtype=torch.int32)
    with pytest.raises(InputError, match=r"under 2\*\*32 cells, found batch 1"):
        SubMConv3d(1, 1, 3, bias=False)(SparseConvTensor(torch.ones(1, 1), coords, [6000, 6000, 600], 1))


def test_repair_is_idempotent():
    patched = ops.get_indice_pairs
    repair_stack()
    assert ops.get_indice_pairs is patched


def checkpoint():
    buffer = HistoryBuffer()
    buffer.update(1.5, 2)
    buffer.update(2.5)
    return {
        "state_dict": {"weight": torch.ones(2)},
        "message_hub": {"log_scalars": {"loss": buffer}, "runtime_info": {"epoch": 3}, "resumed_keys": {}},
        "best": np.float64(0.5),
    }


def test_mmengine_checkpoint_loads_under_weights_only(tmp_path):
    torch.save(checkpoint(), tmp_path / "epoch_1.pth")
    loaded = torch.load(tmp_path / "epoch_1.pth", weights_only=True)
    buffer = loaded["message_hub"]["log_scalars"]["loss"]
    # mean of (1.5, 2.5) weighted by counts (2, 1): (3.0 + 2.5) / 3
    assert buffer.mean() == pytest.approx((1.5 + 2.5) / 3)
    assert buffer.statistics("current") == 2.5
    assert loaded["best"] == 0.5


SCHEDULERS = {
    "OneCycleLR": dict(eta_max=0.1, total_steps=10),
    "CosineAnnealingLR": dict(T_max=10),
    "LinearLR": {},
    "MultiStepLR": dict(milestones=[3, 6]),
    "StepLR": dict(step_size=3),
    "PolyLR": dict(eta_min=0.0),
    "ExponentialLR": dict(gamma=0.9),
    "ConstantLR": dict(factor=0.5),
    "CosineRestartLR": dict(periods=[5, 5], restart_weights=[1, 0.5], eta_min=0.0),
    "ReduceOnPlateauLR": dict(monitor="loss"),
}


@pytest.mark.parametrize("name", SCHEDULERS)
def test_scheduler_state_resumes_under_weights_only(tmp_path, name):
    def scheduler():
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
        return PARAM_SCHEDULERS.build(dict(type=name, optimizer=optimizer, **SCHEDULERS[name]))

    saved = scheduler()
    torch.save({"param_schedulers": [saved.state_dict()]}, tmp_path / "epoch_1.pth")
    state = torch.load(tmp_path / "epoch_1.pth", weights_only=True)["param_schedulers"][0]
    resumed = scheduler()
    resumed.load_state_dict(state)
    assert resumed.state_dict() == saved.state_dict()


class Hostile:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "call",
    [
        (eval, ("1 + 1",)),
        (getattr, (HistoryBuffer, "__init__")),
        (getattr, (np.ndarray, "tofile")),
        (subprocess.check_output, (["true"],)),
    ],
    ids=["eval", "getattr of HistoryBuffer", "getattr of ndarray", "subprocess"],
)
def test_hostile_pickle_is_refused(tmp_path, call):
    torch.save({"state_dict": Hostile(*call)}, tmp_path / "bad.pth")
    with pytest.raises((pickle.UnpicklingError, ValueError), match="refused|[Uu]nsupported|not allowed|not an allowed"):
        torch.load(tmp_path / "bad.pth", weights_only=True)


def test_without_the_repair_the_checkpoint_is_refused(tmp_path):
    """The repair is still needed; when this fails, torch or mmengine has changed and it can go."""
    torch.save(checkpoint(), tmp_path / "epoch_1.pth")
    code = "import sys, mmengine, torch; torch.load(sys.argv[1], weights_only=True)"
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path / "epoch_1.pth")], check=False, capture_output=True)
    assert run.returncode != 0
    assert b"Weights only load failed" in run.stderr


@pytest.mark.parametrize("voxel_type", ["minkunet", "cylindrical"])
def test_voxelisation_stays_on_the_device_of_the_points(voxel_type):
    from mmdet3d.models.data_preprocessors import Det3DDataPreprocessor
    from mmdet3d.structures import Det3DDataSample, PointData

    voxel_layer = {
        "minkunet": dict(
            max_num_points=-1, point_cloud_range=[-10, -10, -4, 10, 10, 2], voxel_size=[0.5] * 3, max_voxels=(-1, -1)
        ),
        "cylindrical": dict(
            grid_shape=[8, 12, 4],
            point_cloud_range=[0, -3.14159, -4, 20, 3.14159, 2],
            max_num_points=-1,
            max_voxels=-1,
        ),
    }[voxel_type]
    preprocessor = Det3DDataPreprocessor(voxel=True, voxel_type=voxel_type, voxel_layer=voxel_layer, max_voxels=None)
    points = torch.rand(200, 4, generator=torch.Generator().manual_seed(0)) * 8 - 4
    sample = Det3DDataSample()
    sample.gt_pts_seg = PointData(pts_semantic_mask=torch.arange(200))
    voxels = preprocessor.voxelize([points], [sample])
    assert voxels["voxels"].device == points.device
    if voxel_type == "minkunet":
        # the first point of each occupied 0.5 m cell, cells in lexicographic order
        cells = np.round(points[:, :3].numpy() / 0.5).astype(int)
        first = {}
        for row, cell in enumerate(map(tuple, cells)):
            first.setdefault(cell, row)
        rows = [first[cell] for cell in sorted(first)]
        assert torch.equal(voxels["voxels"], points[rows])
        assert torch.equal(sample.gt_pts_seg.voxel_semantic_mask, torch.tensor(rows))
        of_point = voxels["voxels"][sample.point2voxel_map]
        assert torch.equal(of_point[:, :3].div(0.5).round(), points[:, :3].div(0.5).round())
    else:
        assert torch.equal(voxels["coors"][:, 1:], _coors_of_voxels(voxels, sample))


def _coors_of_voxels(voxels, sample):
    """Each point's cell again, through the voxel it was mapped to."""
    cells = voxels["coors"][:, 1:]
    of_voxel = cells.new_zeros(int(sample.point2voxel_map.max()) + 1, 3)
    of_voxel[sample.point2voxel_map] = cells
    return of_voxel[sample.point2voxel_map]


@pytest.mark.parametrize("reduce", ["mean", "max"])
def test_dynamic_scatter_on_cpu_against_a_loop(reduce):
    from mmdet3d.models.data_preprocessors.voxelize import dynamic_scatter_3d

    coors = torch.tensor([[1, 0, 0], [0, 2, 1], [1, 0, 0], [-1, 0, 0], [0, 2, 1], [0, 0, 3]])
    feats = torch.tensor([[1.0, -1.0], [2.0, 5.0], [3.0, -5.0], [9.0, 9.0], [4.0, 1.0], [7.0, 0.0]])
    voxels, cells, mapping = dynamic_scatter_3d(feats, coors, reduce, True)
    assert cells.tolist() == [[0, 0, 3], [0, 2, 1], [1, 0, 0]]
    assert mapping.tolist() == [2, 1, 2, -1, 1, 0]
    expected = {"mean": [[7.0, 0.0], [3.0, 3.0], [2.0, -3.0]], "max": [[7.0, 0.0], [4.0, 5.0], [3.0, -1.0]]}
    assert voxels.tolist() == expected[reduce]
