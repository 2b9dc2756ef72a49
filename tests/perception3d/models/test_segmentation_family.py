"""What holds for every network of the family, from the configs with narrower widths."""

import copy
from pathlib import Path

import pytest
import torch
from mmdet3d.structures import Det3DDataSample, PointData
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from corruptions.core import InputError
from perception3d.models.segmentation import SPVCNN, SparseUNet

CONFIGS = Path(__file__).parents[3] / "configs/_base_/models"
NARROW = (4, 4, 6, 8, 8, 8, 6, 4, 4)
OPTIONS = {
    "minkunet": {"partition.voxel_size_m": 1.0, "backbone.channels": NARROW},
    "spvcnn": {"partition.voxel_size_m": 1.0, "backbone.channels": NARROW},
    "spvcnn_small": {"partition.voxel_size_m": 1.0, "backbone.channels": NARROW},
    "cylinder3d": {
        **{"partition.grid_shape": (48, 36, 8), "backbone.channels": (4, 4, 6, 8, 8)},
        "encoder.channels": (8, 8),
    },
}


def build(name, **more):
    init_default_scope("mmdet3d")
    cfg = Config.fromfile(CONFIGS / f"{name}.py")
    cfg.merge_from_dict({f"model.{key}": value for key, value in {**OPTIONS[name], **more}.items()})
    torch.manual_seed(0)
    return MODELS.build(cfg.model)


@pytest.fixture(params=sorted(OPTIONS))
def model(request):
    return build(request.param)


def batch(clouds):
    samples = []
    for cloud in clouds:
        sample = Det3DDataSample()
        labels = (cloud[:, 2] * 6).long().clamp(0, 18)
        labels[::10] = 19
        sample.gt_pts_seg = PointData(pts_semantic_mask=labels)
        samples.append(sample)
    return {"points": clouds}, samples


def clouds(counts=(500, 300)):
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(count, 4, generator=generator) * torch.tensor([20, 20, 3, 1.0]) for count in counts]


def test_every_point_gets_a_label_and_samples_do_not_see_each_other(model):
    model.eval()
    inputs, samples = batch(clouds((500, 1, 300)))
    with torch.no_grad():
        together = model.encode_decode(inputs, samples)
        alone = [model.encode_decode({"points": [cloud]}, samples)[0] for cloud in inputs["points"]]
    assert [logits.shape for logits in together] == [(19, 500), (19, 1), (19, 300)]
    for a, b in zip(together, alone, strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_scans_without_much_to_see(model):
    """One point, a point at the sensor, and all points far outside the range: predicted and trained on."""
    lonely, origin = torch.tensor([[3.0, 4.0, 0.5, 0.2]]), torch.zeros(1, 4)
    outside = torch.tensor([[1e4, 0.0, 80.0, 0.5], [1e4, 5.0, 90.0, 0.5], [-3e3, 1.0, -70.0, 0.5]])
    for cloud in (lonely, origin, outside):
        inputs, samples = batch([cloud])
        samples[0].gt_pts_seg.pts_semantic_mask[:] = 3
        model.train()
        terms = model(inputs, copy.deepcopy(samples), mode="loss")
        sum(terms.values()).backward()
        model.eval()
        with torch.no_grad():
            logits = model.encode_decode(inputs, samples)[0]
        assert logits.shape == (19, len(cloud))
        assert logits.isfinite().all()
        assert all(term.isfinite() for term in terms.values())


def test_order_of_points_does_not_matter(model):
    model.eval()
    cloud = clouds((400,))[0]
    order = torch.randperm(len(cloud), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        first = model.encode_decode({"points": [cloud]}, [])[0]
        second = model.encode_decode({"points": [cloud[order]]}, [])[0]
    assert torch.allclose(first[:, order], second, atol=1e-5)


def test_every_parameter_gets_a_gradient(model):
    sum(model(*batch(clouds()), mode="loss").values()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []


def test_a_few_steps_learn_the_scan(model):
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    inputs, samples = batch(clouds())
    losses = []
    for _ in range(20):
        loss = sum(model(inputs, copy.deepcopy(samples), mode="loss").values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("kept", ["loss_ce", "loss_lovasz"])
def test_each_loss_is_a_switch(kept):
    other = {"loss_ce": "loss_lovasz", "loss_lovasz": "loss_ce"}[kept]
    assert list(build("minkunet", **{other: None}).loss(*batch(clouds()))) == [kept]


def test_points_in_one_voxel_can_differ_with_a_point_branch():
    """Two points in one voxel: one row of the sparse U-Net, two of the point branch."""
    cloud = torch.cat([clouds((200,))[0], torch.tensor([[5.1, 5.1, 1.1, 0.5], [5.9, 5.9, 1.9, 0.5]])])
    differ = {}
    for name in ("minkunet", "spvcnn"):
        with torch.no_grad():
            logits = build(name).eval().encode_decode({"points": [cloud]}, [])[0]
        differ[name] = not torch.equal(logits[:, -1], logits[:, -2])
    assert differ == {"minkunet": False, "spvcnn": True}


def test_spvcnn_has_the_published_size():
    """21.8 M: the 21.7 M of MinkowskiNet and three point layers, each a matrix, a bias and a norm."""
    layers = sum(a * b + b + 2 * b for a, b in ((32, 256), (256, 128), (128, 96)))
    voxel_part = sum(p.numel() for p in SparseUNet().parameters())
    total = sum(p.numel() for p in SPVCNN().parameters())
    assert total == voxel_part + layers
    assert round((total + 96 * 19 + 19) / 1e6, 1) == 21.8


def test_bad_cells_per_voxel():
    with pytest.raises(InputError, match="cells_per_voxel: expected 1 or more, or None, found 0"):
        SPVCNN(4, NARROW, cells_per_voxel=0)
