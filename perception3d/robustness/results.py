"""Results as data: one JSON file per model, data set and suite, measured here or quoted from the literature.

``configs/robustness/README.md`` documents the format. Numbers are in the unit of ``definitions.METRICS``.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corruptions import scores
from corruptions.core import InputError
from corruptions.files import write_atomically
from corruptions.suites import every_suite
from perception3d.robustness import naming
from perception3d.robustness.definitions import DETECTION, SEGMENTATION, TASKS, means_of
from perception3d.robustness.naming import naming_of
from perception3d.robustness.rows import Row

MEASURED, QUOTED = "measured", "quoted"
SCHEMA = 1
DIGITS = 4
CAMERA = "CAM_"
"""Begin of the levels that are names of cameras, which have no order."""

Values = Mapping[str, float | None]


@dataclass(frozen=True)
class Source:
    """Where the numbers come from.

    Attributes:
        kind: ``MEASURED`` by this project's tools or ``QUOTED`` from a publication.
        citation: the publication and the table in it; empty for measured ones.
        note: what a reader must know to compare, e.g. test-time augmentation.
        command: the command that made measured ones, or None.
        finished: when the last setting was scored, or None.
        versions: versions of packages by name.
    """

    kind: str
    citation: str = ""
    note: str = ""
    command: str | None = None
    finished: str | None = None
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """Scores of one model on one data set under one suite; None where a score is missing.

    Attributes:
        model: its name.
        task: ``segmentation`` or ``detection``.
        dataset: name of the data set.
        split: which part of it.
        suite: name of the suite; a name that no suite has holds clean scores alone.
        config: the config file, or None.
        checkpoint: sha256 of the checkpoint, or None.
        engine: version of the corruption engine, or None.
        seed: seed of the corruptions, or None.
        data: hash of the list of scans, or None.
        samples: number of scans, or None.
        settings: metrics by setting; the clean one under its name in the suite.
        types: metrics by type of corruption: means over its settings, and the retention ``R``.
        summary: means over the types.
        source: where the numbers come from.
    """

    model: str
    task: str
    dataset: str
    split: str
    suite: str
    config: str | None
    checkpoint: str | None
    engine: str | None
    seed: int | None
    data: str | None
    samples: int | None
    settings: Mapping[str, Values]
    types: Mapping[str, Values]
    summary: Values
    source: Source

    @property
    def headline(self) -> str:
        """The metric that all means of this result are of."""
        known = {name for values in (*self.settings.values(), *self.types.values()) for name in values}
        names = TASKS[self.task].headline
        return next((name for name in names if name in known), names[0])

    def score(self, folder: str) -> float | None:
        """The headline metric of a setting."""
        return self.settings.get(folder, {}).get(self.headline)

    def type_score(self, kind: str) -> float | None:
        """The headline metric of a type: as stored, or the mean of its settings."""
        stored = self.types.get(kind, {}).get(self.headline)
        settings = layout_of(self.suite).types.get(kind, ())
        return scores.mean(self.score(folder) for folder, _ in settings) if stored is None else stored

    def retention(self, kind: str) -> float | None:
        """R of a type in per cent: as stored, or from its score and the clean one."""
        stored = self.types.get(kind, {}).get("R")
        clean = self.score(layout_of(self.suite).clean)
        return scores.resilience({kind: self.type_score(kind)}, clean)[kind] if stored is None else stored

    def mean(self, name: str) -> float | None:
        """A mean over the types by its name: as stored, or from the types."""
        stored = self.summary.get(name)
        types = layout_of(self.suite).types
        if stored is not None or not types:
            return stored
        names = means_of(self.suite, self.task)
        of_type = {names[0]: self.type_score, names[1]: self.retention}.get(name)
        return None if of_type is None else scores.mean(map(of_type, types))

    @property
    def comparable(self) -> tuple[object, ...]:
        """Equal for results of the same corrupted data, scored the same way."""
        if self.source.kind == QUOTED:
            clean_only = not layout_of(self.suite).types
            return (QUOTED, self.suite, self.dataset, self.split if clean_only else self.source.citation)
        return (MEASURED, self.suite, self.data, self.seed, self.engine, self.headline)

    @property
    def file_name(self) -> str:
        """Name of its file."""
        parts = [self.model, self.dataset, *([QUOTED] if self.source.kind == QUOTED else [])]
        return "_".join(re.sub(r"[^a-z0-9.]+", "-", part.lower()).strip("-") for part in parts) + ".json"


@dataclass(frozen=True)
class Layout:
    """What a suite consists of, for tables and pictures.

    Attributes:
        name: name of the suite.
        reference: the paper that defines it.
        clean: name of the clean setting.
        types: name and severity of each setting, by type.
        groups: types by group.
    """

    name: str
    reference: str
    clean: str
    types: Mapping[str, tuple[tuple[str, str], ...]]
    groups: Mapping[str, tuple[str, ...]]

    @property
    def folders(self) -> tuple[str, ...]:
        """Names of all settings, the clean one first."""
        return (self.clean, *(folder for settings in self.types.values() for folder, _ in settings))


@functools.cache
def layout_of(suite: str) -> Layout:
    """Layout of a suite by name; of one that is no suite, the clean setting alone."""
    known = every_suite().get(suite)
    if known is None:
        return Layout(suite, "", "clean", {}, {})
    types = {kind: tuple((f, known.setting(f).severity) for f in folders) for kind, folders in known.types.items()}
    return Layout(known.name, known.reference, known.clean_folder, types, known.groups)


def level_name(severity: str) -> str:
    """A level for people; CAM_FRONT_LEFT is "front left"."""
    return severity.removeprefix(CAMERA).replace("_", " ").lower()


def result_of_rows(rows: Mapping[str, Row], model: str, dataset: str = "", split: str = "", note: str = "") -> Result:
    """The result of a sweep.

    Args:
        rows: at least one row, by setting, all of one fingerprint.
        model: name of the model.
        dataset: name of the data set.
        split: which part of it.
        note: what a reader must know to compare.
    """
    fingerprint, run = next((row.fingerprint, row.run) for row in rows.values())
    layout = layout_of(fingerprint.suite)
    settings = {
        folder: dict(row.score.metrics)
        for folder in layout.folders
        if (row := rows.get(folder)) is not None and row.score is not None
    }
    task = DETECTION if naming_of(rows.values()) is naming.DETECTION else SEGMENTATION
    samples = {row.score.samples for row in rows.values() if row.score}
    bare = Result(
        model, task, dataset, split, fingerprint.suite, run["config"], fingerprint.checkpoint, fingerprint.engine,
        fingerprint.seed, fingerprint.data, samples.pop() if len(samples) == 1 else None, settings, {}, {},
        Source(MEASURED, "", note, run["command"], max(row.run["finished"] for row in rows.values()), run["versions"]),
    )  # fmt: skip
    types = type_means(bare, layout)
    return dataclasses.replace(bare, types=types, summary=summary_of(bare, types))


def type_means(result: Result, layout: Layout) -> dict[str, dict[str, float | None]]:
    """Mean of every metric over the settings of each type, and the retention R of the headline metric."""
    names = dict.fromkeys(name for values in result.settings.values() for name in values)
    clean = result.score(layout.clean)
    means: dict[str, dict[str, float | None]] = {}
    for kind, settings in layout.types.items():
        values = [result.settings.get(folder, {}) for folder, _ in settings]
        of_type = {name: scores.mean(value.get(name) for value in values) for name in names}
        retention = scores.resilience({kind: of_type.get(result.headline)}, clean)[kind]
        means[kind] = {**of_type, "R": retention}
    return means


def summary_of(result: Result, types: Mapping[str, Values]) -> dict[str, float | None]:
    """Means over the types under the names of the suite's paper; empty without types."""
    if not types:
        return {}
    mean_name, retention_name = means_of(result.suite, result.task)
    retention = scores.mean(values.get("R") for values in types.values())
    mean = scores.mean(values.get(result.headline) for values in types.values())
    return {mean_name: mean, retention_name: retention}


def write_result(result: Result, folder: Path) -> Path:
    """Write a result, rounded to ``DIGITS``, as ``folder/SUITE/FILE_NAME`` and return its path."""
    path = folder / result.suite / result.file_name
    result = dataclasses.replace(
        result,
        settings={name: _rounded(values) for name, values in result.settings.items()},
        types={name: _rounded(values) for name, values in result.types.items()},
        summary=_rounded(result.summary),
    )
    check(result, path)
    text = json.dumps({"schema": SCHEMA, **dataclasses.asdict(result)}, indent=1, allow_nan=False, ensure_ascii=False)
    flat_leaves = re.sub(r"\{[^{}]*\}", lambda leaf: " ".join(leaf[0].split()), text)
    write_atomically(path, f"{flat_leaves}\n".encode())
    return path


def read_result(path: Path) -> Result:
    """Read and check one result.

    Raises:
        InputError: for a file that is none, or whose numbers contradict each other.
    """
    try:
        data: dict[str, Any] = json.loads(path.read_text())
        schema = data.pop("schema")
        result = Result(**{**data, "source": Source(**data["source"])})
    except FileNotFoundError:
        raise InputError(f"{path}: expected a result of a model, found no file") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: expected a result as configs/robustness/README.md describes it, found another file "
            f"({type(error).__name__}: {error})"
        ) from None
    if schema != SCHEMA:
        raise InputError(f"{path}: expected schema {SCHEMA}, found {schema}")
    check(result, path)
    return result


def read_results(folder: Path) -> dict[str, list[Result]]:
    """All results below a folder by suite, in the order of file names.

    Raises:
        InputError: for a broken result, or one under another name than its own.
    """
    results: dict[str, list[Result]] = {}
    for path in sorted(folder.glob("*/*.json")):
        result = read_result(path)
        if (path.parent.name, path.name) != (result.suite, result.file_name):
            raise InputError(f"{path}: expected the name {result.suite}/{result.file_name}, found another; rename it")
        results.setdefault(result.suite, []).append(result)
    return results


def check(result: Result, path: Path) -> None:
    """Raise :class:`InputError` for a result that cannot stand in a table."""
    for fault in _faults(result):
        raise InputError(f"{path}: expected a result as configs/robustness/README.md describes it, found {fault}")


def _faults(result: Result) -> Iterable[str]:
    texts = {name: getattr(result, name) for name in ("model", "dataset", "split", "suite")}
    yield from (f"{name} {value!r}" for name, value in texts.items() if not isinstance(value, str) or not value)
    if result.task not in TASKS:
        yield f"task {result.task!r}, none of {', '.join(TASKS)}"
        return
    if result.source.kind not in (MEASURED, QUOTED):
        yield f"source kind {result.source.kind!r}, none of {MEASURED}, {QUOTED}"
    if result.source.kind == QUOTED and not result.source.citation:
        yield "a quoted result without citation"
    if result.source.kind == MEASURED and (result.checkpoint is None or result.source.command is None):
        yield "a measured result without checkpoint or command"
    if result.checkpoint is not None and not re.fullmatch(r"[0-9a-f]{64}", result.checkpoint):
        yield f"checkpoint {result.checkpoint!r}, no sha256"
    layout = layout_of(result.suite)
    known = layout.folders
    yield from (f"setting {name!r}, which {result.suite} has not" for name in result.settings if name not in known)
    yield from (f"type {name!r}, which {result.suite} has not" for name in result.types if name not in layout.types)
    for values in (*result.settings.values(), *result.types.values(), result.summary):
        yield from (f"{name} = {value!r}, no number" for name, value in values.items() if not _is_score(value))
    yield from _contradictions(result, layout)


def _contradictions(result: Result, layout: Layout) -> Iterable[str]:
    """Where means that can be computed differ from the stored ones by more than rounding explains."""
    exact = result.source.kind == MEASURED
    headline, clean = result.headline, result.score(layout.clean)
    for kind, computed in type_means(result, layout).items():
        stored = result.types.get(kind, {})
        mean = stored.get(headline)
        yield from _differ(f"{kind} {headline}", mean, computed.get(headline), 1e-3 if exact else 0.06)
        retention = scores.resilience({kind: mean}, clean)[kind]
        yield from _differ(f"{kind} R", stored.get("R"), retention, 1e-2 if exact else 0.2)
    bare = dataclasses.replace(result, summary={})
    for name in means_of(result.suite, result.task) if layout.types else ():
        yield from _differ(name, result.summary.get(name), bare.mean(name), 1e-3 if exact else 0.15)


def _differ(name: str, stored: float | None, computed: float | None, tolerance: float) -> Iterable[str]:
    if stored is not None and computed is not None and abs(stored - computed) > tolerance:
        yield f"{name} {stored} where its parts give {computed:.4f}"


def _is_score(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value))


def _rounded(values: Values) -> Values:
    return {name: None if value is None else round(value, DIGITS) for name, value in values.items()}
