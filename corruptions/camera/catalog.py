"""Every camera corruption by name, in evaluation order."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corruptions.camera.blur import DEFOCUS_BLUR, MOTION_BLUR, ZOOM_BLUR
from corruptions.camera.exposure import BRIGHTNESS, DARKNESS
from corruptions.camera.failure import CAMERA_CRASH, FROZEN_FRAME
from corruptions.camera.fog import FOG
from corruptions.camera.glare import SUN_GLARE
from corruptions.camera.glass import GLASS_BLUR
from corruptions.camera.noise import GAUSSIAN_NOISE, IMPULSE_NOISE, SHOT_NOISE
from corruptions.camera.rain import RAIN
from corruptions.camera.snow import SNOW
from corruptions.camera.tone import COLOUR_QUANTISATION, CONTRAST, JPEG
from corruptions.camera.views import ViewCorruption, Views
from corruptions.core import InputError, level_text, unknown
from corruptions.rng import generator

VIEW_CORRUPTIONS = MappingProxyType(
    {
        corruption.name: corruption
        for corruption in (
            BRIGHTNESS,
            DARKNESS,
            FOG,
            SNOW,
            RAIN,
            SUN_GLARE,
            MOTION_BLUR,
            DEFOCUS_BLUR,
            GLASS_BLUR,
            ZOOM_BLUR,
            GAUSSIAN_NOISE,
            SHOT_NOISE,
            IMPULSE_NOISE,
            JPEG,
            CONTRAST,
            COLOUR_QUANTISATION,
            CAMERA_CRASH,
            FROZEN_FRAME,
        )
    }
)


def get(name: str) -> ViewCorruption:
    """The camera corruption of that name; an unknown name is an :class:`InputError` with near matches."""
    if name not in VIEW_CORRUPTIONS:
        raise InputError(unknown("camera corruption", name, VIEW_CORRUPTIONS))
    return VIEW_CORRUPTIONS[name]


def corrupt_views(
    views: Views, name: str, level: str | None = None, *, seed: int, sample: str, **physical: Any
) -> NDArray[np.uint8]:
    """Corrupt the camera views of one sample.

    Args:
        views: the images; never written.
        name: name in ``VIEW_CORRUPTIONS``.
        level: "light", "moderate" or "heavy", or None where physical values say it all.
        seed: base seed of the whole sweep.
        sample: id of the sample; the same (seed, name, level, sample) gives the same bytes in any order and process.
        **physical: parameters of the corruption, e.g. ``visibility_m=80``; they replace those of the level.

    Returns:
        New uint8 (V, H, W, 3) in the channel order of ``views``.

    Raises:
        InputError: for an unknown name, level or parameter, or a value out of range.
    """
    corruption = get(name)
    # LiDAR corruptions share some names; the prefix keeps their draws apart from ours
    rng = generator(seed, f"camera/{name}", level_text(level, physical), sample)
    return corruption(views, rng, level, **physical)
