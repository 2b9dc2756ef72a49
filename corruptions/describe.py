"""The catalogs in words: levels, parameters with their units, and sources."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from corruptions.catalog import CATALOG
from corruptions.core import Corruption, InputError, unknown

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


def catalog_text(names: Sequence[str] = ()) -> str:
    """Both catalogs for a terminal, or the entries of these names; raises :class:`InputError` for an unknown one."""
    entries: list[tuple[str, Corruption | ViewCorruption]] = [("LiDAR", lidar) for lidar in CATALOG.values()]
    entries += [("camera", view) for view in view_corruptions().values()]
    known = dict.fromkeys(corruption.name for _, corruption in entries)
    for name in names:
        if name not in known:
            raise InputError(unknown("corruption", name, known))
    return "\n\n".join(
        f"[{sensor}] " + "\n".join(lines(corruption))
        for sensor, corruption in entries
        if not names or corruption.name in names
    )


def lines(corruption: Corruption | ViewCorruption) -> Iterator[str]:
    """One corruption for a terminal."""
    yield f"{corruption.name}: {summary(corruption)}"
    yield f"    source: {corruption.reference}"
    yield f"    grows with the level: {corruption.severity}"
    for level, values in corruption.levels.items():
        yield f"    {level:14} {' '.join(f'{key}={_short(value)}' for key, value in values.items())}".rstrip()
    for name, text in parameter_docs(corruption).items():
        yield textwrap.fill(f"{name}: {text}", 118, initial_indent=" " * 6, subsequent_indent=" " * 10)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _args_section(doc: str | None) -> dict[str, str]:
    """Descriptions by name from the Args section of a Google-style docstring."""
    section = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", doc or "", flags=re.MULTILINE | re.DOTALL)
    if section is None:
        return {}
    entries = re.findall(r"^    (\w+): (.*?)(?=^    \w+: |\Z)", section[1], flags=re.MULTILINE | re.DOTALL)
    return {name: " ".join(text.split()).replace("``", "") for name, text in entries}
