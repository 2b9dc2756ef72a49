"""The catalogs in words: levels, parameters with their units, and sources."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING, Any

from corruptions.catalog import CATALOG
from corruptions.core import Corruption, InputError, unknown
from corruptions.device.alignment import SAMPLE_CORRUPTIONS, SOURCES

if TYPE_CHECKING:
    from corruptions.camera import ViewCorruption


def view_corruptions() -> Mapping[str, ViewCorruption]:
    """The camera corruptions by name; raises :class:`InputError` where opencv, which only they need, is missing."""
    try:
        from corruptions.camera import VIEW_CORRUPTIONS
    except ImportError as error:
        raise InputError(f"camera corruptions need opencv ({error}): pip install 'perception3d[camera]'") from None
    return VIEW_CORRUPTIONS


def parameter_docs(corruption: Corruption | ViewCorruption) -> dict[str, str]:
    """What each parameter of a corruption means, with its unit, by name; its default where it has one."""
    parameters = list(inspect.signature(corruption.fn).parameters.values())[2:]
    given: Mapping[str, str] = getattr(corruption, "parameter_docs", None) or _args_section(
        inspect.getdoc(corruption.fn)
    )
    docs = {}
    for parameter in parameters:
        plain = parameter.default in (parameter.empty, None)
        docs[parameter.name] = given.get(parameter.name, "") + ("" if plain else f" [default {parameter.default}]")
    return docs


def summary(corruption: Corruption | ViewCorruption) -> str:
    """The first line of the documentation of a corruption."""
    return (inspect.getdoc(corruption.fn) or "").split("\n")[0].replace("``", "")


def catalog_text(names: Sequence[str] = (), markdown: bool = False) -> str:
    """Both catalogs and what acts on a sample, or the entries of these names, in words.

    Args:
        names: corruptions; all of them by default.
        markdown: the catalogs as tables, not as text for a terminal.

    Raises:
        InputError: for an unknown name (with near matches).
    """
    catalogs: dict[str, Mapping[str, Corruption | ViewCorruption]] = {"LiDAR": CATALOG, "camera": view_corruptions()}
    known = dict.fromkeys(chain(*catalogs.values(), SAMPLE_CORRUPTIONS))
    for name in names:
        if name not in known:
            raise InputError(unknown("corruption", name, known))
    parts = []
    for sensor, catalog in catalogs.items():
        entries = [corruption for name, corruption in catalog.items() if not names or name in names]
        if markdown and entries:
            parts += [_catalog_table(entries), _parameter_table(entries)]
        elif not markdown:
            parts += [f"[{sensor}] " + "\n".join(lines(corruption)) for corruption in entries]
    if not markdown:
        chosen = [name for name in SAMPLE_CORRUPTIONS if not names or name in names]
        parts += ["[calibration and timing] " + "\n".join(_sample_lines(name)) for name in chosen]
    return "\n\n".join(parts)


def _catalog_table(entries: Sequence[Corruption | ViewCorruption]) -> str:
    rows = ["| corruption | what happens | levels | source |", "| --- | --- | --- | --- |"]
    for corruption in entries:
        levels = "<br>".join(
            f"{level}: {', '.join(f'`{key}={_short(value)}`' for key, value in values.items())}".rstrip(": ")
            for level, values in corruption.levels.items()
        )
        rows.append(
            f"| `{corruption.name}` | {_cell(summary(corruption))} | {levels} | {_cell(corruption.reference)} |"
        )
    return "\n".join(rows)


def _parameter_table(entries: Sequence[Corruption | ViewCorruption]) -> str:
    rows = ["| corruption | parameter | meaning and unit |", "| --- | --- | --- |"]
    for corruption in entries:
        for name, text in parameter_docs(corruption).items():
            rows.append(f"| `{corruption.name}` | `{name}` | {_cell(text)} |")
    return "\n".join(rows)


def _cell(text: str) -> str:
    return re.sub(r"([|*])", r"\\\1", text)


def lines(corruption: Corruption | ViewCorruption) -> Iterator[str]:
    """One corruption for a terminal."""
    yield f"{corruption.name}: {summary(corruption)}"
    yield f"    source: {corruption.reference}"
    yield f"    grows with the level: {corruption.severity}"
    for level, values in corruption.levels.items():
        yield f"    {level:14} {' '.join(f'{key}={_short(value)}' for key, value in values.items())}".rstrip()
    for name, text in parameter_docs(corruption).items():
        yield textwrap.fill(f"{name}: {text}", 118, initial_indent=" " * 6, subsequent_indent=" " * 10)


def _sample_lines(name: str) -> Iterator[str]:
    """One corruption of calibration or timing for a terminal."""
    levels = SAMPLE_CORRUPTIONS[name]
    kind = type(next(iter(levels.values())))
    yield f"{name}: {(inspect.getdoc(kind) or '').replace('``', '')}"
    yield f"    source: {SOURCES[name]}"
    yield f"    a function for loaders: corruptions.device.alignment.{name.upper()}[level]; no scan shows it"
    for level, values in levels.items():
        yield f"    {level:14} {' '.join(f'{key}={_short(value)}' for key, value in asdict(values).items())}"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _args_section(doc: str | None) -> dict[str, str]:
    """Descriptions by name from the Args section of a Google-style docstring."""
    section = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", doc or "", flags=re.MULTILINE | re.DOTALL)
    if section is None:
        return {}
    entries = re.findall(r"^    (\w+): (.*?)(?=^    \w+: |\Z)", section[1], flags=re.MULTILINE | re.DOTALL)
    return {name: " ".join(text.split()).replace("``", "") for name, text in entries}
