"""Suites of several sensors as data: LiDAR and cameras corrupted together, lost, misaligned or late.

Each setting lists what happens to the LiDAR, to the cameras and to the sample (``corruptions.suites.Part``). A model
that lacks a sensor takes the other parts alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from corruptions.conditions import DAYS, Weather
from corruptions.device.alignment import SPATIAL_MISALIGNMENT
from corruptions.nuscenes import CAMERAS
from corruptions.suites import WEATHER, Part, Setting, Suite

Values = Mapping[str, Any]
Corrupting = tuple[str, Sequence[Values]]
"""A corruption by name, and its parameters at each of three levels."""

LEVELS = ("light", "moderate", "heavy")


def _three(
    kind: str,
    lidar: Corrupting | None = None,
    camera: str | Corrupting | None = None,
    sample: Corrupting | None = None,
) -> tuple[Setting, ...]:
    """Levels 1, 2, 3 of a type; ``camera`` may be the name of a corruption whose own three levels are taken."""
    settings = []
    for index, name in enumerate(LEVELS):
        parts = [
            Part(sensor, chosen[0], None, chosen[1][index])
            for sensor, chosen in (("lidar", lidar), ("camera", camera), ("sample", sample))
            if chosen is not None and not isinstance(chosen, str)
        ]
        if isinstance(camera, str):
            parts.append(Part("camera", camera, name))
        severity = str(index + 1)
        settings.append(Setting(f"{kind}_{severity}", kind, severity, kind, severity, parts=tuple(parts)))
    return tuple(settings)


def _of(name: str, key: str, *values: Any) -> Corrupting:
    """A corruption whose parameter ``key`` takes these values."""
    return name, [{key: value} for value in values]


# Ten types of three levels each, with the models of this engine. What the levels are:
#
# * As published: beams 16, 8, 4 (here evenly spaced and centred); missing cameras 0.2, 0.4, 0.6, black (there each
#   image with that probability, here 1, 2, 4 of the six cameras of each keyframe); points lost 0.7, 0.8, 0.9 (of the
#   present leaderboard; the first one had 0.2, 0.4, 0.6); late sensors with probability 0.2, 0.4, 0.6, each for itself,
#   by one keyframe and taken for the present; LiDAR fog alpha 0.02, 0.03, 0.06 /m with beta 0.008, 0.008, 0.05; LiDAR
#   snow 0.5, 2.5, 1.5 mm/h at 1.2, 1.6, 0.4 m/s; blur of the sweep by 0.06, 0.10, 0.13 m per axis.
# * Ours: fog before the cameras has the LiDAR's alpha, and snow its rate, where the original draws patterns unrelated
#   to the LiDAR; images are blurred by a box with the standard deviation of the half Gaussians there (6, 10, 13 pixels,
#   cut at 30); brightness and darkness are exposures; a misalignment is a rigid error of the calibration in every
#   keyframe, in a random direction, where the original turns the points of some keyframes about all axes and shifts
#   them by 2 m.
_FOG_PER_M = (0.02, 0.03, 0.06)
_FOG_BETA = (0.008, 0.008, 0.05)
_SNOW = ((0.5, 1.2), (2.5, 1.6), (1.5, 0.4))
_SHARES = (0.2, 0.4, 0.6)
_LATE = tuple({"keyframes": 1, "lidar_share": share, "camera_share": share, "own_pose": False} for share in _SHARES)
_MISALIGNED = tuple(
    {"rotation_deg": error.rotation_deg, "translation_m": error.translation_m}
    for error in SPATIAL_MISALIGNMENT.values()
)


def _fog(index: int) -> Values:
    return {"alpha_per_m": _FOG_PER_M[index], "beta_per_m_sr": _FOG_BETA[index]}


def _snow(index: int) -> Values:
    return {"rate_mm_per_h": _SNOW[index][0], "terminal_velocity_m_per_s": _SNOW[index][1]}


MULTICORRUPT = Suite(
    name="multicorrupt",
    reference="Beemelmanns et al., MultiCorrupt: A Multi-Modal Robustness Dataset and Benchmark, IV 2024",
    clean_folder="clean",
    settings=(
        *_three("beams_reducing", lidar=_of("beam_reduction", "beams", 16, 8, 4)),
        *_three("brightness", camera="brightness"),
        *_three("dark", camera="darkness"),
        *_three("fog", lidar=("fog", (_fog(0), _fog(1), _fog(2))), camera=_of("fog", "alpha_per_m", *_FOG_PER_M)),
        *_three("missing_camera", camera=_of("camera_crash", "share", *_SHARES)),
        *_three(
            "motion_blur",
            lidar=_of("motion_blur", "sigma_m", 0.06, 0.10, 0.13),
            camera=_of("motion_blur", "length_px", 12.8, 20.8, 25.0),
        ),
        *_three("points_reducing", lidar=_of("density_decrease", "drop_share", 0.7, 0.8, 0.9)),
        *_three(
            "snow",
            lidar=("snowfall", (_snow(0), _snow(1), _snow(2))),
            camera=_of("snow", "rate_mm_per_h", *(rate for rate, _ in _SNOW)),
        ),
        *_three("spatial_misalignment", sample=("spatial_misalignment", _MISALIGNED)),
        *_three("temporal_misalignment", sample=("temporal_lag", _LATE)),
    ),
    groups={
        "weather": ("fog", "snow"),
        "light": ("brightness", "dark"),
        "blur": ("motion_blur",),
        "sensor": ("beams_reducing", "missing_camera", "points_reducing"),
        "alignment": ("spatial_misalignment", "temporal_misalignment"),
    },
)


def _lost(folder: str, kind: str, severity: str, lidar: bool = False, cameras: Any = ()) -> Setting:
    part = Part("sample", "missing_sensors", None, {"lidar": lidar, "cameras": cameras})
    return Setting(folder, kind, severity, "missing_sensors", severity, parts=(part,))


def _frozen(views: int) -> Setting:
    part = Part("camera", "frozen_frame", None, {"share": views / len(CAMERAS)})
    severity = f"{views}of{len(CAMERAS)}"
    return Setting(f"frozen_cameras_{views}", "frozen_cameras", severity, "frozen_frame", severity, parts=(part,))


# A lost sensor gives no data at all (``camera_present`` is False, the cloud is empty), unlike the black images of
# MultiCorrupt. A frozen camera repeats the image of the keyframe before, half a second old, with today's matrices.
MISSING_SENSORS = Suite(
    name="missing_sensors",
    reference="sensor failures one by one; levels are those of this engine",
    clean_folder="clean",
    settings=(
        _lost("no_lidar", "no_lidar", "lost", lidar=True),
        _lost("no_cameras", "no_cameras", "lost", cameras="all"),
        *(_lost(f"no_{name.lower()}", "one_camera", name, cameras=(name,)) for name in CAMERAS),
        _lost("only_cam_front", "only_front_camera", "lost", cameras=tuple(n for n in CAMERAS if n != "CAM_FRONT")),
        *map(_frozen, (1, 3, len(CAMERAS))),
    ),
    groups={
        "lidar": ("no_lidar",),
        "cameras": ("no_cameras", "one_camera", "only_front_camera", "frozen_cameras"),
    },
)


def _day(kind: str, severity: str, weather: Weather) -> Setting:
    clear = Weather()
    names = (field.name for field in fields(weather))
    state = {name: getattr(weather, name) for name in names if getattr(weather, name) != getattr(clear, name)}
    parts = tuple(Part(sensor, WEATHER, None, state) for sensor in ("lidar", "camera"))
    return Setting(f"{kind}_{severity}", kind, severity, kind, severity, state, parts=parts)


CONSISTENT_WEATHER = Suite(
    name="consistent_weather",
    reference="one state of the weather for LiDAR and cameras; days and physics in corruptions.conditions",
    clean_folder="clean",
    settings=tuple(_day(kind, severity, day) for kind, days in DAYS.items() for severity, day in days.items()),
    groups={"weather": tuple(DAYS)},
)


def _aligned(kind: str, corruption: str, severity: str, params: Values) -> Setting:
    part = Part("sample", corruption, None, params)
    return Setting(f"{kind}_{severity}", kind, severity, corruption, severity, parts=(part,))


def _late(keyframes: int, lidar: bool) -> Values:
    return {
        "keyframes": keyframes,
        "lidar_share": float(lidar),
        "camera_share": float(not lidar),
        "own_pose": True,
    }


# Late sensors whose data carry their time and pose: the motion of the own vehicle is known, that of others is not.
SENSOR_ALIGNMENT = Suite(
    name="sensor_alignment",
    reference="calibration errors of corruptions.device.alignment in every keyframe; lags of 0.5, 1 and 1.5 s",
    clean_folder="clean",
    settings=(
        *(
            _aligned("spatial_misalignment", "spatial_misalignment", severity, params)
            for severity, params in zip(LEVELS, _MISALIGNED, strict=True)
        ),
        *(_aligned("lidar_lag", "temporal_lag", name, _late(i + 1, lidar=True)) for i, name in enumerate(LEVELS)),
        *(_aligned("camera_lag", "temporal_lag", name, _late(i + 1, lidar=False)) for i, name in enumerate(LEVELS)),
    ),
    groups={"space": ("spatial_misalignment",), "time": ("lidar_lag", "camera_lag")},
)

MULTIMODAL_SUITES: Mapping[str, Suite] = {
    suite.name: suite for suite in (MULTICORRUPT, MISSING_SENSORS, CONSISTENT_WEATHER, SENSOR_ALIGNMENT)
}
