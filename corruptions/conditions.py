"""One state of the weather for all sensors: the same fog, drops, flakes and water before LiDAR and cameras.

Each sensor alone has its own corruptions with levels of their own; "moderate fog" of one is not that of the other. Here
a day is given in physical units once, and the models of ``corruptions.weather`` and ``corruptions.camera`` take their
parameters from it:

=====================  ==============================================  ===========================================
quantity               LiDAR                                           cameras
=====================  ==============================================  ===========================================
``visibility_m``       extinction ln(20) / V, backscatter 0.046 / V    the same extinction, airlight (Koschmieder)
``rain_mm_per_h``      Marshall-Palmer drops: echoes, extinction       the same drops: streaks, veil
``snowfall_mm_per_h``  flakes of ``SnowLaw``: echoes, blocked beams    as many flakes of the same sizes, veil
``water_film_mm``      ground returns less (Fresnel, film)             not modelled
=====================  ==============================================  ===========================================

Extinction of fog is taken as the same at 905 nm and in the visible: droplets of 2 to 20 um are wider than both
wavelengths (Kim, McArthur and Korevaar, SPIE 4214, 2001: no dependence on wavelength below 500 m visibility).

Limits: each medium is homogeneous and they are applied one after the other (film, drops, flakes, then fog), so an
echo of a drop is dimmed by the fog before it, but a resolved flake in an image is drawn before the fog of its few
metres. Wet roads do not darken or mirror in images, drops on the lens and snow on the ground are missing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from corruptions.core import ADDED, Corrupted, Scan, check_within, level_text
from corruptions.core import select as select_points
from corruptions.rng import generator
from corruptions.weather.fog import fog
from corruptions.weather.rain import extinction_per_m as rain_extinction_per_m
from corruptions.weather.rain import rain
from corruptions.weather.snow_flakes import SnowLaw
from corruptions.weather.snowfall import snowfall
from corruptions.weather.wet_ground import wet_ground

if TYPE_CHECKING:
    from corruptions.camera import Views

LN_20 = math.log(20.0)


@dataclass(frozen=True)
class Weather:
    """One state of the air and the ground. By default a clear, dry day.

    Attributes:
        visibility_m: meteorological optical range of the fog or haze alone (5 % contrast), infinity for clean air.
        rain_mm_per_h: rain rate, 0 to 300.
        snowfall_mm_per_h: snowfall rate in melted water, 0 or 0.01 to 20.
        snow_velocity_m_per_s: fall speed of the flakes; at one rate, slower snow is more snow in the air.
        water_film_mm: thickness of the water on the ground.

    Raises:
        InputError: for values out of range.
    """

    visibility_m: float = math.inf
    rain_mm_per_h: float = 0.0
    snowfall_mm_per_h: float = 0.0
    snow_velocity_m_per_s: float = 1.6
    water_film_mm: float = 0.0

    def __post_init__(self) -> None:
        if self.visibility_m != math.inf:
            check_within("visibility_m", self.visibility_m, 1.0, 1e6)
        check_within("rain_mm_per_h", self.rain_mm_per_h, 0, 300)
        check_within("snowfall_mm_per_h", self.snowfall_mm_per_h, 0, 20)
        check_within("snow_velocity_m_per_s", self.snow_velocity_m_per_s, 0.1, 10)
        check_within("water_film_mm", self.water_film_mm, 0, 100)
        if self.snowfall_mm_per_h:
            self.snow_law  # noqa: B018  rates too small for the law are refused here, not at the first scan

    @property
    def fog_extinction_per_m(self) -> float:
        """Extinction coefficient of the fog, ``ln(20) / visibility``."""
        return LN_20 / self.visibility_m

    @property
    def snow_law(self) -> SnowLaw:
        """Statistics of the flakes; for days with snow."""
        return SnowLaw(self.snowfall_mm_per_h, self.snow_velocity_m_per_s)

    @property
    def extinction_per_m(self) -> float:
        """Extinction coefficient of fog, drops and flakes together, one way."""
        rain_per_m = rain_extinction_per_m(self.rain_mm_per_h) if self.rain_mm_per_h else 0.0
        snow_per_m = self.snow_law.extinction_per_m if self.snowfall_mm_per_h else 0.0
        return self.fog_extinction_per_m + rain_per_m + snow_per_m

    @property
    def text(self) -> str:
        """The state as the random streams know it: what differs from a clear day, in the order of the names."""
        clear = Weather()
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return level_text(None, {name: v for name, v in values.items() if v != getattr(clear, name)})


def corrupt_sweep(scan: Scan, weather: Weather, *, seed: int, sample: str) -> Corrupted:
    """One LiDAR sweep on this day.

    Args:
        scan: the sweep of a clear, dry day; not written.
        weather: the day.
        seed: base seed.
        sample: name of the sweep, see :func:`corruptions.corrupt`.

    Returns:
        The sweep after all media; a clear day gives every point back untouched.
    """
    result = select_points(scan, np.ones(len(scan.points), np.bool_))
    for name, corruption, parameters in _media(weather):
        rng = generator(seed, f"weather/{name}", weather.text, sample)
        result = then(result, corruption(_seen_so_far(scan, result), rng, **parameters))
    return result


def _media(weather: Weather) -> Iterator[tuple[str, Any, Mapping[str, float]]]:
    """The LiDAR corruptions of a day, from the target to the sensor."""
    if weather.water_film_mm:
        yield "film", wet_ground, {"water_height_mm": weather.water_film_mm}
    if weather.rain_mm_per_h:
        yield "rain", rain, {"rate_mm_per_h": weather.rain_mm_per_h}
    if weather.snowfall_mm_per_h:
        velocity = weather.snow_velocity_m_per_s
        yield "snow", snowfall, {"rate_mm_per_h": weather.snowfall_mm_per_h, "terminal_velocity_m_per_s": velocity}
    if weather.visibility_m < math.inf:
        yield "fog", fog, {"mor_m": weather.visibility_m}


def _seen_so_far(scan: Scan, result: Corrupted) -> Scan:
    """What the next medium lies before: the corrupted points with the rings and labels they have left."""
    ring = None if scan.ring is None else result.carry(scan.ring, fill=0, drop=(ADDED,))
    labels = None if scan.labels is None else result.carry(scan.labels, fill=0)
    return replace(scan, points=result.points, ring=ring, labels=labels)


def then(first: Corrupted, second: Corrupted) -> Corrupted:
    """Two corruptions in a row as one.

    Args:
        first: of the sweep.
        second: of ``first.points``.

    Returns:
        ``second.points``; ``source`` counts in the sweep, and a point keeps the graver of its two statuses.
    """
    from_first = second.source >= 0
    row = second.source[from_first]
    source = second.source.copy()
    source[from_first] = first.source[row]
    status = second.status.copy()
    # KEPT < MOVED < ADDED: a point that the first one added stays added, wherever the second moves it
    status[from_first] = np.maximum(first.status[row], second.status[from_first])
    return Corrupted(second.points, source, status)


def corrupt_views(views: Views, weather: Weather, *, seed: int, sample: str) -> NDArray[np.uint8]:
    """The camera views of one sample on this day.

    Args:
        views: the images of a clear day, never written. With ``depth_m`` (``corruptions.camera.depth`` makes it from
            a LiDAR sweep or from the ground plane) the veil follows the scene, and both sensors see the same day;
            without, everything stands 20 m away.
        weather: the day.
        seed: base seed.
        sample: name of the sample.

    Returns:
        New uint8 (V, H, W, 3) in the channel order of ``views``.
    """
    from corruptions.camera.fog import fog as fog_veil
    from corruptions.camera.rain import rain as rain_streaks
    from corruptions.camera.views import swap_red_blue

    seen = views.in_rgb()
    if weather.visibility_m < math.inf:
        rng = generator(seed, "camera/weather/fog", weather.text, sample)
        seen = replace(seen, images=fog_veil(seen, rng, visibility_m=weather.visibility_m))
    if weather.snowfall_mm_per_h:
        rng = generator(seed, "camera/weather/snow", weather.text, sample)
        seen = replace(seen, images=_flakes(seen, rng, weather))
    if weather.rain_mm_per_h:
        rng = generator(seed, "camera/weather/rain", weather.text, sample)
        seen = replace(seen, images=rain_streaks(seen, rng, rate_mm_per_h=weather.rain_mm_per_h))
    if views.channel_order == "bgr":
        return swap_red_blue(seen.images)
    return seen.images.copy() if seen.images is views.images else seen.images


def _flakes(views: Views, rng: np.random.Generator, weather: Weather) -> NDArray[np.uint8]:
    """Flakes of the LiDAR's law before the cameras.

    The plane that a laser sweeps cuts flakes into disks. An exponential law of sphere diameters with the same slope
    blocks as much light as those disks, ``k`` per metre, with ``n0 = 2 k slope**3 / pi``, since spheres block
    ``integral pi/4 D**2 n0 exp(-slope D) dD = pi n0 / (2 slope**3)``.
    """
    from corruptions.camera.particles import Camera, Spectrum, fall
    from corruptions.camera.snow import FLAKE_ALBEDO

    law = weather.snow_law
    n0_per_m4 = 2.0 * law.extinction_per_m * law.slope_per_m**3 / math.pi
    return fall(
        views,
        rng,
        spectrum=Spectrum(n0_per_m3_mm=n0_per_m4 * 1e-3, slope_per_mm=law.slope_per_m * 1e-3),
        camera=Camera(horizontal_fov_deg=65.0, aperture_mm=1.0, exposure_s=0.004),
        fall_m_per_s=lambda diameter_m: np.full_like(diameter_m, law.terminal_velocity_m_per_s),
        wind_m_per_s=1.0,
        radiance=FLAKE_ALBEDO,
        assumed_depth_m=20.0,
    )


# Days of growing severity. Visibility classes of fog: WMO No. 8 (below 1000 m), dense below 50 m. Rain: 10 and 50 mm/h
# are the limits of heavy and violent showers (Met Office); a shower brings haze and a film that fills the texture of
# asphalt (1.2 mm) only in the heaviest. Snow: the rates of SemanticKITTI-C; visibility in snow is set by the flakes.
DAYS: Mapping[str, Mapping[str, Weather]] = {
    "fog": {
        "light": Weather(visibility_m=300.0),
        "moderate": Weather(visibility_m=100.0, water_film_mm=0.1),
        "heavy": Weather(visibility_m=40.0, water_film_mm=0.1),
    },
    "rain": {
        "light": Weather(visibility_m=5000.0, rain_mm_per_h=5.0, water_film_mm=0.2),
        "moderate": Weather(visibility_m=2000.0, rain_mm_per_h=20.0, water_film_mm=0.5),
        "heavy": Weather(visibility_m=800.0, rain_mm_per_h=60.0, water_film_mm=1.2),
    },
    "snow": {
        "light": Weather(snowfall_mm_per_h=0.5, snow_velocity_m_per_s=2.0),
        "moderate": Weather(snowfall_mm_per_h=1.0, snow_velocity_m_per_s=1.6),
        "heavy": Weather(visibility_m=500.0, snowfall_mm_per_h=2.5, snow_velocity_m_per_s=1.6),
    },
}
