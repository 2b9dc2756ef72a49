"""Trees, bushes and hedges: lumpy cores inside clouds of leaf-sized triangles, so that beams scatter within them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception3d.simulation.labels import Label
from perception3d.simulation.materials import Material
from perception3d.simulation.mesh import Mesh, bar, ellipsoid, flakes, merge


def foliage(
    centres: NDArray[np.float64], radii: NDArray[np.float64], leaves: int, leaf_m: float, rng: np.random.Generator
) -> Mesh:
    """Leaves around lobes (K, 3) of the given radii (K, 3); ``leaves`` per lobe, around a ragged core."""
    cores = [
        ellipsoid(0.72 * radius, centre, Material.LEAVES, rng) for centre, radius in zip(centres, radii, strict=True)
    ]
    direction = rng.normal(size=(len(centres), leaves, 3))
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    reach = rng.uniform(0.65, 1.12, (len(centres), leaves, 1))
    points = centres[:, None] + direction * reach * radii[:, None]
    return merge([*cores, flakes(points.reshape(-1, 3), leaf_m, Material.LEAVES, rng)]).labelled(Label.VEGETATION)


def broadleaf(rng: np.random.Generator, leaves: int = 70) -> Mesh:
    """A street tree: trunk with a few boughs and a crown of irregular lobes, 5 to 10 m high."""
    height, girth = rng.uniform(5.0, 10.0), rng.uniform(0.10, 0.28)
    bole = rng.uniform(1.2, 2.4)
    lean = rng.normal(0.0, 0.15, 2)
    fork = np.array([*lean, bole])
    parts = [bar([[0, 0, -0.3], [0, 0, 0.25], fork], [1.7 * girth, 1.05 * girth, 0.85 * girth], Material.BARK, 8)]
    lobes = int(rng.integers(5, 9))
    spread = rng.uniform(1.2, 2.4)
    centres = np.column_stack(
        [rng.normal(lean[0], 0.55 * spread, lobes), rng.normal(lean[1], 0.55 * spread, lobes), np.zeros(lobes)]
    )
    centres[:, 2] = rng.uniform(bole + 0.5, min(height - 0.8, bole + 4.0), lobes)
    radii = rng.uniform(0.7, 1.5, (lobes, 3)) * [1.0, 1.0, 0.8]
    for centre in centres[: int(rng.integers(2, 5))]:
        parts.append(bar([fork - [0, 0, 0.3], centre], [0.55 * girth, 0.25 * girth], Material.BARK))
    return merge([merge(parts).labelled(Label.TRUNK), foliage(centres, radii, leaves, 0.13, rng)])


def conifer(rng: np.random.Generator, leaves: int = 60) -> Mesh:
    """A fir: straight trunk, foliage in tiers that narrow upwards, 5 to 12 m high."""
    height, girth = rng.uniform(5.0, 12.0), rng.uniform(0.12, 0.22)
    foot = rng.uniform(0.3, 1.4)
    tiers = int(rng.integers(5, 8))
    level = np.linspace(foot + 0.6, height, tiers)
    width = np.linspace(rng.uniform(1.6, 2.6), 0.4, tiers) * rng.uniform(0.8, 1.2, tiers)
    centres = np.column_stack([rng.normal(0, 0.12, tiers), rng.normal(0, 0.12, tiers), level])
    radii = np.column_stack([width, width, np.full(tiers, 0.75 * (height - foot) / tiers)])
    trunk = bar([[0, 0, -0.3], [0, 0, height]], [girth, 0.05], Material.BARK, 8).labelled(Label.TRUNK)
    return merge([trunk, foliage(centres, radii, leaves, 0.12, rng)])


def sapling(rng: np.random.Generator) -> Mesh:
    """A young tree tied to a stake."""
    height = rng.uniform(2.6, 3.8)
    stem = bar([[0, 0, -0.2], [0, 0, height]], [0.055, 0.03], Material.BARK)
    stake = bar([[0.18, 0, -0.2], [0.18, 0, 1.5]], [0.045, 0.045], Material.WOOD)
    centres = rng.normal(0.0, 0.25, (4, 3)) + [0.0, 0.0, height - 0.4]
    crown = foliage(centres, rng.uniform(0.35, 0.7, (4, 3)), 45, 0.07, rng)
    return merge([merge([stem, stake]).labelled(Label.TRUNK), crown])


def bush(rng: np.random.Generator) -> Mesh:
    """A shrub of one to five lobes, 0.6 to 2.2 m high."""
    lobes = int(rng.integers(1, 6))
    size = rng.uniform(0.45, 1.3)
    centres = np.column_stack([rng.normal(0, 0.7 * size, (lobes, 2)), rng.uniform(0.5, 0.9, lobes) * size])
    radii = rng.uniform(0.6, 1.2, (lobes, 3)) * size
    return foliage(centres, radii, 90, 0.09, rng)


def hedge(rng: np.random.Generator, length: float) -> Mesh:
    """A clipped hedge along x: lobes in a row, 0.8 to 2 m high."""
    height, depth = rng.uniform(0.9, 2.4), rng.uniform(0.35, 0.6)
    lobes = max(2, round(length / 0.9))
    centres = np.column_stack(
        [
            (np.arange(lobes) + 0.5) * length / lobes - length / 2,
            rng.normal(0.0, 0.05, lobes),
            np.full(lobes, 0.5 * height),
        ]
    )
    radii = np.column_stack([np.full(lobes, 0.75), np.full(lobes, depth), 0.55 * height * rng.uniform(0.9, 1.1, lobes)])
    return foliage(centres, radii, 90, 0.08, rng)


def thicket(rng: np.random.Generator, length: float) -> Mesh:
    """A wall of trees far from the street: large lobes, few leaves."""
    lobes = max(4, round(length / 1.1))
    centres = np.column_stack(
        [rng.uniform(-length / 2, length / 2, lobes), rng.normal(0, 1.5, lobes), rng.uniform(0.4, 4.5, lobes)]
    )
    return foliage(centres, rng.uniform(1.0, 2.4, (lobes, 3)), 60, 0.2, rng)
