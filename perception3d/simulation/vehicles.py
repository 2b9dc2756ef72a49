"""Cars, trucks, buses, caravans, tractors and trailers, lofted from side profiles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from perception3d.simulation.labels import Label
from perception3d.simulation.materials import Material
from perception3d.simulation.mesh import Mesh, bar, box, ellipsoid, extruded, loft, merge

# Side profiles, front to rear: (share of the length, belt line, top line, shares of the height, roof width share)
# The cabin lies between the station marked by the first and the last jump of the top line over the belt line.
Profile = Sequence[tuple[float, float, float, float]]
SEDAN: Profile = (
    (0.00, 0.40, 0.42, 0.80), (0.03, 0.50, 0.53, 0.86), (0.27, 0.62, 0.66, 0.86), (0.44, 0.63, 0.97, 0.70),
    (0.56, 0.64, 1.00, 0.70), (0.58, 0.64, 1.00, 0.70), (0.70, 0.65, 0.97, 0.70), (0.86, 0.67, 0.71, 0.82),
    (0.98, 0.65, 0.69, 0.84), (1.00, 0.45, 0.47, 0.80),
)  # fmt: skip
HATCH: Profile = (
    (0.00, 0.40, 0.42, 0.80), (0.03, 0.50, 0.54, 0.86), (0.24, 0.61, 0.65, 0.86), (0.42, 0.62, 0.97, 0.72),
    (0.58, 0.63, 1.00, 0.72), (0.60, 0.63, 1.00, 0.72), (0.84, 0.64, 0.96, 0.70), (0.97, 0.66, 0.70, 0.80),
    (1.00, 0.45, 0.47, 0.80),
)  # fmt: skip
ESTATE: Profile = (
    (0.00, 0.40, 0.42, 0.80), (0.03, 0.50, 0.53, 0.86), (0.26, 0.61, 0.65, 0.86), (0.41, 0.62, 0.97, 0.72),
    (0.55, 0.63, 1.00, 0.72), (0.57, 0.63, 1.00, 0.72), (0.90, 0.64, 0.96, 0.70), (0.98, 0.65, 0.69, 0.80),
    (1.00, 0.45, 0.47, 0.80),
)  # fmt: skip
MINIVAN: Profile = (
    (0.00, 0.38, 0.40, 0.82), (0.03, 0.46, 0.50, 0.88), (0.15, 0.54, 0.60, 0.88), (0.34, 0.56, 0.97, 0.76),
    (0.52, 0.56, 1.00, 0.78), (0.54, 0.56, 1.00, 0.78), (0.94, 0.57, 0.98, 0.76), (0.99, 0.57, 0.62, 0.84),
    (1.00, 0.40, 0.42, 0.82),
)  # fmt: skip
# profile, length, width and height in metres, ground clearance
CARS = ((SEDAN, 4.6, 1.80, 1.45, 0.18), (HATCH, 4.0, 1.74, 1.48, 0.18), (ESTATE, 4.6, 1.80, 1.48, 0.18),
        (HATCH, 4.5, 1.86, 1.70, 0.26), (MINIVAN, 4.6, 1.86, 1.82, 0.20), (HATCH, 3.5, 1.64, 1.50, 0.16))  # fmt: skip


def car(rng: np.random.Generator) -> Mesh:
    """A passenger car: sedan, hatchback, estate, off-roader, minivan or city car; front towards +x."""
    profile, length, width, height, clearance = CARS[int(rng.integers(len(CARS)))]
    length, width, height = np.array([length, width, height]) * rng.normal(1.0, 0.03, 3)
    sections, materials = _car_skin(np.array(profile), length, width, height, clearance)
    parts = [loft(sections, materials)]
    for x in (0.31 * length, -0.30 * length):
        parts += wheels(x, width / 2, 0.33 if height < 1.6 else 0.37, 0.21)
    nose, tail = length / 2, -length / 2
    parts += [box([0.04, 0.5, 0.11], [x, 0, 0.32 * height], Material.RETROREFLECTOR) for x in (nose, tail)]
    for y in (-0.38 * width, 0.38 * width):
        parts.append(box([0.12, 0.28, 0.12], [nose - 0.1, y, 0.44 * height], Material.RETROREFLECTOR))
        parts.append(box([0.08, 0.2, 0.2], [tail + 0.03, y, 0.5 * height], Material.RETROREFLECTOR))
        parts.append(box([0.15, 0.18, 0.13], [0.2 * length, y * 1.4, 0.66 * height], Material.PAINT))
    return merge(parts).labelled(Label.CAR)


def _car_skin(
    profile: np.ndarray, length: float, width: float, height: float, clearance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Cross sections (K, 8, 3) of the body and the material of each face between them."""
    share, belt, top, roof = profile.T
    x = length * (0.5 - share)
    half = width / 2 * np.where((share < 0.01) | (share > 0.99), 0.86, 1.0)
    low = np.full(len(x), clearance)
    sill = clearance + 0.15 * height
    y = np.stack([-0.9 * half, -half, -half, -roof * half, roof * half, half, half, 0.9 * half], axis=1)
    z = np.stack(
        [low, low * 0 + sill, belt * height, top * height, top * height, belt * height, low * 0 + sill, low], axis=1
    )
    sections = np.stack([np.broadcast_to(x[:, None], y.shape), y, z], axis=-1)
    cabin = np.maximum(top[:-1] - belt[:-1], top[1:] - belt[1:]) > 0.15
    slanted = cabin & (np.abs(np.diff(top)) > 0.15)
    pillar = np.diff(share) < 0.03
    materials = np.full((len(x) - 1, 8), Material.PAINT)
    materials[np.ix_(cabin & ~pillar, [2, 4])] = Material.GLASS
    materials[slanted, 3] = Material.GLASS
    materials[:, 7] = Material.RUBBER
    return sections, materials


def wheels(x: float, side_m: float, radius: float, width: float) -> list[Mesh]:
    """The two wheels of an axle at ``x``; their outer faces stand a little out of the body sides at ``side_m``."""
    parts = []
    for side in (-1, 1):
        outer, inner = side * (side_m + 0.015), side * (side_m - width)
        parts.append(bar([[x, inner, radius], [x, outer, radius]], [radius, radius], Material.RUBBER, 14))
        parts.append(
            bar([[x, inner, radius], [x, outer + 0.01 * side, radius]], [0.6 * radius] * 2, Material.METAL, 10)
        )
    return parts


def truck(rng: np.random.Generator) -> Mesh:
    """A lorry with a cab and a box, flat, tipper, tank or curtain body; front towards +x."""
    width, bed = rng.uniform(2.2, 2.5), rng.uniform(4.0, 7.5)
    cab_height, cab_length = rng.uniform(2.3, 3.0), rng.uniform(1.7, 2.1)
    deck = rng.uniform(0.9, 1.15)
    nose, front = cab_length + bed / 2, bed / 2
    parts = [
        _cab(nose, cab_length, width, cab_height),
        box([bed + cab_length, 0.9, 0.25], [cab_length / 2, 0, 0.75], Material.METAL),
    ]
    for x in (nose - 0.75, -bed / 2 + 1.0, *([-bed / 2 + 2.3] if bed > 5.5 else [])):
        parts += wheels(x, width / 2, 0.48, 0.3)
    parts += [box([bed * 0.45, 0.04, 0.3], [0.1 * bed, y, 0.62], Material.METAL) for y in (-width / 2, width / 2)]
    parts.append(_load(rng, int(rng.integers(5)), bed, width, deck, front))
    parts += [box([0.04, 0.35, 0.15], [-bed / 2 - 0.05, y, 0.75], Material.RETROREFLECTOR) for y in (-0.8, 0.8)]
    return merge(parts).placed([-cab_length / 2, 0, 0]).labelled(Label.TRUCK)


def _cab(nose: float, length: float, width: float, height: float) -> Mesh:
    """A forward cab: upright front, raked windscreen, side windows."""
    side, screen = 0.48 * height, 0.88 * height
    rear = nose - length
    outline = [(nose, 0.45), (nose, side), (nose - 0.25, screen), (nose - 0.6, height), (rear, height), (rear, 0.45)]
    shell = extruded(outline, width, np.array([[Material.PAINT, Material.GLASS] + [Material.PAINT] * 4]))
    parts = [shell, box([0.2, width, 0.35], [nose, 0, 0.55], Material.PLASTIC)]
    for y in (-width / 2, width / 2):
        parts.append(box([0.8, 0.03, 0.34 * height], [nose - 0.8, y, 0.67 * height], Material.GLASS))
        parts.append(box([0.1, 0.25, 0.5], [nose - 0.05, y * 1.12, 0.72 * height], Material.PLASTIC))
        parts.append(box([0.06, 0.3, 0.2], [nose + 0.08, y * 0.75, 0.7], Material.RETROREFLECTOR))
    return merge(parts)


def _load(rng: np.random.Generator, kind: int, bed: float, width: float, deck: float, front: float) -> Mesh:
    """What the chassis carries: 0, 1 box, 2 flat bed with goods, 3 tipper, 4 tank."""
    tall = rng.uniform(1.9, 2.6)
    floor = box([bed, width, 0.12], [0, 0, deck], Material.METAL)
    if kind <= 1:
        skin = Material.TARPAULIN if kind else Material.PLASTIC
        return merge([floor, box([bed - 0.1, width, tall], [-0.05, 0, deck + tall / 2], skin)])
    if kind == 2:
        goods = [box([rng.uniform(0.8, 1.4), 0.8 * width, rng.uniform(0.5, 1.4)], [x, 0, deck + 0.5], Material.WOOD)
                 for x in np.arange(-bed / 2 + 1, bed / 2 - 0.8, 1.7)]  # fmt: skip
        sides = [box([bed, 0.05, 0.45], [0, y, deck + 0.25], Material.METAL) for y in (-width / 2, width / 2)]
        return merge([floor, *goods, *sides, box([0.08, width, 1.2], [front - 0.1, 0, deck + 0.6], Material.METAL)])
    if kind == 3:
        loop = np.array([[-0.35 * width, 0.0], [0.35 * width, 0.0], [0.5 * width, 1.2], [-0.5 * width, 1.2]])
        ends = ((front - 0.1, 1.15), (-bed / 2 + 0.3, 1.0), (-bed / 2, 0.8))
        return loft(
            np.stack([np.column_stack([np.full(4, x), loop * [1, s] + [0, deck]]) for x, s in ends]), Material.METAL
        )
    radius = 0.43 * width
    return merge(
        [floor, bar([[front - 0.2, 0, deck + radius], [-bed / 2, 0, deck + radius]], [radius] * 2, Material.METAL, 14)]
    )


def bus(rng: np.random.Generator) -> Mesh:
    """A city bus with a band of windows."""
    length, width, height = rng.uniform(9.0, 12.5), 2.5, rng.uniform(2.9, 3.2)
    ends = np.array([0.5, 0.485, -0.485, -0.5]) * length
    narrow = np.array([0.92, 1.0, 1.0, 0.92])
    y = np.array([-1, -1, -1, -0.9, 0.9, 1, 1, 1]) * width / 2
    z = np.array([0.35, 1.0, 0.78 * height, height, height, 0.78 * height, 1.0, 0.35])
    sections = np.stack([np.column_stack([np.full(8, x), y * n, z]) for x, n in zip(ends, narrow, strict=True)])
    materials = np.full((3, 8), Material.PAINT)
    materials[1, [1, 5]] = Material.GLASS
    parts = [loft(sections, materials)]
    for at in np.arange(-0.42, 0.45, 0.14) * length:
        parts += [
            box([0.14, 0.04, 0.5 * height], [at, s, 0.56 * height], Material.PAINT) for s in (-width / 2, width / 2)
        ]
    parts.append(box([0.04, 0.85 * width, 0.4 * height], [length / 2, 0, 0.6 * height], Material.GLASS))
    for x in (0.32 * length, -0.28 * length):
        parts += wheels(x, width / 2, 0.48, 0.3)
    return merge(parts).labelled(Label.BUS)


def caravan(rng: np.random.Generator) -> Mesh:
    """A caravan: rounded box on one axle with a drawbar and small windows."""
    length, width, height = rng.uniform(4.2, 5.6), 2.2, rng.uniform(2.4, 2.65)
    share = np.array([0.47, 0.5, 0.45, 0.35, -0.4, -0.49, -0.5, -0.45])
    level = np.array([0.4, 0.9, 0.8 * height, height, height, 0.85 * height, 0.6, 0.4])
    body = extruded(np.column_stack([share * length, level]), width, Material.PAINT)
    panes = [box([0.9, 0.05, 0.5], [x, y, 1.6], Material.GLASS) for x in (-1.2, 0.9) for y in (-width / 2, width / 2)]
    bar_end = length / 2 + 1.1
    drawbar = [bar([(length / 2, y, 0.5), (bar_end, 0, 0.5)], [0.05, 0.05], Material.METAL) for y in (-0.6, 0.6)]
    return merge([body, *panes, *drawbar, *wheels(-0.2, width / 2, 0.32, 0.2)]).labelled(Label.TRAILER)


def trailer(rng: np.random.Generator) -> Mesh:
    """A small open or covered trailer."""
    length, width = rng.uniform(2.0, 3.4), 1.6
    parts = [box([length, width, 0.1], [0, 0, 0.55], Material.METAL), *wheels(0, width / 2 + 0.2, 0.3, 0.18)]
    parts += [box([length, 0.05, 0.45], [0, y, 0.8], Material.METAL) for y in (-width / 2, width / 2)]
    parts += [box([0.05, width, 0.45], [x, 0, 0.8], Material.METAL) for x in (-length / 2, length / 2)]
    if rng.random() < 0.5:
        parts.append(box([length, width, 0.9], [0, 0, 1.4], Material.TARPAULIN))
    parts.append(bar([(length / 2, 0, 0.5), (length / 2 + 1.2, 0, 0.5)], [0.06, 0.06], Material.METAL))
    return merge(parts).labelled(Label.TRAILER)


def tractor(rng: np.random.Generator) -> Mesh:
    """A farm tractor: bonnet, glazed cab, small front and large rear wheels."""
    parts = [
        box([1.7, 0.8, 0.75], [0.95, 0, 1.15], Material.PAINT),
        box([1.3, 1.3, 0.6], [-0.5, 0, 1.0], Material.METAL),
        box([1.3, 1.4, 0.15], [-0.55, 0, 2.75], Material.PAINT),
        box([1.2, 1.3, 1.4], [-0.55, 0, 2.0], Material.GLASS),
        bar([(1.2, 0.3, 1.5), (1.2, 0.3, 2.6)], [0.06, 0.06], Material.METAL),
        ellipsoid([0.2, 0.35, 0.2], [1.8, 0, 1.2], Material.METAL),
    ]
    parts += [box([0.1, 0.1, 1.4], [x, y, 2.0], Material.PAINT) for x in (-1.15, 0.05) for y in (-0.65, 0.65)]
    parts += [*wheels(1.3, 0.9, 0.5, 0.35), *wheels(-0.7, 1.05, 0.85, 0.5)]
    return merge(parts).scaled([1.0, 1.0, rng.uniform(0.92, 1.05)]).labelled(Label.OTHER_VEHICLE)


def other_vehicle(rng: np.random.Generator) -> Mesh:
    """A bus, caravan, tractor or trailer."""
    return (bus, caravan, tractor, trailer)[int(rng.choice(4, p=[0.3, 0.35, 0.2, 0.15]))](rng)
