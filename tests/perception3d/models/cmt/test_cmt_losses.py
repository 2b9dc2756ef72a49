import itertools
import math

import mmengine.dist
import pytest
import torch
from cmt_comparison import assert_close
from mmdet.models.losses import FocalLoss

from corruptions.core import InputError
from perception3d.models.cmt.box_coder import encode_boxes
from perception3d.models.cmt.criterion import Divisors, Objects, matching_losses
from perception3d.models.cmt.denoising import DenoisingConfig
from perception3d.models.cmt.losses import (
    LossConfig,
    assign,
    box_cost,
    box_loss,
    check_finite,
    classification_cost,
    classification_loss,
    denoising_divisor,
    focal_loss,
    named_by_layer,
)

CFG = LossConfig()


def test_focal_loss_by_hand():
    """At p = 1/2: alpha (1/2)^2 ln 2 for the true class, (1 - alpha) (1/2)^2 ln 2 for the other."""
    found = focal_loss(torch.zeros(1, 2), torch.tensor([0]), alpha=0.25, gamma=2)
    torch.testing.assert_close(found[0], torch.tensor([0.25 / 4 * math.log(2), 0.75 / 4 * math.log(2)]))


def test_focal_loss_equals_mmdet():
    torch.manual_seed(0)
    logits, targets = 3 * torch.randn(200, 10), torch.randint(0, 11, (200,))
    theirs = FocalLoss(use_sigmoid=True, loss_weight=2.0)(logits, targets, avg_factor=7.0)
    torch.testing.assert_close(classification_loss(logits[None], targets, 7.0, CFG)[0], theirs)


def test_focal_loss_stays_finite_for_sure_answers():
    logits = torch.tensor([[-200.0, 200.0]], requires_grad=True)
    loss = focal_loss(logits, torch.tensor([0]), alpha=0.25, gamma=2).sum()
    loss.backward()
    assert loss.item() == pytest.approx(0.25 * 200 + 0.75 * 200)
    assert torch.isfinite(logits.grad).all()


def test_costs_by_hand():
    """p = 1/2 for both classes: 2 (0.25 - 0.75) / 4 ln 2; the code is off by 1 in x (weight 2) and 5 in velocity."""
    cls = classification_cost(torch.zeros(1, 2), torch.tensor([1]), CFG)
    assert cls.item() == pytest.approx(2 * (0.25 - 0.75) / 4 * math.log(2))
    code = torch.zeros(1, 10)
    other = torch.zeros(1, 10)
    other[0, 0], other[0, 8] = 1.0, 5.0
    assert box_cost(code, other, CFG).item() == pytest.approx(0.25 * 2)
    assert box_loss(code[None], other, 2.0, CFG).item() == pytest.approx(0.25 * (2 * 1 + 0.2 * 5) / 2)


def test_assignment_is_the_best_of_all():
    torch.manual_seed(0)
    cost = torch.rand(2, 5, 3)
    for layer, queries in enumerate(assign(cost)):
        best = min(itertools.permutations(range(5), 3), key=lambda rows: sum(cost[layer, rows, range(3)]))
        assert queries.tolist() == list(best)


def test_costs_that_are_not_finite_are_named():
    """Before they reach the assignment: the first layer's classes, the last layer's boxes."""
    objects = [Objects(torch.ones(2, 9), torch.zeros(2, dtype=torch.long))]
    logits, code = torch.zeros(2, 1, 3, 10), torch.zeros(2, 1, 3, 10)
    logits[0, 0, 1, 0], code[1, 0, 2, 4] = torch.nan, torch.inf
    with pytest.raises(FloatingPointError, match="matching cost is not finite: d0.loss_cls=nan, loss_bbox=inf;"):
        matching_losses(logits, code, objects, Divisors(1, 1, 1, 1), CFG)


def test_non_finite_terms_are_named():
    check_finite({"loss_cls": torch.tensor(1.0)})
    with pytest.raises(FloatingPointError, match=r"d2\.loss_bbox=nan, dn_loss_cls=inf"):
        terms = {"loss_cls": 1.0, "d2.loss_bbox": math.nan, "dn_loss_cls": math.inf}
        check_finite({name: torch.tensor(value) for name, value in terms.items()})


def test_last_layer_has_no_prefix():
    assert list(named_by_layer("loss_cls", torch.arange(3.0))) == ["d0.loss_cls", "d1.loss_cls", "loss_cls"]


def test_denoising_divisor_is_the_expected_number_inside_the_ball():
    draws = 2 * torch.rand(200_000, 3, generator=torch.Generator().manual_seed(0)) - 1
    inside = (draws.norm(dim=1) <= 0.75).float().mean().item()
    assert denoising_divisor(1000, 0.75) == pytest.approx(1000 * inside, rel=0.01)
    assert denoising_divisor(0, 0.75) == 1


def test_divisors_by_hand():
    """Two samples with 3 and 0 objects, 40 queries: 3 + 0.1 * 77; ten copies of each."""
    objects = [Objects(torch.zeros(n, 9), torch.zeros(n, dtype=torch.long)) for n in (3, 0)]
    found = Divisors.of_batch(objects, 40, CFG, DenoisingConfig(), torch.device("cpu"))
    assert found.classification == pytest.approx(10.7)
    assert (found.box, found.denoising_box) == (3, 30)
    assert found.denoising_classification == pytest.approx(30 * math.pi / 6 * 0.75**3)
    none = Divisors.of_batch(objects[1:], 4, CFG, DenoisingConfig(), torch.device("cpu"))
    assert (none.classification, none.box, none.denoising_box) == (1, 1, 1)


def test_divisors_are_means_over_processes(monkeypatch):
    """This process has no object, the other one 6: both divide by 3, and both take part."""
    gathered = []

    def mean_with_other(values, op):
        gathered.append((values.tolist(), op))
        values.copy_((values + torch.tensor([6.0, 34, 60])) / 2)

    monkeypatch.setattr(mmengine.dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(mmengine.dist, "all_reduce", mean_with_other)
    empty = [Objects(torch.zeros(0, 9), torch.zeros(0, dtype=torch.long))]
    found = Divisors.of_batch(empty, 40, CFG, DenoisingConfig(), torch.device("cpu"))
    assert gathered == [([0, 40, 0], "mean")]
    assert (found.box, found.denoising_box) == (3, 30)
    assert found.classification == pytest.approx(3 + 0.1 * 37)


def test_perfect_predictions_have_no_box_loss():
    torch.manual_seed(0)
    boxes = torch.rand(4, 9) + 0.5
    code = torch.zeros(1, 1, 6, 10)
    code[0, 0, 1:5] = encode_boxes(boxes)
    logits = torch.full((1, 1, 6, 10), -20.0)
    logits[0, 0, range(1, 5), range(4)] = 20.0
    losses = matching_losses(logits, code, [Objects(boxes, torch.arange(4))], Divisors(1, 1, 1, 1), CFG)
    assert losses["loss_bbox"].item() == pytest.approx(0, abs=1e-6)
    assert losses["loss_cls"].item() == pytest.approx(0, abs=1e-6)


def test_more_objects_than_queries_are_refused():
    objects = [Objects(torch.ones(4, 9), torch.zeros(4, dtype=torch.long))]
    with pytest.raises(InputError, match="at most 3 objects, one a query, found 4"):
        matching_losses(torch.zeros(1, 1, 3, 10), torch.zeros(1, 1, 3, 10), objects, Divisors(1, 1, 1, 1), CFG)


def test_matching_equals_the_published_one(known):
    answers = known("H_coder_matching")
    code = answers.input("code")[0] * torch.tensor(answers.meta["code_scale"])
    logits, labels = answers.input("logits")[0], answers["gt.labels"]
    cost = classification_cost(logits, labels, CFG)
    assert_close(cost, answers["cost.cls"], 1e-6)
    cost = cost + box_cost(code, encode_boxes(answers["gt.gravity"]), CFG)
    assert_close(cost, answers["cost.total"], 1e-6)
    assert torch.equal(assign(cost[None])[0], answers["assigned_query"])
