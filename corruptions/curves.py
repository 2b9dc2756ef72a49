"""Suites along one physical quantity: a corruption at a series of values, as ``weather.visibility_m=1000,300,100``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any

from corruptions.catalog import CATALOG
from corruptions.core import InputError, unknown
from corruptions.suites import SAMPLE_PARTS, WEATHER, Part, Setting, Suite

# What the other parameters are where a curve is along one of them.
SAMPLE_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "spatial_misalignment": {"rotation_deg": 0.0, "translation_m": 0.0},
    "temporal_lag": {"keyframes": 1, "lidar_share": 1.0, "camera_share": 1.0, "own_pose": True},
}


def curve_suite(text: str, constants: Sequence[str] = ()) -> Suite:
    """The suite of a curve.

    Args:
        text: ``CORRUPTION.PARAMETER=VALUE,VALUE,...``, from mild to severe. ``weather`` acts on LiDAR and cameras as
            one day; any other corruption on each sensor whose corruption of that name has the parameter, and
            ``spatial_misalignment`` and ``temporal_lag`` on the sample.
        constants: ``KEY=VALUE`` of further parameters, the same for all values.

    Returns:
        One setting per value, under the name ``PARAMETER=VALUE``.

    Raises:
        InputError: for a text of another form, fewer than two values, equal ones, or an unknown name.
    """
    name, _, rest = text.partition(".")
    parameter, _, listed = rest.partition("=")
    values = [_number(value, text) for value in listed.split(",")]
    if len(values) < 2 or len(set(values)) < len(values):
        raise InputError(f"--curve {text}: expected two or more different values, found {listed or 'none'}")
    fixed = {key: _number(value, text) for key, _, value in (item.partition("=") for item in constants)}
    label = "_".join([f"curve_{name}.{parameter}", *(f"{key}={value:g}" for key, value in sorted(fixed.items()))])
    settings = []
    for value in values:
        parts = tuple(_parts(name, parameter, {**fixed, parameter: value}))
        text_of_value = repr(value)
        folder = f"{parameter}={text_of_value}"
        if [part.sensor for part in parts] == ["lidar"] and name != WEATHER:
            settings.append(Setting(folder, name, text_of_value, name, None, parts[0].params))
        else:
            settings.append(Setting(folder, name, text_of_value, name, text_of_value, parts=parts))
    return Suite(label, f"{name} along {parameter}", "clean", tuple(settings), {"curve": (name,)})


def _parts(name: str, parameter: str, params: Mapping[str, Any]) -> list[Part]:
    from corruptions.camera import VIEW_CORRUPTIONS

    if name == WEATHER:
        parts = [Part(sensor, WEATHER, None, params) for sensor in ("lidar", "camera")]
    elif name in SAMPLE_DEFAULTS:
        defaults = SAMPLE_DEFAULTS[name]
        for key in params:
            if key not in defaults:
                raise InputError(unknown("parameter", key, defaults, of=name))
        # counts are whole, though a command line writes numbers
        return [Part("sample", name, None, {key: type(old)(params.get(key, old)) for key, old in defaults.items()})]
    else:
        catalogs: dict[str, Mapping[str, Any]] = {"lidar": CATALOG, "camera": VIEW_CORRUPTIONS}
        known = [*CATALOG, *VIEW_CORRUPTIONS, WEATHER, *SAMPLE_PARTS[:2]]
        if name not in known:
            raise InputError(unknown("corruption", name, dict.fromkeys(known)))
        having = {sensor: catalog[name] for sensor, catalog in catalogs.items() if name in catalog}
        parameters = {sensor: list(signature(one.fn).parameters)[2:] for sensor, one in having.items()}
        parts = [Part(sensor, name, None, params) for sensor, names in parameters.items() if parameter in names]
        if not parts:
            names = dict.fromkeys(name for names in parameters.values() for name in names)
            raise InputError(unknown("parameter", parameter, names, of=name))
    for part in parts:
        part.check()
    return parts


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"--curve {where}: expected CORRUPTION.PARAMETER=VALUE,VALUE,... and numbers, found {text!r}")
    return int(value) if value.is_integer() else value
