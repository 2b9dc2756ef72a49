"""Benchmark suites as data: which corruption at which level makes which folder, in the order of evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from corruptions import corrupt
from corruptions.catalog import CATALOG, get
from corruptions.core import ADDED, MOVED, Corrupted, InputError, Scan, unknown

if TYPE_CHECKING:
    from corruptions.camera import Views

WEATHER = "weather"
"""Name of a :class:`corruptions.conditions.Weather` among the corruptions; its parameters are those of the state."""

SAMPLE_PARTS = ("spatial_misalignment", "temporal_lag", "missing_sensors")
"""What acts on a whole sample and not on the points or images of one sensor; its adapters know the parameters."""


@dataclass(frozen=True)
class Part:
    """What a setting does to one kind of sensor.

    Attributes:
        sensor: "lidar" (every sweep), "camera" (all views of a keyframe), or "sample" (``SAMPLE_PARTS``: calibration,
            history, which sensors are there).
        corruption: name in the catalog of the sensor, or ``WEATHER``.
        level: level of that corruption, or None where ``params`` say it all.
        params: physical values beside or instead of the level.
    """

    sensor: str
    corruption: str
    level: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def available(self) -> bool:
        """Whether the catalog of the sensor has the corruption at its level."""
        if self.sensor == "sample":
            return self.corruption in SAMPLE_PARTS
        if self.corruption == WEATHER:
            return True
        if self.sensor == "lidar":
            return _has_level(CATALOG.get(self.corruption), self.level)
        from corruptions.camera import VIEW_CORRUPTIONS

        return _has_level(VIEW_CORRUPTIONS.get(self.corruption), self.level)

    def check(self) -> None:
        """Raise :class:`InputError` for a corruption, level or parameter that the LiDAR or the cameras have not got."""
        if self.corruption == WEATHER:
            from corruptions.conditions import Weather

            names = [one.name for one in fields(Weather)]
            for name in self.params:
                if name not in names:
                    raise InputError(unknown("parameter", name, names, of=WEATHER))
            Weather(**self.params)
        elif self.sensor == "lidar":
            get(self.corruption).parameters(self.level, self.params)
        else:
            from corruptions.camera import get as get_view

            get_view(self.corruption).parameters(self.level, self.params)

    def corrupt_sweep(self, scan: Scan, *, seed: int, sample: str) -> Corrupted:
        """Corrupt one LiDAR sweep on its own random stream; for parts of the LiDAR."""
        if self.corruption == WEATHER:
            from corruptions import conditions

            return conditions.corrupt_sweep(scan, conditions.Weather(**self.params), seed=seed, sample=sample)
        return corrupt(scan, self.corruption, self.level, seed=seed, sample=sample, **self.params)

    def corrupt_views(self, views: Views, *, seed: int, sample: str) -> NDArray[np.uint8]:
        """Corrupt the views of one keyframe on their own random stream; for parts of the cameras."""
        if self.corruption == WEATHER:
            from corruptions import conditions

            return conditions.corrupt_views(views, conditions.Weather(**self.params), seed=seed, sample=sample)
        from corruptions.camera import corrupt_views

        return corrupt_views(views, self.corruption, self.level, seed=seed, sample=sample, **self.params)


@dataclass(frozen=True)
class Setting:
    """One column of a benchmark: a corruption at one level.

    Attributes:
        folder: folder of the published data, the name of the setting.
        type: type of corruption whose settings are averaged first.
        severity: name of the level in the paper ("light", "dense"); what ``--levels`` selects.
        corruption: name in the catalog.
        level: level of that corruption, or None where ``params`` say it all.
        params: physical values beside or instead of the level.
        drop: label rule of this setting where it differs from the suite's.
        parts: what happens to each sensor, in settings of several sensors; ``corruption`` is then the name of the whole
            ("fog"), and ``level`` that of the parts together. Empty: ``corruption`` is one of the LiDAR.
    """

    folder: str
    type: str
    severity: str
    corruption: str
    level: str | None
    params: Mapping[str, Any] = field(default_factory=dict, hash=False)
    drop: tuple[Any, ...] | None = None
    parts: tuple[Part, ...] = ()

    def part(self, sensor: str) -> Part | None:
        """What happens to a kind of sensor ("lidar", "camera", "sample"), or None."""
        return next((part for part in self.all_parts if part.sensor == sensor), None)

    @property
    def all_parts(self) -> tuple[Part, ...]:
        """The parts, in settings of the LiDAR alone the one it is; none in the clean setting."""
        if self.parts or not self.corruption:
            return self.parts
        return (Part("lidar", self.corruption, self.level, self.params),)

    def corrupt(self, scan: Scan, *, seed: int, sample: str) -> Corrupted:
        """Corrupt one sweep as this setting says, on its own random stream (:func:`corruptions.corrupt`)."""
        return corrupt(scan, self.corruption, self.level, seed=seed, sample=sample, **self.params)


@dataclass(frozen=True)
class Suite:
    """A benchmark.

    Attributes:
        name: key in ``SUITES``.
        reference: the paper that defines it.
        clean_folder: name of the setting without corruption, evaluated first.
        settings: the corrupted settings, in the order of evaluation.
        groups: types of each group, in the order of evaluation.
        drop: label rule: points of these statuses lose their label (``Corrupted.carry``).
        layout: where the published data of a setting lie, from its ``folder``, ``type`` and ``severity``.
    """

    name: str
    reference: str
    clean_folder: str
    settings: tuple[Setting, ...]
    groups: Mapping[str, tuple[str, ...]]
    drop: tuple[Any, ...] = (MOVED, ADDED)
    layout: str = "{folder}"

    @property
    def types(self) -> dict[str, tuple[str, ...]]:
        """Folders of each type, in the order of evaluation."""
        types = dict.fromkeys(setting.type for setting in self.settings)
        return {kind: tuple(s.folder for s in self.settings if s.type == kind) for kind in types}

    def setting(self, folder: str) -> Setting:
        """The setting of this folder; raises :class:`InputError` with near matches for an unknown one."""
        for setting in self.settings:
            if setting.folder == folder:
                return setting
        raise InputError(unknown("setting", folder, (s.folder for s in self.settings), of=self.name))

    def drop_of(self, setting: Setting) -> tuple[Any, ...]:
        """Statuses whose points lose their label under this setting."""
        return self.drop if setting.drop is None else setting.drop

    def path(self, setting: Setting) -> str:
        """Folder of the published data of a setting, below the root of the corrupted data."""
        return self.layout.format(folder=setting.folder, type=setting.type, severity=setting.severity)


def suite(name: str) -> Suite:
    """The suite of this name; raises :class:`InputError` with near matches for an unknown one."""
    known = every_suite()
    if name not in known:
        raise InputError(unknown("suite", name, known))
    return known[name]


def every_suite() -> dict[str, Suite]:
    """All suites by name: ``SUITES`` of the LiDAR, then those of several sensors."""
    from corruptions.multimodal import MULTIMODAL_SUITES  # it builds on the types of this module

    return {**SUITES, **MULTIMODAL_SUITES}


def available(setting: Setting) -> bool:
    """Whether the catalogs have every part of a setting at its level."""
    return all(part.available for part in setting.all_parts)


def _has_level(corruption: Any, level: str | None) -> bool:
    return corruption is not None and (level is None or level in corruption.levels)


def select(
    suite: Suite, corruptions: Sequence[str] = ("all",), levels: Sequence[str] = ("all",)
) -> tuple[Setting, ...]:
    """The settings of a suite that both lists name, in the order of evaluation.

    Args:
        suite: the benchmark.
        corruptions: any of "all", a group ("weather"), a type, a corruption of the catalog, or a folder.
        levels: any of "all", a severity ("light"), a level of the catalog, or the place of a setting among those of its
            type, counted from "1".

    Returns:
        At least one setting. The clean setting is not among them: every evaluation starts with it.

    Raises:
        InputError: for an unknown name (with near matches), or when nothing is left.
    """
    by_name = _matching(suite, corruptions, "corruption", _names)
    by_level = _matching(suite, levels, "level", _level_names)
    chosen = tuple(setting for setting in suite.settings if setting in by_name and setting in by_level)
    if not chosen:
        found = ", ".join(dict.fromkeys(setting.severity for setting in by_name))
        raise InputError(
            f"{suite.name}: nothing is both {' or '.join(corruptions)} and {' or '.join(levels)}; "
            f"{' or '.join(corruptions)} has the levels {found}"
        )
    return chosen


def _names(suite: Suite, setting: Setting) -> tuple[str, ...]:
    """What ``--corruptions`` may call a setting, the widest name first."""
    groups = [group for group, types in suite.groups.items() if setting.type in types]
    return ("all", *groups, setting.type, setting.corruption, setting.folder)


def _level_names(suite: Suite, setting: Setting) -> tuple[str | None, ...]:
    """What ``--levels`` may call a setting."""
    place = suite.types[setting.type].index(setting.folder) + 1
    return ("all", setting.severity, setting.level, str(place))


def _matching(
    suite: Suite, wanted: Sequence[str], what: str, names: Callable[[Suite, Setting], tuple[str | None, ...]]
) -> list[Setting]:
    by_width = zip(*(names(suite, setting) for setting in suite.settings), strict=True)
    known = [name for name in dict.fromkeys(chain(*by_width)) if name is not None]
    for name in wanted:
        if name not in known:
            raise InputError(unknown(what, name, known, of=suite.name))
    return [setting for setting in suite.settings if not set(wanted).isdisjoint(names(suite, setting))]


def _three(prefix: str, corruption: str) -> tuple[Setting, ...]:
    """Light, moderate and heavy of one corruption, under ``<prefix>_<severity>``."""
    return tuple(
        Setting(f"{prefix}_{severity}", corruption, severity, corruption, severity)
        for severity in ("light", "moderate", "heavy")
    )


SEMANTICKITTI_C = Suite(
    name="semantickitti_c",
    reference="Yan et al., Benchmarking the Robustness of LiDAR Semantic Segmentation Models, IJCV 2024",
    clean_folder="clean_data",
    settings=(
        *_three("fog", "fog"),
        *_three("snowfall", "snowfall"),
        *_three("local", "local_distortion"),
        *_three("global", "global_outliers"),
        Setting("dense_32beam", "32beam", "dense", "beam_reduction", "dense_32beam"),
        Setting("sparse_32beam", "32beam", "sparse", "beam_reduction", "sparse_32beam"),
        Setting("dense_16beam", "16beam", "dense", "beam_reduction", "dense_16beam"),
        Setting("sparse_16beam", "16beam", "sparse", "beam_reduction", "sparse_16beam"),
    ),
    groups={
        "weather": ("fog", "snowfall"),
        "noise": ("local_distortion", "global_outliers"),
        "device": ("32beam", "16beam"),
    },
)


def _robo3d(
    kind: str, corruption: str, *params: Mapping[str, Any], drop: tuple[Any, ...] | None = None
) -> tuple[Setting, ...]:
    """Light, moderate and heavy of one type: the levels of the corruption, or three sets of parameters."""
    names = ("light", "moderate", "heavy")
    return tuple(
        Setting(f"{kind}_{name}", kind, name, corruption, None if params else name, values, drop)
        for name, values in zip(names, params or ({},) * 3, strict=True)
    )


# Parameters as published, but for the fog: there the attenuation is drawn per scan from 0 ... 0.06 /m, so that levels
# overlap and one light scan in six has none; here it is 0.02 /m, about the mean of that list. Labels: fog, snow and
# crosstalk points get ids that count as ignored; blurred points keep theirs.
ROBO3D = Suite(
    name="robo3d",
    reference="Kong et al., Robo3D: Towards Robust and Reliable 3D Perception against Corruptions, ICCV 2023",
    clean_folder="clean",
    settings=(
        *_robo3d("fog", "fog", *({"alpha_per_m": 0.02, "beta_per_m_sr": beta} for beta in (0.008, 0.05, 0.2))),
        *_robo3d(
            "wet_ground",
            "wet_ground",
            {"water_height_mm": 0.2, "noise_floor": 0.3},
            {"water_height_mm": 1.0, "noise_floor": 0.3},
            {"water_height_mm": 1.2, "noise_floor": 0.7},
        ),
        *_robo3d(
            "snow",
            "snowfall",
            {"rate_mm_per_h": 0.5, "terminal_velocity_m_per_s": 2.0},
            {"rate_mm_per_h": 1.0, "terminal_velocity_m_per_s": 1.6},
            {"rate_mm_per_h": 2.5, "terminal_velocity_m_per_s": 1.6},
        ),
        *_robo3d("motion_blur", "motion_blur", drop=(ADDED,)),
        *_robo3d("beam_missing", "beam_missing"),
        *_robo3d("crosstalk", "crosstalk"),
        *_robo3d("incomplete_echo", "incomplete_echo"),
        *_robo3d("cross_sensor", "cross_sensor"),
    ),
    groups={
        "weather": ("fog", "wet_ground", "snow"),
        "disturbance": ("motion_blur", "beam_missing"),
        "sensor": ("crosstalk", "incomplete_echo", "cross_sensor"),
    },
    layout="{type}/{severity}",
)

SUITES: Mapping[str, Suite] = {suite.name: suite for suite in (SEMANTICKITTI_C, ROBO3D)}
"""The suites of the LiDAR; those of several sensors are ``corruptions.multimodal.MULTIMODAL_SUITES``."""
