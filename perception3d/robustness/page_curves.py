"""Continuous severity in the report: curves of several models along one quantity, read from the rows of their runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from corruptions.suites import Setting, Suite
from perception3d.robustness.comparison import MISSING
from perception3d.robustness.curves import Curve, breaking_text, curve_figure, curve_of
from perception3d.robustness.page_pictures import svg_uri
from perception3d.robustness.rows import Row, read_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CURVES = "curves"
"""Folder below a sweep's where its curves are."""


@dataclass(frozen=True)
class Strand:
    """One model's curve.

    Attributes:
        model: its name.
        curve: its scores.
        data: what the corrupted data depend on.
        command: what made it.
    """

    model: str
    curve: Curve
    data: tuple[object, ...]
    command: str


@dataclass(frozen=True)
class CurveSection:
    """All that the page shows of one quantity.

    Attributes:
        name: name of the curve.
        parameter: the quantity, with its unit.
        metric: the metric that is followed.
        share: per cent of clean that marks the breaking point.
        picture: data URI.
        values: headings of ``lines``: every value at which some model was scored, from mild to severe.
        lines: model, clean score, breaking point, area under the curve, then the score at each value, as shown.
        same_data: whether all are of the same corrupted data.
        commands: what made them.
        draws: number of draws of the scenes that intervals come from; 0 for no intervals.
    """

    name: str
    parameter: str
    metric: str
    share: str
    picture: str
    values: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    same_data: bool
    commands: tuple[str, ...]
    draws: int


def read_curves(origin: Path) -> dict[str, Mapping[str, Row]]:
    """Rows of every curve below a sweep's folder, by the name of the curve; empty where there are none."""
    folder = origin / CURVES
    names = sorted({path.parent.name for path in (folder / "rows").glob("*/*.json")})
    return {name: read_rows(folder, name) for name in names}


def make_strand(model: str, rows: Mapping[str, Row]) -> Strand:
    """A model's curve; the end with the higher score counts as mild, which rows do not say.

    Raises:
        InputError: for a clean score that is missing or 0, or fewer than two scored values.
    """
    first = next(iter(rows.values()))
    settings = [_setting(row) for row in rows.values() if "=" in row.setting["folder"]]
    settings.sort(key=lambda setting: float(setting.folder.partition("=")[2]))
    name = first.fingerprint.suite
    curve = curve_of(Suite(name, "", "clean", tuple(settings), {}), rows)
    if curve.kept[0] < curve.kept[-1]:
        curve = curve_of(Suite(name, "", "clean", tuple(reversed(settings)), {}), rows)
    fingerprint = first.fingerprint
    return Strand(model, curve, (fingerprint.data, fingerprint.seed, fingerprint.engine), first.run["command"])


def curve_section(name: str, strands: Sequence[Strand], share: float) -> CurveSection:
    """The section of one quantity."""
    first = strands[0].curve
    values = list(dict.fromkeys(value for strand in strands for value in strand.curve.values))
    values.sort(reverse=first.values[0] > first.values[-1])
    lines = []
    for strand in strands:
        curve, scores = strand.curve, dict(zip(strand.curve.values, strand.curve.scores, strict=True))
        broken = curve.breaking_point(share)
        point = MISSING if broken is None else f"{broken:.3g}"
        area, interval = curve.area_bounds(), breaking_text(curve, share)
        point += f" [{interval}]" if interval else ""
        area_text = f"{curve.area():.1f}" + (f" [{area[0]:.1f} to {area[1]:.1f}]" if area else "")
        cells = (f"{scores[value]:.1f}" if value in scores else MISSING for value in values)
        lines.append((strand.model, f"{curve.clean:.1f}", point, area_text, *cells))
    return CurveSection(
        name=name,
        parameter=first.parameter,
        metric=first.metric,
        share=f"{share:g}",
        picture=svg_uri(strands_figure(strands, share)),
        values=tuple(f"{value:g}" for value in values),
        lines=tuple(lines),
        same_data=len({strand.data for strand in strands}) == 1,
        commands=tuple(dict.fromkeys(strand.command for strand in strands)),
        draws=max(len(strand.curve.draws) for strand in strands),
    )


def strands_figure(strands: Sequence[Strand], share: float) -> Figure:
    """What is left of the clean score along the quantity, a line for each model."""
    return curve_figure({strand.model: strand.curve for strand in strands}, share)


def _setting(row: Row) -> Setting:
    setting = row.setting
    return Setting(setting["folder"], setting["type"], setting["severity"], setting["corruption"], None)
