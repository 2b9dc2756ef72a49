"""The report of sweeps: a page, Markdown, CSV, LaTeX and pictures, made from rows and example scans alone."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from corruptions.core import InputError, unknown
from corruptions.files import write_atomically
from corruptions.suites import suite as suite_by_name
from perception3d.robustness import plots, scenes, sheets
from perception3d.robustness.collect import (
    Line,
    Table,
    class_names,
    collect,
    number,
    settings_csv,
    settings_markdown,
    types_csv,
    types_markdown,
)
from perception3d.robustness.comparison import grid_csv, grid_latex, grid_markdown, make_grid, setting_columns
from perception3d.robustness.curves import curve_markdown
from perception3d.robustness.page import Entry, make_grids, notes, page_html, renamed
from perception3d.robustness.page_curves import CURVES, Strand, curve_section, make_strand, read_curves, strands_figure
from perception3d.robustness.results import layout_of, read_result, result_of_rows
from perception3d.robustness.rows import FILES, Row, read_rows, read_suites

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BREAKING_SHARE = 75.0
GRID_FILES = ("comparison", "types_score", "types_retention")


@dataclass(frozen=True)
class Pictures:
    """Pictures of one suite, as paths relative to the report.

    Attributes:
        heat_map: IoU by setting and class.
        curves: mIoU by severity.
        overview: the example scan under every setting; None where no examples were kept.
        before_after: path by setting.
    """

    heat_map: str
    curves: str
    overview: str | None
    before_after: dict[str, str]


def write_report(
    origins: Sequence[Path],
    out: Path,
    command: str,
    names: Sequence[str] | None = None,
    baseline: str | None = None,
    share: float = BREAKING_SHARE,
) -> Path:
    """Write ``report.html``, ``report.md``, and for each suite its tables as CSV and LaTeX and its pictures.

    Args:
        origins: folders of sweeps, and result files (``*.json``) to stand beside them.
        out: folder of the report.
        command: the command that makes this report, to be shown in it.
        names: name of each origin in the report; by default the name of its config.
        baseline: name of the model that the others are compared with.
        share: per cent of clean below which a curve of continuous severity is broken.

    Returns:
        Path of ``report.html``.

    Raises:
        InputError: for a folder without rows, broken rows or example scans, names that do not fit, or a folder that
            cannot be written.
    """
    suites = read_entries(origins, names)
    models = list(dict.fromkeys(entry.result.model for entries in suites.values() for entry in entries))
    if baseline is not None and baseline not in models:
        raise InputError(unknown("baseline", baseline, models, of="the report"))
    strands = read_strands(origins, names)
    sections = [write_suite(name, entries, out, baseline) for name, entries in suites.items()]
    sections += [write_curve(name, of_name, out, share) for name, of_name in strands.items()]
    curves = [curve_section(name, of_name, share) for name, of_name in strands.items()]
    text = "\n\n".join(["# Robustness report", *sections, f"Report made by `{command}`."])
    write_atomically(out / "report.md", f"{text}\n".encode())
    page = out / "report.html"
    write_atomically(page, page_html(suites, baseline, command, curves).encode())
    return page


def read_entries(origins: Sequence[Path], names: Sequence[str] | None = None) -> dict[str, list[Entry]]:
    """Results by suite, and by task where a suite has several, in the order of the origins; see `write_report`."""
    if names is not None and len(names) != len(origins):
        raise InputError(f"--names: expected one for each of the {len(origins)} runs, found {len(names)}")
    suites: dict[str, list[Entry]] = {}
    chosen: list[str | None] = list(names) if names else [None] * len(origins)
    for name, origin in zip(chosen, origins, strict=True):
        for folder in _seeds_of(origin):
            for entry in _entries_of(folder):
                model = entry.result.model if name is None else name
                seed = "" if folder is origin else f", {folder.name}"
                suites.setdefault(entry.result.suite, []).append(renamed(entry, f"{model}{seed}"))
    suites = {name: of_task for suite, entries in suites.items() for name, of_task in _by_task(suite, entries)}
    for suite, entries in suites.items():
        models = [entry.result.model for entry in entries]
        if len(set(models)) == len(models):
            continue
        if names is not None:
            raise InputError(f"--names: expected names that differ, found {', '.join(names)}")
        paths = [entry.origin for entry in entries]
        suites[suite] = [
            renamed(entry, f"{model} ({_distinct_part(entry.origin, paths)})") if models.count(model) > 1 else entry
            for entry, model in zip(entries, models, strict=True)
        ]
    return suites


def write_suite(name: str, entries: Sequence[Entry], out: Path, baseline: str | None) -> str:
    """Write the files of one suite, and return its Markdown; of one sweep alone, or the comparison first."""
    results = [entry.result for entry in entries]
    layout = layout_of(results[0].suite)
    reference = next((result for result in results if result.model == baseline), None)
    grids = dict(zip(GRID_FILES, make_grids(layout, results, reference), strict=False))
    headline = (reference or results[0]).headline
    grids["levels"] = make_grid(f"{headline} by setting", setting_columns(layout, headline), results, reference)
    for file, grid in grids.items():
        write_atomically(out / name / f"{file}.csv", grid_csv(grid, name).encode())
        write_atomically(out / name / f"{file}.tex", grid_latex(grid, f"{name}: {grid.title}").encode())
    swept = [entry for entry in entries if entry.rows]
    parts = []
    if len(entries) > 1:
        tables = (f"### {grid.title}\n\n{grid_markdown(grid)}" for grid in grids.values())
        lines = [f"- {line}" for line in notes(layout, entries)]
        parts += [f"## {name}: models compared", *tables, "\n".join(lines)]
    for entry in swept:
        folder = name if len(entries) == 1 else f"{name}/{_slug(entry.result.model, entries)}"
        table = collect(suite_by_name(layout.name), entry.rows)
        write_atomically(out / folder / "settings.csv", settings_csv(table).encode())
        write_atomically(out / folder / "types.csv", types_csv(table).encode())
        title = name if len(entries) == 1 else f"{name}: {entry.result.model}"
        parts.append(section_markdown(table, write_pictures(table, entry.work_dir or entry.origin, out, folder), title))
    return "\n\n".join(part for part in parts if part)


def read_strands(origins: Sequence[Path], names: Sequence[str] | None = None) -> dict[str, list[Strand]]:
    """Curves of continuous severity by their name, those of one name in the order of the origins."""
    strands: dict[str, list[Strand]] = {}
    for index, origin in enumerate(origins):
        for name, rows in read_curves(origin).items():
            model = Path(next(iter(rows.values())).run["config"]).stem if names is None else names[index]
            known = [strand.model for strand in strands.get(name, ())]
            shown = f"{model} ({_distinct_part(origin, origins)})" if model in known else model
            strands.setdefault(name, []).append(make_strand(shown, rows))
    return strands


def write_curve(name: str, strands: Sequence[Strand], out: Path, share: float) -> str:
    """Write the picture of one quantity, and return its Markdown."""
    path = f"{CURVES}/{name}.png"
    _save(strands_figure(strands, share), out / path)
    tables = (f"### {strand.model}\n\n{curve_markdown(strand.curve, share)}" for strand in strands)
    return "\n\n".join([f"## {name}", f"![{name}]({path})", *tables])


def _by_task(suite: str, entries: Sequence[Entry]) -> list[tuple[str, list[Entry]]]:
    """The entries of each task with a name: that of the suite, unless there are several tasks."""
    tasks = list(dict.fromkeys(entry.result.task for entry in entries))
    names = [suite] if len(tasks) == 1 else [f"{suite}_{task}" for task in tasks]
    chosen = ([entry for entry in entries if entry.result.task == task] for task in tasks)
    return list(zip(names, chosen, strict=True))


def _seeds_of(origin: Path) -> list[Path]:
    """The folders of a sweep's seeds, where it has several."""
    seeds = sorted({path.parents[2] for path in origin.glob("seed*/rows/*/*.json")})
    return seeds if seeds and not (origin / "rows").is_dir() else [origin]


def _entries_of(origin: Path) -> list[Entry]:
    """The suites of a sweep's folder, or the one of a result file."""
    if origin.suffix == ".json":
        return [Entry(read_result(origin), {}, None, origin)]
    entries: list[Entry] = []
    if not (origin / "rows").is_dir() and read_curves(origin):
        return entries
    for name in read_suites(origin):
        rows = read_rows(origin, name)
        collect(suite_by_name(name), rows)  # refuses rows of several runs
        config = next(iter(rows.values())).run["config"]
        entries.append(Entry(result_of_rows(rows, Path(config).stem), rows, origin, origin))
    return entries


def _distinct_part(origin: Path, origins: Sequence[Path]) -> str:
    """The shortest end of a path that no other origin has."""
    parts = origin.resolve().parts
    every = [other.resolve().parts for other in origins]
    if every.count(parts) > 1:
        raise InputError(f"{origin}: expected each run once, found it twice")
    lengths = (n for n in range(1, len(parts)) if [other[-n:] for other in every].count(parts[-n:]) == 1)
    return "/".join(parts[-next(lengths, len(parts)) :])


def _slug(model: str, entries: Sequence[Entry]) -> str:
    """A name that is safe as a folder's, another one for each model."""
    slugs = [re.sub(r"[^A-Za-z0-9._-]+", "-", entry.result.model).strip("-.") or "model" for entry in entries]
    place = [entry.result.model for entry in entries].index(model)
    return slugs[place] if slugs.count(slugs[place]) == 1 else f"{slugs[place]}-{place + 1}"


def write_pictures(table: Table, work_dir: Path, out: Path, folder: str) -> Pictures:
    """Draw a suite's pictures into a folder below ``out``."""
    suite = table.suite
    examples = {
        line.folder: scenes.read_scene(scenes.scene_path(work_dir, suite.name, line.folder))
        for line in table.lines
        # scores of predictions and of detectors keep no scan
        if line.row and line.row.score and FILES not in line.row.run and not line.row.score.class_ap
    }
    overview = f"{folder}/overview.png" if examples else None
    pictures = Pictures(f"{folder}/heat_map.png", f"{folder}/severity.png", overview, {})
    _save(plots.heat_map(table), out / pictures.heat_map)
    _save(plots.severity_curves(table), out / pictures.curves)
    if pictures.overview is None:
        _write_keyframes(table, work_dir, out, pictures, folder)
        return pictures
    groups = [[suite.clean_folder], *suite.types.values()]
    columns = [[(setting, examples[setting]) for setting in group if setting in examples] for group in groups]
    classes = class_names(table)
    samples = ", ".join(dict.fromkeys(scene.sample for scene in examples.values())) or "-"
    _save(scenes.overview(columns, classes, f"{suite.name}, scan {samples}"), out / pictures.overview)
    if suite.clean_folder in examples:
        clean = examples.pop(suite.clean_folder)
        for setting, scene in examples.items():
            pictures.before_after[setting] = f"{folder}/before_after/{setting}.png"
            figure = scenes.before_after(clean, scene, classes, f"{suite.name}, {setting}, scan {scene.sample}")
            _save(figure, out / pictures.before_after[setting])
    return pictures


def _write_keyframes(table: Table, work_dir: Path, out: Path, pictures: Pictures, folder: str) -> None:
    """The example keyframe of a detector, clean above corrupted, for each setting that has one."""
    settings = [line.folder for line in table.lines if line.row]
    paths = {setting: sheets.sheet_path(work_dir, table.suite.name, setting) for setting in settings}
    kept = {setting: sheets.read_sheet(path) for setting, path in paths.items() if path.is_file()}
    if (clean := kept.pop(table.suite.clean_folder, None)) is None:
        return
    for setting, sheet in kept.items():
        pictures.before_after[setting] = f"{folder}/before_after/{setting}.jpg"
        write_atomically(out / pictures.before_after[setting], sheets.above_another(clean, sheet))


def section_markdown(table: Table, pictures: Pictures, title: str) -> str:
    """Markdown of one model under one suite."""
    parts = [
        f"## {title}",
        f"{table.suite.reference}.",
        summary(table),
        types_markdown(table),
        definitions(table),
        "### Settings",
        settings_markdown(table),
        failures(table.lines),
        f"![mIoU by severity]({pictures.curves})",
        f"![IoU by setting and class]({pictures.heat_map})",
        "### One scan under every setting" if pictures.overview else "",
        f"![One scan under every setting]({pictures.overview})" if pictures.overview else "",
        "### Before and after" if pictures.before_after else "",
        *(f"#### {folder}\n\n![{folder}, before and after]({path})" for folder, path in pictures.before_after.items()),
        "### How it was made",
        origin([line.row for line in table.lines if line.row]),
    ]
    return "\n\n".join(part for part in parts if part)


def summary(table: Table) -> str:
    """The result in a sentence or two."""
    naming, overall = table.naming, table.overall
    clean = table.clean.metric(naming.headline)
    missing = [line.folder for line in table.lines if line.row is None or line.row.score is None]
    text = (
        f"Clean {naming.headline} **{number(clean)}**, {naming.means[0]} **{number(overall.headline)}**, "
        f"{naming.means[1]} **{number(overall.r)}**."
    )
    known = [line for line in table.types if line.r is not None]
    if known:
        worst = min(known, key=lambda line: line.r or 0.0)
        text += f" Worst type: {worst.name} ({naming.retention} {number(worst.r)})."
    if missing:
        text += f" Without a score: {', '.join(missing)}; no mean over them is shown."
    return text


def definitions(table: Table) -> str:
    """What the columns mean."""
    score = next((line.row.score for line in table.lines if line.row and line.row.score), None)
    if score is None:
        return ""
    if score.class_ap:
        return (
            "NDS, mAP and RA in per cent, as nuscenes-devkit has them; errors in m, 1 - IoU, rad, m/s and 1 - accuracy."
            f" RA: NDS relative to clean. A type is the mean of its settings; mean NDS and mRA are means over the "
            f"{len(table.types)} types."
        )
    present, total = len(score.present_classes), len(score.class_iou)
    return (
        f"All numbers in per cent. mIoU_present: mean IoU over the {present} classes that occur in the clean ground "
        f"truth, the same for every setting. mIoU: semantic-kitti-api's mean over all {total} classes, in which an "
        "absent class scores 0. acc: share of correct points. R: mIoU_present relative to clean. A type is the mean of "
        f"its settings; RmIoU and mR are means over the {len(table.types)} types."
    )


def failures(lines: Sequence[Line]) -> str:
    """The settings that failed, with their errors; empty when there are none."""
    failed = [f"- {line.folder}: `{line.row.error['message']}`" for line in lines if line.row and line.row.error]
    return "\n".join(["Failed settings (the next run of the sweep tries them again):", "", *failed]) if failed else ""


def origin(rows: Sequence[Row]) -> str:
    """Commands, files, seed, scans, versions and time behind the rows."""
    fingerprint = rows[0].fingerprint
    samples = dict.fromkeys(str(row.score.samples) for row in rows if row.score)
    seconds, finished = sum(row.run["seconds"] for row in rows), max(row.run["finished"] for row in rows)
    versions = dict.fromkeys(", ".join(map(" ".join, row.run["versions"].items())) for row in rows)
    facts = {
        "config": f"{_distinct(rows, 'config')} (hash {fingerprint.config})",
        "checkpoint": f"{_distinct(rows, 'checkpoint')} (sha256 {fingerprint.checkpoint})",
        "scans per setting": f"{', '.join(samples) or '-'} (hash of the list {fingerprint.data})",
        "seed": str(fingerprint.seed),
        "corruption engine": fingerprint.engine,
        "device": _distinct(rows, "device"),
        "versions": "; ".join(versions),
        "time": f"{seconds:.0f} s, last setting finished {finished}",
    }
    listed = "\n".join(f"- {name}: {value}" for name, value in facts.items())
    commands = dict.fromkeys(row.run["command"] for row in rows)
    return "\n".join(["```", *commands, "```", "", listed])


def _distinct(rows: Sequence[Row], key: str) -> str:
    """What the rows say about their run, each answer once."""
    return ", ".join(dict.fromkeys(row.run[key] for row in rows))


def _save(figure: Figure, path: Path) -> None:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    write_atomically(path, buffer.getvalue())
