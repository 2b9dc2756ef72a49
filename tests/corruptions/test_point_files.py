from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from corruptions import InputError
from corruptions.files import read_labels, read_points

POINTS = np.arange(12, dtype=np.float32).reshape(3, 4)


def test_round_trip(tmp_path: Path) -> None:
    POINTS.tofile(tmp_path / "a.bin")
    assert (read_points(tmp_path / "a.bin", columns=4) == POINTS).all()
    np.array([10, 40, 1 << 16], dtype=np.uint32).tofile(tmp_path / "a.label")
    assert read_labels(tmp_path / "a.label", 3).tolist() == [10, 40, 65536]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "expected a file, found none; check the data root"),
        (b"", "expected at least one point, found an empty scan"),
        (POINTS.tobytes()[:-3], "expected whole points of 4 float32 (16 bytes), found 45 bytes, 13 too many"),
        (np.full((1, 4), np.nan, np.float32).tobytes(), "found 1 of 1 points with NaN or inf, first at row 0"),
    ],
)
def test_bad_point_files(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_points(path, columns=4)
    assert str(path) in str(error.value)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "expected a file, found none"),
        (b"\0" * 8, "expected 3 labels, one per point (12 bytes), found 2 (8 bytes)"),
        (b"\0" * 13, "found 3.25 (13 bytes)"),
    ],
)
def test_bad_label_files(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.label"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_labels(path, 3)
    assert str(path) in str(error.value)
    assert message in str(error.value)
