"""Triangle meshes with a label and a material per triangle, and the primitives all objects are made of.

Object frame: x forward, y left, z up, origin on the ground, metres.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from perception3d.simulation.materials import Material


@dataclass(frozen=True)
class Mesh:
    """Triangles with their labels and materials.

    Attributes:
        vertices: float64 (V, 3) in metres.
        triangles: int32 (T, 3) vertex indices; both sides of a triangle reflect.
        material: uint8 (T,) ``Material``.
        label: uint16 (T,) ``Label``, 0 until ``labelled``.
        rest: float32 (V, 3) the vertices as they were made, before placing: what textures stick to. Ground keeps street
            coordinates here.
        axes: (3, 3) axes of the object's own frame as columns, for meshes that were turned since they were made.
    """

    vertices: NDArray[np.float64]
    triangles: NDArray[np.int32]
    material: NDArray[np.uint8]
    label: NDArray[np.uint16]
    rest: NDArray[np.float32]
    axes: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))

    def labelled(self, label: int) -> Mesh:
        """The same mesh, all of it with one label."""
        return replace(self, label=np.full(len(self.triangles), label, np.uint16))

    def scaled(self, factors: ArrayLike) -> Mesh:
        """The same mesh, stretched along its axes."""
        return replace(self, vertices=self.vertices * np.asarray(factors))

    def placed(self, translation: ArrayLike, yaw_rad: float = 0.0, pitch_rad: float = 0.0) -> Mesh:
        """Turned nose up by ``pitch_rad``, then about z by ``yaw_rad``, then moved."""
        turn = rotation(yaw_rad, pitch_rad)
        return replace(self, vertices=self.vertices @ turn.T + np.asarray(translation), axes=turn @ self.axes)


def rotation(yaw_rad: float, pitch_rad: float = 0.0) -> NDArray[np.float64]:
    """(3, 3) matrix from a body frame (x forward, y left, z up) to its parent: nose up, then about z."""
    cy, sy, cp, sp = np.cos(yaw_rad), np.sin(yaw_rad), np.cos(pitch_rad), np.sin(pitch_rad)
    return np.array([[cy * cp, -sy, -cy * sp], [sy * cp, cy, -sy * sp], [sp, 0.0, cp]])


def merge(meshes: Iterable[Mesh]) -> Mesh:
    """One mesh of all; triangles in the order given."""
    meshes = list(meshes)
    starts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.triangles + start for mesh, start in zip(meshes, starts, strict=False)]).astype(np.int32),
        np.concatenate([mesh.material for mesh in meshes]),
        np.concatenate([mesh.label for mesh in meshes]),
        np.concatenate([mesh.rest for mesh in meshes]),
    )


def surface(vertices: ArrayLike, triangles: ArrayLike, material: int | NDArray[np.integer]) -> Mesh:
    """A mesh of given triangles (T, 3), with one material or one per triangle."""
    vertices = np.asarray(vertices, np.float64).reshape(-1, 3)
    triangles = np.asarray(triangles, np.int32).reshape(-1, 3)
    count = len(triangles)
    materials = np.broadcast_to(np.asarray(material, np.uint8), (count,)).copy()
    return Mesh(vertices, triangles, materials, np.zeros(count, np.uint16), vertices.astype(np.float32))


def quads(corners: ArrayLike, material: int | NDArray[np.integer]) -> Mesh:
    """Quadrilaterals (Q, 4, 3), corners in order around each, with one material or one per quadrilateral."""
    corners = np.asarray(corners, np.float64).reshape(-1, 4, 3)
    first = 4 * np.arange(len(corners))[:, None]
    triangles = np.concatenate([first + [0, 1, 2], first + [0, 2, 3]], axis=1)
    return surface(corners, triangles, np.repeat(np.broadcast_to(material, (len(corners),)), 2))


def grid(points: NDArray[np.float64], material: int, closed: bool = False) -> Mesh:
    """A surface through a grid of points (R, C, 3); ``closed`` joins the last column to the first."""
    rows, columns = points.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    if closed:
        index = np.concatenate([index, index[:, :1]], axis=1)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    return surface(points, np.stack([a, b, c, a, c, d], axis=-1), material)


def loft(sections: NDArray[np.float64], material: int | NDArray[np.integer]) -> Mesh:
    """A closed skin over successive cross sections, with end caps.

    Args:
        sections: (K, P, 3) K loops of P points.
        material: one, or (K - 1, P) with entry [k, p] for the face between sections k, k + 1 and points p, p + 1. The
            caps take the first and the last row's first entry.
    """
    count, points = sections.shape[:2]
    faces = np.broadcast_to(np.asarray(material, np.uint8), (count - 1, points))
    skin = grid(sections, 0, closed=True)
    fan = np.array([[0, i, i + 1] for i in range(1, points - 1)])
    caps = np.concatenate([fan, fan + (count - 1) * points])
    materials = np.concatenate([np.repeat(faces.ravel(), 2), np.repeat(faces[[0, -1], 0], points - 2)])
    return surface(skin.vertices, np.concatenate([skin.triangles, caps]), materials)


def extruded(outline: ArrayLike, width: float, material: int | NDArray[np.integer]) -> Mesh:
    """A convex side view (P, 2) in x, z, drawn out to ``width`` across; materials as in ``loft``, one row."""
    outline = np.asarray(outline, np.float64)
    sides = [np.column_stack([outline[:, 0], np.full(len(outline), y), outline[:, 1]]) for y in (-width / 2, width / 2)]
    return loft(np.stack(sides), material)


def box(size: ArrayLike, centre: ArrayLike, material: int = Material.PLASTIC) -> Mesh:
    """An axis-aligned box of edge lengths ``size`` (3,) about ``centre`` (3,)."""
    loop = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    sections = np.array([np.column_stack([loop, np.full(4, level)]) for level in (-0.5, 0.5)])
    return loft(sections * np.asarray(size) + np.asarray(centre), material)


def tube(
    start: ArrayLike, end: ArrayLike, radius: float, material: int, end_radius: float | None = None, sides: int = 6
) -> Mesh:
    """A round bar from ``start`` to ``end``, tapering to ``end_radius``."""
    return bar([start, end], [radius, radius if end_radius is None else end_radius], material, sides)


def bar(path: Sequence[ArrayLike], radii: Sequence[float], material: int, sides: int = 6) -> Mesh:
    """A bent round bar: a circle of each radius about each point of the path, square to its general direction."""
    points = np.asarray(path, np.float64)
    a, b, c = (points[-1] - points[0]) / np.linalg.norm(points[-1] - points[0])
    # The axis crossed with y, or with x where it runs along y; spelled out because numpy's cross is slow on one vector.
    u = np.array([-c, 0.0, a] if abs(b) < 0.9 else [0.0, c, -b])
    u /= np.linalg.norm(u)
    v = np.array([b * u[2] - c * u[1], c * u[0] - a * u[2], a * u[1] - b * u[0]])
    angle = np.arange(sides) * 2 * np.pi / sides
    circle = np.cos(angle)[:, None] * u + np.sin(angle)[:, None] * v
    return loft(points[:, None, :] + np.asarray(radii)[:, None, None] * circle, material)


def ring(centre: ArrayLike, radius: float, thickness: float, material: int, segments: int = 14) -> Mesh:
    """A torus standing in the x-z plane: a tyre seen from the side."""
    turn = np.arange(segments + 1) * 2 * np.pi / segments
    around = np.arange(4) * np.pi / 2
    distance = radius + thickness * np.cos(around)
    points = np.stack(
        [
            np.cos(turn)[:, None] * distance,
            np.broadcast_to(thickness * np.sin(around), (segments + 1, 4)),
            np.sin(turn)[:, None] * distance,
        ],
        axis=-1,
    )
    return grid(points + np.asarray(centre), material, closed=True)


def ellipsoid(radii: ArrayLike, centre: ArrayLike, material: int, rng: np.random.Generator | None = None) -> Mesh:
    """An ellipsoid; with ``rng`` a lump whose surface goes in and out by up to a quarter."""
    polar = np.linspace(0.0, np.pi, 7)[:, None]
    turn = (np.arange(9) * 2 * np.pi / 9)[None]
    unit = np.stack([np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), np.cos(polar) + 0 * turn], axis=-1)
    if rng is not None:
        unit = unit * rng.uniform(0.75, 1.15, unit.shape[:2])[..., None]
        unit[[0, -1]] = unit[[0, -1]].mean(axis=1, keepdims=True)
    return grid(unit * np.asarray(radii) + np.asarray(centre), material, closed=True)


def flakes(centres: NDArray[np.float64], size_m: float, material: int, rng: np.random.Generator) -> Mesh:
    """One small triangle of random direction at each centre (N, 3): foliage the beam can pass between."""
    corners = rng.normal(0.0, size_m, (len(centres), 3, 3)) + centres[:, None, :]
    return surface(corners, np.arange(3 * len(centres)), material)


def plate(outline: ArrayLike, x: float, material: int) -> Mesh:
    """A thin convex plate square to x with the given (P, 2) outline in y, z."""
    outline = np.asarray(outline, np.float64)
    sections = np.stack([np.column_stack([np.full(len(outline), at), outline]) for at in (x - 0.01, x + 0.01)])
    return loft(sections, material)
