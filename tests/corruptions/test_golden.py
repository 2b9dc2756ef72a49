"""Recorded results of every corruption: a change of bytes is seen, and has a date and a reason.

``golden.json`` holds what comes out of the street of ``conftest.py`` and of a small view, per corruption and level.
After a deliberate change::

    python tests/corruptions/test_golden.py "why the bytes of this corruption changed" snowfall camera/fog

records the named corruptions anew under today's date and that reason. Raise ``corruptions.__version__`` with it.
"""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parent / "camera"))  # for a run as a program; pytest has it already

from street_images import street as street_images

import corruptions
from corruptions.camera import VIEW_CORRUPTIONS, Views, corrupt_views
from corruptions.catalog import CATALOG
from corruptions.core import INTENSITY, Scan

GOLDEN = Path(__file__).with_name("golden.json")
SEED, SAMPLE = 0, "08/000000"
SHAPE = (2, 150, 200)  # smaller views resolve no drop of rain
# Sums of float32 may end differently where a machine's exp or sqrt rounds differently in the last bit.
RELATIVE = 1e-6
# Such a bit can also turn a comparison over: of 12 800 points, and of a view's bytes by one step of 255.
TIES = 3
NAMES = [*CATALOG, *(f"camera/{name}" for name in VIEW_CORRUPTIONS)]


def summary_of_scan(scan: Scan, name: str, level: str) -> dict[str, Any]:
    """Points out, points per status (KEPT, MOVED, ADDED), sums of their ranges, intensities and rows."""
    out = corruptions.corrupt(scan, name, level, seed=SEED, sample=SAMPLE)
    range_m = np.linalg.norm(out.points[:, :3].astype(np.float64), axis=1)
    return {
        "points": len(out.points),
        "status": np.bincount(out.status, minlength=3).tolist(),
        "range_sum_m": significant(range_m.sum()),
        "intensity_sum": significant(out.points[:, INTENSITY].sum(dtype=np.float64)),
        "source_mean": significant(out.source.mean()) if len(out.source) else None,
    }


def summary_of_views(name: str, level: str) -> dict[str, Any]:
    """Mean of each channel, mean square of all values, and mean change along the rows, which says how sharp it is."""
    images = street_images(*SHAPE)
    depth_m = np.broadcast_to(np.linspace(120, 4, SHAPE[1], dtype=np.float32)[:, None], SHAPE).copy()
    views = Views(images, "rgb", depth_m=depth_m, previous=np.roll(images, 5, axis=2))
    out = corrupt_views(views, name, level, seed=SEED, sample=SAMPLE).astype(np.float64)
    return {
        "mean": [significant(value) for value in out.mean(axis=(0, 1, 2))],
        "mean_square": significant(np.square(out).mean()),
        "roughness": significant(np.abs(np.diff(out, axis=2)).mean()),
    }


def summaries(scan: Scan, name: str) -> dict[str, dict[str, Any]]:
    """Summary by level of a corruption; ``camera/`` marks those of the camera."""
    if name.startswith("camera/"):
        bare = name.removeprefix("camera/")
        return {level: summary_of_views(bare, level) for level in VIEW_CORRUPTIONS[bare].levels}
    return {level: summary_of_scan(scan, name, level) for level in CATALOG[name].levels}


def significant(value: float) -> float:
    """Nine digits: more than are compared."""
    return float(f"{value:.9g}")


def recorded() -> dict[str, Any]:
    return json.loads(GOLDEN.read_text())


@pytest.mark.parametrize("name", NAMES)
def test_results_are_those_recorded(name: str, street_scan: Scan) -> None:
    entry, found = recorded()[name], summaries(street_scan, name)
    assert list(found) == list(entry["levels"])
    for level, expected in entry["levels"].items():
        compare(found[level], expected, f"{name} {level}, recorded {entry['date']} ({entry['reason']})")


def compare(found: dict[str, Any], expected: dict[str, Any], where: str) -> None:
    assert found.keys() == expected.keys()
    if "status" in expected:
        counts = np.array([found["points"], *found["status"]]), np.array([expected["points"], *expected["status"]])
        assert np.abs(counts[0] - counts[1]).max() <= TIES, where
        # One point more or less is a ten-thousandth of a sum.
        relative = RELATIVE if np.array_equal(*counts) else 1e-3
    else:
        relative = 1e-4  # one value of 180 000 up or down changes nothing; one in a thousand does
    for key, value in expected.items():
        if key not in ("points", "status"):
            assert found[key] == (None if value is None else pytest.approx(value, rel=relative, abs=1e-12)), (
                where,
                key,
            )


def test_every_entry_is_of_the_catalog_and_says_when_and_why() -> None:
    entries = recorded()
    assert list(entries) == NAMES
    for entry in entries.values():
        date.fromisoformat(entry["date"])
        assert len(entry["reason"]) > 10


def record(reason: str, names: list[str]) -> None:
    """Write the summaries of these corruptions to ``golden.json``; the others stay as they are."""
    from conftest import street

    before = recorded() if GOLDEN.exists() else {}
    unknown = set(names) - set(NAMES)
    if unknown or len(reason) <= 10:
        raise SystemExit(f"expected a reason in words, then corruptions out of {', '.join(NAMES)}; found {unknown}")
    scan, today = street(), date.today().isoformat()
    new = {name: {"date": today, "reason": reason, "levels": summaries(scan, name)} for name in names}
    merged = {name: new.get(name) or before[name] for name in NAMES}
    GOLDEN.write_text(
        "{\n" + ",\n".join(f"{json.dumps(name)}: {text(entry)}" for name, entry in merged.items()) + "\n}\n"
    )


def text(entry: dict[str, Any]) -> str:
    """One line for date and reason and one per level, so that a difference shows what changed."""
    levels = ",\n".join(f"  {json.dumps(level)}: {json.dumps(values)}" for level, values in entry["levels"].items())
    return f'{{"date": "{entry["date"]}", "reason": {json.dumps(entry["reason"])}, "levels": {{\n{levels}}}}}'


if __name__ == "__main__":
    record(sys.argv[1], sys.argv[2:] or NAMES)
