"""People: a jointed figure whose joints give a walker, a bystander or a rider."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception3d.simulation.labels import Label
from perception3d.simulation.materials import Material
from perception3d.simulation.mesh import Mesh, bar, box, ellipsoid, loft, merge

Point = tuple[float, float, float]


def figure(
    hip: Point, shoulder: Point, hands: tuple[Point, Point], feet: tuple[Point, Point], bend_m: float, build: float
) -> Mesh:
    """A clothed figure, unlabelled.

    Args:
        hip: middle of the hips.
        shoulder: middle of the shoulders.
        hands: left and right hand.
        feet: left and right ankle.
        bend_m: how far the knees stand out forward of the line from hip to ankle.
        build: girth of trunk and limbs, 1 for an average adult.
    """
    low, high = np.array(hip), np.array(shoulder)
    spine = high - low
    head = high + spine / np.linalg.norm(spine) * 0.16 + [0.02, 0.0, 0.10]
    parts = [
        _trunk(low, high, build),
        ellipsoid([0.10, 0.08, 0.13], head, Material.SKIN),
        ellipsoid([0.115, 0.095, 0.09], head + [-0.01, 0, 0.06], Material.CLOTH),
        bar([high, head], [0.06, 0.05], Material.SKIN),
    ]
    for side, hand, foot in ((1, hands[0], feet[0]), (-1, hands[1], feet[1])):
        joint, ankle = low + [0, 0.09 * side, 0], np.array(foot)
        knee = (joint + ankle) / 2 + [bend_m, 0, 0.02]
        parts.append(bar([joint, knee], [0.095 * build, 0.065 * build], Material.CLOTH))
        parts.append(bar([knee, ankle], [0.065 * build, 0.045 * build], Material.CLOTH))
        parts.append(box([0.26, 0.09, 0.08], ankle + [0.06, 0, -0.04], Material.RUBBER))
        arm, palm = high + [0, 0.19 * side * build, -0.03], np.array(hand)
        elbow = (arm + palm) / 2 + [-0.04, 0.04 * side, -0.05]
        parts.append(bar([arm, elbow], [0.06 * build, 0.045 * build], Material.CLOTH))
        parts.append(bar([elbow, palm], [0.045 * build, 0.035 * build], Material.CLOTH))
    return merge(parts)


def _trunk(low: NDArray[np.float64], high: NDArray[np.float64], build: float) -> Mesh:
    """Trunk from the hips to the shoulders: an oval that narrows at the waist and widens at the chest."""
    angle = np.arange(8) * np.pi / 4
    oval = np.column_stack([np.cos(angle), np.sin(angle), np.zeros(8)])
    along = np.array([-0.08, 0.3, 0.7, 0.95, 1.05])
    half = np.array([[0.12, 0.17], [0.11, 0.15], [0.13, 0.19], [0.11, 0.20], [0.06, 0.09]]) * build
    sections = [low + f * (high - low) + oval * [h[0], h[1], 0] for f, h in zip(along, half, strict=True)]
    return loft(np.array(sections), Material.CLOTH)


def person(rng: np.random.Generator, walking: bool) -> Mesh:
    """A standing or walking adult or child, some with a bag, a rucksack, a skirt or a pushed trolley."""
    stride = rng.uniform(0.15, 0.38) if walking else rng.uniform(0.0, 0.08)
    build = rng.uniform(0.85, 1.25)
    swing = 0.8 * stride if walking else rng.uniform(0.0, 0.1)
    body = figure(
        hip=(0.0, 0.0, 0.93),
        shoulder=(0.04 if walking else 0.0, 0.0, 1.44),
        hands=((-swing, 0.27, 0.82), (swing, -0.27, 0.82)),
        feet=((stride, 0.10, 0.08), (-stride, -0.10, 0.08)),
        bend_m=0.03 + 0.2 * stride,
        build=build,
    )
    parts, kind = [body], rng.random()
    if kind < 0.2:
        parts.append(box([0.2, 0.32, 0.45], [-0.24, 0, 1.22], Material.CLOTH))
    elif kind < 0.35:
        parts.append(box([0.35, 0.12, 0.3], [0.0, 0.33, 0.6], Material.CLOTH))
    elif kind < 0.5:
        parts.append(_skirt(build))
    height = rng.uniform(0.62, 0.78) if rng.random() < 0.12 else rng.uniform(0.87, 1.05)
    return merge(parts).scaled([height, height, height]).labelled(Label.PERSON)


def _skirt(build: float) -> Mesh:
    """A skirt or coat down to the knee."""
    angle = np.arange(10) * np.pi / 5
    circle = np.column_stack([np.cos(angle), np.sin(angle), np.zeros(10)])
    sections = [circle * [r, 1.25 * r, 0] * build + [0, 0, z] for r, z in ((0.13, 1.1), (0.2, 0.75), (0.26, 0.48))]
    return loft(np.array(sections), Material.CLOTH)
