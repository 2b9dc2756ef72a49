"""Example keyframes of detectors: cameras and sweep as the model was given them, with what it found, as one picture."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError
from perception3d.visualization.packed import frame_of
from perception3d.visualization.sheet import frame_sheet

SCORE_SHOWN = 0.2
"""Detections below are not drawn."""
HALF_EXTENT_M = 50.0
WIDTH_PX = 1600
JPEG_QUALITY = 85


@dataclass(frozen=True)
class Sheet:
    """One keyframe of a setting.

    Attributes:
        jpeg: the picture.
    """

    jpeg: bytes


def sheet_path(work_dir: Path, suite: str, folder: str) -> Path:
    """Where the example keyframe of a setting lies."""
    return work_dir / "examples" / suite / f"{folder}.jpg"


def draw_sheet(packed: Mapping[str, Any], metainfo: Mapping[str, Any], title: str) -> Sheet:
    """Draw a keyframe.

    Args:
        packed: ``inputs`` and ``data_samples`` of one sample, see :func:`perception3d.visualization.packed.frame_of`.
        metainfo: of the dataset.
        title: stands above, before the name of the keyframe.
    """
    frame = frame_of(packed, metainfo, SCORE_SHOWN)
    figure = frame_sheet(dataclasses.replace(frame, title=f"{title}   {frame.title}"), HALF_EXTENT_M)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    image = _decoded(np.frombuffer(buffer.getvalue(), np.uint8))
    size = (WIDTH_PX, round(image.shape[0] * WIDTH_PX / image.shape[1]))
    return Sheet(_encoded(cv2.resize(image, size, interpolation=cv2.INTER_AREA)))


def read_sheet(path: Path) -> Sheet:
    """Read a picture of a sweep.

    Raises:
        InputError: for a file that holds none.
    """
    content = path.read_bytes()
    _pixels(content, path)
    return Sheet(content)


def above_another(first: Sheet, second: Sheet) -> bytes:
    """Two pictures as one JPEG."""
    upper, lower = (_pixels(sheet.jpeg, Path("example")) for sheet in (first, second))
    return _encoded(cv2.vconcat([upper, lower]))


def _pixels(content: bytes, path: Path) -> NDArray[np.uint8]:
    image = _decoded(np.frombuffer(content, np.uint8)) if content else None
    if image is None:
        raise InputError(
            f"{path}: expected the example keyframe of a sweep, found a file that is no picture; delete it together "
            "with its row and run the sweep again"
        )
    return image


def _decoded(content: NDArray[np.uint8]) -> Any:
    return cv2.imdecode(content, cv2.IMREAD_COLOR)


def _encoded(image: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
