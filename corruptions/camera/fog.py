"""Fog: light of the scene is lost exponentially and replaced by airlight (Koschmieder 1924)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from corruptions.camera.light import ambient_light, relight
from corruptions.camera.views import ViewCorruption, Views, check_range
from corruptions.core import InputError

CONTRAST_THRESHOLD = 0.05  # WMO No. 8 (CIMO guide), part I, chapter 9: visibility is where contrast falls to 5 %


def extinction_per_m(visibility_m: float) -> float:
    """Extinction coefficient of a meteorological optical range: ``-ln(0.05) / visibility_m``, about 3 / visibility."""
    return float(-np.log(CONTRAST_THRESHOLD) / visibility_m)


def transmission(views: Views, index: int, alpha_per_m: float, assumed_depth_m: float) -> NDArray[np.float32]:
    """(H, W) share of light that crosses the medium, ``exp(-alpha * depth)``; uniform where no depth is known."""
    if views.depth_m is None:
        return np.full(views.images.shape[1:3], np.exp(-alpha_per_m * assumed_depth_m), np.float32)
    return np.exp(np.float32(-alpha_per_m) * views.depth_m[index])


def fog(
    views: Views,
    rng: np.random.Generator,
    *,
    visibility_m: float | None = None,
    alpha_per_m: float | None = None,
    airlight: float | None = None,
    assumed_depth_m: float = 20.0,
) -> NDArray[np.uint8]:
    """Homogeneous fog: ``light * t + airlight * (1 - t)``, ``t = exp(-alpha * depth)``, in linear light.

    Args:
        views: images in RGB; with ``depth_m`` the fog follows the scene, without it is a uniform veil.
        rng: not used; nothing here is random.
        visibility_m: meteorological optical range, which sets alpha; or give
        alpha_per_m: extinction coefficient itself. Exactly one of the two.
        airlight: linear light of fog of infinite depth, 1 is full scale; None takes it from the images
            (``light.ambient_light``), one value for all views, so that fog at night is dark.
        assumed_depth_m: distance of everything where ``depth_m`` is None.

    Returns:
        uint8 (V, H, W, 3).
    """
    alpha = _extinction(visibility_m, alpha_per_m)
    check_range("assumed_depth_m", assumed_depth_m, 0.0, 1e6)
    if airlight is None:
        airlight = ambient_light(views.images)
    check_range("airlight", airlight, 0.0, 1.0)
    out = np.empty_like(views.images)
    for index, view in enumerate(views.images):
        through = transmission(views, index, alpha, assumed_depth_m)
        out[index] = relight(view, through, np.float32(airlight) * (1 - through))
    return out


def _extinction(visibility_m: float | None, alpha_per_m: float | None) -> float:
    if alpha_per_m is None and visibility_m is not None:
        check_range("visibility_m", visibility_m, 0.1, 1e6)
        return extinction_per_m(visibility_m)
    if visibility_m is None and alpha_per_m is not None:
        check_range("alpha_per_m", alpha_per_m, 0.0, 100.0)
        return alpha_per_m
    raise InputError("fog: expected exactly one of visibility_m and alpha_per_m (a level gives visibility_m)")


FOG = ViewCorruption(
    name="fog",
    reference="Koschmieder 1924; meteorological optical range of WMO No. 8",
    levels={
        "light": {"visibility_m": 300.0},
        "moderate": {"visibility_m": 100.0},
        "heavy": {"visibility_m": 40.0},
    },
    fn=fog,
    severity="mean absolute change; extinction",
    parameter_docs={
        "visibility_m": "meteorological optical range in metres",
        "alpha_per_m": "extinction coefficient in 1/m, instead of visibility_m",
        "airlight": "linear light of endless fog, 0..1; None: from the images",
        "assumed_depth_m": "distance of the scene in metres where no depth is given",
    },
)
