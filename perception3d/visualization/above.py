"""A sweep and its boxes from above, with axes in metres."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from corruptions.pictures import view_from_above
from perception3d.visualization.colours import RGB, box_colour, to_unit
from perception3d.visualization.geometry import BoxSet, corners

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

RING_STEP_M = 10
CELLS = 500  # across the picture: a point of a far ring is then one or two pixels of a sheet
DASHES = (0, (2.2, 1.1))  # of detections
MOVING_M_PER_S = 0.5  # slower boxes get no arrow
# Which column of points, and in which direction, goes up and to the right: nuScenes' LiDAR looks along its y axis.
FORWARD_AXES = {"x": ((1, -1), (0, 1)), "y": ((0, 1), (1, 1))}


def draw_above(
    axes: Axes,
    points: NDArray[np.floating],
    rgb: NDArray[np.uint8],
    boxes: tuple[BoxSet, ...] = (),
    forward: str = "x",
    half_extent_m: float = 50.0,
) -> None:
    """Draw a sweep from above, ahead is up, with range rings and boxes.

    Annotations are thin solid outlines, detections thick dashed ones with their score. A line from the centre through
    the front marks the heading, an arrow the way of one second.

    Args:
        axes: where to draw.
        points: (N, C >= 3) LiDAR frame, metres.
        rgb: (N, 3) colours.
        boxes: sets of boxes, in the frame of the points.
        forward: axis of the frame that points ahead: "x" (SemanticKITTI) or "y" (nuScenes).
        half_extent_m: half the side of the square shown.
    """
    right, up = FORWARD_AXES[forward]
    ahead_left = points[:, [up[0], right[0], 2]] * np.array([up[1], -right[1], 1])
    image = view_from_above(ahead_left, rgb / 255, half_extent_m, 2 * half_extent_m / CELLS)
    low, high = -half_extent_m, half_extent_m
    across = (low, high) if right[1] > 0 else (high, low)
    axes.imshow(image, extent=(*across, low, high), interpolation="antialiased", zorder=0)
    _draw_rings(axes, half_extent_m)
    for box_set in boxes:
        _draw_boxes(axes, box_set, (right[0], up[0]), half_extent_m)
    axes.set(xlim=across, ylim=(low, high), aspect="equal")
    axes.set_xlabel("y to the left [m]" if forward == "x" else "x to the right [m]", labelpad=1)
    axes.set_ylabel(f"{forward} forward [m]", labelpad=-4)


def dots(colours: Mapping[str, RGB]) -> list[Line2D]:
    """Handles of a legend of point colours."""
    from matplotlib.lines import Line2D

    return [
        Line2D([], [], marker="o", linestyle="", color=to_unit(colour), label=name) for name, colour in colours.items()
    ]


def _draw_rings(axes: Axes, half_extent_m: float) -> None:
    from matplotlib.patches import Circle

    for radius_m in range(RING_STEP_M, int(half_extent_m * np.sqrt(2)) + 1, RING_STEP_M):
        axes.add_patch(Circle((0, 0), radius_m, fill=False, color="0.72", linewidth=0.6, zorder=1))
        if radius_m < half_extent_m:
            axes.text(0, radius_m, f"{radius_m} m", fontsize=7, color="0.45", ha="center", va="bottom", zorder=1)
    axes.plot(0, 0, marker="+", color="black", markersize=9, zorder=4)


def _draw_boxes(axes: Axes, boxes: BoxSet, plane: tuple[int, int], half_extent_m: float) -> None:
    from matplotlib.collections import LineCollection

    detected = boxes.scores is not None
    shown = np.flatnonzero((np.abs(boxes.values[:, :2]) <= half_extent_m).all(axis=1))
    plane_of = list(plane)
    top = corners(boxes.values)[:, [0, 1, 5, 4, 0]][..., plane_of]
    centre = boxes.values[:, plane_of].astype(np.float64)
    front = top[:, :2].mean(axis=1)
    colours = [to_unit(box_colour(boxes.names[row])) for row in shown]
    outlines = [top[row] for row in shown]
    headings = [np.stack([centre[row], front[row]]) for row in shown]
    style = dict(linewidths=1.8, linestyles=DASHES) if detected else dict(linewidths=1.0, linestyles="solid")
    axes.add_collection(LineCollection(outlines, colors=colours, zorder=3, **style))
    axes.add_collection(LineCollection(headings, colors=colours, linewidths=style["linewidths"], zorder=3))
    for row, colour in zip(shown, colours, strict=True):
        if boxes.scores is not None:
            text = f"{boxes.scores[row]:.2f}"
            axes.annotate(
                text, top[row, 0], fontsize=6, color=colour, zorder=5, xytext=(2, 2), textcoords="offset points"
            )
        velocity = boxes.values[row, 7:][plane_of] if boxes.values.shape[1] == 9 else np.zeros(2)
        if np.linalg.norm(velocity) > MOVING_M_PER_S:  # False for NaN: annotations without a velocity
            axes.annotate(
                "", front[row] + velocity, front[row], arrowprops=_arrow(colour), zorder=2, annotation_clip=False
            )


def _arrow(colour: tuple[float, float, float]) -> dict[str, object]:
    return dict(arrowstyle="-|>,head_width=0.15,head_length=0.3", color=colour, linewidth=0.7, shrinkA=0, shrinkB=0)
