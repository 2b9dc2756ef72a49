"""Drops and flakes before a camera: how many there are, where, and what light they block while they fall.

Number densities are exponential in diameter, ``N(D) = n0 * exp(-slope * D)``. A particle at distance z blocks the light
of an area ``pi/4 (f D / z)**2`` of the image; fall during the exposure and the lens, focused at infinity, spread the
same amount over a capsule. What is too small to be resolved acts as a homogeneous veil, as fog does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corruptions.camera.fog import transmission
from corruptions.camera.light import ambient_light, relight
from corruptions.camera.views import Views, check_range, focal_px

NEAREST_M = 0.5
RESOLVED_PX = 0.5
_PIXEL_RADIUS = 0.7  # what a point looks like: no picture is sharper than its pixels
_MARGIN = 0.05  # of the image size on every side: centres outside whose streak reaches in
_EXTINCTION_EFFICIENCY = 2.0  # geometric limit of Mie theory, diameter >> wavelength


@dataclass(frozen=True)
class Spectrum:
    """Exponential size distribution of falling particles.

    Attributes:
        n0_per_m3_mm: number per m3 and mm of (melted) diameter, extrapolated to diameter 0.
        slope_per_mm: decay of the number with (melted) diameter.
        swelling: diameter of the particle over its melted diameter; 1 for drops.
    """

    n0_per_m3_mm: float
    slope_per_mm: float
    swelling: float = 1.0

    @property
    def extinction_per_m(self) -> float:
        """Extinction coefficient: integral of ``Q pi/4 D**2 N(D)``, which is ``Q pi/2 swelling**2 n0 / slope**3``."""
        area_mm2 = np.pi / 2.0 * self.swelling**2 * self.n0_per_m3_mm / self.slope_per_mm**3
        return float(_EXTINCTION_EFFICIENCY * area_mm2 * 1e-6)


@dataclass(frozen=True)
class Camera:
    """What particles look like through: field of view, aperture, exposure.

    Attributes:
        horizontal_fov_deg: full horizontal angle of the view; 65 for five of nuScenes' six cameras.
        aperture_mm: diameter of the entrance pupil.
        exposure_s: time the shutter is open.

    Raises:
        InputError: for values that no camera has.
    """

    horizontal_fov_deg: float
    aperture_mm: float
    exposure_s: float

    def __post_init__(self) -> None:
        check_range("aperture_mm", self.aperture_mm, 0.0, 100.0)
        check_range("exposure_s", self.exposure_s, 0.0, 1.0)


@dataclass(frozen=True)
class Particles:
    """Particles in one view: image position (n, 2) in pixels, distance and diameter (n,), in metres."""

    centres_px: NDArray[np.float64]
    distance_m: NDArray[np.float64]
    diameter_m: NDArray[np.float64]


def scatter(spectrum: Spectrum, focal: float, shape: tuple[int, int], rng: np.random.Generator) -> Particles:
    """Draw the particles of a view that are at least ``RESOLVED_PX`` wide.

    A particle of diameter D is resolved up to ``z_max = f D / RESOLVED_PX``, and the view holds a volume
    ``area / f**2 * z_max**3 / 3`` up to there. So resolved diameters are distributed as ``D**3 exp(-slope D)``, a gamma
    distribution, with distances uniform in volume: nothing has to be drawn and thrown away.

    Args:
        spectrum: size distribution.
        focal: focal length in pixels.
        shape: rows and columns of the view.
        rng: random generator.

    Returns:
        Particles beyond ``NEAREST_M``.
    """
    height, width = shape
    area_px2 = height * width * (1.0 + 2.0 * _MARGIN) ** 2
    reach_m_per_mm = focal * spectrum.swelling * 1e-3 / RESOLVED_PX
    moment = 6.0 / spectrum.slope_per_mm**4  # integral of D**3 exp(-slope D)
    mean = spectrum.n0_per_m3_mm * area_px2 / (3.0 * focal**2) * reach_m_per_mm**3 * moment
    count = int(rng.poisson(mean))
    melted_mm = rng.gamma(4.0, 1.0 / spectrum.slope_per_mm, count)
    distance_m = reach_m_per_mm * melted_mm * np.cbrt(rng.random(count))
    centres = rng.uniform(-_MARGIN, 1.0 + _MARGIN, (count, 2)) * (width, height)
    far = distance_m > NEAREST_M
    return Particles(centres[far], distance_m[far], spectrum.swelling * 1e-3 * melted_mm[far])


def visible(particles: Particles, depth_m: NDArray[np.float32] | None) -> Particles:
    """Those not hidden behind the scene; all where no depth is known."""
    if depth_m is None:
        return particles
    height, width = depth_m.shape
    column = np.clip(particles.centres_px[:, 0], 0, width - 1).astype(int)
    row = np.clip(particles.centres_px[:, 1], 0, height - 1).astype(int)
    before = particles.distance_m < depth_m[row, column]
    return Particles(particles.centres_px[before], particles.distance_m[before], particles.diameter_m[before])


def shadow(
    particles: Particles,
    velocity_m_per_s: NDArray[np.float64],
    camera: Camera,
    focal: float,
    shape: tuple[int, int],
) -> NDArray[np.float32]:
    """Share of light that passes the particles.

    Args:
        particles: (n) particles.
        velocity_m_per_s: (n, 2) velocity across and down the image.
        camera: aperture and exposure.
        focal: focal length in pixels.
        shape: rows and columns of the view.

    Returns:
        float32 (H, W) in 0..1.
    """
    from corruptions.camera import kernels

    px_per_m = focal / particles.distance_m
    motions = velocity_m_per_s * (camera.exposure_s * px_per_m)[:, None]
    lengths = np.hypot(motions[:, 0], motions[:, 1])
    blocked_px2 = np.pi / 4.0 * (particles.diameter_m * px_per_m) ** 2
    spread_m = np.hypot(particles.diameter_m, camera.aperture_mm * 1e-3)
    radii = 0.5 * spread_m * px_per_m + _PIXEL_RADIUS
    # A capsule of this radius blocks the same light at full opacity: its soft profile needs more room than a hard disc.
    opaque = (np.sqrt((4.0 / 3.0 * lengths) ** 2 + 2.0 * np.pi * blocked_px2) - 4.0 / 3.0 * lengths) / np.pi
    radii = np.maximum(radii, opaque)
    # integral over the capsule of the profile 1 - (distance / radius)**2
    opacities = np.minimum(blocked_px2 / (np.pi / 2.0 * radii**2 + 4.0 / 3.0 * radii * lengths), 1.0)
    through = np.ones(shape, np.float32)
    kernels.draw_capsules(particles.centres_px, motions, radii, opacities, through)
    return through


def fall(
    views: Views,
    rng: np.random.Generator,
    *,
    spectrum: Spectrum,
    camera: Camera,
    fall_m_per_s: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    wind_m_per_s: float,
    radiance: float,
    assumed_depth_m: float,
) -> NDArray[np.uint8]:
    """Let particles fall before every view: a veil of extinction and, before it, the resolved ones.

    ``(light * t + ambient * (1 - t)) * through + radiance * ambient * (1 - through)``, in linear light, with ``t`` the
    transmission of the veil and ``through`` that of the resolved particles.

    Args:
        views: images in RGB; with ``depth_m`` what is behind the scene is hidden and the veil follows the scene.
        rng: random generator.
        spectrum: size distribution.
        camera: optics and exposure.
        fall_m_per_s: fall speed of particles of given diameters in metres.
        wind_m_per_s: largest speed across the image; each view, looking its own way, draws from -wind..wind.
        radiance: light of a particle over that of the surroundings.
        assumed_depth_m: distance of the scene where no depth is given.

    Returns:
        uint8 (V, H, W, 3).
    """
    check_range("wind_m_per_s", wind_m_per_s, 0.0, 60.0)
    check_range("assumed_depth_m", assumed_depth_m, 0.0, 1e6)
    ambient = ambient_light(views.images)
    shape = (views.images.shape[1], views.images.shape[2])
    focal = focal_px(shape[1], camera.horizontal_fov_deg)
    out = np.empty_like(views.images)
    for index, view in enumerate(views.images):
        particles = scatter(spectrum, focal, shape, rng)
        across = rng.uniform(-wind_m_per_s, wind_m_per_s)
        particles = visible(particles, None if views.depth_m is None else views.depth_m[index])
        down = fall_m_per_s(particles.diameter_m)
        velocity = np.column_stack([np.full_like(down, across), down])
        through = shadow(particles, velocity, camera, focal, shape)
        veil = transmission(views, index, spectrum.extinction_per_m, assumed_depth_m)
        added = np.float32(ambient) * ((1 - veil) * through + np.float32(radiance) * (1 - through))
        out[index] = relight(view, veil * through, added)
    return out
