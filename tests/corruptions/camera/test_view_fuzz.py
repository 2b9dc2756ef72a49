"""Hostile views through every camera corruption: an ``InputError`` or new bytes of the same shape, never else."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corruptions.camera import VIEW_CORRUPTIONS, Views, corrupt_views
from corruptions.core import InputError

# Deterministic: the same examples everywhere, so that a failure is one for everybody.
quick = settings(
    max_examples=25, derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

SIDES = (1, 2, 3, 7, 16, 33)
DEPTHS_M = (1e-42, 1e-30, 1e-3, 0.5, 20.0, 1e5, 1e30, 3e38)  # the first is denormal in float32, the last nearly largest
VALUES = (0, -1, 1e-12, 0.01, 0.5, 1, 2, 3.7, 30, 200, 1e9, 1e300, -5.5, np.float32(0.25), np.int64(3))
NOT_VALUES = (float("nan"), float("inf"), float("-inf"), "1", None, True, (1,), (0, 1), (0.5, 0.5), (-1,), ())


@st.composite
def views(draw: st.DrawFn) -> Views:
    """Tiny views of noise, one colour or black and white, with depths of any size."""
    shape = (draw(st.integers(1, 3)), draw(st.sampled_from(SIDES)), draw(st.sampled_from(SIDES)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    images = draw(
        st.sampled_from(
            [
                rng.integers(0, 256, (*shape, 3)),
                rng.choice([0, 255], (*shape, 3)),
                np.full((*shape, 3), draw(st.sampled_from([0, 1, 128, 255]))),
            ]
        )
    ).astype(np.uint8)
    depths = draw(st.lists(st.sampled_from(DEPTHS_M), max_size=3))
    depth_m = rng.choice(depths, shape).astype(np.float32) if depths else None
    previous = 255 - images if draw(st.booleans()) else None
    return Views(images, draw(st.sampled_from(["rgb", "bgr"])), depth_m=depth_m, previous=previous)


def check(before: Views, out: np.ndarray) -> None:
    assert out.dtype == np.uint8 and out.shape == before.images.shape
    assert not np.shares_memory(out, before.images)


@pytest.mark.parametrize("name", VIEW_CORRUPTIONS)
@quick
@given(before=views(), level=st.sampled_from(["light", "moderate", "heavy"]))
def test_any_views(name: str, before: Views, level: str) -> None:
    kept = before.images.tobytes()
    try:
        with np.errstate(divide="raise", invalid="raise", over="raise"):
            out = corrupt_views(before, name, level, seed=0, sample="a")
    except InputError:
        assert name == "frozen_frame" and before.previous is None
        return
    check(before, out)
    assert before.images.tobytes() == kept


@pytest.mark.parametrize("name", VIEW_CORRUPTIONS)
@quick
@given(before=views(), level=st.sampled_from([None, "light", "heavy"]), data=st.data())
def test_any_physical_value(name: str, before: Views, level: str | None, data: st.DataObject) -> None:
    parameters = list(inspect.signature(VIEW_CORRUPTIONS[name].fn).parameters)[2:]
    values = st.sampled_from([*VALUES, *NOT_VALUES])
    physical = data.draw(st.dictionaries(st.sampled_from(parameters), values, max_size=3))
    try:
        with np.errstate(divide="raise", invalid="raise", over="raise"):
            out = corrupt_views(before, name, level, seed=0, sample="a", **physical)
    except InputError:
        return
    check(before, out)
