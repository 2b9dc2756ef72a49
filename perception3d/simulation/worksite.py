"""Barriers, traffic cones and construction vehicles, for worlds made for nuScenes, which counts them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from perception3d.simulation.labels import Label
from perception3d.simulation.materials import Material
from perception3d.simulation.mesh import Mesh, bar, box, ellipsoid, extruded, loft, merge
from perception3d.simulation.vehicles import wheels

Maker = Callable[[np.random.Generator], Mesh]


def traffic_cone(rng: np.random.Generator) -> Mesh:
    """A cone with one or two reflecting bands on a square foot, or a taller drum-like channelizer."""
    tall = rng.random() < 0.6
    height = rng.uniform(1.05, 1.4) if tall else rng.uniform(0.6, 0.9)
    low, high = (0.19, 0.10) if tall else (0.14, 0.035)
    levels = np.array([0.04, 0.42, 0.58, 0.72, 0.85, 1.0])
    skins = (Material.PLASTIC, Material.RETROREFLECTOR) * 2 + (Material.PLASTIC,)
    parts = [box([2.5 * low, 2.5 * low, 0.05], [0, 0, 0.025], Material.RUBBER)]
    for first, last, skin in zip(levels[:-1], levels[1:], skins, strict=True):
        radii = [low + share * (high - low) for share in (first, last)]
        parts.append(bar([(0, 0, first * height), (0, 0, last * height)], radii, skin, 9))
    return merge(parts).labelled(Label.TRAFFIC_CONE)


def concrete(rng: np.random.Generator) -> Mesh:
    """A concrete wall with a foot that leads wheels back."""
    length, height = rng.uniform(2.9, 3.6), rng.uniform(0.78, 0.95)
    half = np.array([[-0.30, 0.0], [-0.30, 0.08], [-0.17, 0.3], [-0.10, 1.0], [0.10, 1.0], [0.17, 0.3], [0.30, 0.08],
                     [0.30, 0.0]]) * [1.0, height]  # fmt: skip
    ends = [np.column_stack([half[:, 0], np.full(8, y), half[:, 1]]) for y in (-length / 2, length / 2)]
    return loft(np.stack(ends), Material.CONCRETE)


def water_filled(rng: np.random.Generator) -> Mesh:
    """A plastic block with a reflecting band."""
    length, height = rng.uniform(2.0, 3.2), rng.uniform(0.85, 1.05)
    half = np.array([[-0.27, 0.0], [-0.27, 0.35], [-0.15, 0.45], [-0.12, 1.0], [0.12, 1.0], [0.15, 0.45], [0.27, 0.35],
                     [0.27, 0.0]]) * [1.0, height]  # fmt: skip
    ends = [np.column_stack([half[:, 0], np.full(8, y), half[:, 1]]) for y in (-length / 2, length / 2)]
    band = box([0.3, 0.8 * length, 0.12], [0, 0, 0.75 * height], Material.RETROREFLECTOR)
    return merge([loft(np.stack(ends), Material.PLASTIC), band])


def barricade(rng: np.random.Generator) -> Mesh:
    """Two or three reflecting planks between two A-frames."""
    length, height = rng.uniform(2.2, 3.4), rng.uniform(0.95, 1.15)
    parts = [
        box([0.05, length, 0.22], [0, 0, level * height], Material.RETROREFLECTOR)
        for level in ((0.88, 0.5) if rng.random() < 0.5 else (0.9, 0.62, 0.34))
    ]
    for y in (-0.42 * length, 0.42 * length):
        parts += [bar([(x, y, 0), (0, y, height)], [0.035, 0.03], Material.METAL, 4) for x in (-0.28, 0.28)]
    return merge(parts)


def crowd_fence(rng: np.random.Generator) -> Mesh:
    """A steel frame with upright bars on flat feet."""
    length, height = rng.uniform(2.6, 3.5), rng.uniform(1.0, 1.15)
    rails = [bar([(0, -length / 2, z), (0, length / 2, z)], [0.03, 0.03], Material.METAL, 5) for z in (0.2, height)]
    at = np.linspace(-length / 2, length / 2, 14)
    stakes = [bar([(0, y, 0.2), (0, y, height)], [0.02, 0.02], Material.METAL, 4) for y in at]
    feet = [box([0.6, 0.08, 0.04], [0, y, 0.02], Material.METAL) for y in (-0.4 * length, 0.4 * length)]
    legs = [bar([(0, y, 0), (0, y, 0.2)], [0.03, 0.03], Material.METAL, 4) for y in (-0.4 * length, 0.4 * length)]
    return merge([*rails, *stakes, *feet, *legs])


BARRIER_SPACING_M = (3.7, 4.2)  # from middle to middle, beyond the longest
BARRIERS: tuple[Maker, ...] = (concrete, water_filled, barricade, crowd_fence)


def barrier(rng: np.random.Generator, maker: Maker) -> Mesh:
    """A temporary barrier along y, of one of ``BARRIERS``."""
    return maker(rng).labelled(Label.BARRIER)


def heap(rng: np.random.Generator) -> Mesh:
    """A heap of gravel or earth."""
    radius = rng.uniform(1.5, 2.6)
    skin = Material.GRAVEL if rng.random() < 0.6 else Material.GRASS
    return ellipsoid([radius, radius, 0.6 * radius], [0, 0, 0], skin, rng).labelled(Label.OTHER_GROUND)


def semitrailer(rng: np.random.Generator) -> Mesh:
    """A lorry's trailer without its tractor: box, curtain or flat bed on rear axles and landing legs."""
    length, width, deck = rng.uniform(11.5, 15.2), 2.55, 1.2
    parts = [box([length, width, 0.18], [0, 0, deck], Material.METAL)]
    kind = rng.random()
    if kind < 0.75:
        tall = rng.uniform(2.3, 2.7)
        skin = Material.PLASTIC if kind < 0.4 else Material.TARPAULIN
        parts.append(box([length, width, tall], [0, 0, deck + 0.1 + tall / 2], skin))
    else:
        parts.append(box([0.1, width, 1.4], [length / 2 - 0.05, 0, deck + 0.75], Material.METAL))
        parts += [box([1.8, 2.0, rng.uniform(0.4, 1.2)], [x, 0, deck + 0.5], Material.WOOD)
                  for x in np.arange(-length / 2 + 1.5, length / 2 - 1.5, 2.6)]  # fmt: skip
    for x in np.arange(2 + int(rng.random() < 0.5)) * 1.3:
        parts += wheels(-length / 2 + 1.2 + x, width / 2, 0.5, 0.35)
    parts += [
        bar([(0.3 * length, y, 0), (0.3 * length, y, deck)], [0.08, 0.08], Material.METAL, 5) for y in (-0.9, 0.9)
    ]
    parts += [box([0.04, 0.35, 0.15], [-length / 2 - 0.02, y, 0.9], Material.RETROREFLECTOR) for y in (-0.9, 0.9)]
    return merge(parts).labelled(Label.TRAILER)


def construction_vehicle(rng: np.random.Generator) -> Mesh:
    """An excavator, wheel loader, roller or telehandler; front towards +x."""
    maker = (excavator, wheel_loader, roller, telehandler)[int(rng.choice(4, p=[0.4, 0.25, 0.15, 0.2]))]
    size = np.clip(rng.normal(1.0, 0.06, 3), 0.86, 1.14)
    return maker(rng).scaled(size).labelled(Label.CONSTRUCTION_VEHICLE)


def excavator(rng: np.random.Generator) -> Mesh:
    """Crawler tracks, a turned superstructure with cab and counterweight, boom, stick and bucket."""
    parts = []
    for y in (-1.0, 1.0):
        outline = [
            (-1.6, 0.15),
            (-1.3, 0.0),
            (1.3, 0.0),
            (1.6, 0.15),
            (1.75, 0.45),
            (1.4, 0.8),
            (-1.4, 0.8),
            (-1.75, 0.45),
        ]
        parts.append(extruded(outline, 0.5, Material.RUBBER).placed([0, y, 0]))
    parts.append(box([1.6, 1.5, 0.3], [0, 0, 0.75], Material.METAL))
    reach, lift = rng.uniform(2.6, 3.6), rng.uniform(1.2, 2.0)
    knee = np.array([0.6 + reach, 0.0, 1.6 + lift])
    tip = knee + [rng.uniform(0.2, 1.4), 0.0, -rng.uniform(1.6, knee[2] - 0.7)]
    house = [
        box([2.6, 2.2, 0.9], [-0.6, 0, 1.4], Material.PAINT),
        box([0.8, 2.2, 1.1], [-1.9, 0, 1.45], Material.PAINT),
        box([1.3, 0.9, 1.5], [0.3, 0.6, 2.05], Material.GLASS),
        box([1.4, 1.0, 0.08], [0.3, 0.6, 2.84], Material.PAINT),
        bar([(0.5, -0.25, 1.6), (0.4 + 0.5 * reach, -0.25, 2.2 + lift), knee - [0, 0.25, 0]], [0.26, 0.24, 0.18],
            Material.PAINT, 6),
        bar([knee - [0.2, 0.25, -0.2], tip - [0, 0.25, 0]], [0.2, 0.13], Material.PAINT, 6),
        extruded(np.array([(0.2, 0.1), (0.1, -0.5), (-0.5, -0.65), (-0.7, -0.2), (-0.2, 0.15)]), 1.0, Material.METAL)
        .placed(tip - [0, 0.25, 0]),
    ]  # fmt: skip
    parts.append(merge(house).placed([0, 0, 0], rng.normal(0, 0.15)))
    return merge(parts)


def wheel_loader(rng: np.random.Generator) -> Mesh:
    """Four large wheels, engine bonnet behind the cab, a shovel carried low on two arms."""
    raised = rng.uniform(0.2, 0.9)
    parts = [
        box([2.3, 1.5, 1.0], [-1.4, 0, 1.4], Material.PAINT),
        box([1.3, 1.0, 0.7], [0.7, 0, 1.1], Material.PAINT),
        box([1.2, 1.4, 1.4], [-0.3, 0, 2.3], Material.GLASS),
        box([1.4, 1.5, 0.1], [-0.3, 0, 3.05], Material.PAINT),
        *(box([0.1, 0.1, 1.4], [x, y, 2.3], Material.PAINT) for x in (-0.9, 0.3) for y in (-0.7, 0.7)),
        *(bar([(0.7, y, 1.6), (2.4, y, 0.5 + raised)], [0.14, 0.12], Material.PAINT, 5) for y in (-0.5, 0.5)),
        extruded([(2.1, 0.1), (3.2, 0.1), (3.0, 0.2), (2.5, 0.5), (2.6, 1.1), (2.3, 1.15), (2.1, 0.7)], 2.5,
                 Material.METAL).placed([0, 0, raised - 0.1]),
        *wheels(1.2, 1.25, 0.7, 0.5),
        *wheels(-1.5, 1.25, 0.7, 0.5),
    ]  # fmt: skip
    return merge(parts)


def roller(rng: np.random.Generator) -> Mesh:
    """A road roller: a steel drum before and wheels or a drum behind, cab or canopy on posts."""
    drum = bar([(1.4, -0.85, 0.6), (1.4, 0.85, 0.6)], [0.6, 0.6], Material.METAL, 16)
    parts = [
        drum,
        *(box([1.9, 0.08, 0.25], [1.0, y, 0.75], Material.PAINT) for y in (-0.95, 0.95)),
        box([2.0, 1.5, 0.8], [-0.9, 0, 1.1], Material.PAINT),
        box([1.3, 1.5, 0.1], [-0.3, 0, 2.75], Material.PAINT),
        *(box([0.08, 0.08, 1.3], [x, y, 2.1], Material.METAL) for x in (-0.85, 0.25) for y in (-0.65, 0.65)),
        box([0.5, 0.6, 0.9], [-0.5, 0, 1.9], Material.PLASTIC),
    ]
    if rng.random() < 0.5:
        parts.append(bar([(-1.4, -0.85, 0.6), (-1.4, 0.85, 0.6)], [0.6, 0.6], Material.METAL, 16))
    else:
        parts += wheels(-1.4, 0.85, 0.62, 0.45)
    return merge(parts)


def telehandler(rng: np.random.Generator) -> Mesh:
    """A telescopic handler: low chassis, cab on the left, a boom along the right with forks."""
    rise = rng.uniform(0.0, 1.2)
    parts = [
        box([4.2, 1.2, 0.7], [0, 0, 0.95], Material.PAINT),
        box([1.4, 0.95, 1.5], [0.0, 0.55, 1.9], Material.GLASS),
        box([1.5, 1.0, 0.1], [0.0, 0.55, 2.65], Material.PAINT),
        box([1.2, 0.9, 0.7], [-0.9, -0.8, 1.2], Material.PAINT),
        bar([(-1.9, -0.2, 1.7), (2.2, -0.2, 1.2 + rise)], [0.22, 0.2], Material.PAINT, 6),
        box([0.12, 1.2, 0.6], [2.35, -0.2, 1.0 + rise], Material.METAL),
        *(box([1.0, 0.12, 0.06], [2.9, y - 0.2, 0.75 + rise], Material.METAL) for y in (-0.4, 0.4)),
        *wheels(1.3, 1.1, 0.58, 0.4),
        *wheels(-1.4, 1.1, 0.58, 0.4),
    ]
    return merge(parts)
