"""Faults of the parts of a nuScenes results file, each looked at by itself."""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from perception3d.conventions import NUSCENES_CLASS_ATTRIBUTES, NUSCENES_DETECTION_CLASSES, NUSCENES_META_KEYS
from perception3d.submission.faults import Fault
from perception3d.submission.nuscenes_boxes import LABELS

VECTORS: Mapping[str, int] = {"translation": 3, "size": 3, "rotation": 4, "velocity": 2}
UNIT_TOLERANCE = 1e-3  # quaternions printed with four digits pass
MISSING = object()


class RepeatedKeys(dict):
    """A JSON object with a key twice, of which Python's parser would keep the last in silence."""

    repeated: tuple[str, ...] = ()


def read_json(content: bytes) -> Any:
    """Parse JSON as the servers do, in UTF-8 without a byte order mark; objects with a key twice are marked.

    Raises:
        ValueError: for anything else.
    """
    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=_marked)
    except RecursionError as error:
        raise ValueError(str(error)) from None


def _marked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) == len(pairs):
        return unique
    found = RepeatedKeys(unique)
    counts = Counter(key for key, _ in pairs)
    found.repeated = tuple(key for key in unique if counts[key] > 1)
    return found


def meta_faults(meta: Any, where: str) -> list[Fault]:
    """Faults of a submission's "meta": exactly the five keys, each true or false."""
    if not isinstance(meta, dict):
        return [Fault(where, f"expected an object with {', '.join(NUSCENES_META_KEYS)}, found {kind_of(meta)}")]
    faults = repeated_keys(meta, where)
    for key in NUSCENES_META_KEYS:
        if not isinstance(meta.get(key), bool):
            faults.append(Fault(f"{where}.{key}", f"expected true or false, found {kind_of(meta.get(key, MISSING))}"))
    faults += [Fault(f"{where}.{key}", "expected the five official keys, found one more") for key in meta
               if key not in NUSCENES_META_KEYS]  # fmt: skip
    return faults


def kind_of(value: Any) -> str:
    """A value in words that fit on a line."""
    if value is MISSING:
        return "nothing"
    if isinstance(value, list | dict):
        return f"{'a list' if isinstance(value, list) else 'an object'} of {len(value)}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def repeated_keys(data: dict, where: str) -> list[Fault]:
    """Faults of an object that holds a key twice."""
    keys = data.repeated if isinstance(data, RepeatedKeys) else ()
    return [Fault(f"{where}[{key}]", "expected each key once, found it again") for key in keys]


def box_faults(box: Any, token: str, where: str) -> list[Fault]:
    """Everything that is wrong with one box."""
    if not isinstance(box, dict):
        return [Fault(where, f"expected an object, found {kind_of(box)}")]
    faults = repeated_keys(box, where)
    for key, width in VECTORS.items():
        faults += _vector_faults(box.get(key, MISSING), width, f"{where}.{key}", _EXTRA_RULES.get(key))
    score = box.get("detection_score", MISSING)
    if not _is_number(score) or not 0 <= score <= 1:
        faults.append(Fault(f"{where}.detection_score", f"expected a number in 0..1, found {kind_of(score)}"))
    if box.get("sample_token", MISSING) != token:
        found = kind_of(box.get("sample_token", MISSING))
        faults.append(Fault(f"{where}.sample_token", f"expected the token of its keyframe, found {found}"))
    return faults + _name_faults(box, where)


def _name_faults(box: dict, where: str) -> list[Fault]:
    name, attribute = box.get("detection_name", MISSING), box.get("attribute_name", MISSING)
    if not isinstance(name, str) or name not in LABELS:
        classes = ", ".join(NUSCENES_DETECTION_CLASSES)
        return [Fault(f"{where}.detection_name", f"expected one of {classes}, found {kind_of(name)}")]
    allowed = ("", *NUSCENES_CLASS_ATTRIBUTES[name])
    if attribute in allowed:
        return []
    text = ", ".join(map(repr, allowed))
    return [Fault(f"{where}.attribute_name", f"expected for {name} one of {text}, found {kind_of(attribute)}")]


def _vector_faults(value: Any, width: int, where: str, rule: Callable[[list[float]], str | None] | None) -> list[Fault]:
    if not isinstance(value, list) or len(value) != width:
        return [Fault(where, f"expected a list of {width} numbers, found {kind_of(value)}")]
    bad = [item for item in value if not (_is_number(item) and abs(item) <= sys.float_info.max)]
    if bad:
        return [Fault(where, f"expected {width} finite numbers, found {kind_of(bad[0])}")]
    what = rule(value) if rule else None
    return [Fault(where, what)] if what else []


def _positive(size: list[float]) -> str | None:
    return None if min(size) > 0 else f"expected width, length and height above 0 m, found {min(size):g}"


def _unit(quaternion: list[float]) -> str | None:
    norm = math.hypot(*quaternion)
    return None if abs(norm - 1) <= UNIT_TOLERANCE else f"expected a unit quaternion w, x, y, z, found length {norm:g}"


_EXTRA_RULES: Mapping[str, Callable[[list[float]], str | None]] = {"size": _positive, "rotation": _unit}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
