"""Every LiDAR corruption by name, in the order of evaluation."""

from __future__ import annotations

from collections.abc import Mapping

from corruptions.core import Corruption, InputError, unknown
from corruptions.device.beam_missing import BEAM_MISSING
from corruptions.device.beam_reduction import BEAM_REDUCTION
from corruptions.device.cross_sensor import CROSS_SENSOR
from corruptions.device.incomplete_echo import INCOMPLETE_ECHO
from corruptions.device.sensor_loss import FIELD_OF_VIEW_LOSS, MISSING_LIDAR
from corruptions.noise.crosstalk import CROSSTALK
from corruptions.noise.global_outliers import GLOBAL_OUTLIERS
from corruptions.noise.jitter import GAUSSIAN_NOISE, IMPULSE_NOISE, UNIFORM_NOISE
from corruptions.noise.local_distortion import LOCAL_DISTORTION
from corruptions.noise.motion_blur import MOTION_BLUR
from corruptions.noise.point_loss import CUTOUT, DENSITY_DECREASE
from corruptions.weather.fog import FOG
from corruptions.weather.rain import RAIN
from corruptions.weather.snowfall import SNOWFALL
from corruptions.weather.wet_ground import WET_GROUND

CATALOG: Mapping[str, Corruption] = {
    corruption.name: corruption
    for corruption in (
        # SemanticKITTI-C (Yan et al., IJCV 2024)
        FOG,
        SNOWFALL,
        LOCAL_DISTORTION,
        GLOBAL_OUTLIERS,
        BEAM_REDUCTION,
        # what Robo3D adds (Kong et al., ICCV 2023)
        WET_GROUND,
        MOTION_BLUR,
        BEAM_MISSING,
        CROSSTALK,
        INCOMPLETE_ECHO,
        CROSS_SENSOR,
        # further
        RAIN,
        DENSITY_DECREASE,
        CUTOUT,
        FIELD_OF_VIEW_LOSS,
        MISSING_LIDAR,
        GAUSSIAN_NOISE,
        UNIFORM_NOISE,
        IMPULSE_NOISE,
    )
}


def get(name: str) -> Corruption:
    """The corruption of this name; raises :class:`InputError` with near matches for an unknown one."""
    if name not in CATALOG:
        raise InputError(unknown("corruption", name, CATALOG))
    return CATALOG[name]
