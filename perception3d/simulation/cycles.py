"""Bicycles and motorcycles, alone and ridden.

Tubes and tyres are as thick as the laser spot leaves them at ten metres (HDL-64E, about 2 mrad): a mesh of true
diameter would be missed by centre rays that the real beam, wider than the tube, does return from.
"""

from __future__ import annotations

import numpy as np

from perception3d.simulation.labels import Label
from perception3d.simulation.materials import Material
from perception3d.simulation.mesh import Mesh, bar, box, ellipsoid, loft, merge, ring
from perception3d.simulation.people import figure

TUBE_M = 0.026


def _wheel(x: float, radius: float, tyre: float, spokes: int) -> Mesh:
    """A tyre with spokes about the axle at (x, 0, radius)."""
    hub = np.array([x, 0.0, radius])
    parts = [ring(hub, radius - tyre, tyre, Material.RUBBER)]
    for angle in np.arange(spokes) * np.pi / spokes:
        reach = (radius - tyre) * np.array([np.cos(angle), 0.0, np.sin(angle)])
        parts.append(bar([hub - reach, hub + reach], [0.012, 0.012], Material.METAL, 4))
    return merge(parts)


def bicycle(rng: np.random.Generator) -> Mesh:
    """A parked bicycle: diamond or step-through frame, perhaps basket, panniers or child seat."""
    return _bicycle(rng).labelled(Label.BICYCLE)


def _bicycle(rng: np.random.Generator) -> Mesh:
    radius = rng.uniform(0.32, 0.36)
    rear, front, crank, seat = (-0.53, 0, radius), (0.55, 0, radius), (-0.05, 0, 0.29), (-0.22, 0, 0.93)
    head, crown, grip = (0.36, 0, 0.93), (0.42, 0, 0.66), (0.34, 0, 1.03)
    cross = (-0.1, 0, 0.5) if rng.random() < 0.4 else seat
    tubes = ((rear, crank), (crank, seat), (crank, crown), (cross, head), (rear, seat), (head, crown), (crown, front))
    parts = [bar(pair, [TUBE_M, TUBE_M], Material.PAINT, 5) for pair in tubes]
    parts += [_wheel(x, radius, 0.028, 5) for x in (rear[0], front[0])]
    parts += [
        bar([head, grip], [TUBE_M, TUBE_M], Material.METAL, 5),
        bar([(0.3, -0.28, 1.04), (0.3, 0.28, 1.04)], [0.022, 0.022], Material.METAL, 5),
        box([0.27, 0.16, 0.07], [-0.24, 0, 0.98], Material.RUBBER),
        box([0.18, 0.05, 0.18], [-0.04, 0, 0.29], Material.METAL),
        bar([(-0.04, -0.2, 0.2), (-0.04, 0.2, 0.38)], [0.025, 0.025], Material.METAL, 4),
        box([0.36, 0.12, 0.03], [-0.5, 0, 0.74], Material.METAL),
        box([0.03, 0.06, 0.05], [-0.72, 0, 0.7], Material.RETROREFLECTOR),
    ]
    extra = rng.random()
    if extra < 0.25:
        parts.append(box([0.3, 0.36, 0.25], [0.52, 0, 0.95], Material.METAL))
    elif extra < 0.45:
        parts += [box([0.34, 0.12, 0.3], [-0.52, y, 0.58], Material.CLOTH) for y in (-0.15, 0.15)]
    elif extra < 0.55:
        parts.append(box([0.3, 0.3, 0.55], [-0.5, 0, 1.02], Material.PLASTIC))
    return merge(parts)


def bicyclist(rng: np.random.Generator) -> Mesh:
    """A bicycle with its rider in the saddle."""
    lean = rng.uniform(0.05, 0.35)
    up, build = rng.uniform(-0.03, 0.06), rng.uniform(0.9, 1.2)
    turn = rng.uniform(0.0, 2 * np.pi)
    pedal = 0.16 * np.array([np.cos(turn), np.sin(turn)])
    rider = figure(
        hip=(-0.2, 0.0, 1.02 + up),
        shoulder=(-0.18 + lean, 0.0, 1.52 + up - 0.25 * lean),
        hands=((0.3, 0.25, 1.07), (0.3, -0.25, 1.07)),
        feet=((pedal[0], 0.13, 0.36 + pedal[1]), (-pedal[0], -0.13, 0.36 - pedal[1])),
        bend_m=0.2,
        build=build,
    )
    parts = [_bicycle(rng), rider]
    if rng.random() < 0.4:
        parts.append(box([0.2, 0.32, 0.42], [-0.42 + 0.6 * lean, 0, 1.3 + up], Material.CLOTH))
    return merge(parts).labelled(Label.BICYCLIST)


def motorcycle(rng: np.random.Generator) -> Mesh:
    """A parked motorcycle or scooter, leaning on nothing."""
    return (_scooter(rng) if rng.random() < 0.35 else _motorcycle(rng)).labelled(Label.MOTORCYCLE)


def _motorcycle(rng: np.random.Generator) -> Mesh:
    """Fat tyres, engine, tank, seat, exhaust; sport, touring and naked variants."""
    base, kind = rng.uniform(1.35, 1.5), rng.random()
    rear, front = -base / 2, base / 2
    parts = [_wheel(x, 0.31, 0.08, 4) for x in (rear, front)]
    parts += [
        box([0.5, 0.36, 0.4], [-0.02, 0, 0.47], Material.METAL),
        ellipsoid([0.3, 0.19, 0.16], [0.14, 0, 0.88], Material.PAINT),
        box([0.72, 0.28, 0.13], [-0.42, 0, 0.82], Material.RUBBER),
        box([0.4, 0.18, 0.2], [-0.6, 0, 0.72], Material.PAINT),
        bar([(0.2, -0.2, 0.35), (-0.75, -0.24, 0.42)], [0.05, 0.07], Material.METAL),
        bar([(0.38, -0.4, 1.06), (0.38, 0.4, 1.06)], [0.03, 0.03], Material.METAL),
        box([0.16, 0.2, 0.2], [0.52, 0, 0.92], Material.RETROREFLECTOR),
        box([0.02, 0.18, 0.2], [-0.92, 0, 0.6], Material.RETROREFLECTOR),
        box([0.5, 0.16, 0.06], [front, 0, 0.66], Material.PAINT),
    ]
    parts += [bar([(0.42, y, 1.0), (front, y, 0.31)], [0.045, 0.045], Material.METAL) for y in (-0.1, 0.1)]
    parts += [bar([(-0.15, y, 0.4), (rear, y, 0.31)], [0.045, 0.045], Material.METAL) for y in (-0.12, 0.12)]
    if kind < 0.35:
        parts.append(ellipsoid([0.34, 0.26, 0.4], [0.42, 0, 0.8], Material.PAINT))
    elif kind < 0.7:
        parts += [box([0.45, 0.2, 0.4], [-0.65, y, 0.68], Material.PLASTIC) for y in (-0.3, 0.3)]
        parts.append(box([0.05, 0.45, 0.45], [0.5, 0, 1.2], Material.PLASTIC))
    return merge(parts)


def _scooter(rng: np.random.Generator) -> Mesh:
    """Small wheels, leg shield, step, bulky rear, perhaps a top case."""
    rear_body = loft(
        np.array(
            [
                [[x, -half, low], [x, half, low], [x, half, high], [x, -half, high]]
                for x, half, low, high in ((-0.95, 0.12, 0.5, 0.75), (-0.6, 0.2, 0.35, 0.82), (-0.1, 0.18, 0.3, 0.8))
            ]
        ),
        Material.PAINT,
    )
    parts = [_wheel(x, 0.25, 0.08, 4) for x in (-0.65, 0.65)]
    parts += [
        rear_body,
        box([0.45, 0.36, 0.1], [0.1, 0, 0.3], Material.PLASTIC),
        box([0.12, 0.44, 0.75], [0.42, 0, 0.62], Material.PAINT),
        box([0.7, 0.3, 0.1], [-0.45, 0, 0.86], Material.RUBBER),
        bar([(0.38, -0.34, 1.06), (0.38, 0.34, 1.06)], [0.03, 0.03], Material.METAL),
        bar([(0.4, 0, 1.05), (0.65, 0, 0.25)], [0.06, 0.05], Material.METAL),
        box([0.1, 0.16, 0.14], [0.46, 0, 1.0], Material.RETROREFLECTOR),
        box([0.02, 0.18, 0.2], [-0.97, 0, 0.55], Material.RETROREFLECTOR),
    ]
    if rng.random() < 0.5:
        parts.append(box([0.38, 0.42, 0.34], [-0.95, 0, 1.0], Material.PLASTIC))
    return merge(parts)


def motorcyclist(rng: np.random.Generator) -> Mesh:
    """A motorcycle with its helmeted rider."""
    lean, build = rng.uniform(0.1, 0.35), rng.uniform(1.05, 1.35)
    shoulder = (-0.3 + lean, 0.0, 1.42 - 0.2 * lean)
    rider = figure(
        hip=(-0.35, 0.0, 0.93),
        shoulder=shoulder,
        hands=((0.36, 0.36, 1.1), (0.36, -0.36, 1.1)),
        feet=((-0.1, 0.24, 0.4), (-0.1, -0.24, 0.4)),
        bend_m=0.28,
        build=build,
    )
    helmet = ellipsoid([0.16, 0.14, 0.17], (shoulder[0] + 0.1, 0.0, shoulder[2] + 0.25), Material.PLASTIC)
    return merge([_motorcycle(rng), rider, helmet]).labelled(Label.MOTORCYCLIST)
