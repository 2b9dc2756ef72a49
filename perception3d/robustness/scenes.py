"""Before and after pictures: one scan from above, clean and corrupted, with labels, point status and errors."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from corruptions.core import ADDED, KEPT, MOVED, InputError
from corruptions.pictures import view_from_above

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

HALF_EXTENT_M = 50.0
CELL_M = 0.2
DPI = 120  # a cell of the pictures is then a little more than a pixel

# Colours of Okabe and Ito (jfly.uni-koeln.de/color), told apart with every common colour-vision deficiency.
GROUPS: dict[str, tuple[str, tuple[str, ...]]] = {
    "ground": ("#BFBFBF", ("road", "parking", "sidewalk", "other-ground")),
    "vegetation": ("#009E73", ("vegetation", "trunk", "terrain")),
    "structure": ("#56B4E9", ("building", "fence")),
    "pole, sign": ("#E69F00", ("pole", "traffic-sign")),
    "vehicle": ("#0072B2", ("car", "bicycle", "motorcycle", "truck", "other-vehicle")),
    "person, rider": ("#CC79A7", ("person", "bicyclist", "motorcyclist")),
}
UNLABELLED = "#E5DFD3"
CHANGED = {"moved": (MOVED, "#D55E00"), "added": (ADDED, "#000000")}
LEGEND = {
    **{name: colour for name, (colour, _) in GROUPS.items()},
    "unlabelled": UNLABELLED,
    **{name: colour for name, (_, colour) in CHANGED.items()},
}
CORRECT, WRONG, NOT_SCORED = "#9EC9E2", "#D55E00", "#E8E8E8"


@dataclass(frozen=True)
class Scene:
    """One scan of a setting.

    Attributes:
        sample: name of the scan in its data set, e.g. "08/000000".
        points_m: float32 (N, 3) x forward, y left, z up, in metres.
        labels: uint8 (N,) train ids; ids from the number of classes on are not scored.
        status: uint8 (N,) ``KEPT``, ``MOVED`` or ``ADDED``.
        predictions: uint8 (N,) train ids, or None where the model gave none for these points.
    """

    sample: str
    points_m: NDArray[np.float32]
    labels: NDArray[np.uint8]
    status: NDArray[np.uint8]
    predictions: NDArray[np.uint8] | None


def scene_path(work_dir: Path, suite: str, folder: str) -> Path:
    """Where the example scan of a setting lies."""
    return work_dir / "examples" / suite / f"{folder}.npz"


def scene_bytes(scene: Scene) -> bytes:
    """A scene as a compressed ``.npz`` without pickles."""
    fields = {name: value for name, value in vars(scene).items() if value is not None}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **fields)
    return buffer.getvalue()


def read_scene(path: Path) -> Scene:
    """Read a scene.

    Raises:
        InputError: for a file that is truncated or not a scene.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            points_m, labels, status = (arrays[name] for name in ("points_m", "labels", "status"))
            return Scene(str(arrays["sample"]), points_m, labels, status, arrays.get("predictions"))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: expected the example scan of a sweep, found a file that does not hold one ({error}); "
            "delete it together with its row and run the sweep again"
        ) from None


def changes(clean: Scene, corrupted: Scene) -> str:
    """What happened to the points, in words: how many are untouched, moved, added and lost."""
    kept, moved, added = (int(np.count_nonzero(corrupted.status == status)) for status in (KEPT, MOVED, ADDED))
    lost = len(clean.points_m) - kept - moved
    return f"{kept} points untouched, {moved} moved, {added} added, {lost} lost"


def before_after(clean: Scene, corrupted: Scene, classes: Sequence[str], title: str) -> Figure:
    """Clean and corrupted scan side by side by class; below, where the model is right and wrong."""
    from matplotlib.figure import Figure

    rows = 1 if clean.predictions is None or corrupted.predictions is None else 2
    figure = Figure(figsize=(11, 4.6 * rows + 0.9), dpi=DPI, layout="compressed")
    axes = figure.subplots(rows, 2, sharex=True, sharey=True, squeeze=False)
    figure.suptitle(f"{title}\n{changes(clean, corrupted)}", fontsize=13)
    for (above, *below), scene, when in zip(axes.T, (clean, corrupted), ("before", "after"), strict=True):
        draw_points(above, scene.points_m, class_colours(scene, classes))
        above.set_title(f"{when}: ground truth")
        if below and scene.predictions is not None:
            judged = scene.predictions, scene.labels, len(classes)
            draw_points(below[0], scene.points_m, error_colours(*judged))
            below[0].set_title(f"{when}: prediction, {share_correct(*judged)}")
    for axis in axes[-1]:
        axis.set_xlabel("y to the left [m]")
    for axis in axes[:, 0]:
        axis.set_ylabel("x forward [m]")
    _legend_beside(axes[0, 1], LEGEND)
    if rows == 2:
        _legend_beside(axes[1, 1], {"correct": CORRECT, "wrong": WRONG, "not scored": NOT_SCORED})
    return figure


def overview(columns: Sequence[Sequence[tuple[str, Scene]]], classes: Sequence[str], title: str) -> Figure:
    """One scan under many settings, as small pictures from above.

    Args:
        columns: name and scan of each setting; the first column holds the clean scan, each other one a type.
        classes: class names by train id.
        title: title of the figure.
    """
    from matplotlib.figure import Figure

    rows = max(2, *map(len, columns))  # the legend stands below the clean scan
    figure = Figure(figsize=(2.45 * len(columns) + 0.6, 2.6 * rows + 0.6), dpi=DPI, layout="compressed")
    axes = figure.subplots(rows, len(columns), squeeze=False)
    figure.suptitle(title, fontsize=13)
    for place, column in zip(axes.T, columns, strict=True):
        for axis, (name, scene) in zip(place, column, strict=False):
            draw_points(axis, scene.points_m, class_colours(scene, classes), interpolation="hanning")
            axis.set_title(name, fontsize=10)
            axis.tick_params(labelsize=8, labelleft=axis is axes[0, 0], labelbottom=axis is axes[0, 0])
        for axis in place[len(column) :]:
            axis.axis("off")
    axes[0, 0].set_xlabel("y to the left [m]", fontsize=9)
    axes[0, 0].set_ylabel("x forward [m]", fontsize=9)
    axes[1, 0].legend(handles=_dots(LEGEND), loc="upper center", frameon=False, fontsize=10)
    return figure


def class_colours(scene: Scene, classes: Sequence[str]) -> NDArray[np.float64]:
    """RGB (N, 3): colour of the class group of untouched points, of the status of the others."""
    from matplotlib.colors import to_rgb

    group_of = {name: colour for colour, members in GROUPS.values() for name in members}
    by_label = np.full((256, 3), to_rgb(UNLABELLED))
    by_label[: len(classes)] = [to_rgb(group_of.get(name, UNLABELLED)) for name in classes]
    colours = by_label[scene.labels]
    for status, colour in CHANGED.values():
        colours[scene.status == status] = to_rgb(colour)
    return colours


def error_colours(predictions: NDArray[np.uint8], labels: NDArray[np.uint8], num_classes: int) -> NDArray[np.float64]:
    """RGB (N, 3): right, wrong, or not scored."""
    from matplotlib.colors import to_rgb

    palette = np.array([to_rgb(colour) for colour in (CORRECT, WRONG, NOT_SCORED)])
    return palette[np.where(labels >= num_classes, 2, predictions != labels)]


def share_correct(predictions: NDArray[np.uint8], labels: NDArray[np.uint8], num_classes: int) -> str:
    """Share of the scored points with the right class, in words."""
    correct = (predictions == labels)[labels < num_classes]
    return f"{100 * correct.mean():.1f} % of scored points correct" if len(correct) else "no scored points"


def draw_points(
    axis: Axes, points_m: NDArray[np.float32], colours: NDArray[np.float64], interpolation: str = "nearest"
) -> None:
    """Draw a scan from above; x up and y to the left, as the car drives."""
    low, high = -HALF_EXTENT_M, HALF_EXTENT_M
    image = view_from_above(points_m, colours, HALF_EXTENT_M, CELL_M)
    axis.imshow(image, extent=(high, low, low, high), interpolation=interpolation)


def _dots(colours: dict[str, str]) -> list[Line2D]:
    from matplotlib.lines import Line2D

    return [Line2D([], [], marker="o", linestyle="", color=colour, label=name) for name, colour in colours.items()]


def _legend_beside(axis: Axes, colours: dict[str, str]) -> None:
    axis.legend(handles=_dots(colours), loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=10)
