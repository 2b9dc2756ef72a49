import numpy as np
import pytest
import torch
from mmdet3d.structures import LiDARPoints

from perception3d.transforms import NearClutter, RandomIntensity, SelectiveJitter
from perception3d.transforms.noise import draw_region

COUNT = 8000


def cloud():
    """Points on a disc of 40 m, all of intensity 0.5."""
    rng = np.random.default_rng(0)
    turn, range_m = rng.uniform(-np.pi, np.pi, COUNT), rng.uniform(3, 40, COUNT)
    columns = [range_m * np.cos(turn), range_m * np.sin(turn), np.zeros(COUNT), np.full(COUNT, 0.5)]
    return np.stack(columns, axis=1).astype(np.float32)


def sample(points):
    return {
        "points": LiDARPoints(torch.from_numpy(points.copy()), points_dim=4),
        "pts_semantic_mask": np.arange(COUNT) % 19,
        "pts_instance_mask": np.arange(COUNT),
    }


@pytest.mark.parametrize("seed", range(6))
def test_jitter_moves_a_whole_region_and_keeps_the_labels(seed):
    before = cloud()
    result = SelectiveJitter(max_sigma_m=0.2).apply(sample(before), np.random.default_rng(seed))
    after = result["points"].tensor.numpy()
    moved = (after[:, :3] != before[:, :3]).any(axis=1)
    assert np.array_equal(after[:, 3], before[:, 3])
    assert np.array_equal(result["pts_semantic_mask"], np.arange(COUNT) % 19)
    assert 0 < moved.sum() < COUNT
    step = (after - before)[moved, :3]
    assert np.abs(step).max() < 0.2 * 5.5  # five and a half of the largest sigmas
    assert np.std(step, axis=0) == pytest.approx(np.full(3, step.std()), rel=0.15)
    # a region, not points drawn one by one: an interval of distances or of azimuths, so sorted along one of the two
    # the moved points are one run (around the turn)
    range_m, turn = np.hypot(before[:, 0], before[:, 1]), np.arctan2(before[:, 1], before[:, 0])
    runs = [np.count_nonzero(np.diff(moved[np.argsort(key)].astype(int))) for key in (range_m, turn)]
    assert min(runs) <= 2


def test_regions_take_every_share():
    rng = np.random.default_rng(0)
    shares = np.array([draw_region(cloud(), rng).mean() for _ in range(300)])
    assert shares.min() < 0.05
    assert shares.max() > 0.9


def test_clutter_ends_rays_early_and_has_no_class():
    before = cloud()
    range_before = np.linalg.norm(before[:, :3], axis=1)
    kinds = set()
    for seed in range(12):
        result = NearClutter(max_share=0.6).apply(sample(before), np.random.default_rng(seed))
        after = result["points"].tensor.numpy()
        labels, instances = result["pts_semantic_mask"], result["pts_instance_mask"]
        assert len(after) == len(labels) == len(instances)
        if len(after) > COUNT:
            kinds.add("added")
            assert np.array_equal(after[:COUNT], before)
            clutter = after[COUNT:]
            assert (labels[COUNT:] == 19).all()
            assert (instances[COUNT:] == 0).all()
            # a ray of the scan: some point of it has the same direction and is farther
            direction = np.round(np.arctan2(clutter[:, 1], clutter[:, 0]), 4)
            assert np.isin(direction, np.round(np.arctan2(before[:, 1], before[:, 0]), 4)).mean() > 0.95
        else:
            kinds.add("instead")
            new = labels == 19
            assert np.array_equal(after[~new], before[~new])
            assert (np.linalg.norm(after[new, :3], axis=1) < range_before[new]).all()
            clutter = after[new]
        near = np.linalg.norm(clutter[:, :3], axis=1)
        assert (near >= 1 - 1e-4).all()
        assert len(clutter) <= 0.62 * COUNT
        assert ((clutter[:, 3] >= 0) & (clutter[:, 3] <= 0.5)).all()
    assert kinds == {"added", "instead"}


def test_clutter_leaves_its_input_labels_alone():
    given = sample(cloud())
    labels = given["pts_semantic_mask"]
    for seed in range(4):
        NearClutter().apply(dict(given), np.random.default_rng(seed))
    assert np.array_equal(labels, np.arange(COUNT) % 19)


def test_intensity_by_the_formula():
    before = cloud()
    fixed = RandomIntensity(gain=(0.5, 0.5), max_offset=0, range_exponent=(1, 1), drop_prob=0)
    after = fixed.apply(sample(before), np.random.default_rng(0))["points"].tensor.numpy()
    range_m = np.hypot(before[:, 0], before[:, 1])
    assert after[:, 3] == pytest.approx(np.clip(0.5 * 0.5 * 10 / range_m, 0, 1), abs=1e-6)
    assert np.array_equal(after[:, :3], before[:, :3])


def test_intensity_stays_on_its_scale_or_goes_altogether():
    given = cloud()
    given[:, 3] = np.linspace(0, 255, COUNT)
    dropped = 0
    for seed in range(60):
        after = RandomIntensity(intensity_max=255.0).apply(sample(given), np.random.default_rng(seed))
        column = after["points"].tensor.numpy()[:, 3]
        assert column.min() >= 0
        assert column.max() <= 255
        dropped += int((column == 0).all())
    assert 8 <= dropped <= 30  # 0.3 of 60
