"""Simulated beside recorded data: what scans, boxes and images measure, as rows of Markdown tables.

Each function measures one data set and gives text by name of the measure; :func:`markdown` puts several data sets side
by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = dict[str, str]

QUANTILES = (5, 25, 50, 75, 95)
RANGES_M = (1, 5, 10, 20, 40, 80)
BOX_RANGES_M = (0, 10, 20, 40, 80)
OWN_VEHICLE_M = 2.5  # nearer returns come mostly from the carrier
SECTOR_DEG = 30
MOVING_M_PER_S = 0.5
IMAGE_HEIGHT = 450  # images are measured at one height: edges depend on it
EDGE_STEP = 40.0  # grey levels (of 255) per pixel by Sobel's operator from which a pixel is an edge


@dataclass(frozen=True)
class Boxes:
    """Annotations of many keyframes.

    Attributes:
        keyframes: how many keyframes they come from.
        names: (M,) detection classes.
        range_m: (M,) horizontal distance from the LiDAR.
        size_m: (M, 3) length, width, height.
        num_points: (M,) LiDAR points inside.
        speed_m_per_s: (M,) NaN where unknown.
    """

    keyframes: int
    names: NDArray[np.str_]
    range_m: NDArray[np.float64]
    size_m: NDArray[np.float64]
    num_points: NDArray[np.int64]
    speed_m_per_s: NDArray[np.float64]


def markdown(first: str, columns: Mapping[str, Rows]) -> str:
    """A table with one column per data set; "-" for what one of them lacks, rows in the order they first appear."""
    names = list(dict.fromkeys(name for rows in columns.values() for name in rows))
    lines = [[first, *columns], ["---"] * (1 + len(columns))]
    lines += [[name, *(rows.get(name, "-") for rows in columns.values())] for name in names]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def scan_rows(scans: Sequence[NDArray[np.floating]], intensity: str = "intensity", digits: int = 0) -> Rows:
    """Counts, ranges and strengths of the points of scans (N, C >= 4) x, y, z in metres, intensity.

    Args:
        scans: at least one.
        intensity: what the data set calls it.
        digits: decimals of the intensity.
    """
    counts = [len(points) for points in scans]
    range_m = np.concatenate([np.linalg.norm(points[:, :3], axis=1) for points in scans])
    value = np.concatenate([points[:, 3] for points in scans])
    height_m = np.concatenate([points[:, 2] for points in scans])
    outside = range_m > OWN_VEHICLE_M
    limits = ["0", *map(str, RANGES_M), "inf"]
    bins = {f"{low}-{high} m": _span(low, high) for low, high in zip(limits[:-1], limits[1:], strict=True)}
    within = {name: (range_m >= low) & (range_m < high) for name, (low, high) in bins.items()}
    return {
        "points per scan, min / median / max": " / ".join(f"{f(counts):.0f}" for f in (np.min, np.median, np.max)),
        f"points per scan beyond {OWN_VEHICLE_M} m": f"{outside.sum() / len(scans):.0f}",
        **{f"share of points at {name}, %": f"{100 * mask.mean():.2f}" for name, mask in within.items()},
        "range beyond the vehicle in m, 5 / 25 / 50 / 75 / 95 %": _quantiles(range_m[outside], 1),
        "height beyond the vehicle in m, 5 / 25 / 50 / 75 / 95 %": _quantiles(height_m[outside], 2),
        f"{intensity} beyond the vehicle, 5 / 25 / 50 / 75 / 95 %": _quantiles(value[outside], digits),
        f"{intensity} exactly 0, %": f"{100 * (value[outside] == 0).mean():.1f}",
        **{
            f"median {intensity} at {name}": f"{np.median(value[mask]):.{digits}f}" if mask.any() else "-"
            for name, mask in within.items()
        },
    }


def ring_rows(scans: Sequence[NDArray[np.floating]], rings: Sequence[NDArray[np.integer]], num_rings: int) -> Rows:
    """Per laser of the data set: median elevation, and returns per scan beyond the vehicle / of the vehicle."""
    points, ring = np.concatenate([scan[:, :3] for scan in scans]), np.concatenate(rings)
    range_m = np.linalg.norm(points, axis=1)
    with np.errstate(invalid="ignore"):
        elevation_deg = np.degrees(np.arcsin(points[:, 2] / range_m))
    rows = {}
    for number in range(num_rings):
        far, near = (ring == number) & (range_m > OWN_VEHICLE_M), (ring == number) & (range_m <= OWN_VEHICLE_M)
        elevation = f"{np.median(elevation_deg[far]):.1f}°" if far.any() else "-"
        rows[f"{number}"] = f"{elevation}: {far.sum() / len(scans):.0f} / {near.sum() / len(scans):.0f}"
    return rows


def sector_rows(scans: Sequence[NDArray[np.floating]], forward_deg: float) -> Rows:
    """Per sector, counter-clockwise from ahead: returns per scan beyond the vehicle / of the vehicle.

    Args:
        scans: (N, C >= 3) each.
        forward_deg: direction of travel, counter-clockwise from x: 90 for nuScenes, 0 for SemanticKITTI.
    """
    points = np.concatenate([scan[:, :3] for scan in scans])
    azimuth_deg = (np.degrees(np.arctan2(points[:, 1], points[:, 0])) - forward_deg + SECTOR_DEG / 2) % 360
    far = np.linalg.norm(points, axis=1) > OWN_VEHICLE_M
    counts = [
        np.bincount((azimuth_deg[mask] // SECTOR_DEG).astype(int), minlength=360 // SECTOR_DEG) / len(scans)
        for mask in (far, ~far)
    ]
    return {
        f"{number * SECTOR_DEG}°": f"{beyond:.0f} / {own:.0f}"
        for number, (beyond, own) in enumerate(zip(*counts, strict=True))
    }


def box_rows(boxes: Boxes, classes: Sequence[str]) -> Rows:
    """Boxes per keyframe, by class, range and number of points."""
    count = max(1, boxes.keyframes)
    nearest = [
        (f"{low}-{high} m", (boxes.range_m >= low) & (boxes.range_m < high))
        for low, high in zip(BOX_RANGES_M[:-1], BOX_RANGES_M[1:], strict=True)
    ]
    return {
        "keyframes": f"{boxes.keyframes}",
        "boxes per keyframe": f"{len(boxes.names) / count:.1f}",
        "without a LiDAR point, %": _percent(boxes.num_points == 0),
        **{f"boxes per keyframe at {name}": f"{mask.sum() / count:.1f}" for name, mask in nearest},
        **{f"{name} per keyframe": f"{(boxes.names == name).sum() / count:.2f}" for name in classes},
        **{
            f"median points in a box at {name}": f"{np.median(boxes.num_points[mask]):.0f}" if mask.any() else "-"
            for name, mask in nearest
        },
    }


def class_rows(boxes: Boxes, classes: Sequence[str]) -> Rows:
    """By class: size, points per box near and far, share that moves and its speed."""
    rows = {}
    for name in classes:
        of_class = boxes.names == name
        if not of_class.any():
            continue
        size = " x ".join(f"{value:.2f}" for value in np.median(boxes.size_m[of_class], axis=0))
        points = []
        for low, high in zip(BOX_RANGES_M[:-1], BOX_RANGES_M[1:], strict=True):
            here = of_class & (boxes.range_m >= low) & (boxes.range_m < high)
            points.append(f"{np.median(boxes.num_points[here]):.0f}" if here.any() else "-")
        speed = boxes.speed_m_per_s[of_class & np.isfinite(boxes.speed_m_per_s)]
        moving = speed[speed > MOVING_M_PER_S]
        fast = f" at {np.median(moving):.1f} m/s (95 %: {np.percentile(moving, 95):.1f})" if len(moving) else ""
        rows[name] = f"{size}; {' / '.join(points)}; {_percent(speed > MOVING_M_PER_S)} %{fast}"
    return rows


def image_measures(image: NDArray[np.uint8]) -> dict[str, float]:
    """Brightness, contrast, saturation and edges of an RGB image (H, W, 3), scaled to one height."""
    import cv2

    width = round(image.shape[1] * IMAGE_HEIGHT / image.shape[0])
    small = cv2.resize(image, (width, IMAGE_HEIGHT), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    step = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=1 / 8))
    upper, lower = step[: IMAGE_HEIGHT // 3], step[-IMAGE_HEIGHT // 3 :]
    return {
        "mean red": float(small[..., 0].mean()),
        "mean green": float(small[..., 1].mean()),
        "mean blue": float(small[..., 2].mean()),
        "contrast (standard deviation of grey)": float(grey.std()),
        "saturation (of 255)": float(cv2.cvtColor(small, cv2.COLOR_RGB2HSV)[..., 1].mean()),
        "edge pixels, %": 100 * float((step > EDGE_STEP).mean()),
        "median gradient, grey levels per pixel": float(np.median(step)),
        "median gradient, upper third": float(np.median(upper)),
        "median gradient, lower third": float(np.median(lower)),
        "black or white pixels (0-4, 251-255), %": 100 * float(((grey < 5) | (grey > 250)).mean()),
    }


def image_rows(measured: Sequence[Mapping[str, float]]) -> Rows:
    """Median and the 10th and 90th percentile over images."""
    return {
        name: "{1:.1f} ({0:.1f} to {2:.1f})".format(*np.percentile([one[name] for one in measured], (10, 50, 90)))
        for name in (measured[0] if measured else ())
    }


def label_rows(
    scans: Sequence[NDArray[np.floating]],
    labels: Sequence[NDArray[np.integer]],
    classes: Sequence[str],
    digits: int,
) -> Rows:
    """By class: share of the points, points per scan, quartiles of the intensity; the last row is what is not scored.

    Args:
        scans: (N, C >= 4) each.
        labels: train ids (N,) of each.
        classes: names by train id.
        digits: decimals of the intensity.
    """
    value, label = np.concatenate([points[:, 3] for points in scans]), np.concatenate(labels)
    rows = {}
    for number, name in enumerate([*classes, "not scored"]):
        of_class = label == number if number < len(classes) else label >= len(classes)
        quartiles = (
            " / ".join(f"{q:.{digits}f}" for q in np.percentile(value[of_class], (25, 50, 75)))
            if of_class.any()
            else "-"
        )
        rows[name] = f"{_percent(of_class, 2)} %; {of_class.sum() / len(scans):.0f}; {quartiles}"
    return rows


def _span(low: str, high: str) -> tuple[float, float]:
    return float(low), float(high)


def _quantiles(values: NDArray[np.floating], digits: int) -> str:
    return " / ".join(f"{value:.{digits}f}" for value in np.percentile(values, QUANTILES)) if len(values) else "-"


def _percent(mask: NDArray[np.bool_], digits: int = 1) -> str:
    return f"{100 * mask.mean():.{digits}f}" if len(mask) else "-"
