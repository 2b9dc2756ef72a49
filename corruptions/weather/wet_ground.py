"""Wet ground: a water film mirrors the beam away, and the ground returns less or nothing.

After Hahner et al., "LiDAR Snowfall Simulation for Robust 3D Object Detection", CVPR 2022, arXiv 2203.15118, the wet
ground model: the beam enters the film (Fresnel), is scattered by the rough ground of reflectance rho, and leaves the
film, or is reflected back down at its surface and scattered again.

With T the unpolarised Fresnel transmission at the beam's incidence angle, n the index of water and R_i the share of
diffuse light in the film that its surface sends back down:

    rho_film = rho * T^2 / (n^2 * (1 - rho R_i))        rho_wet = (1 - f) rho + f rho_film

``f = water_height / pavement_depth`` in 0..1 is how much of the ground's texture is filled. Both a dry and a
film-covered diffuse ground return with the cosine of the incidence angle, so it cancels and the measured intensity is
scaled by ``rho_wet / rho``; it never rises.

Where this differs from the published code, and why:

* It divides the film term by the incidence angle in radians, its comments by the cosine; neither belongs there.
  Light of the solid angle dW' in water leaves into dW with ``cos(theta) dW = n^2 cos(theta') dW'`` (conservation of
  etendue), which turns the ground's cos(theta') into cos(theta) and leaves the factor 1/n^2 (Lekner and Dorf, "Why some
  things are darker when wet", Applied Optics 27, 1988). Dividing by the cosine would make wet ground brighter than dry
  at grazing angles, where a sensor on a car sees most of it.
* R_i is the average over the hemisphere, as scattered light has all directions, not the value at the beam's angle.
* It takes the stronger of the two polarisations; scattered light is unpolarised, and so is our average.
* Its noise floor is a line through the weakest returns of range bins, so wherever water takes more than the spread of
  the dry returns all ground vanishes (77-100 % of it on two of three SemanticKITTI scans). Ours is one received power,
  a share ``noise_floor`` of the weakest dry ground return (first percentile of rho / r^2): wet ground fades with
  range.

Absorption is left out: 1.2 mm of water takes about 2 % at 905 nm. Mirror images seen by way of the film are not
simulated.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from corruptions.core import INTENSITY, KEPT, Corrupted, Corruption, Scan, check_within, select
from corruptions.weather.ground_plane import find_ground
from corruptions.weather.receiver import clear_power, detection_probability, ranges

AIR_INDEX = 1.0003
WATER_INDEX = 1.33
WEAKEST_PERCENTILE = 1.0


def fresnel_reflectance(
    cos_incidence: NDArray[np.float64], index_from: float, index_to: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of power reflected at a smooth surface, for s and p polarisation; 1 under total reflection.

    Args:
        cos_incidence: (N,) cosine of the angle between ray and surface normal, in [0, 1].
        index_from: refractive index of the medium the ray comes from.
        index_to: refractive index of the medium behind the surface.

    Returns:
        (N,) R_s and (N,) R_p; the transmitted shares are ``1 - R``.
    """
    sin_sq_refracted = (index_from / index_to) ** 2 * (1 - np.square(cos_incidence))
    cos_refracted = np.sqrt(np.maximum(1 - sin_sq_refracted, 0.0))  # 0 under total reflection, where both shares are 1
    a, b = index_from * cos_incidence, index_to * cos_refracted
    c, d = index_from * cos_refracted, index_to * cos_incidence
    return np.square((a - b) / (a + b)), np.square((c - d) / (c + d))


def film_transmission(cos_incidence: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) unpolarised share of power that passes the air-water surface, the same either way along the same path."""
    r_s, r_p = fresnel_reflectance(cos_incidence, AIR_INDEX, WATER_INDEX)
    return 1 - (r_s + r_p) / 2


@cache
def internal_reflectance() -> float:
    """Share of diffuse light in the film that its surface reflects back down: ``1 - T_diffuse / n^2``, 0.47 for water.

    ``T_diffuse`` is the transmission of diffuse light from above, the cosine-weighted mean over the hemisphere: the
    integral of ``T(c) 2 c dc`` over the cosine c from 0 to 1, here by the midpoint rule in c^2.
    """
    cosine_sq = (np.arange(2000) + 0.5) / 2000
    return float(1 - film_transmission(np.sqrt(cosine_sq)).mean() * (AIR_INDEX / WATER_INDEX) ** 2)


def film_darkening(
    cos_incidence: NDArray[np.float64], reflectance: NDArray[np.float64], coverage: float
) -> NDArray[np.float64]:
    """Ratio of the wet to the dry return, ``rho_wet / rho``.

    Args:
        cos_incidence: (N,) cosine of the incidence angle at the ground.
        reflectance: (N,) dry reflectance in [0, 1].
        coverage: share f of the texture that water fills, in [0, 1].

    Returns:
        (N,) ratio in [0, 1].
    """
    through = np.square(film_transmission(cos_incidence)) * (AIR_INDEX / WATER_INDEX) ** 2
    film = np.minimum(through / (1 - reflectance * internal_reflectance()), 1.0)
    return 1 - coverage * (1 - film)


def wet_ground(
    scan: Scan,
    rng: np.random.Generator,
    *,
    water_height_mm: float,
    pavement_depth_mm: float = 1.2,
    noise_floor: float = 0.7,
) -> Corrupted:
    """Simulate a water film on the ground.

    Ground is what ``scan.labels`` call ground (road, parking, sidewalk ...), else the layer around a fitted plane.

    Args:
        scan: the dry sweep, sensor at the origin and z up.
        rng: random generator.
        water_height_mm: film thickness; 0 is the identity.
        pavement_depth_mm: depth of the ground's texture, which the film has to fill (asphalt about 1.2 mm).
        noise_floor: the sensor's detection threshold as a share of the weakest dry ground return.

    Returns:
        All points off the ground untouched; ground points with lower intensity, the weak ones lost. A scan with fewer
        than 100 ground points comes back as it is.

    Raises:
        InputError: for values out of range.
    """
    check_within("water_height_mm", water_height_mm, 0, 1000)
    check_within("pavement_depth_mm", pavement_depth_mm, 0.01, 1000)
    check_within("noise_floor", noise_floor, 0, 1)
    seen = np.ones(len(scan.points), dtype=bool)
    ground = find_ground(scan, rng)
    if ground is None:
        return select(scan, seen)
    rows = np.flatnonzero(ground.mask)
    range_m = ranges(scan)
    # Ground that rises or falls away from the plane is still met at about the angle of a level road at that range.
    cos_incidence = np.clip(ground.plane.height_m / range_m[rows], 0.0, 1.0)
    reflectance = scan.points[rows, INTENSITY].astype(np.float64) / scan.intensity_max
    darkening = film_darkening(cos_incidence, reflectance, min(water_height_mm / pavement_depth_mm, 1.0))
    clear = clear_power(scan, range_m)[rows]
    seen[rows] = _detected(clear, darkening, noise_floor, rng)

    source = np.flatnonzero(seen).astype(np.int64)
    points = scan.points.copy()
    points[rows, INTENSITY] *= darkening.astype(np.float32)
    return Corrupted(points[source], source, np.full(len(source), KEPT))


def _detected(
    clear: NDArray[np.float64], darkening: NDArray[np.float64], noise_floor: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Draw which ground returns stay above the noise floor."""
    bright = clear[clear > 0]
    draws = rng.random(len(clear))
    threshold = noise_floor * float(np.percentile(bright, WEAKEST_PERCENTILE)) if len(bright) else 0.0
    if threshold == 0:
        return np.ones(len(clear), dtype=bool)
    return draws < detection_probability(clear, darkening, threshold)


WET_GROUND = Corruption(
    name="wet_ground",
    group="adverse weather",
    reference="Hahner et al., CVPR 2022, arXiv 2203.15118; film heights of Robo3D, Kong et al., ICCV 2023",
    levels={
        "light": {"water_height_mm": 0.2},
        "moderate": {"water_height_mm": 1.0},
        "heavy": {"water_height_mm": 1.2},
    },
    fn=wet_ground,
    severity="share of ground points lost, and energy lost",
)
