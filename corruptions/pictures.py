"""Before and after as PNG: sweeps from above and as range images, camera images. Needs matplotlib, no display."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from corruptions.core import ADDED, INTENSITY, KEPT, MOVED, Corrupted, InputError, Scan
from corruptions.files import write_atomically
from corruptions.sensors import sensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HALF_EXTENT_M = 40.0
CELL_M = 0.2
# Colours of Okabe and Ito, told apart with every common colour-vision deficiency; untouched points in shades of blue.
MOVED_RGB, ADDED_RGB = (0.835, 0.369, 0.0), (0.8, 0.2, 0.55)
RANGE_IMAGE_COLUMNS = 720
RANGE_SHOWN_M = (2.0, 80.0)

LidarPanel = tuple[str, Scan, Corrupted | None]
ImagePanel = tuple[str, NDArray[np.uint8]]


def lidar_figure(scan: Scan, corrupted: Corrupted, title: str) -> Figure:
    """Before and after from above, and as range images below; moved and added points in colours of their own."""
    figure = _figure(11, 8.6)
    from matplotlib.colors import LogNorm

    above = figure.subplot_mosaic("ab;cc;dd", height_ratios=[5.2, 1, 1])
    figure.suptitle(f"{title}\n{changes(scan, corrupted)}", fontsize=12)
    for name, when, after in (("a", "before", None), ("b", "after", corrupted)):
        _draw_above(above[name], scan, after)
        above[name].set_title(when)
        above[name].set_xlabel("y to the left [m]")
        above[name].set_ylabel("x forward [m]")
    for name, when, after in (("c", "before", None), ("d", "after", corrupted)):
        points, status = _shown(scan, after)
        shown = above[name].imshow(range_image(points, scan.sensor), cmap="viridis", norm=LogNorm(*RANGE_SHOWN_M))
        above[name].set_aspect("auto")
        above[name].set(yticks=[], title=f"{when}: range image", xticks=[0, 179.5, 359.5, 539.5, 719])
        above[name].set_xticklabels(["180°", "90° left", "ahead", "90° right", "180°"])
    bar = figure.colorbar(shown, ax=[above["c"], above["d"]], extend="both", ticks=[2, 5, 10, 20, 40, 80])
    bar.minorticks_off()
    bar.set_label("range [m]")
    bar.ax.set_yticklabels(["2", "5", "10", "20", "40", "80"])
    _legend(figure)
    return figure


def lidar_sheet(panels: Sequence[LidarPanel], title: str) -> Figure:
    """Sweeps from above, one panel each: name, clean scan, and its corruption (None shows the clean scan)."""
    figure, axes = _grid(len(panels), 2.6, 2.85)
    figure.suptitle(title, fontsize=12)
    for axis, (name, scan, corrupted) in zip(axes, panels, strict=False):
        _draw_above(axis, scan, corrupted)
        axis.set_title(name, fontsize=9)
        axis.set(xticks=[], yticks=[])
    _legend(figure)
    return figure


def image_sheet(panels: Sequence[ImagePanel], title: str) -> Figure:
    """Images RGB (H, W, 3), one panel each."""
    height, width = panels[0][1].shape[:2]
    panel_width = 2.9 if len(panels) > 2 else 6.0
    figure, axes = _grid(len(panels), panel_width, panel_width * height / width + 0.25)
    figure.suptitle(title, fontsize=12)
    for axis, (name, image) in zip(axes, panels, strict=False):
        axis.imshow(image, interpolation="antialiased")
        axis.set_title(name, fontsize=9)
        axis.axis("off")
    return figure


def changes(scan: Scan, corrupted: Corrupted) -> str:
    """What happened to the points, in words: how many are kept in place, moved, added and lost."""
    kept, moved, added = (int(np.count_nonzero(corrupted.status == status)) for status in (KEPT, MOVED, ADDED))
    lost = len(scan.points) - kept - moved
    return f"{len(scan.points)} points: {kept} in place, {moved} moved, {lost} lost; {added} added"


def view_from_above(
    points: NDArray[np.floating],
    rgb: NDArray[np.floating],
    half_extent_m: float = HALF_EXTENT_M,
    cell_m: float = CELL_M,
) -> NDArray[np.float64]:
    """Image (H, W, 3) of the surroundings on white: first row far ahead, first column far left.

    Each cell shows its highest point, so that what stands on the road hides the road. Drawing some points last, such
    as changed or wrong ones, would make a fifth of them look like all of them.

    Args:
        points: (N, C >= 3) x forward, y left, z up, in metres.
        rgb: (N, 3) in [0, 1].
        half_extent_m: half the side of the square around the sensor.
        cell_m: side of a pixel in metres.
    """
    side = round(2 * half_extent_m / cell_m)
    cells = np.floor((half_extent_m - points[:, :2].clip(-1e6, 1e6)) / cell_m).astype(np.intp)
    order = np.argsort(points[:, 2], kind="stable")
    order = order[((cells >= 0) & (cells < side)).all(axis=1)[order]]
    image = np.ones((side, side, 3))
    image[cells[order, 0], cells[order, 1]] = rgb[order]
    return image


def range_image(points: NDArray[np.float32], sensor_name: str) -> NDArray[np.float32]:
    """Range in metres by elevation and azimuth, cells as in :func:`nearest_by_direction`, NaN without a return."""
    nearest = nearest_by_direction(points, sensor_name)
    range_m = np.linalg.norm(points[:, :3].astype(np.float64), axis=1)
    image = np.full(nearest.shape, np.nan, dtype=np.float32)
    image[nearest >= 0] = range_m[nearest[nearest >= 0]]
    return image


def nearest_by_direction(points: NDArray[np.floating], sensor_name: str) -> NDArray[np.intp]:
    """Which point each cell of a range image shows (rows, 720), straight ahead (x) in the middle, -1 without a return.

    Rows divide the sensor's field of view evenly, half as many as it has lasers, so that few rows stay empty. The
    nearest point of a cell shows.
    """
    model = sensor(sensor_name)
    rows = max(8, model.num_rings // 2)
    low, high = np.radians([min(model.elevations_deg) - 0.5, max(model.elevations_deg) + 0.5])
    x, y, z = points[:, :3].T.astype(np.float64)
    rho = np.hypot(x, y)
    row = np.floor((high - np.arctan2(z, rho)) / (high - low) * rows).astype(np.intp)
    column = np.floor((1 - np.arctan2(y, x) / np.pi) / 2 * RANGE_IMAGE_COLUMNS).astype(np.intp) % RANGE_IMAGE_COLUMNS
    range_m = np.hypot(rho, z)
    order = np.argsort(-range_m, kind="stable")
    order = order[(row[order] >= 0) & (row[order] < rows) & (range_m[order] > 0)]
    nearest = np.full((rows, RANGE_IMAGE_COLUMNS), -1, dtype=np.intp)
    nearest[row[order], column[order]] = order
    return nearest


def save(figure: Figure, path: Path, dpi: int = 110) -> Path:
    """Write a figure as PNG, whole or not at all; returns its path, raises :class:`InputError` when that fails."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=dpi)
    return write_atomically(path, content.getvalue())


def _draw_above(axis: Axes, scan: Scan, corrupted: Corrupted | None) -> None:
    points, status = _shown(scan, corrupted)
    image = view_from_above(points, _colours(points, status, scan.intensity_max))
    extent = (HALF_EXTENT_M, -HALF_EXTENT_M, -HALF_EXTENT_M, HALF_EXTENT_M)
    axis.imshow(image, extent=extent, interpolation="antialiased")


def _shown(scan: Scan, corrupted: Corrupted | None) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    if corrupted is None:
        return scan.points, np.full(len(scan.points), KEPT)
    return corrupted.points, corrupted.status


def _colours(points: NDArray[np.float32], status: NDArray[np.uint8], intensity_max: float) -> NDArray[np.float64]:
    """RGB (N, 3): the darker, the stronger the return; moved and added points in their own colour."""
    strength = np.sqrt(np.clip(points[:, INTENSITY] / intensity_max, 0, 1))[:, None]
    rgb = (1 - strength) * np.array([0.72, 0.84, 0.94]) + strength * np.array([0.02, 0.15, 0.38])
    rgb[status == MOVED] = MOVED_RGB
    rgb[status == ADDED] = ADDED_RGB
    return rgb


def _figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise InputError("pictures need matplotlib: pip install matplotlib") from None
    return Figure(figsize=(width, height), layout="compressed")


def _grid(count: int, width: float, height: float) -> tuple[Figure, list[Any]]:
    rows = -(-count // 5)
    columns = -(-count // rows)
    figure = _figure(width * columns, height * rows + 0.7)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis in axes[count:]:
        axis.axis("off")
    return figure, axes


def _legend(figure: Figure) -> None:
    from matplotlib.lines import Line2D

    colours = {"strong return": (0.02, 0.15, 0.38), "weak": (0.72, 0.84, 0.94), "moved": MOVED_RGB, "added": ADDED_RGB}
    dots = [Line2D([], [], marker="o", linestyle="", color=colour, label=name) for name, colour in colours.items()]
    figure.legend(handles=dots, loc="outside lower center", ncols=len(dots), frameon=False, fontsize=9)
