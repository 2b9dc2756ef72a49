"""Scan in, corrupted scan out: the types every LiDAR corruption works with.

A corruption is a pure function plus a table of levels. It says where each output point comes from (``source``) and what
happened to it (``status``), and so is label-aware without knowing labels: whoever has labels, instance ids or rings
carries them through with :meth:`Corrupted.carry`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from inspect import signature
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

KEPT, MOVED, ADDED = np.uint8(0), np.uint8(1), np.uint8(2)
X, Y, Z, INTENSITY = 0, 1, 2, 3
# No coordinate of a sweep is larger: 1000 km.
FARTHEST_M = 1e6

Level = Mapping[str, Any]


class InputError(ValueError):
    """Bad input. The message names the file or argument, what was expected, what was found and what to do."""


@dataclass(frozen=True)
class Scan:
    """One LiDAR sweep in the sensor frame (x forward, y left, z up).

    Attributes:
        points: float32 (N, C >= 4): x, y, z in metres, intensity in [0, intensity_max], then further sensor columns.
        intensity_max: full scale of the intensity column: 1.0 for SemanticKITTI, 255.0 for nuScenes.
        ring: int (N,) laser index from 0, or None where the file has none (see ``corruptions.sensors``).
        num_rings: number of lasers of the sensor; by default the highest ring index plus one.
        labels: int (N,) original semantic ids of ``label_set``; only corruptions that need semantics read them.
        label_set: whose ids ``labels`` holds, a key of ``corruptions.semantics.LABEL_SETS``.
        sensor: name of the LiDAR model in ``corruptions.sensors``; gives divergence and wavelength to the physics.

    Raises:
        InputError: for wrong shapes, values that are not finite, coordinates beyond 1000 km, or the wrong intensity
            scale. An empty scan is valid (a sensor can return nothing); an empty file is not (``corruptions.files``).
    """

    points: NDArray[np.float32]
    intensity_max: float
    ring: NDArray[np.integer] | None = None
    num_rings: int | None = None
    labels: NDArray[np.integer] | None = None
    label_set: str = "semantickitti"
    sensor: str = "HDL-64E"

    def __post_init__(self) -> None:
        points = self.points
        if not isinstance(points, np.ndarray) or points.ndim != 2 or points.shape[1] < 4 or points.dtype != np.float32:
            found = f"{points.dtype} {points.shape}" if isinstance(points, np.ndarray) else type(points).__name__
            raise InputError(f"points: expected float32 (N, C >= 4) with x, y, z, intensity first, found {found}")
        check_finite(points, "points")
        check_coordinates(points)
        check_intensity(points[:, INTENSITY], self.intensity_max)
        for name, values in (("ring", self.ring), ("labels", self.labels)):
            if values is not None and (values.shape != (len(points),) or values.dtype.kind not in "iu"):
                raise InputError(
                    f"{name}: expected one integer per point ({len(points)}), found {values.dtype} {values.shape}"
                )
        if self.ring is not None and self.num_rings is not None and len(self.ring):
            low, high = int(self.ring.min()), int(self.ring.max())
            if low < 0 or high >= self.num_rings:
                raise InputError(f"ring: expected indices in 0..{self.num_rings - 1}, found {low}..{high}")

    @property
    def ring_count(self) -> int:
        """Number of lasers; needs ``ring``."""
        if self.num_rings is not None:
            return self.num_rings
        if self.ring is None:
            raise InputError("this corruption works per laser: pass `ring`, or estimate it with corruptions.sensors")
        return int(self.ring.max(initial=-1)) + 1

    @property
    def range_m(self) -> NDArray[np.float32]:
        """(N,) distance of each point from the sensor in metres."""
        return np.sqrt(np.einsum("ij,ij->i", self.points[:, :3], self.points[:, :3]))


def check_finite(points: NDArray[np.float32], where: str) -> None:
    """Raise :class:`InputError` naming the first row that holds a NaN or an infinity."""
    bad = ~np.isfinite(points).all(axis=1)
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(
            f"{where}: expected finite values, found {int(bad.sum())} of {len(points)} points with NaN or inf, "
            f"first at row {row}: {points[row].tolist()}; remove these rows"
        )


def check_coordinates(points: NDArray[np.float32]) -> None:
    """Raise :class:`InputError` for coordinates that are none of the sensor frame in metres.

    Squares of such numbers overflow float32 further on, and a range of infinity is no physics.
    """
    # Column by column: a third of the time of one pass over a strided block.
    if max(float(np.abs(points[:, axis]).max(initial=0)) for axis in (X, Y, Z)) <= FARTHEST_M:
        return
    xyz = points[:, :3]
    raise InputError(
        f"points: expected x, y, z in metres from the sensor, found {xyz.flat[np.abs(xyz).argmax()]:g}; is the number "
        "of columns right, and are the points in the sensor frame (not a map's)?"
    )


def check_intensity(intensity: NDArray[np.float32], intensity_max: float) -> None:
    """Raise :class:`InputError` when intensities cannot be on the scale [0, intensity_max].

    Physics that mixes up the scales turns nearly every point into weather, so this is an error and not a warning.
    """
    if len(intensity) == 0:
        return
    scales = "SemanticKITTI is 0..1, nuScenes 0..255, Waymo 0..1 after tanh"
    low, high = float(intensity.min()), float(intensity.max())
    if low < 0:
        raise InputError(f"intensity: expected values in [0, {intensity_max:g}], found {low:g}; {scales}")
    if high > intensity_max * 1.001:
        raise InputError(f"intensity reaches {high:g} but intensity_max is {intensity_max:g}: {scales}")
    # 0 < high <= 1 on a byte scale: no real sweep is that dark, so the file is on the 0..1 scale.
    if intensity_max >= 100 and 0 < high <= 1.0:
        raise InputError(f"intensity reaches only {high:g} but intensity_max is {intensity_max:g}: {scales}")


def check_within(name: str, value: float, low: float, high: float = float("inf"), *, whole: bool = False) -> None:
    """Raise :class:`InputError` when the parameter ``name`` of a corruption is not a (whole) number in [low, high]."""
    right_kind = isinstance(value, Integral if whole else Real) and not isinstance(value, bool)
    if right_kind and low <= value <= high and value < float("inf"):
        return
    kind = "a whole number" if whole else "a number"
    expected = f"{kind} in [{low:g}, {high:g}]" if high < float("inf") else f"{kind} of at least {low:g}"
    raise InputError(f"{name}: expected {expected}, found {value!r}")


@dataclass(frozen=True)
class Corrupted:
    """A corrupted sweep and where its points come from.

    Attributes:
        points: float32 (M, C), same columns as the input.
        source: int64 (M,) row in the input scan, -1 for a point that the corruption added.
        status: uint8 (M,) ``KEPT`` (same position; intensity may be attenuated), ``MOVED`` (the return now comes from
            somewhere else), or ``ADDED``.
    """

    points: NDArray[np.float32]
    source: NDArray[np.int64]
    status: NDArray[np.uint8]

    def __post_init__(self) -> None:
        count = len(self.points)
        if self.points.dtype != np.float32 or self.source.dtype != np.int64 or self.status.dtype != np.uint8:
            raise TypeError(
                "Corrupted: expected float32 points, int64 source, uint8 status, found "
                f"{self.points.dtype}, {self.source.dtype}, {self.status.dtype}"
            )
        if self.source.shape != (count,) or self.status.shape != (count,):
            raise ValueError(f"Corrupted: {count} points, source {self.source.shape}, status {self.status.shape}")

    def carry(self, values: NDArray[Any], fill: Any, drop: Iterable[np.uint8] = (MOVED, ADDED)) -> NDArray[Any]:
        """Bring per-point values of the input (labels, instance ids, rings) to the output points.

        Args:
            values: (N, ...) one entry per input point.
            fill: value for points whose status is in ``drop``, and for every added point.
            drop: the label rule. By default moved and added points get ``fill`` (SemanticKITTI-C scores only the
                untouched points); ``(ADDED,)`` lets moved points keep their label.

        Returns:
            (M, ...) array of ``values.dtype``.
        """
        carried = np.full((len(self.source), *values.shape[1:]), fill, dtype=values.dtype)
        keep = (self.source >= 0) & ~np.isin(self.status, np.fromiter(drop, dtype=np.uint8))
        carried[keep] = values[self.source[keep]]
        return carried


def select(scan: Scan, keep: NDArray[np.bool_]) -> Corrupted:
    """The points of ``scan`` where ``keep`` (N,) is true, untouched."""
    source = np.flatnonzero(keep).astype(np.int64, copy=False)
    return Corrupted(scan.points.take(source, axis=0), source, np.full(len(source), KEPT))


def replace(scan: Scan, points: NDArray[np.float32], moved: NDArray[np.bool_]) -> Corrupted:
    """All points of ``scan`` with new values ``points`` (N, C); ``moved`` (N,) marks those at a new position."""
    source = np.arange(len(points), dtype=np.int64)
    return Corrupted(points, source, np.where(moved, MOVED, KEPT))


def append(scan: Scan, added: NDArray[np.float32]) -> Corrupted:
    """All points of ``scan`` followed by ``added`` (K, C)."""
    source = np.concatenate([np.arange(len(scan.points)), np.full(len(added), -1)]).astype(np.int64)
    return Corrupted(np.concatenate([scan.points, added]), source, np.where(source < 0, ADDED, KEPT))


@dataclass(frozen=True)
class Corruption:
    """A corruption by name: a function of the scan, its level table and its source in the literature.

    Attributes:
        name: name in the catalog, e.g. "fog".
        group: "adverse weather", "measurement noise" or "cross-device" (the three groups of SemanticKITTI-C), or
            "camera" / "sensor failure" for the multi-modal families.
        reference: the paper, section or decision the model follows.
        levels: parameters by level name, in order of severity.
        fn: ``fn(scan, rng, **parameters) -> Corrupted``; pure, never writes its input.
        severity: parameter or measure that grows along ``levels``, in words; what the tests check to be monotone.
        drop: label rule where no suite has one (``Corrupted.carry``): points of these statuses lose their label. A
            corruption that moves every point a little lets them keep it, or nothing would be left to score.
    """

    name: str
    group: str
    reference: str
    levels: Mapping[str, Level]
    fn: Callable[..., Corrupted]
    severity: str = field(default="")
    drop: tuple[np.uint8, ...] = (MOVED, ADDED)

    def __call__(self, scan: Scan, rng: np.random.Generator, level: str | None = None, **physical: Any) -> Corrupted:
        """Corrupt ``scan`` at a named level, or at physical values such as ``alpha_per_m=0.037``."""
        return self.fn(scan, rng, **self.parameters(level, physical))

    def parameters(self, level: str | None, physical: Level) -> dict[str, Any]:
        """Parameters of a level, overridden by physical values; see :func:`merge_parameters`."""
        return merge_parameters(self.name, self.fn, self.levels, level, physical)


def merge_parameters(
    name: str, fn: Callable[..., Any], levels: Mapping[str, Level], level: str | None, physical: Level
) -> dict[str, Any]:
    """Arguments of a corruption: those of a level, overridden by physical values; either of the two must be given.

    Args:
        name: name of the corruption, for the messages.
        fn: its function; whatever follows the input and the random stream is a parameter.
        levels: its parameters by level name.
        level: a key of ``levels``, or None.
        physical: values by parameter name.

    Returns:
        Keyword arguments of ``fn``: every one that it requires, none that it does not have.

    Raises:
        InputError: for an unknown level or parameter, or a parameter that only a level would have given.
    """
    if level is None and not physical:
        raise InputError(f"{name}: give a level ({', '.join(levels)}) or a physical value")
    if level is not None and level not in levels:
        raise InputError(unknown("level", level, levels, of=name))
    given = {**(levels[level] if level is not None else {}), **physical}
    accepted = dict(list(signature(fn).parameters.items())[2:])
    for key in given:
        if key not in accepted:
            raise InputError(unknown("parameter", key, accepted, of=name))
    missing = [key for key, value in accepted.items() if value.default is value.empty and key not in given]
    if missing:
        raise InputError(f"{name}: {', '.join(missing)} not given: pass it, or a level to take the rest from")
    return given


def level_text(level: str | None, physical: Level) -> str:
    """The level as the random stream knows it: its name, then the sorted ``key=value`` of physical values.

    Numbers are written as floats: 1, 1.0 and a numpy 1 are the same value and get the same draws.
    """
    parts = [level] if level is not None else []
    for key in sorted(physical):
        value = physical[key]
        parts.append(f"{key}={float(value)!r}" if isinstance(value, int | float | np.number) else f"{key}={value}")
    return " ".join(parts)


def unknown(what: str, found: object, known: Iterable[str], of: str = "") -> str:
    """Message for an unknown name, with near matches first."""
    import difflib

    known = list(known)
    near = difflib.get_close_matches(str(found), known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return f"unknown {what} {found!r}{' of ' + of if of else ''}: {hint}known: {', '.join(known)}"
