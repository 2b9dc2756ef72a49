"""Procedural textures: one function per family of patterns, and the kernel that paints the hits of a scene.

Each function takes texture coordinates in metres, the footprint of the pixel on the surface in metres and a seed, and
returns factors on the base colour. Detail finer than the footprint fades, so that distant surfaces do not flicker.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from perception3d.simulation.appearance import Pattern
from perception3d.simulation.noise import detail, lattice, line, smoothstep, value_noise

Triple = tuple[float, float, float]

# Kernels compare with plain numbers; numba knows no enumerations at module level.
ASPHALT = int(Pattern.ASPHALT)
COBBLES = int(Pattern.COBBLES)
SLABS = int(Pattern.SLABS)
GRAVEL = int(Pattern.GRAVEL)
GRASS = int(Pattern.GRASS)
MARKING = int(Pattern.MARKING)
PLASTER = int(Pattern.PLASTER)
BRICKS = int(Pattern.BRICKS)
WINDOW = int(Pattern.WINDOW)
BOARDS = int(Pattern.BOARDS)
METAL = int(Pattern.METAL)
LEAVES = int(Pattern.LEAVES)
BARK = int(Pattern.BARK)
CAR_PAINT = int(Pattern.CAR_PAINT)
LAMP = int(Pattern.LAMP)
CLOTH = int(Pattern.CLOTH)
SIGN_DISC = int(Pattern.SIGN_DISC)
SIGN_TRIANGLE = int(Pattern.SIGN_TRIANGLE)
SIGN_BOARD = int(Pattern.SIGN_BOARD)
PLATE = int(Pattern.PLATE)
ROOF = int(Pattern.ROOF)
TARPAULIN = int(Pattern.TARPAULIN)
RED_WHITE = int(Pattern.RED_WHITE)
SIGNAL = int(Pattern.SIGNAL)
BUS_PAINT = int(Pattern.BUS_PAINT)
FOLIAGE = int(Pattern.FOLIAGE)


@njit(cache=True)
def asphalt(s: float, d: float, foot: float) -> float:
    """Grain, stains, wheel tracks, mended patches and cracks; s along the street, d from its middle."""
    value = 1.0 + 0.5 * detail(s, d, 55.0, foot, 1) + 0.28 * detail(s, d, 14.0, foot, 2)
    value += 0.22 * detail(0.4 * s, d, 1.1, foot, 3) + 0.26 * (value_noise(0.05 * s, 0.22 * d, 4) - 0.5)
    track = abs(abs(abs(d) - 2.5) - 0.78)
    value -= 0.10 * (1.0 - smoothstep(0.0, 0.45, track))
    i, j = math.floor(s / 7.3), math.floor(d / 1.9 + 0.5)
    if lattice(i, j, 5) < 0.08:
        length = 2.5 + 4.5 * lattice(i, j, 6)
        inside = s - 7.3 * i
        if inside < length:
            value *= 0.80
        value *= 1.0 - 0.35 * min(line(inside, length, 0.04, foot), 1.0) * (inside < length + 0.1)
    if foot < 0.12:
        crack = abs(value_noise(0.45 * s, 0.45 * d, 7) + 0.25 * value_noise(3.0 * s, 3.0 * d, 8) - 0.72)
        value *= 1.0 - 0.30 * (1.0 - smoothstep(0.0, 0.006 + 0.1 * foot, crack)) * (1.0 - foot / 0.12)
    return value


@njit(cache=True)
def courses(
    a: float, b: float, length: float, height: float, joint: float, foot: float, seed: int
) -> tuple[float, float]:
    """Bricks or stones in a running bond: the factor of one stone, and how much joint there is."""
    row = math.floor(b / height)
    a = a + 0.5 * length * (row & 1)
    stone = lattice(math.floor(a / length), row, seed) - 0.5
    gap = line(b, height, joint, foot)
    gap = gap + (1.0 - gap) * line(a, length, joint, foot)
    return 1.0 + 0.45 * stone * max(0.0, 1.0 - 0.7 * foot / height), gap


@njit(cache=True)
def grass(a: float, b: float, foot: float) -> Triple:
    """Blades, tufts and dry patches."""
    value = 1.0 + 0.9 * detail(a, b, 40.0, foot, 11) + 0.6 * detail(a, b, 11.0, foot, 12)
    value += 0.55 * detail(a, b, 2.3, foot, 13)
    dry = value_noise(0.16 * a, 0.16 * b, 14) + 0.5 * value_noise(0.7 * a, 0.7 * b, 15) - 0.75
    dry = min(max(dry, -0.3), 0.5)
    return value * (1.0 + 0.7 * dry), value * (1.0 + 0.15 * dry), value * (1.0 + 0.25 * dry)


@njit(cache=True)
def slabs(a: float, b: float, foot: float) -> float:
    """Concrete flags with joints, one a little darker than the next, stained."""
    value = 1.0 + 0.22 * (lattice(math.floor(2.0 * a), math.floor(2.0 * b), 21) - 0.5) * max(0.0, 1.0 - 1.4 * foot)
    value += 0.16 * detail(a, b, 30.0, foot, 22) + 0.22 * detail(a, b, 0.8, foot, 23)
    gap = line(a, 0.5, 0.014, foot)
    gap += (1.0 - gap) * line(b, 0.5, 0.014, foot)
    return value * (1.0 - 0.55 * gap)


@njit(cache=True)
def plaster(a: float, z: float, foot: float, seed: int) -> float:
    """Rendered wall: faint patches, streaks below the eaves, splash water at its foot."""
    value = 1.0 + 0.10 * detail(a, z, 6.0, foot, seed) + 0.14 * detail(a, z, 0.5, foot, seed + 1)
    value += 0.12 * detail(a, 0.15 * z, 3.0, foot, seed + 2)
    return value * (1.0 - 0.30 * (1.0 - smoothstep(0.1, 0.9, z + 0.3 * detail(a, z, 2.0, foot, seed + 3))))


@njit(cache=True)
def car_paint(x: float, y: float, z: float, facing: int, foot: float) -> float:
    """Shut lines of doors and bonnet, dark grilles, dirt along the sills."""
    value = 1.0 - 0.25 * (1.0 - smoothstep(0.18, 0.5, z))
    if facing == 1 and 0.3 < z < 0.95:
        shut = max(_mark(x - 0.62, 0.014, foot), _mark(x + 0.32, 0.014, foot), _mark(x + 1.2, 0.014, foot))
        handle = _mark(z - 0.82, 0.03, foot) * (_mark(x + 0.18, 0.16, foot) + _mark(x + 1.06, 0.16, foot))
        value *= (1.0 - 0.75 * shut) * (1.0 - 0.5 * min(handle, 1.0))
    elif facing == 0:
        if x > 0 and abs(y) < 0.55 and (0.47 < z < 0.62 or 0.22 < z < 0.36):
            value *= 0.12 + 0.1 * line(z, 0.04, 0.015, foot)
        elif z < 0.38:
            value *= 0.25
    return value


@njit(cache=True, inline="always")
def _mark(off: float, width: float, foot: float) -> float:
    """How much of a pixel a single line covers."""
    half = 0.5 * max(width, foot)
    cover = (half - abs(off)) / max(foot, 1e-4) + 0.5
    return min(max(cover, 0.0), 1.0) * width / (2.0 * half)


@njit(cache=True)
def sign(kind: int, x: float, y: float, z: float, seed: int) -> Triple:
    """A traffic sign in half widths about its middle, as linear RGB: the usual rims, fields and symbols."""
    red, blue, white, black = (0.50, 0.012, 0.015), (0.012, 0.08, 0.38), (0.82, 0.82, 0.80), (0.02, 0.02, 0.02)
    variant = seed % 4
    if kind == SIGN_DISC:
        radius = math.hypot(y, z)
        if variant == 0:  # speed limit: two figures
            figure = abs(z) < 0.36 and 0.08 < abs(y) < 0.44 and not (0.18 < abs(y) < 0.32 and abs(z) < 0.24)
            return red if radius > 0.76 else (black if figure else white)
        if variant == 1:  # no entry
            return white if abs(z) < 0.17 and abs(y) < 0.7 else red
        if variant == 2:  # obligation: an arrow
            arrow = (abs(y) < 0.12 and -0.6 < z < 0.3) or (0.1 < z < 0.6 and abs(y) < 0.6 - z)
            return white if arrow or radius > 0.94 else blue
        bar = abs(y - z) < 0.2
        return red if radius > 0.78 or bar else blue
    if kind == SIGN_TRIANGLE:
        # The outline stands on its side or its point; distance to the rim from the barycentre of an even triangle.
        inner = max(abs(y) * 0.866 + abs(z) * 0.5, abs(z)) if variant else abs(y) * 0.866 + abs(z) * 0.5
        mark = abs(y) < 0.07 and -0.25 < z < 0.3
        return red if inner > 0.42 else (black if mark else white)
    if x > 5.0:  # direction board
        field = (blue, (0.015, 0.16, 0.06), (0.85, 0.62, 0.02), white)[variant]
        ink = white if variant < 2 else black
        text = line(z, 0.3, 0.12, 0.01) > 0.5 and lattice(math.floor(y * 14.0), math.floor(z / 0.3 + 0.5), seed) < 0.62
        return ink if (text and abs(y) < 0.82) or abs(y) > 0.96 else field
    symbol = abs(y) < 0.45 and abs(z) < 0.35 and lattice(math.floor(y * 5.0), math.floor(z * 5.0), seed) < 0.5
    return white if symbol or abs(y) > 0.93 or abs(z) > 0.64 else (blue if variant else (0.85, 0.62, 0.02))


@njit(cache=True)
def paint(
    chosen: NDArray[np.int32],
    triangle: NDArray[np.uint32],
    uv: NDArray[np.float32],
    range_m: NDArray[np.float32],
    normals: NDArray[np.float32],
    directions: NDArray[np.float32],
    pixel_rad: float,
    table: NDArray[np.float32],
    pattern: NDArray[np.uint8],
    seeds: NDArray[np.int64],
    albedo: NDArray[np.float32],
    kind: NDArray[np.uint8],
    lamp: NDArray[np.float32],
    normal: NDArray[np.float32],
) -> None:
    """Colour, pattern, glow and facing normal of the pixels that see this scene.

    Args:
        chosen: (K,) pixels whose nearest surface is in this scene.
        triangle: (N,) triangle hit by each pixel.
        uv: (N, 2) weights of its second and third corner.
        range_m: (N,) length of the ray in lengths of its direction.
        normals: (N, 3) normals of the triangles, of any sign.
        directions: (N, 3) unit length along the optical axis.
        pixel_rad: angle between neighbouring pixels.
        table: (T, 12) of ``Appearance``.
        pattern: (T,) of ``Appearance``.
        seeds: (T,) of ``Appearance``.
        albedo: (N, 3) linear RGB, written.
        kind: (N,) pattern, written.
        lamp: (N,) share of own light, written.
        normal: (N, 3) towards the camera, written.
    """
    for n in range(len(chosen)):
        p = chosen[n]
        t = triangle[p]
        row = table[t]
        u, v = uv[p, 0], uv[p, 1]
        w = 1.0 - u - v
        x = w * row[0] + u * row[3] + v * row[6]
        y = w * row[1] + u * row[4] + v * row[7]
        z = w * row[2] + u * row[5] + v * row[8]
        e0, e1, e2 = row[3] - row[0], row[4] - row[1], row[5] - row[2]
        f0, f1, f2 = row[6] - row[0], row[7] - row[1], row[8] - row[2]
        m0, m1, m2 = abs(e1 * f2 - e2 * f1), abs(e2 * f0 - e0 * f2), abs(e0 * f1 - e1 * f0)
        facing = 2
        if m0 >= m1 and m0 >= m2:
            facing = 0
        elif m1 >= m2:
            facing = 1
        a, b = x, y
        if facing == 0:
            a, b = y, z
        elif facing == 1:
            a, b = x, z
        d0, d1, d2 = directions[p, 0], directions[p, 1], directions[p, 2]
        n0, n1, n2 = normals[p, 0], normals[p, 1], normals[p, 2]
        dot = n0 * d0 + n1 * d1 + n2 * d2
        if dot > 0:
            n0, n1, n2 = -n0, -n1, -n2
        foot = range_m[p] * pixel_rad / math.sqrt(max(abs(dot), 0.08))
        if pattern[t] == FOLIAGE:  # leaves of a clipped surface look in all directions
            n0, n1, n2 = _ruffled(n0, n1, n2, a, b, foot, seeds[t])
        normal[p, 0], normal[p, 1], normal[p, 2] = n0, n1, n2
        r, g, c, own = _shade(
            pattern[t], x, y, z, a, b, facing, foot, seeds[t], row[9], row[10], row[11]
        )  # fmt: skip
        albedo[p, 0], albedo[p, 1], albedo[p, 2] = (
            min(max(r, 0.0), 0.95),
            min(max(g, 0.0), 0.95),
            min(max(c, 0.0), 0.95),
        )
        kind[p] = pattern[t]
        lamp[p] = own


@njit(cache=True)
def _ruffled(n0: float, n1: float, n2: float, a: float, b: float, foot: float, seed: int) -> Triple:
    """A normal that turns from leaf to leaf."""
    n0 += 1.6 * detail(a, b, 8.0, foot, seed + 4)
    n1 += 1.6 * detail(a, b, 8.0, foot, seed + 5)
    n2 += 1.6 * detail(a, b, 8.0, foot, seed + 6)
    length = max(math.sqrt(n0 * n0 + n1 * n1 + n2 * n2), 1e-3)
    return n0 / length, n1 / length, n2 / length


@njit(cache=True)
def _shade(
    kind: int, x: float, y: float, z: float, a: float, b: float, facing: int, foot: float, seed: int,
    r: float, g: float, c: float,
) -> tuple[float, float, float, float]:  # fmt: skip
    """Linear RGB of a point and the share of its own light (lamps, lit windows).

    Long because it is the list of all patterns: numba calls no function out of a table.
    """
    value = 1.0
    if kind == ASPHALT:
        value = asphalt(x, y, foot)
    elif kind == GRASS:
        fr, fg, fc = grass(a, b, foot)
        return r * fr, g * fg, c * fc, 0.0
    elif kind == LEAVES:
        tone = lattice(seed & 0xFFFF, seed >> 16, 31)
        value = 0.7 + 0.8 * tone + 0.5 * detail(a, b, 9.0, foot, 32)
        warm = 0.25 * (lattice(seed & 0xFFFF, seed >> 16, 33) - 0.5)
        return r * value * (1.0 + warm), g * value, c * value * (1.0 - warm), 0.0
    elif kind == FOLIAGE:
        value = 1.0 + 1.1 * detail(a, b, 10.0, foot, seed) + 0.9 * detail(a, b, 26.0, foot, seed + 1)
        value += 0.4 * detail(a, b, 1.7, foot, seed + 2)
        warm = 0.5 * detail(a, b, 6.0, foot, seed + 3)
        value = max(value, 0.12)
        return r * value * (1.0 + warm), g * value, c * value * (1.0 - warm), 0.0
    elif kind == SLABS:
        if facing == 2:
            value = slabs(x, y, foot)
        else:
            along = x if facing == 1 else y
            value = 1.12 * (1.0 - 0.5 * line(along, 1.0, 0.015, foot)) + 0.15 * detail(a, b, 20.0, foot, 24)
    elif kind == COBBLES:
        value, gap = courses(a, b, 0.21, 0.11, 0.016, foot, 41)
        value = (value + 0.3 * detail(x, y, 0.7, foot, 42)) * (1.0 - 0.5 * gap)
    elif kind == GRAVEL:
        value = 1.0 + 1.1 * detail(a, b, 45.0, foot, 51) + 0.6 * detail(a, b, 13.0, foot, 52)
        value += 0.4 * detail(a, b, 0.9, foot, 53)
    elif kind == MARKING:
        worn = smoothstep(0.05, 0.3, detail(x, y, 9.0, foot, seed) + detail(x, y, 1.3, foot, seed + 1))
        value = 1.0 - 0.55 * worn + 0.15 * detail(x, y, 40.0, foot, 61)
    elif kind == PLASTER:
        value = plaster(a, z if facing != 2 else 2.0, foot, seed)
    elif kind in (BRICKS, ROOF):
        stone, gap = courses(
            a, b, 0.25 if kind == BRICKS else 0.3, 0.083 if kind == BRICKS else 0.35, 0.014, foot, seed
        )
        value = stone + 0.2 * detail(a, b, 0.7, foot, seed + 1)
        if kind == BRICKS:
            mortar = 0.36 * gap
            return (r * value * (1 - gap) + mortar, g * value * (1 - gap) + 0.95 * mortar,
                    c * value * (1 - gap) + 0.88 * mortar, 0.0)  # fmt: skip
        value *= 1.0 - 0.4 * gap
    elif kind == WINDOW:
        curtain = lattice(seed & 0xFFFF, seed >> 16, 71)
        if curtain < 0.35:
            fold = 0.22 + 0.05 * math.sin(40.0 * a)
            return fold, fold, 0.93 * fold, 1.0 * (curtain < 0.12)
        return r, g, c, 0.8 * (curtain > 0.85)
    elif kind == BOARDS:
        plank = math.floor(a / 0.14)
        value = 1.0 + 0.35 * (lattice(plank, 0, seed) - 0.5) * max(0.0, 1.0 - 4.0 * foot)
        value += 0.3 * detail(9.0 * a, 0.6 * b, 3.0, 5.0 * foot, seed)
        value *= 1.0 - 0.6 * line(a, 0.14, 0.012, foot)
    elif kind == BARK:
        value = 1.0 + 0.9 * detail(x + 0.7 * y, 0.2 * z, 22.0, foot, seed) + 0.4 * detail(x - y, z, 4.0, foot, seed + 1)
    elif kind == METAL:
        value = 1.0 + 0.12 * detail(a, b, 5.0, foot, seed)
    elif kind == CAR_PAINT:
        value = car_paint(x, y, z, facing, foot)
    elif kind == BUS_PAINT:
        if 0.45 < z < 0.75:
            return 0.7, 0.7, 0.68, 0.0
        value = 1.0 - 0.3 * line(x, 1.3, 0.02, foot) * (z < 1.0)
    elif kind == CLOTH:
        value = 1.0 + 0.35 * detail(a, 0.5 * b, 14.0, foot, seed) + 0.2 * detail(a, b, 4.0, foot, seed + 1)
    elif kind == TARPAULIN:
        value = 1.0 + 0.25 * detail(a, 0.2 * b, 3.0, foot, seed) - 0.35 * line(a, 0.6, 0.03, foot)
    elif kind in (SIGN_DISC, SIGN_TRIANGLE, SIGN_BOARD):
        r, g, c = sign(kind, x, y, z, seed)
        return r, g, c, 0.06
    elif kind == PLATE:
        ink = abs(z) < 99.0 and abs(y) < 0.2 and lattice(math.floor(y * 34.0), math.floor(z * 30.0), seed) < 0.45
        value = 0.15 if ink and foot < 0.03 else 0.8
    elif kind == LAMP:
        return r, g, c, 0.9
    elif kind == RED_WHITE:
        red = line(a + b, 0.36, 0.18, foot)
        return r + (0.55 - r) * red, g + (0.02 - g) * red, c + (0.02 - c) * red, 0.06
    elif kind == SIGNAL:
        return _signal(facing, x, y, z, seed)
    return r * value, g * value, c * value, 0.0


@njit(cache=True)
def _signal(facing: int, x: float, y: float, z: float, seed: int) -> tuple[float, float, float, float]:
    """The head of a traffic light, three times as high as wide: one of three lenses glows."""
    if facing != 0 or x > 0:
        return 0.02, 0.022, 0.02, 0.0
    lens = min(max(math.floor((z + 3.0) / 2.0), 0), 2)
    off = math.hypot(y, z - (2.0 * lens - 2.0))
    if off > 0.72:
        return 0.015, 0.016, 0.015, 0.0
    lit = 2 if seed % 2 else 0
    glow = 3.0 if lens == lit else 0.0
    dim = 1.0 if lens == lit else 0.06
    if lens == 2:
        return 0.9 * dim, 0.04 * dim, 0.02 * dim, glow
    if lens == 1:
        return 0.9 * dim, 0.5 * dim, 0.02 * dim, glow
    return 0.04 * dim, 0.85 * dim, 0.4 * dim, glow
