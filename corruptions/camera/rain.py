"""Rain: streaks of falling drops before a veil of unresolved ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from corruptions.camera.particles import Camera, Spectrum, fall
from corruptions.camera.views import ViewCorruption, Views, check_range

DROP_RADIANCE = 0.94  # of the surroundings: a drop refracts a field of 165 degrees (Garg and Nayar 2007)


def marshall_palmer(rate_mm_per_h: float) -> Spectrum:
    """Drop size distribution: 8000 per m3 and mm, slope 4.1 R**-0.21 per mm (Marshall and Palmer 1948)."""
    return Spectrum(n0_per_m3_mm=8000.0, slope_per_mm=4.1 * rate_mm_per_h**-0.21)


def terminal_velocity_m_per_s(diameter_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fall speed of drops: ``9.65 - 10.3 exp(-0.6 D)`` m/s, D in mm (Atlas, Srivastava and Sekhon 1973)."""
    return np.maximum(9.65 - 10.3 * np.exp(-600.0 * diameter_m), 0.1)


def rain(
    views: Views,
    rng: np.random.Generator,
    *,
    rate_mm_per_h: float,
    wind_m_per_s: float = 2.0,
    exposure_s: float = 0.004,
    aperture_mm: float = 1.0,
    horizontal_fov_deg: float = 65.0,
    assumed_depth_m: float = 20.0,
) -> NDArray[np.uint8]:
    """Falling drops as motion-blurred streaks, brightest where the scene is dark, and the veil of all others.

    A drop is a lens that shows the surroundings; while it passes, a pixel sees ``light * (1 - a) + drop * a``, a being
    the share of exposure and pixel it covers (Garg and Nayar 2007). Drops on the lens, wet ground and splashes are not
    modelled.

    Args:
        views: images in RGB; with ``depth_m`` drops behind the scene are hidden and the veil follows the scene.
        rng: random generator.
        rate_mm_per_h: rain rate.
        wind_m_per_s: largest speed of the drops across the image; each view, looking its own way, draws from +-wind.
        exposure_s: shutter time; streaks are ``focal_px * speed * exposure / distance`` long.
        aperture_mm: diameter of the entrance pupil, which blurs near drops.
        horizontal_fov_deg: full horizontal field of view.
        assumed_depth_m: distance of the scene where no depth is given.

    Returns:
        uint8 (V, H, W, 3).
    """
    check_range("rate_mm_per_h", rate_mm_per_h, 0.01, 500.0)
    return fall(
        views,
        rng,
        spectrum=marshall_palmer(rate_mm_per_h),
        camera=Camera(horizontal_fov_deg, aperture_mm, exposure_s),
        fall_m_per_s=terminal_velocity_m_per_s,
        wind_m_per_s=wind_m_per_s,
        radiance=DROP_RADIANCE,
        assumed_depth_m=assumed_depth_m,
    )


RAIN = ViewCorruption(
    name="rain",
    reference="Garg and Nayar 2007 (streaks); Marshall and Palmer 1948 (drops); Atlas et al. 1973 (fall speed)",
    levels={
        "light": {"rate_mm_per_h": 10.0},
        "moderate": {"rate_mm_per_h": 40.0},
        "heavy": {"rate_mm_per_h": 100.0},
    },
    fn=rain,
    severity="mean absolute change; rain rate",
    parameter_docs={
        "rate_mm_per_h": "rain rate in mm/h",
        "wind_m_per_s": "largest speed of the drops across the image in m/s",
        "exposure_s": "shutter time in s",
        "aperture_mm": "diameter of the entrance pupil in mm",
        "horizontal_fov_deg": "full horizontal field of view in degrees",
        "assumed_depth_m": "distance of the scene in metres where no depth is given",
    },
)
