"""Sun, sky and haze of one world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from perception3d.simulation.street import Street

RGB = tuple[float, float, float]


class Weather(NamedTuple):
    """Ranges that the light of one kind of weather is drawn from.

    Attributes:
        share: how often it is met.
        elevation_deg: lowest and highest sun.
        sun: irradiance of the sun (linear RGB, before exposure).
        zenith: radiance of the sky overhead.
        horizon: radiance of the sky near the horizon, and of the haze.
        cover: least and greatest share of clouds.
        haze_per_m: least and greatest extinction.
        lamps: brightness of lamps and lit windows.
        noise: of the sensor at mid grey, as a share of full scale.
        exposure: least and greatest, relative to one that makes a white card white.
    """

    share: float
    elevation_deg: tuple[float, float]
    sun: RGB
    zenith: RGB
    horizon: RGB
    cover: tuple[float, float]
    haze_per_m: tuple[float, float]
    lamps: float
    noise: float
    exposure: tuple[float, float]


WEATHERS = {
    "sunny": Weather(0.4, (28, 60), (2.6, 2.4, 2.05), (0.16, 0.30, 0.62), (0.55, 0.68, 0.85), (0.05, 0.45),
                     (0.0008, 0.0025), 0.0, 0.008, (1.35, 1.65)),
    "hazy": Weather(0.2, (18, 45), (1.7, 1.55, 1.3), (0.32, 0.42, 0.60), (0.75, 0.78, 0.82), (0.3, 0.65),
                    (0.003, 0.007), 0.0, 0.009, (1.25, 1.55)),
    "overcast": Weather(0.25, (35, 65), (0.35, 0.35, 0.36), (0.62, 0.65, 0.70), (0.80, 0.82, 0.84), (0.95, 1.0),
                        (0.001, 0.004), 0.05, 0.010, (0.95, 1.2)),
    "dusk": Weather(0.15, (5, 11), (1.3, 0.62, 0.26), (0.13, 0.19, 0.40), (0.80, 0.52, 0.36), (0.2, 0.6),
                    (0.002, 0.005), 0.5, 0.015, (0.62, 0.82)),
}  # fmt: skip


@dataclass(frozen=True)
class Light:
    """What lights a world; the same at all times.

    Attributes:
        weather: a key of ``WEATHERS``.
        sun: (3,) unit vector towards the sun in the world frame.
        sun_rgb: (3,) irradiance of the sun on a surface square to it, linear RGB.
        zenith_rgb: (3,) radiance of the clear sky overhead.
        horizon_rgb: (3,) radiance of the sky near the horizon, which distant things fade into.
        cover: share of the sky covered by clouds.
        haze_per_m: extinction of the air.
        shadows: whether the sun casts any.
        lamps: brightness of lamps and lit windows.
        noise: of the sensor at mid grey, as a share of full scale.
        exposure: factor from radiance to the pixel value before the tone curve.
        key: number that the clouds and the skyline are drawn from.
    """

    weather: str
    sun: NDArray[np.float32]
    sun_rgb: NDArray[np.float32]
    zenith_rgb: NDArray[np.float32]
    horizon_rgb: NDArray[np.float32]
    cover: float
    haze_per_m: float
    shadows: bool
    lamps: float
    noise: float
    exposure: float
    key: int

    @classmethod
    def of(cls, street: Street) -> Light:
        """The light of one world, a function of the seed and the world's name."""
        rng = street.rng("light")
        names = list(WEATHERS)
        name = names[int(rng.choice(len(names), p=[WEATHERS[name].share for name in names]))]
        return cls.drawn(name, rng)

    @classmethod
    def drawn(cls, name: str, rng: np.random.Generator) -> Light:
        """One light of a kind of weather."""
        weather = WEATHERS[name]
        elevation, azimuth = np.radians(rng.uniform(*weather.elevation_deg)), rng.uniform(0, 2 * np.pi)
        flat = np.cos(elevation)
        sun = np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)], np.float32)
        tint = rng.normal(1.0, 0.03, 3)
        sun_rgb, zenith, horizon = (np.array(rgb) * tint for rgb in (weather.sun, weather.zenith, weather.horizon))
        # What a grey card on the ground sends back sets the exposure, with an error as cameras make it.
        card = sun_rgb.mean() * np.sin(elevation) + 0.5 * (zenith.mean() + horizon.mean())
        return cls(
            weather=name,
            sun=sun,
            sun_rgb=sun_rgb.astype(np.float32),
            zenith_rgb=zenith.astype(np.float32),
            horizon_rgb=horizon.astype(np.float32),
            cover=float(rng.uniform(*weather.cover)),
            haze_per_m=float(rng.uniform(*weather.haze_per_m)),
            shadows=name != "overcast",
            lamps=weather.lamps,
            noise=weather.noise,
            exposure=float(rng.uniform(*weather.exposure) / card),
            key=int(rng.integers(2**31)),
        )
