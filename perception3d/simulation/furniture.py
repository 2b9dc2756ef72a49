"""Poles, traffic signs and small street furniture. A sign faces -x, towards the traffic that drives along +x."""

from __future__ import annotations

import numpy as np

from perception3d.simulation.labels import Label
from perception3d.simulation.materials import Material
from perception3d.simulation.mesh import Mesh, bar, box, merge, plate, quads


def lamp(rng: np.random.Generator) -> Mesh:
    """A street lamp: conical mast, arm over the road, luminaire."""
    height, radius = rng.uniform(4.5, 8.5), rng.uniform(0.07, 0.11)
    reach = rng.uniform(0.6, 1.6)
    parts = [
        bar(
            [[0, 0, -0.3], [0, 0, 0.9], [0, 0, 0.95], [0, 0, height]],
            [1.5 * radius, 1.5 * radius, radius, 0.05],
            Material.METAL,
            8,
        ),
        bar([[0, 0, height], [0, -reach, height + 0.3]], [0.045, 0.04], Material.METAL),
        box([0.25, 0.6, 0.12], [0, -reach - 0.2, height + 0.3], Material.PLASTIC),
    ]
    return merge(parts).labelled(Label.POLE)


def utility_pole(rng: np.random.Generator) -> Mesh:
    """A wooden pole with a cross arm."""
    height = rng.uniform(7.0, 9.0)
    mast = bar([[0, 0, -0.3], [0, 0, height]], [rng.uniform(0.11, 0.16), 0.09], Material.BARK, 8)
    return merge([mast, box([1.6, 0.1, 0.12], [0, 0, height - 0.5], Material.WOOD)]).labelled(Label.POLE)


def bollards(rng: np.random.Generator) -> Mesh:
    """A short row of bollards along x."""
    at = np.arange(-2.4, 2.5, rng.uniform(1.4, 2.0))
    height, radius = rng.uniform(0.8, 1.1), rng.uniform(0.05, 0.09)
    return merge([bar([[x, 0, -0.1], [x, 0, height]], [radius, radius], Material.METAL) for x in at]).labelled(
        Label.POLE
    )


def sign(rng: np.random.Generator) -> Mesh:
    """A traffic sign: one or two plates of the usual outlines on a post; some low, as on traffic islands."""
    low = rng.random() < 0.4
    top = rng.uniform(1.1, 1.6) if low else rng.uniform(2.2, 2.9)
    post = bar([[0.04, 0, -0.3], [0.04, 0, top]], [0.04, 0.04], Material.METAL).labelled(Label.POLE)
    plates = [_plate(rng, top - 0.35)]
    if rng.random() < 0.5:
        plates.append(_plate(rng, top - (0.95 if top > 1.4 else 0.9)))
    return merge([post, merge(plates).labelled(Label.TRAFFIC_SIGN)])


def _plate(rng: np.random.Generator, height: float) -> Mesh:
    """A disc, triangle, octagon or rectangle; the retroreflecting face looks along -x, the back is bare metal."""
    radius = rng.uniform(0.3, 0.42)
    corners = int(rng.choice([3, 4, 8, 12]))
    angle = (np.arange(corners) + 0.5) * 2 * np.pi / corners - np.pi / 2
    outline = radius * np.column_stack([np.cos(angle), np.sin(angle)]) + [0.0, height]
    if corners == 4:
        outline = np.array([[-1, -0.7], [1, -0.7], [1, 0.7], [-1, 0.7]]) * radius + [0.0, height]
    return merge([plate(outline, -0.02, Material.RETROREFLECTOR), plate(outline, 0.01, Material.METAL)])


def direction_board(rng: np.random.Generator) -> Mesh:
    """A large direction sign on two posts."""
    width, tall, foot = rng.uniform(1.5, 2.6), rng.uniform(0.9, 1.5), rng.uniform(0.6, 1.3)
    outline = np.array([[-width / 2, foot], [width / 2, foot], [width / 2, foot + tall], [-width / 2, foot + tall]])
    posts = [
        bar([[0.06, y, -0.3], [0.06, y, foot + tall]], [0.05, 0.05], Material.METAL) for y in (-width / 3, width / 3)
    ]
    board = merge([plate(outline, -0.02, Material.RETROREFLECTOR), plate(outline, 0.01, Material.METAL)])
    return merge([merge(posts).labelled(Label.POLE), board.labelled(Label.TRAFFIC_SIGN)])


def traffic_light(rng: np.random.Generator) -> Mesh:
    """A signal head on a pole, with a round sign below it."""
    height = rng.uniform(2.8, 3.4)
    pole = bar([[0, 0, -0.3], [0, 0, height]], [0.08, 0.07], Material.METAL, 8)
    head = box([0.25, 0.3, 0.9], [-0.2, 0, height - 0.5], Material.PLASTIC)
    return merge(
        [pole.labelled(Label.POLE), head.labelled(Label.OTHER_OBJECT), _plate(rng, 1.7).labelled(Label.TRAFFIC_SIGN)]
    )


def bins(rng: np.random.Generator) -> Mesh:
    """One to three wheeled refuse bins."""
    count = int(rng.integers(1, 4))
    parts = [box([0.55, 0.6, 1.05], [0.65 * i, rng.normal(0, 0.05), 0.55], Material.PLASTIC) for i in range(count)]
    return merge(parts).labelled(Label.OTHER_OBJECT)


def bench(rng: np.random.Generator) -> Mesh:
    """A park bench along x."""
    length = rng.uniform(1.4, 2.0)
    slats = [box([length, 0.1, 0.04], [0, y, 0.45], Material.WOOD) for y in (-0.15, 0.0, 0.15)]
    back = [box([length, 0.04, 0.1], [0, 0.26, z], Material.WOOD) for z in (0.62, 0.78)]
    legs = [box([0.08, 0.45, 0.45], [x, 0.02, 0.22], Material.METAL) for x in (-length / 2.6, length / 2.6)]
    return merge([*slats, *back, *legs]).labelled(Label.OTHER_OBJECT)


def painted(corners: list[list[list[float]]]) -> Mesh:
    """Road paint: quadrilaterals lying on the road."""
    return quads(corners, Material.MARKING).labelled(Label.LANE_MARKING)
