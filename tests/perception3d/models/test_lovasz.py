import numpy as np
import pytest
import torch
from mmdet3d.models.losses import LovaszLoss

from perception3d.models.segmentation.lovasz import LovaszSoftmaxLoss, lovasz_softmax


def case(rows=40, classes=5, seed=0):
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(rng.normal(size=(rows, classes))).float()
    labels = torch.from_numpy(rng.integers(0, classes - 1, rows))  # the last class does not occur
    return logits, labels


def jaccard_loss(wrong, truth):
    """Equation 6: 1 - |truth without the misses| / |truth with the false alarms|, for a set of wrong rows."""
    hits = len(truth - wrong)
    return 1 - hits / len(truth | wrong)


def by_definition(probabilities, labels):
    """Definition 1 of the paper: errors in falling order, each times what its row adds to the loss of the set."""
    losses = []
    for kind in np.unique(labels):
        truth = set(np.flatnonzero(labels == kind).tolist())
        errors = np.where(labels == kind, 1 - probabilities[:, kind], probabilities[:, kind])
        wrong, total = set(), 0.0
        for row in np.argsort(-errors):
            before = jaccard_loss(wrong, truth)
            wrong.add(int(row))
            total += errors[row] * (jaccard_loss(wrong, truth) - before)
        losses.append(total)
    return np.mean(losses)


@pytest.mark.parametrize("seed", range(4))
def test_equals_the_definition_over_sets(seed):
    logits, labels = case(seed=seed)
    probabilities = logits.softmax(1)
    expected = by_definition(probabilities.double().numpy(), labels.numpy())
    assert float(lovasz_softmax(probabilities, labels)) == pytest.approx(expected, abs=1e-6)


def test_hard_predictions_cost_one_minus_iou():
    """Class 0: truth 0 1 2, predicted 0 1 3 -> IoU 2 / 4. Class 1: truth 3 4, predicted 2 4 -> IoU 1 / 3."""
    labels = torch.tensor([0, 0, 0, 1, 1])
    predicted = torch.tensor([0, 0, 1, 0, 1])
    hard = torch.nn.functional.one_hot(predicted, 2).float()
    assert float(lovasz_softmax(hard, labels)) == pytest.approx(1 - (2 / 4 + 1 / 3) / 2)


def test_value_and_gradient_equal_mmdet3d():
    logits, labels = case(300, 7)
    labels[::6] = 9
    ours, theirs = (logits.clone().requires_grad_(True) for _ in range(2))
    a = LovaszSoftmaxLoss(loss_weight=0.5)(ours, labels, ignore_index=9)
    b = 0.5 * LovaszLoss(reduction="none")(theirs, labels, ignore_index=9)
    assert torch.isclose(a, b, atol=1e-6)
    assert torch.allclose(*torch.autograd.grad(a, ours), *torch.autograd.grad(b, theirs), atol=1e-6)


def test_ignored_rows_do_not_count():
    logits, labels = case()
    ignored = torch.cat([labels, torch.full((10,), 9)])
    more = torch.cat([logits, torch.randn(10, 5)])
    loss = LovaszSoftmaxLoss()
    assert torch.equal(loss(more, ignored, ignore_index=9), loss(logits, labels, ignore_index=9))


def test_one_scored_row_and_none():
    logits = torch.tensor([[0.0, 0.0], [3.0, 1.0]], requires_grad=True)
    # the one error, 1 - 0.5, times the whole Jaccard loss
    assert LovaszSoftmaxLoss()(logits, torch.tensor([0, 9]), ignore_index=9).item() == pytest.approx(0.5)
    none = LovaszSoftmaxLoss()(logits, torch.tensor([9, 9]), ignore_index=9)
    none.backward()
    assert float(none) == 0 and torch.equal(logits.grad, torch.zeros(2, 2))
