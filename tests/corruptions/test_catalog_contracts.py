"""What every corruption of the catalog keeps to: one that enters the catalog is tested here without a new test."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import corruptions
from corruptions import ADDED, KEPT, MOVED, Corrupted, Scan
from corruptions.catalog import CATALOG
from corruptions.core import INTENSITY
from corruptions.export import catalog_suite
from corruptions.suites import SUITES, Setting, Suite

CASES = [(name, level) for name, corruption in CATALOG.items() for level in corruption.levels]
GROUPS = {"adverse weather", "measurement noise", "cross-device", "sensor failure"}
# These draw nothing: the device decides which points are missing.
DETERMINISTIC = {"beam_reduction", "cross_sensor", "field_of_view_loss", "missing_lidar"}

every_case = pytest.mark.parametrize(("name", "level"), CASES, ids=[f"{name}-{level}" for name, level in CASES])


def apply(scan: Scan, name: str, level: str, sample: str = "08/000000") -> Corrupted:
    return corruptions.corrupt(scan, name, level, seed=0, sample=sample)


def same_bytes(one: Corrupted, other: Corrupted) -> bool:
    return all(
        getattr(one, part).tobytes() == getattr(other, part).tobytes() for part in ("points", "source", "status")
    )


def check_consistent(scan: Scan, out: Corrupted) -> None:
    """Everything that ``Corrupted`` promises about points, source and status."""
    assert out.points.dtype == np.float32
    assert out.points.shape[1] == scan.points.shape[1]
    assert np.isfinite(out.points).all()
    intensity = out.points[:, INTENSITY]
    assert intensity.min(initial=0) >= 0
    assert intensity.max(initial=0) <= scan.intensity_max
    assert set(np.unique(out.status)) <= {KEPT, MOVED, ADDED}
    assert ((out.source == -1) == (out.status == ADDED)).all()
    assert out.source.max(initial=-1) < len(scan.points)
    from_input = out.source[out.source >= 0]
    assert len(np.unique(from_input)) == len(from_input), "a point of the input came out twice"
    before = scan.points[from_input]
    after, status = out.points[out.source >= 0], out.status[out.source >= 0]
    same_place = (before[:, :3] == after[:, :3]).all(axis=1)
    assert same_place[status == KEPT].all()
    assert not same_place[status == MOVED].any()
    assert (before[:, INTENSITY + 1 :] == after[:, INTENSITY + 1 :]).all(), "sensor columns belong to the point"


@every_case
def test_output_is_consistent_and_input_untouched(name: str, level: str, street_scan: Scan) -> None:
    before = street_scan.points.tobytes()
    out = apply(street_scan, name, level)
    check_consistent(street_scan, out)
    assert street_scan.points.tobytes() == before
    assert not np.shares_memory(out.points, street_scan.points)


@every_case
def test_real_scan(name: str, level: str, kitti_scan: Scan) -> None:
    check_consistent(kitti_scan, apply(kitti_scan, name, level))


@every_case
def test_five_columns_without_ring_or_labels(name: str, level: str, make_street) -> None:
    full = make_street(columns=5)
    scan = Scan(full.points, full.intensity_max, labels=full.labels)
    check_consistent(scan, apply(scan, name, level))


@every_case
def test_byte_intensities(name: str, level: str, make_street) -> None:
    scan = make_street(intensity_max=255.0)
    out = apply(scan, name, level)
    check_consistent(scan, out)
    unit = apply(make_street(), name, level)
    # Another full scale is another unit of intensity and nothing else; ties may fall either way.
    assert abs(len(out.points) - len(unit.points)) <= 0.001 * len(scan.points)
    difference = np.bincount(out.status, minlength=3) - np.bincount(unit.status, minlength=3)
    assert np.abs(difference).max() <= 0.001 * len(scan.points)


@every_case
def test_same_stream_same_bytes_whatever_came_before(name: str, level: str, street_scan: Scan) -> None:
    first = apply(street_scan, name, level)
    for other in CATALOG:
        apply(street_scan, other, next(iter(CATALOG[other].levels)), sample="00/000001")
    assert same_bytes(first, apply(street_scan, name, level))


@pytest.mark.parametrize("name", CATALOG)
def test_other_sample_other_bytes(name: str, street_scan: Scan) -> None:
    # Of all levels, not each: light fog replaces no point of so small a street, and draws nothing then.
    same = [
        same_bytes(apply(street_scan, name, level), apply(street_scan, name, level, sample="08/000001"))
        for level in CATALOG[name].levels
    ]
    assert all(same) == (name in DETERMINISTIC)


@every_case
@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("with_ring", [True, False])
def test_few_points(name: str, level: str, count: int, with_ring: bool, street_scan: Scan) -> None:
    scan = Scan(
        street_scan.points[:count],
        street_scan.intensity_max,
        ring=street_scan.ring[:count] if with_ring else None,
        num_rings=64 if with_ring else None,
        labels=street_scan.labels[:count],
    )
    check_consistent(scan, apply(scan, name, level))


@every_case
def test_all_intensities_zero(name: str, level: str, street_scan: Scan) -> None:
    points = street_scan.points.copy()
    points[:, INTENSITY] = 0
    scan = Scan(points, 1.0, ring=street_scan.ring, num_rings=64, labels=street_scan.labels)
    check_consistent(scan, apply(scan, name, level))


@every_case
def test_points_at_the_sensor_and_far_away(name: str, level: str, street_scan: Scan) -> None:
    points = street_scan.points.copy()
    points[::7, :3] = 0  # nuScenes stores rays without a return there
    points[1::7, :3] *= 1e4
    scan = Scan(points, 1.0, ring=street_scan.ring, num_rings=64, labels=street_scan.labels)
    check_consistent(scan, apply(scan, name, level))


@every_case
def test_own_label_rule_leaves_something_to_score(name: str, level: str, street_scan: Scan) -> None:
    out = apply(street_scan, name, level)
    left = out.carry(street_scan.labels, fill=0, drop=CATALOG[name].drop)
    # Where points stay in place only they are scored; where all of them moved, all of them.
    expected = (out.status == KEPT) if (out.status == KEPT).any() else (out.status == MOVED)
    assert np.array_equal(left != 0, expected)


@pytest.mark.parametrize(
    ("suite", "setting"), [(s, one) for s in (*SUITES.values(), catalog_suite()) for one in s.settings]
)
def test_suites_follow_the_label_rule_of_the_corruption(suite: Suite, setting: Setting) -> None:
    assert suite.drop_of(setting) == CATALOG[setting.corruption].drop


@pytest.mark.parametrize("name", CATALOG)
def test_entry_is_documented(name: str) -> None:
    corruption = CATALOG[name]
    assert corruption.name == name
    assert corruption.group in GROUPS
    assert corruption.reference
    assert corruption.severity
    assert inspect.getdoc(corruption.fn)
    keywords = list(inspect.signature(corruption.fn).parameters.values())[2:]
    assert all(keyword.kind is keyword.KEYWORD_ONLY for keyword in keywords)


def harm(scan: Scan, out: Corrupted) -> tuple[float, float, float]:
    """Points lost, moved or added; intensity lost; root mean square shift of the points in metres."""
    known = out.source >= 0
    before, after = scan.points[out.source[known]], out.points[known]
    untouched = np.count_nonzero(out.status == KEPT)
    shift_m = np.linalg.norm(after[:, :3].astype(np.float64) - before[:, :3], axis=1)
    energy = scan.points[:, INTENSITY].sum(dtype=np.float64) - after[:, INTENSITY].sum(dtype=np.float64)
    changed = len(scan.points) - untouched + np.count_nonzero(~known)
    return changed, energy, float(np.sqrt(np.square(shift_m).mean())) if len(shift_m) else 0.0


@pytest.mark.parametrize("name", [name for name, corruption in CATALOG.items() if len(corruption.levels) > 1])
def test_levels_grow(name: str, street_scan: Scan) -> None:
    """One of the three grows at every level; which one is for the corruption's own tests to say."""
    measured = np.array([harm(street_scan, apply(street_scan, name, level)) for level in CATALOG[name].levels])
    steps = np.diff(measured, axis=0)
    # sparse_32beam and dense_16beam leave the same number of points: a quarter
    grows = steps >= 0 if name == "beam_reduction" else steps > 0
    assert (grows.all(axis=0) & (measured[-1] > measured[0])).any(), measured


def test_physical_values_replace_those_of_the_level(street_scan: Scan) -> None:
    given = {"share": 0.2, "sigma_m": 0.3}
    by_value = corruptions.corrupt(street_scan, "local_distortion", seed=0, sample="a", **given)
    over_level = corruptions.corrupt(street_scan, "local_distortion", "light", seed=0, sample="a", sigma_m=0.3)
    for out in (by_value, over_level):
        shift = (out.points - street_scan.points)[out.status == MOVED, :3]
        # 2560 points x 3 axes: the standard error of a standard deviation is sigma / sqrt(2 * 7680) = 0.8 %
        assert np.std(shift) == pytest.approx(0.3, rel=0.03)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"name": "fogg", "level": "light"}, "unknown corruption 'fogg': did you mean fog"),
        ({"name": "local_distortion", "level": "hevy"}, "unknown level 'hevy' of local_distortion: did you mean heavy"),
        ({"name": "local_distortion"}, "give a level (light, moderate, heavy) or a physical value"),
        ({"name": "local_distortion", "sigma": 1.0, "share": 0.2}, "unknown parameter 'sigma' of local_distortion"),
        ({"name": "local_distortion", "sigma_m": 1.0}, "share not given"),
        ({"name": "local_distortion", "level": "light", "share": 1.2}, "share: expected a number in [0, 1], found 1.2"),
        (
            {"name": "local_distortion", "level": "light", "sigma_m": -1},
            "sigma_m: expected a number in [0, 1000], found -1",
        ),
        ({"name": "local_distortion", "level": "light", "sigma_m": float("nan")}, "found nan"),
        ({"name": "global_outliers", "share": -0.1}, "share: expected a number in [0, 100], found -0.1"),
        ({"name": "beam_reduction", "beams": 65}, "beams: the scan has 64 lasers, found 65"),
        ({"name": "beam_reduction", "beams": 0}, "beams: expected a whole number of at least 1, found 0"),
        ({"name": "beam_reduction", "beams": 16.5}, "beams: expected a whole number of at least 1, found 16.5"),
        ({"name": "global_outliers", "share": float("inf")}, "share: expected a number in [0, 100], found inf"),
        ({"name": "global_outliers", "share": "0.1"}, "share: expected a number in [0, 100], found '0.1'"),
        ({"name": "beam_reduction", "beams": 4, "stride": 0}, "stride: expected a whole number of at least 1"),
    ],
)
def test_bad_requests(call: dict, message: str, street_scan: Scan) -> None:
    with pytest.raises(corruptions.InputError) as error:
        corruptions.corrupt(street_scan, seed=0, sample="a", **call)
    assert message in str(error.value)
