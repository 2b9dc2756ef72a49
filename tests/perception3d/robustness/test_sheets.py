"""Pictures of example keyframes: kept, read, set above another."""

import cv2
import numpy as np
import pytest

from corruptions.core import InputError
from perception3d.robustness.sheets import Sheet, above_another, read_sheet, sheet_path


def grey(value):
    return Sheet(cv2.imencode(".jpg", np.full((40, 60, 3), value, np.uint8))[1].tobytes())


def test_clean_stands_above_corrupted():
    both = cv2.imdecode(np.frombuffer(above_another(grey(200), grey(50)), np.uint8), cv2.IMREAD_COLOR)
    assert both.shape == (80, 60, 3)
    assert abs(both[:35].mean() - 200) < 2 and abs(both[45:].mean() - 50) < 2


def test_a_broken_picture_is_named(tmp_path):
    path = sheet_path(tmp_path, "multicorrupt", "dark_3")
    path.parent.mkdir(parents=True)
    for content in (b"", grey(90).jpeg[:50], b"no picture"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"multicorrupt/dark_3\.jpg: expected the example keyframe"):
            read_sheet(path)
    path.write_bytes(grey(90).jpeg)
    assert read_sheet(path) == grey(90)
