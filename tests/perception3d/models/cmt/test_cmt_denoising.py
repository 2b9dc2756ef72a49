import pytest
import torch
from cmt_comparison import assert_close

from perception3d.models.cmt.denoising import DenoisingConfig, attention_mask, make_denoising, num_groups

RANGE = torch.tensor([-54.0, -54.0, -5.0, 54.0, 54.0, 3.0])
CFG = DenoisingConfig()


def objects(*counts):
    generator = torch.Generator().manual_seed(0)
    boxes = [torch.rand(count, 9, generator=generator) + 0.5 for count in counts]
    return boxes, [torch.arange(count) % 10 for count in counts]


def test_mask_against_its_definition():
    """Rows 0-1 and 2-3 are groups, 4-6 are learned queries."""
    mask = attention_mask(groups=2, group_size=2, num_queries=3)
    group = [0, 0, 1, 1, None, None, None]
    for row, column in [(r, c) for r in range(7) for c in range(7)]:
        allowed = group[column] is None or (group[row] is not None and group[row] == group[column])
        assert mask[row, column].item() == allowed


@pytest.mark.parametrize(("objects_", "queries", "groups"), [(13, 900, 10), (200, 900, 4), (1000, 900, 1)])
def test_number_of_groups(objects_, queries, groups):
    assert num_groups(objects_, queries, CFG) == groups


def test_rows_of_unequal_samples():
    boxes, labels = objects(1, 3)
    found = make_denoising(boxes, labels, RANGE, 20, 10, DenoisingConfig(max_groups=2))
    assert found.num_rows == 2 * 3
    assert found.batch_index.tolist() == [0, 1, 1, 1] * 2
    assert found.row.tolist() == [0, 0, 1, 2, 3, 3, 4, 5]
    unused = [(0, row) for row in (1, 2, 4, 5)]
    assert all((found.references[place] == 0).all() for place in unused)


def test_without_noise_the_reference_is_the_centre():
    boxes, labels = objects(2)
    found = make_denoising(boxes, labels, RANGE, 20, 10, DenoisingConfig(max_groups=1), draws=torch.full((2, 3), 0.5))
    expected = (boxes[0][:, :3] - RANGE[:3]) / (RANGE[3:] - RANGE[:3])
    torch.testing.assert_close(found.references[0], expected)
    assert found.labels.tolist() == [0, 1]


def test_far_copies_become_background_and_lie_on_the_face():
    boxes, labels = objects(1)
    draws = torch.tensor([[1.0, 0.5, 0.5]])  # noise (1, 0, 0): half a length along x, further than 0.75
    found = make_denoising(boxes, labels, RANGE, 20, 10, DenoisingConfig(max_groups=1), draws=draws)
    x_m = found.references[0, 0, 0] * 108 - 54
    assert x_m.item() == pytest.approx((boxes[0][0, 0] + boxes[0][0, 3] / 2).item(), abs=1e-4)
    assert found.labels.tolist() == [10]


def test_a_batch_without_objects_has_no_denoising():
    assert make_denoising(*objects(0, 0), RANGE, 20, 10, CFG) is None


def test_denoising_set_equals_the_published_one(known):
    answers = known("D_lidar_head_train")
    truth = [answers.inputs[f"gt{sample}"] for sample in range(2)]
    boxes = [torch.from_numpy(part[0]).clone() for part in truth]
    for part in boxes:
        part[:, 2] += part[:, 5] / 2
    labels = [torch.from_numpy(part[1]) for part in truth]
    found = make_denoising(boxes, labels, RANGE, 900, 10, CFG, draws=answers.input("dn_random"))
    assert_close(found.references, answers["dn.reference_points"], 1e-6)
    assert_close(found.boxes, answers["dn.boxes"], 1e-6)
    assert torch.equal(found.labels, answers["dn.labels"])
    assert torch.equal(found.batch_index, answers["dn.batch_idx"])
    assert torch.equal(found.row, answers["dn.row"])
    assert torch.equal(~found.allowed, answers["dn.attn_mask"])
