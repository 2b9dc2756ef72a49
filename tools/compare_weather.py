#!/usr/bin/env python
"""Compare simulated fog and snow with recorded weather, as Markdown tables: python tools/compare_weather.py --data DIR.

Fog: the corruption on clear scans of nuScenes beside RADIATE (real fog, same HDL-32E). Snow: the corruption on a clear
scan of a Pandar64 beside WADS (falling snow labelled, same device). The scenes differ, so a setting can be near and not
equal. DIR holds nuscenes/samples/LIDAR_TOP, radiate/*/velo_lidar, other/hesai/pandar64_xyzir.bin and wads/sequences.
The last row of each table is the setting, of a small grid, whose measures are nearest to the recorded ones: least mean
of |ln(simulated / recorded)| over the columns marked with *.
"""

import argparse
import itertools
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import corruptions
from corruptions.catalog import CATALOG
from corruptions.core import INTENSITY, MOVED, InputError, Scan
from corruptions.files import read_labels, read_points

FALLING_SNOW = 110  # label of WADS
VEHICLE_M, NEAR_M, FAR_M = 1.5, 10.0, 30.0  # returns nearer than the first are the own vehicle
FULL_SCALE = 255.0
FOG_GRID = {"alpha_per_m": (0.01, 0.02, 0.03, 0.04, 0.045, 0.05, 0.06), "max_range_m": (60, 120, 240)}
SNOW_GRID = {
    "rate_mm_per_h": (0.5, 1.5, 2.5, 4.0),
    "terminal_velocity_m_per_s": (0.6, 1.6),
    "reference_range_m": (5, 10, 15),
}
FOG_FIT = ("returns", "beyond 30 m", "median intensity")
SNOW_FIT = ("weather", "weather inside 10 m", "range 25 %", "range 50 %", "range 75 %")
QUANTILES = (5, 25, 50, 75, 95)
PERCENT = ("weather", "weather inside 10 m", "beyond 30 m", "weak")

Measures = dict[str, float]


def measures(points: NDArray[np.float32], weather: NDArray[np.bool_] | None) -> Measures:
    """What one scan shows, returns of the own vehicle left out.

    Args:
        points: float32 (N, C >= 4), intensity in 0..255.
        weather: bool (N,) returns of droplets or flakes, or None where nobody labelled them.

    Returns:
        Number of returns, share of weather among all and among those inside 10 m, quantiles of the range of weather in
        metres, shares beyond 30 m and up to 1 % of full scale, median intensities; NaN for what is not known.
    """
    range_m = np.linalg.norm(points[:, :3], axis=1)
    outside = range_m > VEHICLE_M
    range_m, intensity, known = range_m[outside], points[outside, INTENSITY], weather is not None
    caused = np.zeros(len(range_m), dtype=bool) if weather is None else weather[outside]
    quantiles = np.percentile(range_m[caused], QUANTILES) if caused.any() else np.full(len(QUANTILES), np.nan)
    return {
        "returns": len(range_m),
        "weather": caused.mean() if known else np.nan,
        "weather inside 10 m": caused[range_m < NEAR_M].mean() if known else np.nan,
        **{f"range {share} %": value for share, value in zip(QUANTILES, quantiles, strict=True)},
        "beyond 30 m": (range_m > FAR_M).mean(),
        "weak": (intensity <= 0.01 * FULL_SCALE).mean(),
        "median intensity": float(np.median(intensity)),
        "median intensity of weather": float(np.median(intensity[caused])) if caused.any() else np.nan,
    }


def mean(rows: Sequence[Measures]) -> Measures:
    """Mean of each measure over scans; NaN where no scan has it."""
    values = {key: [row[key] for row in rows if not np.isnan(row[key])] for key in rows[0]}
    return {key: float(np.mean(known)) if known else np.nan for key, known in values.items()}


def simulated(scans: Mapping[str, Scan], name: str, level: str | None, **physical: Any) -> Measures:
    """Mean measures of a corruption of scans, by sample name."""
    outs = (corruptions.corrupt(scan, name, level, seed=0, sample=key, **physical) for key, scan in scans.items())
    return mean([measures(out.points, out.status == MOVED) for out in outs])


def distance(found: Measures, real: Measures, keys: Sequence[str]) -> float:
    """Mean of |ln(found / real)|; infinite where the simulation has none of something."""
    ratios = np.array([found[key] / real[key] for key in keys])
    return float(np.abs(np.log(ratios)).mean()) if (ratios > 0).all() else np.inf


def compare(
    name: str, clear: Mapping[str, Scan], real: Measures, grid: Mapping[str, Sequence[float]], fit: Sequence[str]
) -> str:
    """Markdown table: clear, recorded, the levels of the catalog, the nearest setting of the grid."""
    clear_measures = mean([measures(scan.points, None) for scan in clear.values()])
    rows = {"clear, recorded": clear_measures, f"{name}, recorded": real}
    rows |= {level: simulated(clear, name, level) for level in CATALOG[name].levels}
    settings = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    tried = [(simulated(clear, name, None, **setting), setting) for setting in settings]
    nearest, setting = min(tried, key=lambda pair: distance(pair[0], real, fit))
    text = ", ".join(f"{key} {value:g}" for key, value in setting.items())
    rows[f"{text} (distance {distance(nearest, real, fit):.2f})"] = nearest
    header = ["", *(f"{key}{'*' if key in fit else ''}" for key in real)]
    lines = [header, ["---"] * len(header), *([label, *cells(row)] for label, row in rows.items())]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cells(row: Measures) -> list[str]:
    """Shares in percent, the rest to three digits, "-" for what is not known."""
    shown = {key: 100 * value if key in PERCENT else value for key, value in row.items()}
    return ["-" if np.isnan(v) else f"{v:.0f}" if v >= 100 else f"{v:.1f}" for v in shown.values()]


def read(root: Path) -> tuple[dict[str, Scan], Measures, dict[str, Scan], Measures]:
    """Clear scans and recorded weather, for fog and for snow; raises InputError for what is missing."""
    sweeps = sorted((root / "nuscenes" / "samples" / "LIDAR_TOP").glob("*.bin"))
    foggy = sorted((root / "radiate").glob("*/velo_lidar/*.csv"))
    snowy = sorted((root / "wads" / "sequences").glob("*/velodyne/*.bin"))
    for what, files in (("nuScenes sweeps", sweeps), ("RADIATE scans", foggy), ("WADS scans", snowy)):
        if not files:
            raise InputError(f"{root}: expected {what}, found none; see python tools/compare_weather.py --help")
    clear = {path.stem: Scan(read_points(path, columns=5), FULL_SCALE, sensor="HDL-32E") for path in sweeps}
    fog = mean([measures(np.loadtxt(path, delimiter=",", dtype=np.float32), None) for path in foggy])
    pandar = read_points(root / "other" / "hesai" / "pandar64_xyzir.bin", columns=5)
    return clear, fog, {"pandar64": Scan(pandar, FULL_SCALE, sensor="Pandar64")}, mean([wads(path) for path in snowy])


def wads(path: Path) -> Measures:
    """Measures of a scan of WADS; two in five rows of its files are duplicates and count once."""
    points = read_points(path, columns=4)
    labels = read_labels(path.parents[1] / "labels" / f"{path.stem}.label", len(points)) & 0xFFFF
    points, rows = np.unique(points, axis=0, return_index=True)
    return measures(points, labels[rows] == FALLING_SNOW)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables; returns the exit status, 2 for bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    try:
        clear, fog, clear_snow, snow = read(parser.parse_args(argv).data)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("Shares in percent, ranges in metres, intensities of 255.\n")
    print(compare("fog", clear, fog, FOG_GRID, FOG_FIT), "\n")
    print(compare("snowfall", clear_snow, snow, SNOW_GRID, SNOW_FIT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
