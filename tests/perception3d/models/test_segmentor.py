import copy
from pathlib import Path

import pytest
import torch
from mmdet3d.structures import Det3DDataSample, PointData
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from corruptions.core import InputError
from perception3d.models.segmentation import SparseUNet
from perception3d.models.segmentation.partition import majority_labels

CONFIG = Path(__file__).parents[3] / "configs/_base_/models/minkunet.py"
WIDTHS = (4, 4, 6, 8, 8, 8, 6, 4, 4)


def build():
    init_default_scope("mmdet3d")
    cfg = Config.fromfile(CONFIG)
    cfg.merge_from_dict({"model.partition.voxel_size_m": 1.0, "model.backbone.channels": WIDTHS})
    torch.manual_seed(0)
    return MODELS.build(cfg.model)


def batch(counts=(500, 300)):
    generator = torch.Generator().manual_seed(0)
    points = [torch.rand(count, 4, generator=generator) * torch.tensor([20, 20, 3, 1.0]) for count in counts]
    samples = []
    for cloud in points:
        sample = Det3DDataSample()
        labels = (cloud[:, 2] * 6).long()
        labels[::10] = 19
        sample.gt_pts_seg = PointData(pts_semantic_mask=labels)
        samples.append(sample)
    return {"points": points}, samples


def convolution_weights(channels_in, channels_out, taps):
    return channels_in * channels_out * taps


def test_minkowskinet_has_the_published_size():
    """21.7 M, counted here from the widths alone."""
    widths = (32, 32, 64, 128, 256, 256, 128, 96, 96)
    model = SparseUNet(4, widths)
    stem, down, up = widths[0], widths[1:5], widths[5:]

    def residual(a, b):
        norms = 2 * 2 * b
        shortcut = 0 if a == b else a * b + 2 * b
        return convolution_weights(a, b, 27) + convolution_weights(b, b, 27) + norms + shortcut

    total = convolution_weights(4, stem, 27) + convolution_weights(stem, stem, 27) + 4 * stem
    skips = [stem, *down[:3]]
    before = stem
    for width in down:
        total += convolution_weights(before, before, 8) + 2 * before + residual(before, width) + residual(width, width)
        before = width
    for width, skip in zip(up, reversed(skips), strict=True):
        total += convolution_weights(before, width, 8) + 2 * width
        total += residual(width + skip, width) + residual(width, width)
        before = width
    assert sum(p.numel() for p in model.parameters()) == total
    assert round(total / 1e6, 1) == 21.7


def test_every_point_gets_logits_and_a_prediction():
    model = build().eval()
    inputs, samples = batch()
    with torch.no_grad():
        out = model(inputs, samples, mode="predict")
    for sample, cloud in zip(out, inputs["points"], strict=True):
        assert sample.pts_seg_logits.pts_seg_logits.shape == (19, len(cloud))
        assert torch.equal(sample.pred_pts_seg.pts_semantic_mask, sample.pts_seg_logits.pts_seg_logits.argmax(0))


def test_samples_of_a_batch_do_not_see_each_other():
    model = build().eval()
    inputs, samples = batch()
    with torch.no_grad():
        together = model.encode_decode(inputs, samples)
        alone = [model.encode_decode({"points": [cloud]}, samples)[0] for cloud in inputs["points"]]
    for a, b in zip(together, alone, strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_shifting_the_sensor_by_whole_strides_changes_nothing_but_the_coordinates():
    """With xyz weights zero the network is translation equivariant in steps of the coarsest voxel (16 m here)."""
    model = build().eval()
    first = model.backbone.stem[0].conv.weight
    with torch.no_grad():
        first[..., :3] = 0
        inputs, samples = batch((400,))
        logits = model.encode_decode(inputs, samples)[0]
        moved = inputs["points"][0] + torch.tensor([16.0, -16.0, 0, 0])
        assert torch.allclose(model.encode_decode({"points": [moved]}, samples)[0], logits, atol=1e-4)


def test_a_few_steps_learn_the_scan():
    model = build()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    inputs, samples = batch()
    losses = []
    for _ in range(30):
        terms = model(inputs, copy.deepcopy(samples), mode="loss")
        assert set(terms) == {"loss_ce", "loss_lovasz"}
        loss = sum(terms.values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    assert losses[-1] < 0.5 * losses[0]


def test_every_parameter_gets_a_gradient():
    model = build()
    inputs, samples = batch()
    sum(model(inputs, samples, mode="loss").values()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []


def test_ignored_points_do_not_change_the_loss():
    model = build()
    inputs, samples = batch((400,))
    labels = samples[0].gt_pts_seg.pts_semantic_mask
    features, voxel_of_point, _ = model.extract_feat(inputs)
    labels[inputs["points"][0][:, 0] > 10] = 19
    terms = model.loss(inputs, samples)
    # cross-entropy by hand over the voxels that keep a label
    targets = majority_labels(labels, voxel_of_point, len(features), 19)
    log_probability = model.decode_head(features).log_softmax(1)
    kept = targets != 19
    by_hand = -log_probability[kept, targets[kept]].mean()
    assert 0 < int(kept.sum()) < len(targets)
    assert torch.isclose(terms["loss_ce"], by_hand, rtol=1e-5)
    labels[:] = 19
    assert float(model.loss(inputs, samples)["loss_ce"]) == 0


def test_wrong_number_of_widths():
    with pytest.raises(InputError, match="expected 9 widths"):
        SparseUNet(4, (32, 32, 64))
