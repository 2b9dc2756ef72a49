"""The report as one HTML page that needs no other file: sections by suite, definitions, and where all comes from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from perception3d.robustness import page_pictures as pictures
from perception3d.robustness.colours import LOSS
from perception3d.robustness.comparison import (
    MISSING,
    Grid,
    make_grid,
    overall_columns,
    retention_columns,
    type_columns,
)
from perception3d.robustness.definitions import TASKS, Metric, means_of, metric
from perception3d.robustness.page_curves import CurveSection
from perception3d.robustness.page_tables import (
    Map,
    class_map,
    classes_map,
    failures,
    largest_loss,
    level_map,
    settings_map,
)
from perception3d.robustness.results import MEASURED, QUOTED, Layout, Result, layout_of
from perception3d.robustness.rows import FILES, Row
from perception3d.robustness.scenes import Scene, changes, read_scene, scene_path
from perception3d.robustness.sheets import Sheet, above_another, read_sheet, sheet_path

if TYPE_CHECKING:
    from jinja2 import Environment

MODELS_IN_PICTURE = 3


@dataclass(frozen=True)
class Entry:
    """A result in a report, with the rows behind it.

    Attributes:
        result: its scores.
        rows: rows by setting; empty for a result file.
        work_dir: folder of the sweep, or None.
        origin: the path given on the command line.
    """

    result: Result
    rows: Mapping[str, Row]
    work_dir: Path | None
    origin: Path


@dataclass(frozen=True)
class Example:
    """A setting in pictures: one, or one of each model."""

    title: str
    changes: str
    uris: tuple[str, ...]


@dataclass(frozen=True)
class Fact:
    """A name and what belongs to it."""

    name: str
    value: str


@dataclass(frozen=True)
class Provenance:
    """Where one model's numbers come from."""

    model: str
    commands: tuple[str, ...]
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class Card:
    """The result of one model at a glance."""

    model: str
    quoted: bool
    facts: tuple[Fact, ...]
    worst: str


@dataclass(frozen=True)
class Section:
    """All that the page shows of one suite."""

    name: str
    baseline: str | None
    layout: Layout
    task: str
    headline: Metric
    cards: tuple[Card, ...]
    notes: tuple[str, ...]
    grids: tuple[Grid, ...]
    curves: str
    levels: tuple[Map, ...]
    classes: tuple[Map, ...]
    largest_loss: float
    examples: tuple[Example, ...]
    settings: tuple[Map, ...]
    class_tables: tuple[Map, ...]
    failures: tuple[tuple[str, list[tuple[str, str]]], ...]
    provenance: tuple[Provenance, ...]


def page_html(
    suites: Mapping[str, Sequence[Entry]],
    baseline: str | None,
    command: str,
    curves: Sequence[CurveSection] = (),
) -> str:
    """The page.

    Args:
        suites: entries by suite, in the order of the tables; those of one suite are of one task, and their models
            have different names.
        baseline: model that the others are compared with, or None.
        command: the command that makes the page, to be shown in it.
        curves: sections of continuous severity.

    Raises:
        InputError: for a broken example scan.
    """
    sections = [make_section(name, entries, baseline) for name, entries in suites.items()]
    template = environment().get_template("report.html")
    return template.render(
        sections=sections,
        curves=curves,
        definitions=used_metrics(sections, curves),
        facts=page_facts([entry for entries in suites.values() for entry in entries]),
        command=command,
        gradient=", ".join(LOSS),
        models_in_picture=MODELS_IN_PICTURE,
        legends=pictures.EXAMPLE_COLOURS,
    )


def environment() -> Environment:
    """Jinja with every value escaped and every name known."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("perception3d.robustness"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def make_section(name: str, entries: Sequence[Entry], baseline: str | None) -> Section:
    """Tables and pictures of one suite, of results of one task."""
    results = [entry.result for entry in entries]
    layout = layout_of(results[0].suite)
    reference = next((result for result in results if result.model == baseline), None)
    swept = [entry for entry in entries if entry.rows]
    known = [entry for entry in entries if entry.result.settings]
    drawn = [entry.result for entry in known if any(name != layout.clean for name in entry.result.settings)]
    largest = largest_loss(layout, [entry.rows for entry in swept])
    with_classes = [class_map(e.result.model, layout, e.rows, e.result.task, largest) for e in swept]
    class_tables = [classes_map(entry.result, layout, entry.rows) for entry in swept]
    return Section(
        name=name,
        baseline=None if reference is None else reference.model,
        layout=layout,
        task=results[0].task,
        headline=metric(results[0].headline),
        cards=tuple(make_card(layout, result) for result in results),
        notes=tuple(notes(layout, entries)),
        grids=tuple(make_grids(layout, results, reference)),
        curves=pictures.svg_uri(pictures.model_curves(layout, drawn)) if drawn and layout.types else "",
        levels=tuple(level_map(result, layout) for result in drawn) if layout.types else (),
        classes=tuple(table for table in with_classes if table),
        largest_loss=largest,
        examples=(*examples(layout, swept), *keyframe_examples(layout, swept)),
        settings=tuple(settings_map(entry.result, layout, entry.rows) for entry in swept),
        class_tables=tuple(table for table in class_tables if table),
        failures=tuple((e.result.model, failed) for e in swept if (failed := failures(list(e.rows.values())))),
        provenance=tuple(provenance(entry) for entry in entries),
    )


def make_grids(layout: Layout, results: Sequence[Result], reference: Result | None) -> list[Grid]:
    """The comparison: means, then types by score and by retention."""
    headline, task = (reference or results[0]).headline, results[0].task
    grids = [make_grid("Overall", overall_columns(layout, task, headline, reference), results, reference)]
    if layout.types:
        grids.append(make_grid(f"{headline} by type", type_columns(layout, headline), results, reference))
        grids.append(make_grid("Retention R by type", retention_columns(layout), results, reference))
    return grids


def make_card(layout: Layout, result: Result) -> Card:
    """A result at a glance."""
    values = {"clean": (result.score(layout.clean), metric(result.headline))}
    for name in means_of(layout.name, result.task) if layout.types else ():
        values[name] = (result.mean(name), metric(name))
    facts = tuple(
        Fact(name, MISSING if value is None else f"{value:.{of.digits}f}") for name, (value, of) in values.items()
    )
    retention = {kind: r for kind in layout.types if (r := result.retention(kind)) is not None}
    worst = min(retention, key=lambda kind: retention[kind], default=None)
    text = (
        ""
        if worst is None
        else f"weakest under {worst.replace('_', ' ')}: {retention[worst]:.1f}\N{NO-BREAK SPACE}% kept"
    )
    return Card(result.model, result.source.kind == QUOTED, facts, text)


def notes(layout: Layout, entries: Sequence[Entry]) -> list[str]:
    """What a reader must know before comparing: other data, missing settings, notes of sources."""
    results = [entry.result for entry in entries]
    peers: dict[tuple[object, ...], list[str]] = {}
    for result in results:
        peers.setdefault(result.comparable, []).append(result.model)
    lines = []
    if len(peers) > 1:
        groups = "; ".join(", ".join(models) for models in peers.values())
        lines.append(
            f"Not all scores are of the same corrupted data (scans, seed, engine, publication): {groups}. Differences "
            "and bold numbers compare only what is of the same data."
        )
    for entry in entries:
        lacking = [folder for folder in layout.folders if entry.result.score(folder) is None]
        if entry.rows and lacking:
            lines.append(f"{entry.result.model} has no score for {', '.join(lacking)}; no mean over them is shown.")
    sources: dict[tuple[str, str], list[str]] = {}
    for result in results:
        sources.setdefault((result.source.citation, result.source.note), []).append(result.model)
    for (citation, note), models in sources.items():
        quoted = f"{', '.join(models)}: quoted from {citation}." if citation else f"{', '.join(models)}:"
        lines += [f"{quoted} {note}".rstrip()] if citation or note else []
    return lines


def keyframe_examples(layout: Layout, entries: Sequence[Entry]) -> list[Example]:
    """Per type the last of its settings of which a model has a picture, below the clean one, for the first models."""
    shown = [entry for entry in entries if entry.work_dir is not None][:MODELS_IN_PICTURE]
    found = []
    for kind, settings in layout.types.items():
        for folder, severity in reversed(settings):
            pairs = {entry.result.model: pair for entry in shown if (pair := keyframes(entry, layout, folder))}
            if pairs:
                uris = tuple(pictures.jpeg_uri(above_another(*pair)) for pair in pairs.values())
                found.append(Example(f"{kind.replace('_', ' ')}, {severity}", ", ".join(pairs), uris))
                break
    return found


def keyframes(entry: Entry, layout: Layout, folder: str) -> tuple[Sheet, Sheet] | None:
    """The example keyframe of a detector, clean and under a setting; None where one is missing."""
    if entry.work_dir is None or not all(name in entry.rows for name in (layout.clean, folder)):
        return None
    paths = [sheet_path(entry.work_dir, layout.name, name) for name in (layout.clean, folder)]
    if not all(path.is_file() for path in paths):
        return None
    clean, corrupted = map(read_sheet, paths)
    return clean, corrupted


def examples(layout: Layout, entries: Sequence[Entry]) -> list[Example]:
    """One picture per type: the last of its settings of which the first models kept the same scan."""
    shown = entries[:MODELS_IN_PICTURE]
    found = []
    clean = {entry.result.model: scene for entry in shown if (scene := example_scene(entry, layout, layout.clean))}
    for kind, settings in layout.types.items():
        for folder, severity in reversed(settings):
            scenes = {e.result.model: s for e in shown if (s := example_scene(e, layout, folder))}
            pairs = {model: (clean[model], scene) for model, scene in scenes.items() if model in clean}
            first = next(iter(pairs.values()), None)
            if first is None:
                continue
            same = {model: pair for model, pair in pairs.items() if pair[1].sample == first[1].sample}
            classes = next(list(score.per_class) for e in shown if (score := e.rows[folder].score))
            figure = pictures.example_figure(*first, same, classes)
            title = f"{kind.replace('_', ' ')}, {severity}: scan {first[1].sample}"
            found.append(Example(title, changes(*first), (pictures.png_uri(figure),)))
            break
    return found


def example_scene(entry: Entry, layout: Layout, folder: str) -> Scene | None:
    """The example scan of a setting; None where there is none: scores of predictions keep none, detectors a picture."""
    row = entry.rows.get(folder)
    if row is None or row.score is None or FILES in row.run or row.score.class_ap or entry.work_dir is None:
        return None
    return read_scene(scene_path(entry.work_dir, layout.name, folder))


def provenance(entry: Entry) -> Provenance:
    """Commands, files, hashes, versions and times."""
    result, rows = entry.result, list(entry.rows.values())
    if not rows:
        facts = {
            "source": result.source.kind,
            "citation": result.source.citation,
            "data set": f"{result.dataset}, {result.split}",
            "config": result.config,
            "checkpoint (sha256)": result.checkpoint,
            "corruption engine": result.engine,
            "seed": None if result.seed is None else str(result.seed),
            "file": str(entry.origin),
        }
        commands = (result.source.command,) if result.source.command else ()
        return Provenance(result.model, commands, _facts(facts))
    fingerprint, scored = rows[0].fingerprint, [row for row in rows if row.score]
    samples = dict.fromkeys(str(row.score.samples) for row in scored if row.score)
    finished = sorted(row.run["finished"] for row in rows)
    versions = dict.fromkeys(", ".join(map(" ".join, row.run["versions"].items())) for row in rows)
    facts = {
        "config": ", ".join(dict.fromkeys(row.run["config"] for row in rows)),
        "config (hash)": fingerprint.config,
        "checkpoint": ", ".join(dict.fromkeys(row.run["checkpoint"] for row in rows)),
        "checkpoint (sha256)": fingerprint.checkpoint,
        "samples in each setting": ", ".join(samples),
        "samples (hash of the list)": fingerprint.data,
        "seed of the corruptions": str(fingerprint.seed),
        "corruption engine": fingerprint.engine,
        "device": ", ".join(dict.fromkeys(row.run["device"] for row in rows)),
        "versions": "; ".join(versions),
        "settings scored": f"{len(scored)} of {_number_of_settings(fingerprint.suite)}",
        "scored": f"{finished[0]} to {finished[-1]}, {sum(row.run['seconds'] for row in rows):.0f} s in all",
        "rows": str(entry.origin),
    }
    return Provenance(result.model, tuple(dict.fromkeys(row.run["command"] for row in rows)), _facts(facts))


def used_metrics(sections: Sequence[Section], curves: Sequence[CurveSection]) -> list[Metric]:
    """Every metric that occurs in the tables, in the order in which it first does."""
    used = {column.metric.name: None for s in sections for grid in s.grids for column in grid.columns}
    used |= {name: None for s in sections for table in s.settings for name in table.columns if name[:2] != "s/"}
    used |= {TASKS[s.task].of_class: None for s in sections if s.class_tables}
    used |= {curve.metric: None for curve in curves}
    return [metric(name) for name in used]


def page_facts(entries: Sequence[Entry]) -> list[Fact]:
    """The head of the page: models, dates, engine."""
    measured = [entry for entry in entries if entry.result.source.kind == MEASURED]
    models = list(dict.fromkeys(entry.result.model for entry in entries))
    dates = sorted(e.result.source.finished[:10] for e in measured if e.result.source.finished)
    engines = sorted({e.result.engine for e in measured if e.result.engine})
    facts = [Fact("models", ", ".join(models))] if models else []
    if dates:
        facts.append(Fact("scored", dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"))
    if engines:
        facts.append(Fact("corruption engine", ", ".join(engines)))
    return facts


def renamed(entry: Entry, model: str) -> Entry:
    """An entry under another name."""
    return dataclasses.replace(entry, result=dataclasses.replace(entry.result, model=model))


def _number_of_settings(suite: str) -> int:
    return len(layout_of(suite).folders)


def _facts(facts: Mapping[str, str | None]) -> tuple[Fact, ...]:
    return tuple(Fact(name, value or MISSING) for name, value in facts.items())
