"""nuScenes detection results: parse and validate.

The format is that of the detection task's page and of nuscenes-devkit (``eval/detection/README.md``): what the devkit
refuses is a fault here. Beyond that, faults are what it would score wrongly in silence or break on later: values that
are not finite, rotations that are not unit quaternions, sizes of 0, scores outside 0..1, attributes of another class,
and keyframes that are missing from the file.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError
from perception3d.conventions import (
    NUSCENES_CLASS_ATTRIBUTES,
    NUSCENES_DETECTION_CLASSES,
    NUSCENES_MAX_BOXES_PER_SAMPLE,
    NUSCENES_META_KEYS,
)
from perception3d.submission.faults import Fault
from perception3d.submission.nuscenes_boxes import ATTRIBUTES, LABELS, NuScenesBoxes, concatenate

VECTORS: Mapping[str, int] = {"translation": 3, "size": 3, "rotation": 4, "velocity": 2}
KEYS = ("sample_token", *VECTORS, "detection_name", "detection_score", "attribute_name")
UNIT_TOLERANCE = 1e-3  # quaternions printed with four digits pass


@dataclass(frozen=True)
class Results:
    """A parsed results file.

    Attributes:
        boxes: the boxes of all keyframes without a fault; ``sample`` counts in the expected tokens.
        meta: the "meta" of the file.
        faults: everything that is wrong with it.
    """

    boxes: NuScenesBoxes
    meta: Mapping[str, Any]
    faults: tuple[Fault, ...]


def read_results(path: Path, sample_tokens: Sequence[str]) -> Results:
    """Read a results file and list its faults.

    Args:
        path: the JSON file.
        sample_tokens: all keyframes of the split, in the order that ``Results.boxes.sample`` counts in.

    Raises:
        InputError: for a missing file. One that is no JSON is a fault.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: expected a results file, found: {error.strerror}") from None
    try:
        data = json.loads(text, object_pairs_hook=_unique_keys)
    except (ValueError, RecursionError) as error:
        return Results(concatenate([]), {}, (Fault(path.name, f"expected JSON, found: {error}"),))
    return parse_results(data, sample_tokens)


class _Repeated(dict):
    """A JSON object with a key twice, of which Python's parser would keep the last in silence."""

    repeated: tuple[str, ...] = ()


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) == len(pairs):
        return unique
    found = _Repeated(unique)
    keys = [key for key, _ in pairs]
    found.repeated = tuple(key for key in unique if keys.count(key) > 1)
    return found


def parse_results(data: Any, sample_tokens: Sequence[str]) -> Results:
    """Turn the content of a results file into boxes and faults; arguments as :func:`read_results`."""
    if not isinstance(data, dict):
        return Results(concatenate([]), {}, (Fault("file", f"expected an object, found {_kind(data)}"),))
    faults = [*_repeated(data, "file"), *meta_faults(data.get("meta", _MISSING), "meta")]
    results = data.get("results", _MISSING)
    if not isinstance(results, dict):
        faults.append(Fault("results", f"expected an object of sample tokens, found {_kind(results)}"))
        return Results(concatenate([]), data.get("meta", {}), tuple(faults))
    faults += _repeated(results, "results")
    faults += _token_faults(results, sample_tokens)
    place = {token: index for index, token in enumerate(sample_tokens)}
    parts = []
    for token, boxes in results.items():
        if token not in place:
            continue
        part, found = _sample(token, boxes, place[token])
        faults += found
        if part is not None and not found:
            parts.append(part)
    return Results(concatenate(parts), data.get("meta", {}), tuple(faults))


def meta_faults(meta: Any, where: str) -> list[Fault]:
    """Faults of a submission's "meta": exactly the five keys, each true or false."""
    if not isinstance(meta, dict):
        return [Fault(where, f"expected an object with {', '.join(NUSCENES_META_KEYS)}, found {_kind(meta)}")]
    faults = _repeated(meta, where)
    for key in NUSCENES_META_KEYS:
        if not isinstance(meta.get(key), bool):
            faults.append(Fault(f"{where}.{key}", f"expected true or false, found {_kind(meta.get(key, _MISSING))}"))
    faults += [Fault(f"{where}.{key}", "expected the five official keys, found one more") for key in meta
               if key not in NUSCENES_META_KEYS]  # fmt: skip
    return faults


_MISSING = object()


def _kind(value: Any) -> str:
    """A value in words that fit on a line."""
    if value is _MISSING:
        return "nothing"
    if isinstance(value, list | dict):
        return f"{'a list' if isinstance(value, list) else 'an object'} of {len(value)}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _repeated(data: dict, where: str) -> list[Fault]:
    keys = data.repeated if isinstance(data, _Repeated) else ()
    return [Fault(f"{where}[{key}]", "expected each key once, found it again") for key in keys]


def _token_faults(results: Collection[str], sample_tokens: Sequence[str]) -> list[Fault]:
    wanted = set(sample_tokens)
    faults = [
        Fault(f"results[{token}]", "expected every keyframe of the split (an empty list where nothing is detected), "
              "found none") for token in sample_tokens if token not in results
    ]  # fmt: skip
    return faults + [
        Fault(f"results[{token}]", "expected keyframes of the split alone, found another token")
        for token in results
        if token not in wanted
    ]


def _sample(token: str, boxes: Any, sample: int) -> tuple[NuScenesBoxes | None, list[Fault]]:
    """Boxes of a keyframe as arrays; a second, slow look box by box where that shows anything wrong."""
    where = f"results[{token}]"
    if not isinstance(boxes, list):
        return None, [Fault(where, f"expected a list of boxes, found {_kind(boxes)}")]
    faults = []
    if len(boxes) > NUSCENES_MAX_BOXES_PER_SAMPLE:
        faults.append(Fault(where, f"expected at most {NUSCENES_MAX_BOXES_PER_SAMPLE} boxes, found {len(boxes)}"))
    part = _arrays(boxes, token, sample)
    if part is None:
        faults += chain.from_iterable(_box_faults(box, token, f"{where}[{index}]") for index, box in enumerate(boxes))
    return part, faults


def _arrays(boxes: list[Any], token: str, sample: int) -> NuScenesBoxes | None:
    """The boxes as arrays, or None when any of them has a fault."""
    count = len(boxes)
    try:
        vectors = {key: _matrix([box[key] for box in boxes], width) for key, width in VECTORS.items()}
        score = _matrix([[box["detection_score"] for box in boxes]], count).reshape(count)
        label = [LABELS[box["detection_name"]] for box in boxes]
        names = [box["attribute_name"] for box in boxes]
        attribute = [ATTRIBUTES[name] for name in names]
        fits = all(
            name == "" or name in NUSCENES_CLASS_ATTRIBUTES[NUSCENES_DETECTION_CLASSES[item]]
            for name, item in zip(names, label, strict=True)
        )
        own = all(box["sample_token"] == token for box in boxes)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    norm = np.linalg.norm(vectors["rotation"], axis=1)
    good = (
        fits
        and own
        and not any(isinstance(box, _Repeated) for box in boxes)
        and all(np.isfinite(matrix).all() for matrix in vectors.values())
        and ((score >= 0) & (score <= 1)).all()
        and (vectors["size"] > 0).all()
        and (np.abs(norm - 1) <= UNIT_TOLERANCE).all()
    )
    if not good:
        return None
    return NuScenesBoxes(
        np.full(count, sample, dtype=np.int64),
        np.array(label, dtype=np.int64),
        vectors["translation"],
        vectors["size"],
        vectors["rotation"],
        vectors["velocity"],
        np.array(attribute, dtype=np.int64),
        score,
    )


def _matrix(rows: list[list[Any]], width: int) -> NDArray[np.float64]:
    """(n, width) of lists of numbers; ValueError for anything else, strings and booleans included."""
    if not {type(row) for row in rows} <= {list}:
        raise ValueError("expected lists")
    flat = list(chain.from_iterable(rows))
    if any(len(row) != width for row in rows) or not set(map(type, flat)) <= {int, float}:
        raise ValueError("expected numbers")
    return np.array(flat, dtype=np.float64).reshape(len(rows), width)


def _box_faults(box: Any, token: str, where: str) -> list[Fault]:
    """Everything that is wrong with one box."""
    if not isinstance(box, dict):
        return [Fault(where, f"expected an object, found {_kind(box)}")]
    faults = _repeated(box, where)
    for key, width in VECTORS.items():
        faults += _vector_faults(box.get(key, _MISSING), width, f"{where}.{key}", _EXTRA_RULES.get(key))
    score = box.get("detection_score", _MISSING)
    if not _is_number(score) or not 0 <= score <= 1:
        faults.append(Fault(f"{where}.detection_score", f"expected a number in 0..1, found {_kind(score)}"))
    if box.get("sample_token", _MISSING) != token:
        found = _kind(box.get("sample_token", _MISSING))
        faults.append(Fault(f"{where}.sample_token", f"expected the token of its keyframe, found {found}"))
    return faults + _name_faults(box, where)


def _name_faults(box: dict, where: str) -> list[Fault]:
    name, attribute = box.get("detection_name", _MISSING), box.get("attribute_name", _MISSING)
    if not isinstance(name, str) or name not in LABELS:
        classes = ", ".join(NUSCENES_DETECTION_CLASSES)
        return [Fault(f"{where}.detection_name", f"expected one of {classes}, found {_kind(name)}")]
    allowed = ("", *NUSCENES_CLASS_ATTRIBUTES[name])
    if attribute in allowed:
        return []
    text = ", ".join(map(repr, allowed))
    return [Fault(f"{where}.attribute_name", f"expected for {name} one of {text}, found {_kind(attribute)}")]


def _vector_faults(value: Any, width: int, where: str, rule: Callable[[list[float]], str | None] | None) -> list[Fault]:
    if not isinstance(value, list) or len(value) != width:
        return [Fault(where, f"expected a list of {width} numbers, found {_kind(value)}")]
    bad = [item for item in value if not (_is_number(item) and abs(item) <= sys.float_info.max)]
    if bad:
        return [Fault(where, f"expected {width} finite numbers, found {_kind(bad[0])}")]
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
