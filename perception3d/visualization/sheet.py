"""A frame on one sheet: the cameras with their boxes beside the sweep from above."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from corruptions.pictures import save
from perception3d.visualization.above import DASHES, dots, draw_above
from perception3d.visualization.cameras import draw_boxes, draw_points, resize
from perception3d.visualization.colours import DETECTION_COLOURS, RGB, box_colour, by_value, to_unit
from perception3d.visualization.geometry import BoxSet, project

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

# As they look round the car: left, ahead, right in the upper row, the same to the back below.
GRID = ("CAM_FRONT_LEFT", "CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_BACK_LEFT", "CAM_BACK", "CAM_BACK_RIGHT")
CAMERA_HEIGHT_PX = 360
DPI = 100
_COLUMNS, _GAP_PX, _TITLE_PX, _AXIS_PX = 3, 6, 44, 52
_LEGEND_ENTRY_PX, _LEGEND_ROW_PX = 132, 22
DEPTH_SHOWN_M = (2.0, 50.0)
HEIGHT_SHOWN_M = (-5.0, 4.0)  # the ground lies in the middle of the colour map: its light end would vanish on white


@dataclass(frozen=True)
class View:
    """One camera image.

    Attributes:
        name: of the camera, "CAM_FRONT".
        image: RGB uint8 (H, W, 3).
        img_from_lidar: (4, 4) projection from the LiDAR frame to pixels of this image.
        present: False for a camera that the sample lacks; its image stands in for one.
    """

    name: str
    image: NDArray[np.uint8]
    img_from_lidar: NDArray[np.floating]
    present: bool = True


@dataclass(frozen=True)
class Frame:
    """What a sheet shows.

    Attributes:
        title: scene, token, time.
        points: (N, C >= 3) LiDAR frame, metres.
        rgb: uint8 (N, 3) colours of the points, or None for their height.
        views: camera images; none are fine.
        boxes: sets of boxes in the LiDAR frame: annotations, detections, or both.
        forward: axis of the LiDAR frame that points ahead, "x" or "y".
        point_legend: name and colour of the classes of the points.
    """

    title: str
    points: NDArray[np.floating]
    rgb: NDArray[np.uint8] | None = None
    views: Sequence[View] = ()
    boxes: tuple[BoxSet, ...] = ()
    forward: str = "x"
    point_legend: Mapping[str, RGB] = field(default_factory=dict)


def frame_sheet(frame: Frame, half_extent_m: float = 50.0, show_points: bool = False) -> Figure:
    """The sheet of a frame, or the view from above alone where it has no images.

    Args:
        frame: what to show.
        half_extent_m: half the side of the square seen from above.
        show_points: draw the sweep into the images too, coloured by depth, or by class where the frame has colours.
    """
    from matplotlib.figure import Figure

    panels = [_panel(view, frame, show_points) for view in frame.views]
    cells = _cells([view.name for view in frame.views])
    height = CAMERA_HEIGHT_PX if panels else 450
    panel_width = max((panel.shape[1] for panel in panels), default=0)
    rows = max(2, 1 + max((row for row, _ in cells), default=0))
    columns = 1 + max((column for _, column in cells), default=-1)
    above_px = rows * height + (rows - 1) * _GAP_PX
    left_px = columns * (panel_width + _GAP_PX)
    width_px = left_px + above_px + _AXIS_PX + _GAP_PX
    handles = _legend_handles(frame)
    legend_rows = -(-len(handles) * _LEGEND_ENTRY_PX // width_px)
    legend_px = legend_rows * _LEGEND_ROW_PX + 8
    height_px = _TITLE_PX + above_px + legend_px
    figure = Figure(figsize=(width_px / DPI, height_px / DPI), dpi=DPI)
    for view, panel, (row, column) in zip(frame.views, panels, cells, strict=True):
        x, top = column * (panel_width + _GAP_PX), _TITLE_PX + row * (height + _GAP_PX)
        figure.figimage(panel, x, height_px - top - panel.shape[0], origin="upper")
        _label(
            figure,
            view.name if view.present else f"{view.name} (missing)",
            (x + 5) / width_px,
            1 - (top + 5) / height_px,
        )
    side = above_px - _AXIS_PX
    place = ((left_px + _AXIS_PX) / width_px, (legend_px + _AXIS_PX) / height_px, side / width_px, side / height_px)
    axes = figure.add_axes(place)
    draw_above(axes, frame.points, _rgb(frame), frame.boxes, frame.forward, half_extent_m)
    figure.text(8 / width_px, 1 - _TITLE_PX / 2 / height_px, frame.title, fontsize=13, va="center")
    if handles:
        options = dict(frameon=False, fontsize=9, columnspacing=1.2, handlelength=1.6, borderaxespad=0.2)
        figure.legend(handles=handles, loc="lower center", ncols=-(-len(handles) // legend_rows), **options)
    return figure


def write_sheet(frame: Frame, path: Path, half_extent_m: float = 50.0, show_points: bool = False) -> Path:
    """Write the sheet of a frame as PNG, whole or not at all; raises :class:`InputError` when that fails."""
    return save(frame_sheet(frame, half_extent_m, show_points), path, DPI)


def _panel(view: View, frame: Frame, show_points: bool) -> NDArray[np.uint8]:
    image, img_from_lidar = resize(view.image, view.img_from_lidar, CAMERA_HEIGHT_PX)
    if show_points:
        _, depth_m = project(frame.points[:, :3], img_from_lidar)
        rgb = by_value(-np.log(depth_m.clip(0.1)), *_log_depths(), "turbo") if frame.rgb is None else frame.rgb
        image = draw_points(image, frame.points, rgb, img_from_lidar)
    for boxes in frame.boxes:
        image = draw_boxes(image, boxes, img_from_lidar)
    return image


def _log_depths() -> tuple[float, float]:
    near_m, far_m = DEPTH_SHOWN_M
    return -float(np.log(far_m)), -float(np.log(near_m))


def _rgb(frame: Frame) -> NDArray[np.uint8]:
    return by_value(frame.points[:, 2], *HEIGHT_SHOWN_M, "viridis_r") if frame.rgb is None else frame.rgb


def _cells(names: Sequence[str]) -> list[tuple[int, int]]:
    """Row and column of each camera: around the car where all names are known, else in their order."""
    known = len(set(names)) == len(names) and set(names) <= set(GRID)
    places = [GRID.index(name) for name in names] if known else range(len(names))
    return [divmod(place, _COLUMNS) for place in places]


def _label(figure: Figure, text: str, x: float, y: float) -> None:
    box = dict(facecolor="black", alpha=0.6, edgecolor="none", pad=2)
    figure.text(x, y, text, fontsize=9, color="white", va="top", bbox=box)


def _legend_handles(frame: Frame) -> list[Line2D]:
    """Classes of the boxes, those of the points that are not among them, and how annotations and detections differ."""
    from matplotlib.lines import Line2D

    names = {name for boxes in frame.boxes for name in boxes.names}
    known = [name for name in DETECTION_COLOURS if name in names] + sorted(names - set(DETECTION_COLOURS))
    shown = {name: box_colour(name) for name in known}
    handles = [Line2D([], [], color=to_unit(colour), linewidth=3, label=name) for name, colour in shown.items()]
    if any(boxes.scores is not None for boxes in frame.boxes):
        handles.append(Line2D([], [], color="black", linewidth=1.0, label="ground truth"))
        handles.append(Line2D([], [], color="black", linewidth=1.8, linestyle=DASHES, label="prediction"))
    points = {name: colour for name, colour in frame.point_legend.items() if colour != shown.get(name)}
    return handles + dots(points)
