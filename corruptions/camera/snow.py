"""Snowfall: white flakes before a veil of unresolved ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from corruptions.camera.particles import Camera, Spectrum, fall
from corruptions.camera.views import ViewCorruption, Views, check_range

FLAKE_ALBEDO = 0.95
FLAKE_DENSITY = 0.1  # g/cm3: aggregates of crystals, mostly air


def gunn_marshall(rate_mm_per_h: float) -> Spectrum:
    """Size distribution of aggregates: 3800 R**-0.87 per m3 and mm, slope 2.55 R**-0.48 per mm (Gunn, Marshall 1958).

    In melted diameter; the flake itself is wider by ``density**(-1/3)``.
    """
    return Spectrum(
        n0_per_m3_mm=3800.0 * rate_mm_per_h**-0.87,
        slope_per_mm=2.55 * rate_mm_per_h**-0.48,
        swelling=FLAKE_DENSITY ** (-1.0 / 3.0),
    )


def snow(
    views: Views,
    rng: np.random.Generator,
    *,
    rate_mm_per_h: float,
    terminal_velocity_m_per_s: float = 1.0,
    wind_m_per_s: float = 1.0,
    exposure_s: float = 0.004,
    aperture_mm: float = 1.0,
    horizontal_fov_deg: float = 65.0,
    assumed_depth_m: float = 20.0,
) -> NDArray[np.uint8]:
    """Falling flakes, bright before dark things and dark before a bright sky, and the veil of all others.

    Flakes are opaque and scatter the light of the surroundings. Snow on the ground is not modelled.

    Args:
        views: images in RGB; with ``depth_m`` flakes behind the scene are hidden and the veil follows the scene.
        rng: random generator.
        rate_mm_per_h: snowfall rate in mm of melted water.
        terminal_velocity_m_per_s: fall speed; 1 m/s makes the size distribution carry its own rate.
        wind_m_per_s: largest speed of the flakes across the image; each view, looking its own way, draws from +-wind.
        exposure_s: shutter time; flakes blur over ``focal_px * speed * exposure / distance``.
        aperture_mm: diameter of the entrance pupil, which blurs near flakes.
        horizontal_fov_deg: full horizontal field of view.
        assumed_depth_m: distance of the scene where no depth is given.

    Returns:
        uint8 (V, H, W, 3).
    """
    check_range("rate_mm_per_h", rate_mm_per_h, 0.01, 20.0)
    check_range("terminal_velocity_m_per_s", terminal_velocity_m_per_s, 0.0, 10.0)
    return fall(
        views,
        rng,
        spectrum=gunn_marshall(rate_mm_per_h),
        camera=Camera(horizontal_fov_deg, aperture_mm, exposure_s),
        fall_m_per_s=lambda diameter_m: np.full_like(diameter_m, terminal_velocity_m_per_s),
        wind_m_per_s=wind_m_per_s,
        radiance=FLAKE_ALBEDO,
        assumed_depth_m=assumed_depth_m,
    )


SNOW = ViewCorruption(
    name="snow",
    reference="Gunn and Marshall 1958 (flakes); perspective and exposure as for rain (Garg and Nayar 2007)",
    levels={
        "light": {"rate_mm_per_h": 0.5},
        "moderate": {"rate_mm_per_h": 1.5},
        "heavy": {"rate_mm_per_h": 2.5},
    },
    fn=snow,
    severity="mean absolute change; snowfall rate",
    parameter_docs={
        "rate_mm_per_h": "snowfall rate in mm/h of melted water",
        "terminal_velocity_m_per_s": "fall speed of the flakes in m/s",
        "wind_m_per_s": "largest speed of the flakes across the image in m/s",
        "exposure_s": "shutter time in s",
        "aperture_mm": "diameter of the entrance pupil in mm",
        "horizontal_fov_deg": "full horizontal field of view in degrees",
        "assumed_depth_m": "distance of the scene in metres where no depth is given",
    },
)
