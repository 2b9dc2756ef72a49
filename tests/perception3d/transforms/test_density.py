import numpy as np
import pytest
import torch
from mmdet3d.structures import LiDARPoints

from corruptions.core import InputError
from corruptions.sensors import rings_from_azimuth
from corruptions.synthetic import synthetic_scan
from perception3d.transforms import RandomBeams, RandomPointDrop, RandomVisibility, density
from perception3d.transforms.density import chance_of_return, draw_beams, is_scored_pattern


def sample(points, labels=None):
    labels = np.arange(len(points)) if labels is None else labels
    return {
        "points": LiDARPoints(torch.from_numpy(points.copy()), points_dim=points.shape[1]),
        "pts_semantic_mask": labels.astype(np.int64),
    }


def rows_of(result):
    """Labels made as row numbers say which points are left; each must still be at its own place."""
    return result["pts_semantic_mask"]


def test_beams_span_the_sensor_at_every_density():
    rng = np.random.default_rng(0)
    counts = []
    for _ in range(300):
        kept = np.flatnonzero(draw_beams(rng, 64, 16))
        counts.append(len(kept))
        # one beam of each stratum: no gap is wider than two strata
        assert np.diff(kept).max(initial=0) < 2 * 64 / len(kept) + 1
        assert kept[0] < 64 / len(kept)
        assert kept[-1] >= np.floor(64 - 64 / len(kept))
    assert min(counts) == 16
    assert max(counts) == 64
    # log-uniform: as many draws in 16..32 as in 32..64
    assert 0.4 < np.mean(np.array(counts) < 32) < 0.6


def test_scored_patterns_are_known_and_drawn_again(monkeypatch):
    for start, step in ((1, 2), (2, 4)):  # the cross-device settings: beams 1, 3, 5 ... and 2, 6, 10 ...
        pattern = np.zeros(64, dtype=bool)
        pattern[start::step] = True
        assert is_scored_pattern(pattern)
        assert not is_scored_pattern(np.roll(pattern, -1))
    refused = draw_beams(np.random.default_rng(0), 64, 16)
    monkeypatch.setattr(density, "is_scored_pattern", lambda keep: np.array_equal(keep, refused))
    assert not np.array_equal(draw_beams(np.random.default_rng(0), 64, 16), refused)


def test_whole_beams_stay_and_labels_follow():
    scan = synthetic_scan()
    ring = rings_from_azimuth(scan.points, 64)
    torch.manual_seed(3)
    result = RandomBeams(prob=1.0).transform(sample(scan.points))
    rows = rows_of(result)
    assert np.array_equal(result["points"].tensor.numpy(), scan.points[rows])
    kept = np.unique(ring[rows])
    assert 16 <= len(kept) < 64
    assert len(rows) == np.isin(ring, kept).sum()


def test_a_ring_column_is_used_where_there_is_one():
    points = np.zeros((320, 5), dtype=np.float32)
    points[:, 0] = 5
    points[:, 4] = np.arange(320) % 32
    result = RandomBeams(prob=1.0, sensor="HDL-32E", ring_dim=4).transform(sample(points))
    kept, counts = np.unique(result["points"].tensor.numpy()[:, 4], return_counts=True)
    assert 16 <= len(kept) <= 32
    assert (counts == 10).all()


def test_points_drop_by_a_share_up_to_the_largest():
    points = np.ones((20000, 4), dtype=np.float32)
    left = [
        len(RandomPointDrop(max_share=0.5).apply(sample(points), np.random.default_rng(k))["points"]) for k in range(40)
    ]
    assert min(left) > 0.49 * 20000
    assert min(left) < 0.55 * 20000
    assert max(left) > 0.95 * 20000


def test_visibility_halves_where_the_formula_says():
    # exp(-(r / v)^s) = 1/2 at r = v ln(2)^(1/s)
    range_m = np.full(3, 20 * np.log(2) ** (1 / 3), dtype=np.float32)
    assert chance_of_return(range_m, 20, 3) == pytest.approx(0.5)
    points = np.zeros((40000, 4), dtype=np.float32)
    points[:, 0] = np.linspace(1, 80, 40000)
    fixed = RandomVisibility(prob=1, visibility_m=(20, 20), sharpness=(1, 1))
    result = fixed.apply(sample(points), np.random.default_rng(0))
    # the integral of exp(-r / 20) over 1..80 m, times 40000 points / 79 m
    expected = 40000 / 79 * 20 * (np.exp(-1 / 20) - np.exp(-4))
    assert len(result["points"]) == pytest.approx(expected, rel=0.03)
    assert np.array_equal(result["points"].tensor.numpy(), points[rows_of(result)])


def test_a_scan_never_becomes_empty():
    points = np.full((5, 4), 900, dtype=np.float32)
    result = RandomVisibility(prob=1, visibility_m=(1, 1)).apply(sample(points), np.random.default_rng(0))
    assert len(result["points"]) == 5


def test_chance_and_stream_come_from_the_seed_of_the_run():
    points = np.ones((1000, 4), dtype=np.float32)

    def lengths(seed):
        torch.manual_seed(seed)
        drop = RandomPointDrop(prob=0.5)
        return [len(drop.transform(sample(points))["points"]) for _ in range(60)]

    assert lengths(0) == lengths(0)
    assert lengths(0) != lengths(1)
    assert 15 < sum(length == 1000 for length in lengths(0)) < 45


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: RandomBeams(prob=1.5), "prob"),
        (lambda: RandomBeams(sensor="HDL-64"), "HDL-64E"),
        (lambda: RandomBeams(min_beams=65), "min_beams"),
        (lambda: RandomVisibility(visibility_m=(10, 5)), "visibility_m"),
    ],
)
def test_bad_settings(build, says):
    with pytest.raises(InputError, match=says):
        build()
