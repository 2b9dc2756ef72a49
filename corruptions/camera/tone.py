"""What an image pipeline does to values and files: contrast, colour quantisation, JPEG."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from corruptions.camera.light import LUMA
from corruptions.camera.views import ViewCorruption, Views, check_range
from corruptions.core import check_within


def contrast(views: Views, rng: np.random.Generator, *, factor: float) -> NDArray[np.uint8]:
    """Pull all values towards the mean luma of their view: ``mean + factor * (value - mean)``, on encoded values.

    Args:
        views: images in RGB.
        rng: not used; nothing here is random.
        factor: remaining contrast, 1 changes nothing, 0 leaves a uniform grey.

    Returns:
        uint8 (V, H, W, 3).
    """
    check_range("factor", factor, 0.0, 1.0)
    codes = np.arange(256)
    out = np.empty_like(views.images)
    for view, flat in zip(views.images, out, strict=True):
        mean = float(np.dot(cv2.mean(view)[:3], LUMA))
        cv2.LUT(view, np.rint(mean + factor * (codes - mean)).astype(np.uint8), dst=flat)
    return out


def colour_quantisation(views: Views, rng: np.random.Generator, *, bits_per_channel: int) -> NDArray[np.uint8]:
    """Keep ``2**bits_per_channel`` evenly spaced values per channel, black and white among them.

    Args:
        views: images in RGB.
        rng: not used; nothing here is random.
        bits_per_channel: 1 to 8; 8 changes nothing.

    Returns:
        uint8 (V, H, W, 3).
    """
    check_within("bits_per_channel", bits_per_channel, 1, 8, whole=True)
    steps = 2 ** int(bits_per_channel) - 1
    return np.rint(np.rint(np.arange(256) * (steps / 255.0)) * (255.0 / steps)).astype(np.uint8)[views.images]


def jpeg(views: Views, rng: np.random.Generator, *, quality: int) -> NDArray[np.uint8]:
    """Write every view as a baseline JPEG with 4:2:0 chroma and read it back.

    Args:
        views: images in RGB.
        rng: not used; nothing here is random.
        quality: 1 to 100 on the scale of the Independent JPEG Group (libjpeg).

    Returns:
        uint8 (V, H, W, 3).
    """
    check_within("quality", quality, 1, 100, whole=True)
    settings = [
        cv2.IMWRITE_JPEG_QUALITY,
        int(quality),
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    ]
    out = np.empty_like(views.images)
    for view, decoded in zip(views.images, out, strict=True):
        _, coded = cv2.imencode(".jpg", cv2.cvtColor(view, cv2.COLOR_RGB2BGR), settings)
        decoded[:] = cv2.cvtColor(cv2.imdecode(coded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    return out


CONTRAST = ViewCorruption(
    name="contrast",
    reference="linear tone curve about the mean luma (Rec. 709 weights)",
    levels={"light": {"factor": 0.5}, "moderate": {"factor": 0.3}, "heavy": {"factor": 0.15}},
    fn=contrast,
    severity="mean absolute change; 1 - factor",
    parameter_docs={"factor": "remaining contrast, 0..1"},
)

COLOUR_QUANTISATION = ViewCorruption(
    name="colour_quantisation",
    reference="uniform quantisation, rounding to the nearest level",
    levels={
        "light": {"bits_per_channel": 4},
        "moderate": {"bits_per_channel": 3},
        "heavy": {"bits_per_channel": 2},
    },
    fn=colour_quantisation,
    severity="mean absolute change; bits removed",
    parameter_docs={"bits_per_channel": "bits kept per channel, 1..8"},
)

JPEG = ViewCorruption(
    name="jpeg",
    reference="ITU-T T.81 baseline by opencv's libjpeg, 4:2:0",
    levels={"light": {"quality": 25}, "moderate": {"quality": 12}, "heavy": {"quality": 5}},
    fn=jpeg,
    severity="mean absolute change; 100 - quality",
    parameter_docs={"quality": "JPEG quality, 1..100"},
)
