"""The report of a sweep: Markdown, CSV and pictures, made from its rows and example scans alone."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from corruptions.files import write_atomically
from corruptions.suites import suite as suite_by_name
from perception3d.robustness import plots, scenes
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
from perception3d.robustness.rows import FILES, Row, read_rows, read_suites

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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


def write_report(work_dir: Path, out: Path, command: str) -> Path:
    """Write ``report.md``, and for each suite its tables as CSV and its pictures.

    Args:
        work_dir: folder of a sweep.
        out: folder of the report.
        command: the command that makes this report, to be shown in it.

    Returns:
        Path of ``report.md``.

    Raises:
        InputError: for a folder without rows, broken rows or example scans, or a folder that cannot be written.
    """
    sections = []
    for name in read_suites(work_dir):
        table = collect(suite_by_name(name), read_rows(work_dir, name))
        write_atomically(out / name / "settings.csv", settings_csv(table).encode())
        write_atomically(out / name / "types.csv", types_csv(table).encode())
        sections.append(section_markdown(table, write_pictures(table, work_dir, out)))
    report = out / "report.md"
    text = "\n\n".join(["# Robustness report", *sections, f"Report made by `{command}`."])
    write_atomically(report, f"{text}\n".encode())
    return report


def write_pictures(table: Table, work_dir: Path, out: Path) -> Pictures:
    """Draw a suite's pictures into its folder below ``out``."""
    suite = table.suite
    examples = {
        line.folder: scenes.read_scene(scenes.scene_path(work_dir, suite.name, line.folder))
        for line in table.lines
        if line.row and line.row.score and FILES not in line.row.run  # scores of predictions keep no scan
    }
    overview = f"{suite.name}/overview.png" if examples else None
    pictures = Pictures(f"{suite.name}/heat_map.png", f"{suite.name}/severity.png", overview, {})
    _save(plots.heat_map(table), out / pictures.heat_map)
    _save(plots.severity_curves(table), out / pictures.curves)
    if pictures.overview is None:
        return pictures
    groups = [[suite.clean_folder], *suite.types.values()]
    columns = [[(folder, examples[folder]) for folder in group if folder in examples] for group in groups]
    classes = class_names(table)
    samples = ", ".join(dict.fromkeys(scene.sample for scene in examples.values())) or "-"
    _save(scenes.overview(columns, classes, f"{suite.name}, scan {samples}"), out / pictures.overview)
    if suite.clean_folder in examples:
        clean = examples.pop(suite.clean_folder)
        for folder, scene in examples.items():
            pictures.before_after[folder] = f"{suite.name}/before_after/{folder}.png"
            figure = scenes.before_after(clean, scene, classes, f"{suite.name}, {folder}, scan {scene.sample}")
            _save(figure, out / pictures.before_after[folder])
    return pictures


def section_markdown(table: Table, pictures: Pictures) -> str:
    """Markdown of one suite."""
    parts = [
        f"## {table.suite.name}",
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
    clean, overall = table.clean.metric("mIoU_present"), table.overall
    missing = [line.folder for line in table.lines if line.row is None or line.row.score is None]
    text = (
        f"Clean mIoU_present **{number(clean)}**, RmIoU **{number(overall.miou_present)}**, mR **{number(overall.r)}**."
    )
    known = [line for line in table.types if line.r is not None]
    if known:
        worst = min(known, key=lambda line: line.r or 0.0)
        text += f" Worst type: {worst.name} (R {number(worst.r)})."
    if missing:
        text += f" Without a score: {', '.join(missing)}; no mean over them is shown."
    return text


def definitions(table: Table) -> str:
    """What the columns mean."""
    score = next((line.row.score for line in table.lines if line.row and line.row.score), None)
    if score is None:
        return ""
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
