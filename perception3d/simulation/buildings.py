"""Buildings and fences. Frame: x along the street, the front at y = 0 faces -y, depth goes to +y."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from perception3d.simulation.labels import Label
from perception3d.simulation.materials import Material
from perception3d.simulation.mesh import Mesh, bar, box, loft, merge, quads

FOUNDATION_M = 1.0  # walls go below the ground so that slopes leave no gap


def building(rng: np.random.Generator, length: float) -> Mesh:
    """A house front of 1 to 5 storeys with recessed windows and doors, side walls, a roof, balconies and downpipes."""
    storeys, storey_m = int(rng.integers(1, 6)), rng.uniform(2.7, 3.4)
    depth, height = rng.uniform(8.0, 13.0), storeys * storey_m
    wall = rng.choice([Material.PLASTER, Material.PLASTER, Material.BRICK])
    bays = max(1, round(length / rng.uniform(2.4, 3.6)))
    parts = [_front(rng, length, bays, storeys, storey_m, wall), _shell(rng, length, depth, height, wall)]
    parts.append(box([length + 0.06, 0.12, 0.5], [0, 0, 0.2], Material.CONCRETE))
    for side in (-1, 1):
        if rng.random() < 0.6:
            x = side * (length / 2 - 0.15)
            parts.append(bar([[x, -0.09, 0], [x, -0.09, height]], [0.05, 0.05], Material.METAL))
    for bay in range(bays):
        if storeys > 1 and rng.random() < 0.2:
            x = (bay + 0.5) * length / bays - length / 2
            parts.append(box([1.9, 1.1, 1.1], [x, -0.55, storey_m + 0.4], Material.METAL))
    return merge(parts).labelled(Label.BUILDING)


def _front(rng: np.random.Generator, length: float, bays: int, storeys: int, storey_m: float, wall: int) -> Mesh:
    """The front wall, one bay after the other, each with an opening set back behind its reveals."""
    parts, bay_m = [], length / bays
    doors = rng.random(bays) < 0.3
    shop = rng.random() < 0.25
    window = bay_m * rng.uniform(0.3, 0.55), storey_m * rng.uniform(0.4, 0.55), storey_m * rng.uniform(0.28, 0.36)
    recess = rng.uniform(0.10, 0.35)
    for storey in range(storeys):
        bottom = storey * storey_m if storey else -FOUNDATION_M
        for bay in range(bays):
            width, tall, sill = window
            filling = Material.GLASS
            if storey == 0 and doors[bay]:
                width, tall, sill, filling = 1.1, 2.2, 0.05, Material.WOOD
            elif storey == 0 and shop:
                width, tall, sill = 0.8 * bay_m, 2.2, 0.3
            left = bay * bay_m - length / 2
            x = np.array([left, left + (bay_m - width) / 2, left + (bay_m + width) / 2, left + bay_m])
            z = np.array([bottom, storey * storey_m + sill, storey * storey_m + sill + tall, (storey + 1) * storey_m])
            parts.append(_opening(x, z, recess, wall, filling))
    return merge(parts)


def _opening(x: np.ndarray, z: np.ndarray, recess: float, wall: int, filling: int) -> Mesh:
    """A wall panel x[0]..x[3], z[0]..z[3] with a hole x[1]..x[2], z[1]..z[2] and what fills it, ``recess`` deeper."""

    def panel(x0: float, x1: float, z0: float, z1: float, y: float) -> list[list[float]]:
        return [[x0, y, z0], [x1, y, z0], [x1, y, z1], [x0, y, z1]]

    wall_faces = [
        panel(x[0], x[3], z[0], z[1], 0.0),
        panel(x[0], x[3], z[2], z[3], 0.0),
        panel(x[0], x[1], z[1], z[2], 0.0),
        panel(x[2], x[3], z[1], z[2], 0.0),
    ]
    edge = np.array([[x[1], z[1]], [x[2], z[1]], [x[2], z[2]], [x[1], z[2]], [x[1], z[1]]])
    reveals = [
        [[a[0], 0.0, a[1]], [b[0], 0.0, b[1]], [b[0], recess, b[1]], [a[0], recess, a[1]]]
        for a, b in zip(edge[:-1], edge[1:], strict=True)
    ]
    frame_bar = (x[1] + x[2]) / 2
    pane = panel(x[1], x[2], z[1], z[2], recess)
    mullion = panel(frame_bar - 0.05, frame_bar + 0.05, z[1], z[2], recess - 0.03)
    return quads([*wall_faces, *reveals, pane, mullion], np.array([wall] * 8 + [filling, Material.WOOD]))


def _shell(rng: np.random.Generator, length: float, depth: float, height: float, wall: int) -> Mesh:
    """Side and rear walls and a flat or gabled roof with eaves."""
    x, low = length / 2, -FOUNDATION_M
    walls = quads(
        [
            [[-x, 0, low], [-x, depth, low], [-x, depth, height], [-x, 0, height]],
            [[x, 0, low], [x, depth, low], [x, depth, height], [x, 0, height]],
            [[-x, depth, low], [x, depth, low], [x, depth, height], [-x, depth, height]],
        ],
        wall,
    )
    rise = rng.uniform(1.5, 3.5) if rng.random() < 0.7 else 0.2
    gable = np.array([[-0.4, height], [depth / 2, height + rise], [depth + 0.4, height], [depth / 2, height + 0.05]])
    roof = loft(np.stack([np.column_stack([np.full(4, at), gable]) for at in (-x, x)]), Material.BRICK)
    return merge([walls, roof])


def pickets(rng: np.random.Generator, length: float) -> Mesh:
    """Upright slats on two rails."""
    height, pitch = rng.uniform(0.8, 1.5), rng.uniform(0.13, 0.22)
    at = np.arange(-length / 2, length / 2, pitch)
    half = rng.uniform(0.25, 0.4) * pitch
    corners = np.zeros((len(at), 4, 3))
    corners[:, :, 0] = at[:, None] + np.array([-half, half, half, -half])
    corners[:, :, 2] = [0.05, 0.05, height, height]
    slats = quads(corners, Material.WOOD)
    return merge([slats, *(_rail(length, level * height, 0.07) for level in (0.2, 0.8)), _posts(length, height)])


def boards(rng: np.random.Generator, length: float) -> Mesh:
    """A closed board fence between posts."""
    height = rng.uniform(1.2, 1.9)
    return merge([box([length, 0.05, height], [0, 0, height / 2], Material.WOOD), _posts(length, height + 0.1)])


def wall(rng: np.random.Generator, length: float) -> Mesh:
    """A low masonry wall with a coping and pillars, sometimes with a railing on it."""
    height = rng.uniform(0.5, 1.4)
    material = rng.choice([Material.BRICK, Material.CONCRETE])
    parts = [
        box([length, 0.24, height + 0.3], [0, 0, height / 2 - 0.15], material),
        box([length, 0.34, 0.08], [0, 0, height + 0.04], Material.CONCRETE),
        box([0.4, 0.4, height + 0.35], [-length / 2 + 0.2, 0, (height + 0.35) / 2], material),
    ]
    if height < 0.9:
        parts += [_rail(length, height + 0.5, 0.06), _posts(length, height + 0.55)]
    return merge(parts)


def guard_rail(rng: np.random.Generator, length: float) -> Mesh:
    """A corrugated steel beam on posts at the edge of the road."""
    middle = rng.uniform(0.5, 0.62)
    profile = np.array([[0.0, -0.15], [-0.08, -0.07], [0.0, 0.0], [-0.08, 0.08], [0.0, 0.16], [0.03, 0.0]]) + [
        0,
        middle,
    ]
    beam = np.stack([np.column_stack([np.full(6, at), profile]) for at in (-length / 2, length / 2)])
    parts = [loft(beam, Material.METAL), _posts(length, middle + 0.12)]
    if rng.random() < 0.3:
        parts.append(loft(beam + [0, 0, 0.35], Material.METAL))
    return merge(parts)


def railing(rng: np.random.Generator, length: float) -> Mesh:
    """A metal railing: three tubes between posts."""
    height = rng.uniform(0.9, 1.2)
    rails = [_rail(length, level * height, 0.055, Material.METAL) for level in (0.25, 0.5, 0.75, 1.0)]
    return merge([*rails, _posts(length, height, Material.METAL)])


def _rail(length: float, level: float, thick: float, material: int = Material.WOOD) -> Mesh:
    return box([length, thick, thick], [0, 0.04, level], material)


def _posts(length: float, height: float, material: int = Material.WOOD) -> Mesh:
    at = np.linspace(-length / 2, length / 2, max(2, round(length / 2.2)))
    return merge([box([0.09, 0.09, height + 0.3], [x, 0.05, height / 2 - 0.15], material) for x in at])


FENCES: tuple[Callable[[np.random.Generator, float], Mesh], ...] = (pickets, boards, wall, railing)


def fence(rng: np.random.Generator, length: float) -> Mesh:
    """A garden or yard fence of a random kind along x."""
    return FENCES[int(rng.integers(len(FENCES)))](rng, length).labelled(Label.FENCE)


def roadside_barrier(rng: np.random.Generator, length: float) -> Mesh:
    """A guard rail, labelled as a fence as SemanticKITTI does."""
    return guard_rail(rng, length).labelled(Label.FENCE)
