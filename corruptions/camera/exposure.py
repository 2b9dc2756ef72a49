"""Too much and too little light: exposure in stops, with the sensor's noise where light is scarce."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from corruptions.camera import channel
from corruptions.camera.light import DECODE, linear_to_srgb
from corruptions.camera.views import ViewCorruption, Views, check_range


def brightness(views: Views, rng: np.random.Generator, *, exposure_stops: float) -> NDArray[np.uint8]:
    """Overexpose: linear light times ``2**exposure_stops``, saturating channel by channel as a sensor does.

    Args:
        views: images in RGB.
        rng: not used; nothing here is random.
        exposure_stops: stops above the exposure of the images; one stop doubles the light.

    Returns:
        uint8 (V, H, W, 3).
    """
    check_range("exposure_stops", exposure_stops, 0.0, 16.0)
    light = np.minimum(DECODE.astype(np.float64) * 2.0**exposure_stops, 1.0)
    return np.rint(255.0 * linear_to_srgb(light)).astype(np.uint8)[views.images]


def darkness(
    views: Views,
    rng: np.random.Generator,
    *,
    exposure_stops: float,
    gain_stops: float = 0.0,
    full_well_e: float = 10_000.0,
    read_noise_e: float = 4.0,
) -> NDArray[np.uint8]:
    """Take light away before the sensor counts it: a dark image with shot and read noise, partly amplified again.

    ``n ~ Poisson(full_well_e * light * 2**exposure_stops) + Normal(0, read_noise_e)``, shown as
    ``n * 2**gain_stops / full_well_e`` in linear light (EMVA 1288, section 2). Read noise is rounded to whole electrons
    and black is clipped at 0.

    Args:
        views: images in RGB.
        rng: random generator.
        exposure_stops: at most 0; each stop down halves the light.
        gain_stops: amplification after counting: automatic gain, which brings back the picture and not its light.
        full_well_e: electrons at full scale; 10 000 is typical of 3 um automotive pixels.
        read_noise_e: standard deviation of the read noise in electrons.

    Returns:
        uint8 (V, H, W, 3).
    """
    check_range("exposure_stops", exposure_stops, -24.0, 0.0)
    check_range("gain_stops", gain_stops, 0.0, 24.0)
    check_range("full_well_e", full_well_e, 1.0, 1e7)
    check_range("read_noise_e", read_noise_e, 0.0, 1000.0)
    transition = channel.photoelectrons(
        float(full_well_e), 2.0 ** float(exposure_stops), float(read_noise_e), 2.0 ** float(gain_stops)
    )
    return channel.sample(views.images, transition, rng)


BRIGHTNESS = ViewCorruption(
    name="brightness",
    reference="exposure value: light doubles per stop; IEC 61966-2-1 encoding",
    levels={
        "light": {"exposure_stops": 0.75},
        "moderate": {"exposure_stops": 1.5},
        "heavy": {"exposure_stops": 2.5},
    },
    fn=brightness,
    severity="mean absolute change; exposure_stops",
    parameter_docs={"exposure_stops": "stops of overexposure, >= 0; one stop doubles the light"},
)

DARKNESS = ViewCorruption(
    name="darkness",
    reference="EMVA 1288 release 4.0, section 2 (linear camera model)",
    levels={
        "light": {"exposure_stops": -3.0, "gain_stops": 1.0},
        "moderate": {"exposure_stops": -5.0, "gain_stops": 2.0},
        "heavy": {"exposure_stops": -7.0, "gain_stops": 3.0},
    },
    fn=darkness,
    severity="mean absolute change; stops lost and not amplified again",
    parameter_docs={
        "exposure_stops": "stops of light lost before the sensor, <= 0",
        "gain_stops": "stops of amplification after the sensor, >= 0",
        "full_well_e": "electrons of one value at full scale",
        "read_noise_e": "standard deviation of the read noise in electrons",
    },
)
