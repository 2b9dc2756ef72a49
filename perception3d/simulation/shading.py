"""Kernels from surfaces to a picture: sky, secondary rays, light on surfaces, and what the sensor makes of it."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from perception3d.simulation.appearance import Pattern
from perception3d.simulation.noise import smoothstep, value_noise

Triple = tuple[float, float, float]

LEAVES = int(Pattern.LEAVES)
FOLIAGE = int(Pattern.FOLIAGE)
GRASS = int(Pattern.GRASS)
WINDOW = int(Pattern.WINDOW)
CAR_GLASS = int(Pattern.CAR_GLASS)
PAINT = int(Pattern.PAINT)
CAR_PAINT = int(Pattern.CAR_PAINT)
BUS_PAINT = int(Pattern.BUS_PAINT)
METAL = int(Pattern.METAL)
LAMP = int(Pattern.LAMP)
LIKE = 0.08  # share by which depths of one surface differ between neighbouring blocks
HIGHEST_RIDGE = 0.08  # sine of the elevation no distant land reaches
OFFSET_M = 0.01  # secondary rays start this far off the surface
# Order of the 16 directions in a tile of 4 x 4 pixels, so that neighbours look in different directions.
TILE = np.array([0, 8, 2, 10, 12, 4, 14, 6, 3, 11, 1, 9, 15, 7, 13, 5], np.int64)
BRIGHTEST, STEPS = 16.0, 2048


def display_curve(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Display value of a linear one: straight in the shadows, a shoulder in the lights, then sRGB's curve."""
    x = 1.35 * x * (1.0 + 0.12 * x) / (1.0 + 0.85 * x)
    return np.where(x < 0.0031308, 12.92 * x, 1.055 * np.maximum(x, 1e-9) ** (1.0 / 2.4) - 0.055)


# Even in the square root, because the curve is steep at the dark end.
CURVE = display_curve(BRIGHTEST * (np.arange(STEPS + 1) / STEPS) ** 2).astype(np.float32)


@njit(cache=True)
def clouds(x: float, y: float, z: float, cover: float, key: int) -> float:
    """How much cloud lies in a direction above the horizon, 0 ... 1."""
    scale = 1.6 / (z + 0.12)
    u, v = x * scale + key % 97, y * scale + key % 89
    value, amplitude, total = 0.0, 1.0, 0.0
    for octave in range(5):
        value += amplitude * value_noise(u, v, key + octave)
        total += amplitude
        u, v, amplitude = 2.03 * u + 0.4 * v, 2.03 * v - 0.4 * u, 0.52 * amplitude
    low = 0.78 - 0.62 * cover
    return smoothstep(low, low + 0.24, value / total)


@njit(cache=True)
def sky(
    x: float, y: float, z: float, sun: NDArray[np.float32], sun_rgb: NDArray[np.float32],
    zenith: NDArray[np.float32], horizon: NDArray[np.float32], cover: float, key: int,
) -> Triple:  # fmt: skip
    """Radiance from a direction (unit vector): clear sky, clouds, sun, and a skyline of distant land."""
    # The skyline closes up after a full turn: noise of a circle.
    flat = max(math.hypot(x, y), 1e-6)
    cx, cy = 9.0 * x / flat, 9.0 * y / flat
    ridge = (
        0.0
        if z > HIGHEST_RIDGE
        else 0.012 + 0.045 * value_noise(cx, cy, key) * value_noise(0.35 * cx, 0.35 * cy, key + 7)
    )
    if z <= HIGHEST_RIDGE:
        ridge += 0.008 * value_noise(7.0 * cx, 7.0 * cy, key + 1) + 0.004 * value_noise(31.0 * cx, 31.0 * cy, key + 2)
    up = max(z, 0.0)
    share = math.exp(-3.2 * up)
    towards = x * sun[0] + y * sun[1] + z * sun[2]
    glow = 0.10 * max(towards, 0.0) ** 6 + 0.35 * max(towards, 0.0) ** 40
    cloud = clouds(x, y, up, cover, key) if cover > 0.0 else 0.0
    body = 0.72 + 0.28 * clouds(x + 0.06 * sun[0], y + 0.06 * sun[1], up, cover, key) if cloud > 0.0 else 0.0
    disc = 6.0 * smoothstep(0.9994, 0.9998, towards) * (1.0 - cloud)
    r = zenith[0] + (horizon[0] - zenith[0]) * share + (glow + disc) * sun_rgb[0]
    g = zenith[1] + (horizon[1] - zenith[1]) * share + (glow + disc) * sun_rgb[1]
    b = zenith[2] + (horizon[2] - zenith[2]) * share + (glow + disc) * sun_rgb[2]
    white = (1.0 - 0.35 * body) * (1.0 - 0.7 * math.exp(-8.0 * up)) * cloud
    lit = 0.75 if cover < 0.9 else 0.0
    grey = 1.0 if cover < 0.9 else 1.15
    r += (horizon[0] * grey * 0.85 + lit * 0.28 * sun_rgb[0] - r) * white
    g += (horizon[1] * grey * 0.85 + lit * 0.28 * sun_rgb[1] - g) * white
    b += (horizon[2] * grey * 0.85 + lit * 0.28 * sun_rgb[2] - b) * white
    if cover >= 0.9:  # a closed layer: darker and lighter billows
        tone = 0.82 + 0.36 * (body - 0.72) / 0.28 * cloud
        r, g, b = r * tone, g * tone, b * tone
    # Land below the skyline: dark green seen through much air, paler towards its foot.
    land = smoothstep(0.003, -0.003, z - ridge)
    if land > 0.0:
        pale = 0.62 + 0.2 * smoothstep(-0.06, 0.02, -abs(z))
        tone = 0.85 + 0.3 * value_noise(5.0 * cx, 60.0 * z, key + 3)
        r += (horizon[0] * pale * 0.72 * tone - r) * land
        g += (horizon[1] * pale * 0.80 * tone - g) * land
        b += (horizon[2] * pale * 0.74 * tone - b) * land
    return r, g, b


@njit(cache=True)
def sun_rays(
    depth: NDArray[np.float32], directions: NDArray[np.float32], eye: NDArray[np.float32],
    normal: NDArray[np.float32], kind: NDArray[np.uint8], sun: NDArray[np.float32],
    rays: NDArray[np.float32], pixel: NDArray[np.int32],
) -> int:  # fmt: skip
    """Rays towards the sun from the pixels that face it; returns how many of ``rays`` and ``pixel`` are filled."""
    count = 0
    for p in range(len(depth)):
        if depth[p] == np.inf:
            continue
        facing = normal[p, 0] * sun[0] + normal[p, 1] * sun[1] + normal[p, 2] * sun[2]
        if facing <= 0.0 and kind[p] not in (LEAVES, FOLIAGE):
            continue
        for k in range(3):
            away = OFFSET_M * normal[p, k] if facing > 0.0 else 0.0
            rays[count, k] = eye[k] + depth[p] * directions[p, k] + away + OFFSET_M * sun[k]
            rays[count, 3 + k] = sun[k]
        pixel[count] = p
        count += 1
    return count


@njit(cache=True)
def hemisphere_rays(
    depth: NDArray[np.float32], directions: NDArray[np.float32], eye: NDArray[np.float32],
    normal: NDArray[np.float32], width: int, height: int,
    rays: NDArray[np.float32], block: NDArray[np.int32],
) -> int:  # fmt: skip
    """A ray into the open from one pixel of every 2 x 2, in one of 16 directions about the normal and the zenith."""
    count, half = 0, (width + 1) // 2
    for i in range((height + 1) // 2):
        for j in range(half):
            p = 2 * i * width + 2 * j
            if depth[p] == np.inf:
                continue
            k = TILE[(i % 4) * 4 + j % 4]
            # Cosine-weighted points of a disc, raised to the hemisphere.
            radius, angle = math.sqrt((k + 0.5) / 16.0), 2.399963 * k
            lift = math.sqrt(1.0 - radius * radius)
            n0, n1, n2 = normal[p, 0], normal[p, 1], normal[p, 2]
            t0, t1, t2 = -n1, n0, 0.0
            length = math.hypot(t0, t1)
            if length < 1e-3:
                t0, t1, length = 1.0, 0.0, 1.0
            t0, t1 = t0 / length, t1 / length
            s0, s1, s2 = n1 * t2 - n2 * t1, n2 * t0 - n0 * t2, n0 * t1 - n1 * t0
            ca, sa = radius * math.cos(angle), radius * math.sin(angle)
            away = OFFSET_M * (1.0 + 0.05 * depth[p])
            rays[count, 0] = eye[0] + depth[p] * directions[p, 0] + away * n0
            rays[count, 1] = eye[1] + depth[p] * directions[p, 1] + away * n1
            rays[count, 2] = eye[2] + depth[p] * directions[p, 2] + away * n2
            rays[count, 3] = ca * t0 + sa * s0 + lift * n0
            rays[count, 4] = ca * t1 + sa * s1 + lift * n1
            rays[count, 5] = ca * t2 + sa * s2 + lift * n2
            block[count] = i * half + j
            count += 1
    return count


@njit(cache=True)
def openness(
    depth: NDArray[np.float32], width: int, height: int, back: int, free: NDArray[np.float32],
    result: NDArray[np.float32],
) -> None:  # fmt: skip
    """Mean of 4 x 4 neighbouring hemisphere rays at like depth: the share of the open that each block sees.

    Args:
        depth: (H * W,) of the pixels.
        width: of the picture.
        height: of the picture.
        back: how many of the 4 lie before the block.
        free: (blocks,) 1 where a block's ray met nothing.
        result: (blocks,) written.
    """
    rows, columns = (height + 1) // 2, (width + 1) // 2
    for i in range(rows):
        for j in range(columns):
            here = depth[2 * i * width + 2 * j]
            if here == np.inf:
                result[i * columns + j] = 1.0
                continue
            total, weight = 0.0, 0.0
            for k in range(max(i - back, 0), min(i - back + 4, rows)):
                for m in range(max(j - back, 0), min(j - back + 4, columns)):
                    if abs(depth[2 * k * width + 2 * m] - here) < LIKE * here + 0.05:
                        total += free[k * columns + m]
                        weight += 1.0
            result[i * columns + j] = total / weight if weight > 0.0 else free[i * columns + j]


@njit(cache=True, inline="always")
def _open_at(
    i: int, j: int, here: float, depth: NDArray[np.float32], width: int, rows: int, columns: int,
    share: NDArray[np.float32],
) -> float:  # fmt: skip
    """Openness of a pixel out of the nearest blocks at like depth."""
    total, weight = 1e-4 * share[(i // 2) * columns + j // 2], 1e-4
    for k in range(i // 2, min(i // 2 + 1 + (i & 1), rows)):
        for m in range(j // 2, min(j // 2 + 1 + (j & 1), columns)):
            if abs(depth[2 * k * width + 2 * m] - here) < LIKE * here + 0.05:
                total += share[k * columns + m]
                weight += 1.0
    return total / weight


@njit(cache=True)
def illuminate(
    depth: NDArray[np.float32], directions: NDArray[np.float32], width: int, height: int,
    albedo: NDArray[np.float32], kind: NDArray[np.uint8], lamp: NDArray[np.float32], normal: NDArray[np.float32],
    sunlit: NDArray[np.uint8], share: NDArray[np.float32], sun: NDArray[np.float32], sun_rgb: NDArray[np.float32],
    zenith: NDArray[np.float32], horizon: NDArray[np.float32], cover: float, haze_per_m: float, exposure: float,
    night: float, key: int, picture: NDArray[np.float32],
) -> None:  # fmt: skip
    """Display values (H * W, 3) of all pixels: surfaces in sun and sky light behind haze, or the sky."""
    rows, columns = (height + 1) // 2, (width + 1) // 2
    # Light from above and from the sunlit ground below.
    ambient = np.float32(0.68) * zenith + np.float32(0.52) * horizon + np.float32(0.05 * cover) * sun_rgb
    bounce = np.float32(0.16) * (ambient + sun_rgb * max(sun[2], np.float32(0.0)))
    for p in range(len(depth)):
        d0, d1, d2 = directions[p, 0], directions[p, 1], directions[p, 2]
        length = math.sqrt(d0 * d0 + d1 * d1 + d2 * d2)
        d0, d1, d2 = d0 / length, d1 / length, d2 / length
        if depth[p] == np.inf:
            r, g, b = sky(d0, d1, d2, sun, sun_rgb, zenith, horizon, cover, key)
        else:
            what, n0, n1, n2 = kind[p], normal[p, 0], normal[p, 1], normal[p, 2]
            free = _open_at(p // width, p % width, depth[p], depth, width, rows, columns, share)
            free *= 0.6 + 0.4 * free
            direct, upper = _reached(what, n0 * sun[0] + n1 * sun[1] + n2 * sun[2], n2)
            direct *= sunlit[p]
            above, below = upper * free, (1.0 - upper) * free
            r = albedo[p, 0] * (sun_rgb[0] * direct + ambient[0] * above + bounce[0] * below)
            g = albedo[p, 1] * (sun_rgb[1] * direct + ambient[1] * above + bounce[1] * below)
            b = albedo[p, 2] * (sun_rgb[2] * direct + ambient[2] * above + bounce[2] * below)
            base, gloss, sharp = _gloss(what)
            if gloss > 0.0:
                cosine = min(max(-(d0 * n0 + d1 * n1 + d2 * n2), 0.0), 1.0)
                m0, m1, m2 = d0 + 2 * cosine * n0, d1 + 2 * cosine * n1, d2 + 2 * cosine * n2
                mirror = gloss * (base + (1.0 - base) * (1.0 - cosine) ** 5)
                spot = 6.0 * sunlit[p] * max(m0 * sun[0] + m1 * sun[1] + m2 * sun[2], 0.0) ** sharp
                # What stands along a street hides the lower sky.
                clear, dim = smoothstep(0.02, 0.40, m2), 0.3 + 0.7 * free
                high = max(math.exp(-3.2 * max(m2, 0.0)), 0.8 * cover)
                r += mirror * (_mirrored(zenith[0], horizon[0], bounce[0], high, clear) * dim + spot * sun_rgb[0])
                g += mirror * (_mirrored(zenith[1], horizon[1], bounce[1], high, clear) * dim + spot * sun_rgb[1])
                b += mirror * (_mirrored(zenith[2], horizon[2], bounce[2], high, clear) * dim + spot * sun_rgb[2])
            if lamp[p] > 0.0:
                tint, level = _own_light(what, lamp[p], ambient[1], night)
                r += level * (tint * 0.9 + (1.0 - tint) * albedo[p, 0])
                g += level * (tint * 0.62 + (1.0 - tint) * albedo[p, 1])
                b += level * (tint * 0.3 + (1.0 - tint) * albedo[p, 2])
            air = math.exp(-haze_per_m * depth[p] * length)
            r = r * air + horizon[0] * 0.9 * (1.0 - air)
            g = g * air + horizon[1] * 0.9 * (1.0 - air)
            b = b * air + horizon[2] * 0.9 * (1.0 - air)
        picture[p, 0], picture[p, 1], picture[p, 2] = tone(r * exposure), tone(g * exposure), tone(b * exposure)


@njit(cache=True, inline="always")
def _reached(what: int, facing: float, up: float) -> tuple[float, float]:
    """Shares of the sun's and of the upper sky's light that a surface takes up."""
    if what in (LEAVES, FOLIAGE):  # light scatters within and shines through
        return 0.35 + 0.55 * abs(facing), 0.75 + 0.25 * abs(up)
    if what == GRASS:
        facing = 0.15 + 0.8 * facing
    return max(facing, 0.0), 0.5 + 0.5 * up


@njit(cache=True, inline="always")
def _mirrored(zenith: float, horizon: float, bounce: float, high: float, clear: float) -> float:
    """One channel of what a mirror shows: the sky where it is clear, else the street."""
    sky_ = zenith + (horizon - zenith) * high
    return 1.5 * bounce + (sky_ - 1.5 * bounce) * clear


@njit(cache=True, inline="always")
def _own_light(what: int, own: float, ambient: float, night: float) -> tuple[float, float]:
    """How warm (1 a room, 0 the colour of the lens) and how bright a surface glows."""
    if what == WINDOW:
        return 1.0, own * night
    # Lenses and reflecting sheets send light back; at night lamps burn.
    return 0.0, own * (0.25 * ambient + 2.0 * night) if what == LAMP else 0.8 * own * ambient


@njit(cache=True, inline="always")
def _gloss(what: int) -> tuple[float, float, float]:
    """Reflectance at normal incidence, share of the surface that mirrors, exponent of the highlight."""
    if what in (CAR_PAINT, PAINT, BUS_PAINT):
        return 0.045, 0.9, 180.0
    if what == CAR_GLASS:
        return 0.07, 1.0, 900.0
    if what == WINDOW:
        return 0.12, 1.0, 900.0
    if what == METAL:
        return 0.30, 0.45, 30.0
    return 0.0, 0.0, 1.0


@njit(cache=True, inline="always")
def tone(x: float) -> float:
    """``display_curve`` out of a table, which is ten times as quick."""
    place = math.sqrt(min(max(x, 0.0), BRIGHTEST)) * STEPS / math.sqrt(BRIGHTEST)
    below = min(int(place), STEPS - 1)
    return CURVE[below] + (CURVE[below + 1] - CURVE[below]) * (place - below)


@njit(cache=True)
def develop(picture: NDArray[np.float32], noise: NDArray[np.float32], sigma: float, result: NDArray[np.uint8]) -> None:
    """Blur by the lens, then sensor noise, then 8 bits.

    Args:
        picture: (H, W, 3) display values.
        noise: (H, W, 3) standard normal.
        sigma: noise of a mid grey, in display values.
        result: (H, W, 3), written.
    """
    rows, columns = picture.shape[:2]
    edge, middle = np.float32(0.17), np.float32(0.66)
    line = np.empty((columns, 3), np.float32)
    for i in range(rows):
        above, below = picture[max(i - 1, 0)], picture[min(i + 1, rows - 1)]
        for j in range(columns):
            for k in range(3):
                line[j, k] = edge * (above[j, k] + below[j, k]) + middle * picture[i, j, k]
        for j in range(columns):
            left, right = max(j - 1, 0), min(j + 1, columns - 1)
            for k in range(3):
                value = edge * (line[left, k] + line[right, k]) + middle * line[j, k]
                value += sigma * (0.6 + 0.8 * value) * noise[i, j, k]
                result[i, j, k] = np.uint8(min(max(value, 0.0), 1.0) * 255.0 + 0.5)
