from __future__ import annotations

import numpy as np
import pytest

from corruptions import ADDED, KEPT, MOVED, Corrupted, InputError, Scan
from corruptions.core import append, level_text, replace, select, unknown

POINTS = np.array([[1, 2, 2, 0.5], [3, 0, 4, 0.25], [0, 0, 1, 0]], dtype=np.float32)


def with_value(row: int, column: int, value: float) -> np.ndarray:
    points = POINTS.copy()
    points[row, column] = value
    return points


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"points": POINTS.tolist()}, "points: expected float32 (N, C >= 4) with x, y, z, intensity first, found list"),
        ({"points": POINTS.astype(np.float64)}, "found float64 (3, 4)"),
        ({"points": POINTS[:, :3]}, "found float32 (3, 3)"),
        ({"points": POINTS.ravel()}, "found float32 (12,)"),
        ({"points": with_value(1, 0, np.nan)}, "found 1 of 3 points with NaN or inf, first at row 1"),
        ({"points": with_value(2, 3, np.inf)}, "first at row 2"),
        ({"points": with_value(1, 2, -3e18)}, "points: expected x, y, z in metres from the sensor, found -3e+18"),
        ({"points": with_value(1, 1, 5.4e6)}, "found 5.4e+06; is the number of columns right"),
        ({"points": with_value(0, 3, 254.4)}, "intensity reaches 254.4 but intensity_max is 1: SemanticKITTI is 0..1"),
        ({"points": with_value(0, 3, -0.1)}, "intensity: expected values in [0, 1], found -0.1"),
        ({"points": POINTS, "intensity_max": 255.0}, "intensity reaches only 0.5 but intensity_max is 255"),
        ({"points": POINTS, "ring": np.zeros(2, int)}, "ring: expected one integer per point (3), found int64 (2,)"),
        ({"points": POINTS, "labels": np.zeros(3)}, "labels: expected one integer per point (3), found float64 (3,)"),
        ({"points": POINTS, "ring": np.array([0, 1, 64]), "num_rings": 64}, "indices in 0..63, found 0..64"),
    ],
)
def test_bad_scans(fields: dict, message: str) -> None:
    with pytest.raises(InputError) as error:
        Scan(**{"intensity_max": 1.0, **fields})
    assert message in str(error.value)


def test_scan_properties() -> None:
    scan = Scan(POINTS, 1.0, ring=np.array([4, 0, 2]))
    assert scan.range_m.tolist() == [3.0, 5.0, 1.0]
    assert scan.ring_count == 5
    assert Scan(POINTS, 1.0, ring=np.array([4, 0, 2]), num_rings=64).ring_count == 64
    with pytest.raises(InputError, match="pass `ring`, or estimate it"):
        _ = Scan(POINTS, 1.0).ring_count


def test_builders_and_the_label_rule() -> None:
    scan = Scan(POINTS, 1.0)
    labels = np.array([10, 40, 50], dtype=np.uint16)

    kept = select(scan, np.array([True, False, True]))
    assert kept.source.tolist() == [0, 2]
    assert kept.status.tolist() == [KEPT, KEPT]
    assert kept.carry(labels, fill=0).tolist() == [10, 50]

    moved = replace(scan, POINTS + 1, np.array([False, True, False]))
    assert moved.status.tolist() == [KEPT, MOVED, KEPT]
    assert moved.carry(labels, fill=0).tolist() == [10, 0, 50]
    assert moved.carry(labels, fill=0, drop=(ADDED,)).tolist() == [10, 40, 50]

    added = append(scan, POINTS[:1])
    assert added.source.tolist() == [0, 1, 2, -1]
    # An added point has no label to keep, whatever the rule.
    assert added.carry(labels, fill=7, drop=()).tolist() == [10, 40, 50, 7]
    assert added.carry(labels, fill=7).dtype == np.uint16
    assert added.carry(POINTS, fill=0).tolist() == [*POINTS.tolist(), [0, 0, 0, 0]]


def test_corrupted_checks_itself() -> None:
    with pytest.raises(TypeError, match="expected float32 points, int64 source, uint8 status"):
        Corrupted(POINTS, np.zeros(3, np.int32), np.zeros(3, np.uint8))
    with pytest.raises(ValueError, match="3 points"):
        Corrupted(POINTS, np.zeros(2, np.int64), np.zeros(3, np.uint8))


def test_level_text_is_the_value_and_not_its_type() -> None:
    assert level_text("heavy", {}) == "heavy"
    assert level_text(None, {"b": 2, "a": "gunn"}) == "a=gunn b=2.0"
    assert level_text("light", {"share": np.float64(0.1)}) == level_text("light", {"share": 0.1}) == "light share=0.1"
    assert level_text(None, {"beams": 16}) == level_text(None, {"beams": np.int64(16)})


def test_unknown_names_near_matches_first() -> None:
    message = unknown("level", "hevy", ["light", "heavy"], of="fog")
    assert message == "unknown level 'hevy' of fog: did you mean heavy? known: light, heavy"
    assert unknown("level", "zzz", ["light"]) == "unknown level 'zzz': known: light"
