"""Tables of the report page that are of one model: heat maps, losses by class, all settings. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from corruptions import scores
from perception3d.robustness import naming
from perception3d.robustness.colours import Shade, loss_shade
from perception3d.robustness.comparison import MISSING, make_cell
from perception3d.robustness.definitions import DETECTION, TASKS, metric
from perception3d.robustness.results import Layout, Result, level_name
from perception3d.robustness.rows import Row

PLAIN = Shade("transparent", "inherit")
Scores = Mapping[str, float | None]


@dataclass(frozen=True)
class Tile:
    """A coloured cell.

    Attributes:
        text: the number, or "-".
        shade: its colours.
        note: small text beside the number, such as the name of the level.
    """

    text: str
    shade: Shade
    note: str = ""


@dataclass(frozen=True)
class Band:
    """A line of a coloured table."""

    name: str
    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class Map:
    """A coloured table of one model.

    Attributes:
        model: its name.
        columns: headings.
        bands: its lines.
    """

    model: str
    columns: tuple[str, ...]
    bands: tuple[Band, ...]


def level_map(result: Result, layout: Layout) -> Map:
    """Types by rows and their levels by columns: the headline metric, coloured by what is lost of the clean score."""
    clean, of = result.score(layout.clean), metric(result.headline)
    width = max((len(settings) for settings in layout.types.values()), default=0)
    bands = []
    for kind, settings in layout.types.items():
        tiles = []
        for place, (folder, severity) in enumerate(settings, start=1):
            score = result.score(folder)
            name = "" if severity == str(place) else level_name(severity)  # the heading says it
            tiles.append(Tile(make_cell(score, None, of).text, _loss_of(score, clean), name))
        mean, kept = result.type_score(kind), result.retention(kind)
        end = [
            Tile(make_cell(mean, None, of).text, _loss_of(mean, clean)),
            Tile(make_cell(kept, None, metric("R")).text, loss_shade(None if kept is None else 1 - kept / 100)),
        ]
        blank = [Tile("", PLAIN)] * (width - len(settings))
        bands.append(Band(kind, (*tiles, *blank, *end)))
    return Map(result.model, (*(f"level {n + 1}" for n in range(width)), "mean", "R"), tuple(bands))


def class_map(model: str, layout: Layout, rows: Mapping[str, Row], task: str, largest: float) -> Map | None:
    """Classes by rows: the clean score, then the points lost under each type; None where no type is whole.

    ``largest`` is the loss of the darkest colour.
    """
    clean, losses = class_losses(layout, rows)
    if all(value is None for of_class in losses.values() for value in of_class.values()):
        return None
    of = metric(TASKS[task].of_class)
    bands = []
    for name, of_class in losses.items():
        tiles = [Tile(make_cell(clean[name], None, of).text, PLAIN)]
        for value in of_class.values():
            share = None if value is None or largest == 0 else value / largest
            tiles.append(Tile(_change(value, of.digits), loss_shade(share)))
        bands.append(Band(name, tuple(tiles)))
    return Map(model, ("clean", *layout.types), tuple(bands))


def class_losses(layout: Layout, rows: Mapping[str, Row]) -> tuple[Scores, Mapping[str, Scores]]:
    """Clean score of each class of the ground truth, and the points that it loses under each type."""
    of_class = {folder: row.score.per_class for folder, row in rows.items() if row.score}
    row = rows.get(layout.clean)
    classes = row.score.present_classes if row and row.score else []
    clean = {name: of_class[layout.clean].get(name) for name in classes}
    losses: dict[str, Scores] = {}
    for name in classes:
        means = {
            kind: scores.mean(of_class.get(folder, {}).get(name) for folder, _ in settings)
            for kind, settings in layout.types.items()
        }
        losses[name] = {kind: _minus(clean[name], mean) for kind, mean in means.items()}
    return clean, losses


def largest_loss(layout: Layout, runs: Sequence[Mapping[str, Row]]) -> float:
    """The largest change of a class under a type in points, over all models, for one scale of colours."""
    changes = (
        abs(value)
        for rows in runs
        for of_class in class_losses(layout, rows)[1].values()
        for value in of_class.values()
        if value is not None
    )
    return max(changes, default=0.0)


def settings_map(result: Result, layout: Layout, rows: Mapping[str, Row]) -> Map:
    """Settings by rows: every metric, R, and seconds per scan or keyframe."""
    names = tuple(dict.fromkeys(name for values in result.settings.values() for name in values))
    clean = result.score(layout.clean)
    bands = []
    for folder in layout.folders:
        values = result.settings.get(folder, {})
        tiles = [Tile(make_cell(values.get(name), None, metric(name)).text, PLAIN) for name in names]
        kept = scores.resilience({folder: result.score(folder)}, clean)[folder]
        tiles.append(Tile(make_cell(kept, None, metric("R")).text, PLAIN))
        seconds = rows[folder].run["seconds_per_scan"] if folder in rows else None
        tiles.append(Tile(MISSING if seconds is None else f"{seconds:.2f}", PLAIN))
        failed = folder in rows and rows[folder].score is None
        bands.append(Band(f"{folder} (failed)" if failed else folder, tuple(tiles)))
    sample = naming.DETECTION.sample if result.task == DETECTION else naming.SEGMENTATION.sample
    return Map(result.model, (*names, "R", f"s/{sample}"), tuple(bands))


def classes_map(result: Result, layout: Layout, rows: Mapping[str, Row]) -> Map | None:
    """Settings by rows, the score of each class by columns; None before anything is scored."""
    of_class = {folder: row.score.per_class for folder, row in rows.items() if row.score}
    classes = tuple(dict.fromkeys(name for values in of_class.values() for name in values))
    if not classes:
        return None
    of, clean = metric(TASKS[result.task].of_class), of_class.get(layout.clean, {})
    bands = []
    for folder in layout.folders:
        values = [of_class.get(folder, {}).get(name) for name in classes]
        tiles = [
            Tile(make_cell(value, None, of).text, _loss_of(value, clean.get(name)))
            for name, value in zip(classes, values, strict=True)
        ]
        bands.append(Band(folder, tuple(tiles)))
    return Map(result.model, classes, tuple(bands))


def failures(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Setting and error of each failed row."""
    return [(row.setting["folder"], row.error["message"]) for row in rows if row.error]


def _loss_of(score: float | None, clean: float | None) -> Shade:
    """Shade of a score by the share of the clean one that is lost; none where there was nothing to lose."""
    kept = scores.resilience({"": score}, clean)[""]
    if kept is None and score is not None:
        return PLAIN
    return loss_shade(None if kept is None else 1 - kept / 100)


def _minus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _change(lost: float | None, digits: int) -> str:
    """A loss of 3.2 as "−3.2"."""
    if lost is None:
        return MISSING
    text = f"{-lost:+.{digits}f}"
    return f"{0:.{digits}f}" if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")
