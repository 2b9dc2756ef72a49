"""nuScenes detection results: parse and validate.

The format is that of the detection task's page and of nuscenes-devkit (``eval/detection/README.md``): what the devkit
refuses is a fault here. Beyond that, faults are what it would score wrongly in silence or break on later: values that
are not finite, rotations that are not unit quaternions, sizes of 0, scores outside 0..1, attributes of another class,
and keyframes that are missing from the file.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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
)
from perception3d.submission.faults import Fault
from perception3d.submission.nuscenes_boxes import ATTRIBUTES, LABELS, NuScenesBoxes, concatenate
from perception3d.submission.nuscenes_det_faults import (
    MISSING,
    UNIT_TOLERANCE,
    VECTORS,
    RepeatedKeys,
    box_faults,
    kind_of,
    meta_faults,
    read_json,
    repeated_keys,
)


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
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: expected a results file, found: {error.strerror}") from None
    try:
        data = read_json(content)
    except ValueError as error:
        return Results(concatenate([]), {}, (Fault(path.name, f"expected JSON, found: {error}"),))
    return parse_results(data, sample_tokens)


def parse_results(data: Any, sample_tokens: Sequence[str]) -> Results:
    """Turn the content of a results file into boxes and faults; arguments as :func:`read_results`."""
    if not isinstance(data, dict):
        return Results(concatenate([]), {}, (Fault("file", f"expected an object, found {kind_of(data)}"),))
    faults = [*repeated_keys(data, "file"), *meta_faults(data.get("meta", MISSING), "meta")]
    results = data.get("results", MISSING)
    if not isinstance(results, dict):
        faults.append(Fault("results", f"expected an object of sample tokens, found {kind_of(results)}"))
        return Results(concatenate([]), data.get("meta", {}), tuple(faults))
    faults += repeated_keys(results, "results")
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
        return None, [Fault(where, f"expected a list of boxes, found {kind_of(boxes)}")]
    faults = []
    if len(boxes) > NUSCENES_MAX_BOXES_PER_SAMPLE:
        faults.append(Fault(where, f"expected at most {NUSCENES_MAX_BOXES_PER_SAMPLE} boxes, found {len(boxes)}"))
    part = _arrays(boxes, token, sample)
    if part is None:
        found = [*chain.from_iterable(box_faults(box, token, f"{where}[{index}]") for index, box in enumerate(boxes))]
        # the two looks may differ in the last bit of a length, and no box may be lost without a word
        faults += found or [Fault(where, f"expected unit quaternions, found one at the limit of {UNIT_TOLERANCE:g}")]
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
        and not any(isinstance(box, RepeatedKeys) for box in boxes)
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
