import math

import pytest
import torch
from cmt_comparison import assert_close, by_pair

from corruptions.core import InputError
from perception3d.models.cmt.box_coder import CMTBoxCoder, decode_boxes, encode_boxes

EVERYWHERE = [-1e3] * 3 + [1e3] * 3


def test_code_of_one_box_by_hand():
    """The published order: log l and log w before cz, log h after it."""
    box = torch.tensor([1.0, 2, 3, 4, 5, 6, math.pi / 6, 7, 8], dtype=torch.float64)
    expected = [1, 2, math.log(4), math.log(5), 3, math.log(6), 0.5, math.sqrt(3) / 2, 7, 8]
    torch.testing.assert_close(encode_boxes(box), torch.tensor(expected, dtype=torch.float64))
    torch.testing.assert_close(decode_boxes(encode_boxes(box)), box)


def test_yaw_does_not_need_a_unit_vector():
    code = torch.zeros(10)
    code[6], code[7] = -3.0, -3.0
    assert decode_boxes(code)[6].item() == pytest.approx(-3 * math.pi / 4)


def test_one_query_may_give_two_classes():
    logits = torch.tensor([[3.0, 2.0], [-1.0, 1.0], [-5.0, -6.0]])
    found = CMTBoxCoder(EVERYWHERE, max_num=4).decode(logits, torch.zeros(3, 10))
    assert list(zip(found.query.tolist(), found.labels.tolist(), strict=True)) == [(0, 0), (0, 1), (1, 1), (1, 0)]
    assert found.scores[0].item() == pytest.approx(1 / (1 + math.exp(-3)))


def test_bounds_are_included_and_few_queries_do():
    code = torch.zeros(3, 10)
    code[:, 0] = torch.tensor([10.0, 10.001, -10.0])
    coder = CMTBoxCoder([-10, -10, -10, 10, 10, 10], max_num=300)
    assert coder.decode(torch.zeros(3, 1), code).query.sort().values.tolist() == [0, 2]


def test_score_threshold():
    found = CMTBoxCoder(EVERYWHERE, score_threshold=0.6).decode(torch.tensor([[1.0], [0.0]]), torch.zeros(2, 10))
    assert found.query.tolist() == [0]


def test_bad_range_is_named():
    with pytest.raises(InputError, match="post_center_range: expected 6 numbers"):
        CMTBoxCoder([0.0, 1.0])


def test_coder_equals_the_published_one(known):
    answers = known("H_coder_matching")
    code = answers.input("code") * torch.tensor(answers.meta["code_scale"])
    assert_close(encode_boxes(answers["gt.gravity"]), answers["gt.encoded"], 1e-6)
    assert_close(decode_boxes(answers["gt.encoded"]), answers["gt.decoded"], 1e-6)
    assert_close(decode_boxes(code), answers["code_decoded"], 1e-6)
    coder = CMTBoxCoder(answers.meta["post_center_range"], answers.meta["max_num"])
    for sample in range(2):
        found = by_pair(vars(coder.decode(answers.input("logits")[sample], code[sample])))
        names = ("query", "labels", "boxes", "scores")
        expected = by_pair({name: answers[f"decoded{sample}.{name}"] for name in names})
        assert found.keys() == expected.keys()
        for pair, row in expected.items():
            torch.testing.assert_close(found[pair], row, rtol=1e-6, atol=1e-6)
