import numpy as np
import pytest
from sklearn.metrics import accuracy_score, jaccard_score
from sklearn.metrics import confusion_matrix as sklearn_confusion

from corruptions.core import InputError
from perception3d.metrics.confusion import (
    accuracy,
    classes_in_truth,
    confusion_matrix,
    iou_per_class,
    miou_official,
    miou_present,
)


def official_scores(prediction, truth):
    """The published evaluation in its own layout, written from its definition with sets of points.

    Ids 1..K with 0 = ignore; points whose truth is 0 do not exist; a prediction of 0 belongs to no class.
    """
    num_classes = 19
    points = [i for i in range(len(truth)) if truth[i] != num_classes]
    ious, true_positives, claimed = [], 0, 0
    for k in range(num_classes):
        is_true = {i for i in points if truth[i] == k}
        is_predicted = {i for i in points if prediction[i] == k}
        ious.append(len(is_true & is_predicted) / (len(is_true | is_predicted) + 1e-15))
        true_positives += len(is_true & is_predicted)
        claimed += len(is_predicted)
    return sum(ious) / num_classes, ious, true_positives / claimed


def test_hand_arithmetic():
    #                    road x4     car x2  ignore  fence x1
    truth = np.array([8, 8, 8, 8, 0, 0, 19, 13])
    prediction = np.array([8, 8, 0, 19, 0, 8, 0, 19])
    confusion = confusion_matrix(prediction, truth)
    assert confusion.shape == (19, 20)
    assert confusion.dtype == np.int64
    assert confusion.sum() == 7  # the ignored truth is gone, and with it its false "car"
    assert (confusion[8, 8], confusion[8, 0], confusion[8, 19]) == (2, 1, 1)
    iou = iou_per_class(confusion)
    assert iou[8] == pytest.approx(2 / 5)  # 2 hits of 4 roads + 1 car called road
    assert iou[0] == pytest.approx(1 / 3)  # 1 hit of 2 cars + 1 road called car
    assert iou[13] == 0  # the only fence was left without a class: a miss
    assert np.delete(iou, [0, 8, 13]).tolist() == [0] * 16  # absent classes score 0, not nan
    assert miou_official(confusion) == pytest.approx((2 / 5 + 1 / 3) / 19)
    assert classes_in_truth(confusion) == (0, 8, 13)
    assert miou_present(confusion, (0, 8, 13)) == pytest.approx((2 / 5 + 1 / 3) / 3)
    assert accuracy(confusion) == pytest.approx(3 / 5)  # 7 points, two of them called "ignore"


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_the_definition_by_sets(seed):
    rng = np.random.default_rng(seed)
    truth = rng.choice([0, 3, 8, 14, 19], 3000, p=[0.1, 0.01, 0.4, 0.39, 0.1])
    prediction = np.where(rng.random(3000) < 0.6, truth, rng.integers(0, 20, 3000))
    confusion = confusion_matrix(prediction, truth)
    mean, ious, share = official_scores(prediction, truth)
    assert miou_official(confusion) == pytest.approx(mean, abs=1e-12)
    assert iou_per_class(confusion) == pytest.approx(ious, abs=1e-12)
    assert accuracy(confusion) == pytest.approx(share, abs=1e-12)


def test_agrees_with_scikit_learn():
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 19, 5000)
    prediction = np.where(rng.random(5000) < 0.5, truth, rng.integers(0, 20, 5000))
    confusion = confusion_matrix(prediction, truth)
    assert np.array_equal(confusion, sklearn_confusion(truth, prediction, labels=range(20))[:19])
    jaccard = jaccard_score(truth, prediction, labels=range(19), average=None)
    assert iou_per_class(confusion) == pytest.approx(jaccard, abs=1e-12)
    assert miou_present(confusion, [2, 7]) == pytest.approx(jaccard[[2, 7]].mean(), abs=1e-12)
    claimed = prediction != 19
    assert accuracy(confusion) == pytest.approx(accuracy_score(truth[claimed], prediction[claimed]), abs=1e-12)


def test_shards_add_up():
    rng = np.random.default_rng(6)
    truth, prediction = rng.integers(0, 20, (2, 1001))
    shards = [confusion_matrix(prediction[part], truth[part]) for part in (slice(400), slice(400, None))]
    assert np.array_equal(shards[0] + shards[1], confusion_matrix(prediction, truth))


def test_perfect_prediction_on_fourteen_classes_cannot_exceed_73_7():
    truth = np.arange(14).repeat(3)
    confusion = confusion_matrix(truth, truth)
    assert miou_official(confusion) == pytest.approx(14 / 19)
    assert miou_present(confusion, range(14)) == pytest.approx(1, abs=1e-12)


def test_a_listed_class_without_points_counts_as_zero():
    truth = np.zeros(4, np.int64)
    assert miou_present(confusion_matrix(truth, truth), (0, 11)) == pytest.approx(0.5, abs=1e-12)


def test_other_class_counts_and_empty_input():
    truth = np.array([0, 1, 255, 1], np.uint8)
    confusion = confusion_matrix(np.array([0, 255, 1, 1], np.uint8), truth, num_classes=2, ignore=255)
    assert confusion.tolist() == [[1, 0, 0], [0, 1, 1]]
    assert confusion_matrix(np.zeros(0, int), np.zeros(0, int), 2, 2).tolist() == [[0] * 3] * 2


@pytest.mark.parametrize(
    ("prediction", "truth", "options", "message"),
    [
        ([0, 1], [0], {}, r"prediction: expected one class per labelled point \(1,\), found \(2,\)"),
        ([20], [0], {}, r"prediction: expected ids 0\.\.18 or 19 \(ignore\), found 20 in 1 of 1 points"),
        ([0, 0], [-1, 0], {}, r"truth: expected ids .* found -1 in 1 of 2 points"),
        ([0], [0], {"ignore": 3}, r"ignore: expected an id outside 0\.\.18, found 3"),
    ],
)
def test_bad_ids_are_named(prediction, truth, options, message):
    with pytest.raises(InputError, match=message):
        confusion_matrix(np.array(prediction), np.array(truth), **options)


@pytest.mark.parametrize("classes", [[], [0, 0], [19], [-1]])
def test_bad_class_lists_are_named(classes):
    with pytest.raises(InputError, match=r"present_classes: expected different train ids in 0\.\.18"):
        miou_present(np.zeros((19, 20), np.int64), classes)
