"""Hostile scans through every LiDAR corruption: an ``InputError`` or a result that keeps every promise, never else."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from test_catalog_contracts import check_consistent

import corruptions
from corruptions import InputError, Scan
from corruptions.catalog import CATALOG
from corruptions.core import INTENSITY
from corruptions.sensors import SENSORS

# Deterministic: the same examples everywhere, so that a failure is one for everybody.
quick = settings(
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

EXTENTS_M = (0.0, 1e-42, 1e-30, 1e-3, 5.0, 60.0, 1e4, 1e6)  # the second is denormal in float32
COUNTS = (0, 1, 2, 3, 5, 17, 100, 400, 3000)  # the last is enough to fit a ground plane and ring elevations
SEMANTICKITTI_IDS = (0, 1, 10, 18, 30, 40, 48, 49, 50, 70, 72, 99, 252, 259)


@st.composite
def scans(draw: st.DrawFn) -> Scan:
    """Scans as no sensor makes them, but that every check of ``Scan`` lets pass."""
    count, columns = draw(st.sampled_from(COUNTS)), draw(st.integers(4, 6))
    intensity_max = draw(st.sampled_from([1.0, 255.0]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    points = np.zeros((count, columns), np.float32)
    shape = draw(st.sampled_from(["cloud", "road", "line", "shells"]))
    extent_m = draw(st.sampled_from(EXTENTS_M))
    unit = rng.uniform(-1, 1, (count, 3))
    if shape == "road":
        unit[:, 2] = -min(1.73 / max(extent_m, 1e-30), 1.0)
    elif shape == "line":
        unit[:, 1:] = 0
    elif shape == "shells":  # near and far together
        unit *= rng.choice([1e-6, 1e-3, 1.0], (count, 1))
    points[:, :3] = unit * extent_m
    if draw(st.booleans()):
        points[:: draw(st.integers(1, 3)), :3] = 0  # rays without a return, as nuScenes stores them
    points[:, INTENSITY] = intensity_max * draw(_intensities(rng, count))
    points[:, INTENSITY + 1 :] = rng.uniform(-1e6, 1e6, (count, columns - 4))
    if draw(st.booleans()):
        points[:] = points[rng.integers(count, size=count)] if count else points  # duplicates, 40 % of WADS
    if intensity_max > 1 and 0 < points[:, INTENSITY].max(initial=0) <= 1:
        points[0, INTENSITY] = 2.0  # such a sweep would be refused: it is on the other scale
    return draw(_annotated(points, intensity_max, rng))


def _intensities(rng: np.random.Generator, count: int) -> st.SearchStrategy[np.ndarray]:
    """(count,) share of full scale."""
    return st.sampled_from(
        [
            np.zeros(count),
            np.ones(count),
            np.full(count, 0.5),
            rng.random(count),
            rng.integers(0, 256, count) / 255,
            np.where(rng.random(count) < 0.5, 1.0, 0.0),
            np.full(count, 1e-38),
        ]
    )


def _annotated(points: np.ndarray, intensity_max: float, rng: np.random.Generator) -> st.SearchStrategy[Scan]:
    sensor = st.sampled_from(sorted(SENSORS))
    labels = st.sampled_from([None, np.uint16, np.int64])

    def scan(name: str, ring_kind: str | None, label_type: type | None) -> Scan:
        rings = SENSORS[name].num_rings
        ring = None if ring_kind is None else rng.integers(0, 1 if ring_kind == "one" else rings, len(points))
        return Scan(
            points,
            intensity_max,
            ring=ring,
            num_rings=None if ring_kind is None else rings,
            labels=None if label_type is None else rng.choice(SEMANTICKITTI_IDS, len(points)).astype(label_type),
            sensor=name,
        )

    return st.builds(scan, sensor, st.sampled_from([None, "one", "all"]), labels)


@settings(quick, max_examples=200)
@given(
    points=arrays(
        np.float32, array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=6), elements=st.floats(width=32)
    ),
    intensity_max=st.sampled_from([1.0, 255.0]),
)
def test_any_array_is_a_sound_scan_or_refused(points: np.ndarray, intensity_max: float) -> None:
    xyz, intensity = points[:, :3], points[:, 3:4]
    sound = (
        points.shape[1] >= 4
        and np.isfinite(points).all()
        and np.abs(xyz).max(initial=0) <= 1e6
        and intensity.min(initial=0) >= 0
        and intensity.max(initial=0) <= 1.001 * intensity_max
        and not (intensity_max == 255 and 0 < intensity.max(initial=0) <= 1)
    )
    if sound:
        assert np.isfinite(Scan(points, intensity_max).range_m).all()
    else:
        with pytest.raises(InputError):
            Scan(points, intensity_max)


@quick
@given(scan=scans().filter(lambda scan: len(scan.points)), data=st.data())
def test_one_bad_number_is_found(scan: Scan, data: st.DataObject) -> None:
    points = scan.points.copy()
    row, column = (data.draw(st.integers(0, size - 1)) for size in points.shape)
    points[row, column] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    with pytest.raises(InputError, match=f"found 1 of {len(points)} points with NaN or inf, first at row {row}:"):
        Scan(points, scan.intensity_max)


@pytest.mark.parametrize("name", CATALOG)
@quick
@given(data=st.data())
def test_any_scan(name: str, data: st.DataObject) -> None:
    scan = data.draw(scans())
    level = data.draw(st.sampled_from(sorted(CATALOG[name].levels)))
    before = scan.points.tobytes()
    try:
        with np.errstate(divide="raise", invalid="raise", over="raise"):
            out = corruptions.corrupt(scan, name, level, seed=0, sample="a")
    except InputError as error:
        assert is_a_reason(name, level, scan), error
        return
    check_consistent(scan, out)
    assert scan.points.tobytes() == before


VALUES = (0, -1, 1e-12, 0.01, 0.5, 1, 2, 1.6, 30, 200, 1e9, 1e300, -0.0, np.float32(0.25), np.int64(3))
NOT_VALUES = (float("nan"), float("inf"), float("-inf"), "1", None, True, (1,))


@pytest.mark.parametrize("name", CATALOG)
@quick
@given(data=st.data())
def test_any_physical_value(name: str, data: st.DataObject) -> None:
    parameters = list(inspect.signature(CATALOG[name].fn).parameters)[2:]
    level = data.draw(st.sampled_from([None, *CATALOG[name].levels]))
    values = st.sampled_from([*VALUES, *NOT_VALUES])
    physical = data.draw(st.dictionaries(st.sampled_from(parameters), values, max_size=3)) if parameters else {}
    scan = data.draw(scans())
    try:
        with np.errstate(divide="raise", invalid="raise", over="raise"):
            out = corruptions.corrupt(scan, name, level, seed=0, sample="a", **physical)
    except InputError:
        return
    check_consistent(scan, out)


def is_a_reason(name: str, level: str, scan: Scan) -> bool:
    """Whether a valid scan may be refused: labels are missing, or the sensor has fewer lasers than the level keeps."""
    if name == "incomplete_echo":
        return scan.labels is None
    lasers = SENSORS[scan.sensor].num_rings
    return name == "beam_reduction" and CATALOG[name].levels[level]["beams"] > lasers
