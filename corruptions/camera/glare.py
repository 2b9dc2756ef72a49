"""Sun glare: the sun in or near the picture, scattered and reflected by the lens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from corruptions.camera.light import relight
from corruptions.camera.views import ViewCorruption, Views, check_range, check_view_numbers, focal_px
from corruptions.core import InputError

SUN_RADIUS_DEG = 0.265
SUN_COLOUR = (1.0, 0.95, 0.86)  # low sun, about 4500 K on white balance for daylight
_STAR_POINTS = 6  # a six-bladed aperture diffracts into six rays
_STAR_SQUARINGS = 7  # rays as sharp as cos**256
_STAR_GAIN = 2.0
# Ghosts between lens surfaces: place on the axis sun - centre (0 sun, 1 centre, 2 mirrored), radius over image width,
# light over that of the veil at 10 degrees.
_GHOSTS = ((0.55, 0.012, 0.2), (1.3, 0.022, 0.12), (1.65, 0.05, 0.08), (2.1, 0.035, 0.12))


def veil(squared_deg2: NDArray[np.float32], veil_at_10_deg: float) -> NDArray[np.float32]:
    """Scattered light at an angle from the sun: ``veil_at_10_deg * (10 deg / angle)**2`` (Stiles and Holladay).

    Args:
        squared_deg2: squared angle from the sun in degrees.
        veil_at_10_deg: light at 10 degrees.

    Returns:
        float32, constant inside the sun's disc.
    """
    return np.float32(100.0 * veil_at_10_deg) / np.maximum(squared_deg2, np.float32(SUN_RADIUS_DEG**2))


def glare_light(
    shape: tuple[int, int], sun_px: tuple[float, float], focal: float, veil_at_10_deg: float
) -> NDArray[np.float32]:
    """Light that the lens adds: veil, star and ghosts.

    Args:
        shape: rows and columns of the view.
        sun_px: position of the sun, column and row.
        focal: focal length in pixels.
        veil_at_10_deg: veil 10 degrees from the sun, 1 is full scale.

    Returns:
        float32 (H, W).
    """
    height, width = shape
    deg_per_px = np.float32(np.rad2deg(1.0 / focal))
    y, x = np.ogrid[:height, :width]
    dx, dy = (x - np.float32(sun_px[0])).astype(np.float32), (y - np.float32(sun_px[1])).astype(np.float32)
    squared = dx * dx + dy * dy
    light = veil(squared * deg_per_px**2, veil_at_10_deg)
    light *= 1 + np.float32(_STAR_GAIN) * _star(dx, dy, squared)
    for place, radius, gain in _GHOSTS:
        ghost_x = sun_px[0] + place * (width / 2.0 - sun_px[0])
        ghost_y = sun_px[1] + place * (height / 2.0 - sun_px[1])
        _add_disc(light, ghost_x, ghost_y, radius * width, gain * veil_at_10_deg)
    return light


def sun_glare(
    views: Views,
    rng: np.random.Generator,
    *,
    veil_at_10_deg: float,
    sun_position: tuple[float, float] | None = None,
    sun_views: Sequence[int] | None = None,
    horizontal_fov_deg: float = 65.0,
) -> NDArray[np.uint8]:
    """Let the sun shine into the camera: a saturated disc, a veil that fades with angle, rays and ghosts.

    Args:
        views: images in RGB.
        rng: random generator.
        veil_at_10_deg: light scattered by the lens 10 degrees from the sun, 1 is full scale; dirty glass scatters more.
        sun_position: column and row as shares of width and height; may lie outside the picture. None draws it in the
            upper third.
        sun_views: the views that look into the sun; None draws one, since there is one sun.
        horizontal_fov_deg: full horizontal field of view.

    Returns:
        uint8 (V, H, W, 3).
    """
    check_range("veil_at_10_deg", veil_at_10_deg, 0.0, 10.0)
    focal = focal_px(views.images.shape[2], horizontal_fov_deg)
    if sun_position is None:
        sun_position = (rng.uniform(0.15, 0.85), rng.uniform(0.05, 0.35))
    if np.shape(sun_position) != (2,):
        raise InputError(f"sun_position: expected two shares of width and height, found {sun_position!r}")
    for share in sun_position:
        check_range("sun_position", share, -100.0, 100.0)
    hit = (
        rng.integers(len(views), size=1)
        if sun_views is None
        else check_view_numbers("sun_views", sun_views, len(views))
    )
    height, width = views.images.shape[1:3]
    sun_px = (sun_position[0] * width, sun_position[1] * height)
    added = glare_light((height, width), sun_px, focal, veil_at_10_deg)
    out = views.images.copy()
    for index in hit:
        out[index] = relight(views.images[index], np.ones_like(added), added, SUN_COLOUR)
    return out


def _star(dx: NDArray[np.float32], dy: NDArray[np.float32], squared: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rays: a high power of cos of the angle around the sun, without computing the angle.

    ``cos(3 phi) = (dx**3 - 3 dx dy**2) / r**3``; its even powers have six peaks.
    """
    cube = dx * (dx * dx - 3 * dy * dy)
    power = cube * cube / np.maximum(squared * squared * squared, np.float32(1e-6))
    np.maximum(power, np.float32(0.6), out=power)  # 0.6**128 is nothing, but no denormal number, which would be slow
    for _ in range(_STAR_SQUARINGS):
        power *= power
    return power


def _add_disc(light: NDArray[np.float32], x: float, y: float, radius: float, value: float) -> None:
    height, width = light.shape
    top, bottom = max(0, int(y - radius - 1)), min(height, int(y + radius + 2))
    left, right = max(0, int(x - radius - 1)), min(width, int(x + radius + 2))
    if top >= bottom or left >= right:
        return
    rows, columns = np.ogrid[top:bottom, left:right]
    distance = np.hypot(columns - x, rows - y)
    light[top:bottom, left:right] += (value * np.clip(radius + 0.5 - distance, 0.0, 1.0)).astype(np.float32)


SUN_GLARE = ViewCorruption(
    name="sun_glare",
    reference="Stiles-Holladay veiling glare, L = k / angle^2 (Vos 1984; CIE 146); star and ghosts are ours",
    levels={
        "light": {"veil_at_10_deg": 0.05},
        "moderate": {"veil_at_10_deg": 0.12},
        "heavy": {"veil_at_10_deg": 0.3},
    },
    fn=sun_glare,
    severity="mean absolute change; veil_at_10_deg",
    parameter_docs={
        "veil_at_10_deg": "scattered light 10 degrees from the sun, 1 is full scale",
        "sun_position": "column and row of the sun as shares of width and height; None: drawn in the upper third",
        "sun_views": "indices of the views that see the sun; None: one, drawn",
        "horizontal_fov_deg": "full horizontal field of view in degrees",
    },
)
