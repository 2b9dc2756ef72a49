import numpy as np
import pytest

from corruptions.core import InputError
from corruptions.device.alignment import SPATIAL_MISALIGNMENT, TEMPORAL_LAG, TemporalLag, misalign

LIDAR_TO_EGO = np.array([[0.0, 1, 0, 0.94], [-1, 0, 0, 0], [0, 0, 1, 1.84], [0, 0, 0, 1]])


def error_of(wrong):
    """Angle in degrees and length in metres of the error between the true and a wrong extrinsic."""
    error = np.linalg.inv(LIDAR_TO_EGO) @ wrong
    assert error[:3, :3] @ error[:3, :3].T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(error[:3, :3]) == pytest.approx(1)
    assert error[3].tolist() == [0, 0, 0, 1]
    # trace of a rotation = 1 + 2 cos(angle)
    return np.degrees(np.arccos((np.trace(error[:3, :3]) - 1) / 2)), np.linalg.norm(error[:3, 3])


@pytest.mark.parametrize("level", SPATIAL_MISALIGNMENT)
def test_error_is_rigid_and_of_the_size_of_the_level(level):
    misalignment = SPATIAL_MISALIGNMENT[level]
    before = LIDAR_TO_EGO.copy()
    for seed in range(5):
        angle_deg, length_m = error_of(misalignment.apply(LIDAR_TO_EGO, np.random.default_rng(seed)))
        assert angle_deg == pytest.approx(misalignment.rotation_deg, rel=1e-6)
        assert length_m == pytest.approx(misalignment.translation_m, rel=1e-9)
    assert np.array_equal(LIDAR_TO_EGO, before)


def test_a_known_rotation():
    class Axes:
        """Stands for the generator: rotation about z, shift along x."""

        def standard_normal(self, shape):
            return np.array([[0.0, 0, 2], [3, 0, 0]])

    wrong = misalign(np.eye(4), Axes(), rotation_deg=90, translation_m=0.5)
    # 90 degrees about z take x to y
    assert wrong == pytest.approx(np.array([[0.0, -1, 0, 0.5], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]))


def test_directions_differ_from_sample_to_sample_and_have_no_preference():
    shifts = [misalign(np.eye(4), np.random.default_rng(k), rotation_deg=0, translation_m=1)[:3, 3] for k in range(500)]
    # Uniform on the unit sphere: mean 0 (standard error sqrt(1/3/500) = 0.026), variance 1/3 on each axis
    assert np.mean(shifts, axis=0) == pytest.approx(0, abs=0.1)
    assert np.var(shifts, axis=0) == pytest.approx(1 / 3, abs=0.06)


def test_no_error_is_the_identity():
    assert misalign(LIDAR_TO_EGO, np.random.default_rng(0), rotation_deg=0, translation_m=0) == pytest.approx(
        LIDAR_TO_EGO
    )


def test_levels_grow():
    sizes = [(level.rotation_deg, level.translation_m) for level in SPATIAL_MISALIGNMENT.values()]
    assert sizes == sorted(sizes) and len(set(sizes)) == 3
    frames = [lag.frames for lag in TEMPORAL_LAG.values()]
    assert 0 < frames[0] < frames[1] < frames[2]


@pytest.mark.parametrize(
    ("frame", "first", "expected"), [(20, 0, 14), (6, 0, 0), (3, 0, 0), (12, 10, 10), (17, 10, 11)]
)
def test_lag_stays_within_the_sequence(frame, first, expected):
    assert TemporalLag(6).delayed(frame, first) == expected


@pytest.mark.parametrize(
    ("transform", "bad", "name"),
    [
        (np.eye(3), {"rotation_deg": 1, "translation_m": 0}, "lidar_to_ego"),
        (np.eye(4), {"rotation_deg": -1, "translation_m": 0}, "rotation_deg"),
        (np.eye(4), {"rotation_deg": 1, "translation_m": -0.1}, "translation_m"),
    ],
)
def test_bad_values_are_named(transform, bad, name):
    with pytest.raises(InputError, match=name):
        misalign(transform, np.random.default_rng(0), **bad)
