"""Boxes of the things in sight: size, pose, what of them is seen, and how many returns lie in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception3d.simulation.labels import MOVING, Label, is_thing
from perception3d.simulation.nuscenes.categories import attribute_of, category_of, visibility_level
from perception3d.simulation.nuscenes.rig import matrix, quaternion
from perception3d.simulation.scene import Placed, Scene, nearer

SIGHT_M = 80.0
# Twice the noise of a return: boxes that fit the bare surface would lose every second point on their faces, and take in
# the returns from the ground that they stand on.
MARGIN_M = 0.03
RAYS = 64
# nuScenes' boxes leave mirrors out: the width of these is that of their lower part, which mirrors hang above.
MIRRORED = frozenset(int(label) for standing in (Label.CAR, Label.TRUCK) for label in (standing, MOVING[standing]))
MIRRORS_ABOVE = 0.4  # of the height


@dataclass(frozen=True)
class Thing:
    """Something that is counted, at one time.

    Attributes:
        placed: the object.
        label: label of its surface.
        size_m: (3,) length, width, height of its box.
        pose: (4, 4) from the box, centred on it, to the frame of the scenes.
    """

    placed: Placed
    label: int
    size_m: NDArray[np.float64]
    pose: NDArray[np.float64]


def things(objects: Sequence[Placed]) -> list[Thing]:
    """The counted ones among objects, each with the box that fits its mesh along the mesh's own axes."""
    found = []
    for placed in objects:
        counted = is_thing(placed.mesh.label)
        if not counted.any():
            continue
        axes = placed.mesh.axes
        label = int(placed.mesh.label[counted][0])
        low, high = extent(placed.mesh.vertices @ axes, label in MIRRORED)
        low, high = low + [-MARGIN_M, -MARGIN_M, MARGIN_M], high + MARGIN_M
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = axes, axes @ ((low + high) / 2)
        found.append(Thing(placed, label, high - low, pose))
    return found


def extent(vertices: NDArray[np.float64], mirrored: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest (3,) coordinates of a body (V, 3) in its own axes, without its mirrors if it has some."""
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    if mirrored:
        across = vertices[vertices[:, 2] < low[2] + MIRRORS_ABOVE * (high[2] - low[2]), 1]
        low[1], high[1] = across.min(), across.max()
    return low, high


def visible_shares(
    scenes: tuple[Scene, ...], candidates: Sequence[Thing], eye: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(T,) share of each thing that is not hidden behind others, as seen from a point.

    Rays go from ``eye`` (3,) to points spread over the thing's triangles; those that meet the thing anywhere count as
    seen, those that meet something else before as hidden.
    """
    targets, owner = [], []
    for index, thing in enumerate(candidates):
        mesh = thing.placed.mesh
        chosen = ((np.arange(RAYS) + 0.5) * len(mesh.triangles) / RAYS).astype(int)
        targets.append(mesh.vertices[mesh.triangles[chosen]].mean(axis=1))
        owner.append(np.full(RAYS, index))
    if not targets:
        return np.zeros(0)
    offset, owners = np.concatenate(targets) - eye, np.concatenate(owner)
    distance = np.linalg.norm(offset, axis=1)
    origins = np.broadcast_to(eye, offset.shape)
    hits = scenes[0].cast(origins, offset / distance[:, None])
    for scene in scenes[1:]:
        hits = nearer(hits, scene.cast(origins, offset / distance[:, None]))
    own = hits.instance == np.array([thing.placed.instance for thing in candidates])[owners]
    before = ~own & (hits.range_m < distance - 0.01)
    seen, hidden = np.bincount(owners, own, len(candidates)), np.bincount(owners, before, len(candidates))
    return seen / np.maximum(seen + hidden, 1)


def annotate(
    scenes: tuple[Scene, ...],
    candidates: Sequence[Thing],
    eye: NDArray[np.float64],
    global_from_world: NDArray[np.float64],
) -> list[dict[str, Any]]:
    """Records of the things within sight of a point, without tokens and points.

    Args:
        scenes: everything that may hide them.
        candidates: the things of the scenes.
        eye: (3,) where they are looked at from, in the frame of the scenes.
        global_from_world: (4, 4) from the frame of the scenes to the global frame.
    """
    near = [thing for thing in candidates if np.hypot(*(thing.pose[:2, 3] - eye[:2])) < SIGHT_M]
    records = []
    for thing, share in zip(near, visible_shares(scenes, near, eye), strict=True):
        pose = global_from_world @ thing.pose
        category = category_of(thing.label, float(thing.size_m[2]))
        length, width, height = thing.size_m
        records.append(
            {
                "instance": thing.placed.instance,
                "category": category,
                "attribute": attribute_of(category, thing.label, thing.placed.speed_mps),
                "visibility": visibility_level(float(share)),
                # To the millimetre, as in the real tables.
                "translation": [round(float(value), 3) for value in pose[:3, 3]],
                "size": [round(float(value), 3) for value in (width, length, height)],
                "rotation": quaternion(pose[:3, :3]),
            }
        )
    return records


def points_inside(
    points: NDArray[np.float32],
    records: Sequence[dict[str, Any]],
    global_from_sensor: NDArray[np.float64],
) -> list[int]:
    """Number of points in each box of ``annotate``, faces included.

    Args:
        points: (N, C >= 3) in a sensor frame.
        records: the boxes, in the global frame.
        global_from_sensor: (4, 4).
    """
    rotation, origin = global_from_sensor[:3, :3], global_from_sensor[:3, 3]
    order = np.argsort(points[:, 0], kind="stable")
    ordered = points[order, :3].astype(np.float64)
    counts = []
    for record in records:
        width, length, height = record["size"]
        centre = (np.array(record["translation"]) - origin) @ rotation
        axes = rotation.T @ matrix(record["rotation"])
        # Only points whose x is within half a diagonal can lie inside.
        reach = np.sqrt(width**2 + length**2 + height**2) / 2
        first, last = np.searchsorted(ordered[:, 0], [centre[0] - reach, centre[0] + reach])
        inside = np.abs((ordered[first:last] - centre) @ axes) <= np.array([length, width, height]) / 2
        counts.append(int(inside.all(axis=1).sum()))
    return counts
