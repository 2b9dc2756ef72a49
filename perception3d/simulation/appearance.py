"""What the triangles of a scene look like: base colour, pattern and texture coordinates.

Colours are drawn by hashing what an object already has (its remission gains), so that no random stream is touched and
an object keeps its colour wherever and whenever it is seen.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from perception3d.simulation.labels import Label
from perception3d.simulation.materials import COLOURS, Material
from perception3d.simulation.palettes import BLOCKS, FRAMES, HAIR, MACHINES, PALETTES, ROOFS, TROUSERS, Choice, linear

if TYPE_CHECKING:
    from perception3d.simulation.scene import Placed


class Pattern(IntEnum):
    """How a surface departs from its base colour; ``textures.py`` paints them."""

    PLAIN = 0
    ASPHALT = 1
    COBBLES = 2
    SLABS = 3
    GRAVEL = 4
    GRASS = 5
    MARKING = 6
    PLASTER = 7
    BRICKS = 8
    WINDOW = 9
    BOARDS = 10
    METAL = 11
    LEAVES = 12
    BARK = 13
    PAINT = 14
    CAR_PAINT = 15
    LAMP = 16
    CLOTH = 17
    SIGN_DISC = 18
    SIGN_TRIANGLE = 19
    SIGN_BOARD = 20
    PLATE = 21
    ROOF = 22
    TARPAULIN = 23
    RED_WHITE = 24
    SIGNAL = 25
    CAR_GLASS = 26
    BUS_PAINT = 27
    FOLIAGE = 28


OF_MATERIAL = {
    Material.ASPHALT: Pattern.ASPHALT,
    Material.PAVING: Pattern.COBBLES,
    Material.CONCRETE: Pattern.SLABS,
    Material.GRAVEL: Pattern.GRAVEL,
    Material.GRASS: Pattern.GRASS,
    Material.MARKING: Pattern.MARKING,
    Material.PLASTER: Pattern.PLASTER,
    Material.BRICK: Pattern.BRICKS,
    Material.GLASS: Pattern.CAR_GLASS,
    Material.WOOD: Pattern.BOARDS,
    Material.METAL: Pattern.METAL,
    Material.LEAVES: Pattern.LEAVES,
    Material.BARK: Pattern.BARK,
    Material.PAINT: Pattern.PAINT,
    Material.RUBBER: Pattern.PLAIN,
    Material.RETROREFLECTOR: Pattern.LAMP,
    Material.CLOTH: Pattern.CLOTH,
    Material.SKIN: Pattern.PLAIN,
    Material.PLASTIC: Pattern.PLAIN,
    Material.TARPAULIN: Pattern.TARPAULIN,
}
# Standing and moving ids of what carries tail lamps and headlamps; cars and their like carry number plates.
CARS = (Label.CAR, 252)
PEOPLE = (Label.PERSON, Label.BICYCLIST, Label.MOTORCYCLIST, 253, 254, 255)
LARGE = (Label.BUS, 257)
TRUCKS = (Label.TRUCK, 258)
TRIM_M = 0.7  # plastic parts of lorries smaller than this are mirrors and bumpers, larger ones bodies
NO_LAMPS = (Label.TRAFFIC_SIGN, Label.TRAFFIC_CONE, Label.BARRIER)
WORKS = (Label.CONSTRUCTION_VEHICLE, 312)
# Corners of a sign's outline by the number of triangles of its plate: two caps of n - 2 and n sides of 2.
SIGNS = {8: Pattern.SIGN_TRIANGLE, 12: Pattern.SIGN_BOARD, 28: Pattern.SIGN_DISC, 44: Pattern.SIGN_DISC}
BOARD_HALF_M = 0.6  # signs wider than this are direction boards


@dataclass(frozen=True)
class Appearance:
    """Looks of T triangles.

    Attributes:
        table: float32 (T, 12) texture coordinates of the three corners, then linear RGB of the surface.
        pattern: uint8 (T,) ``Pattern``.
        seed: int64 (T,) number that the pattern is drawn from: one per object, for windows and leaves one per face.
    """

    table: NDArray[np.float32]
    pattern: NDArray[np.uint8]
    seed: NDArray[np.int64]


@dataclass(frozen=True)
class _Faces:
    """Triangles of all objects of a scene, flattened; coordinates are those the objects were made in."""

    label: NDArray[np.uint16]
    material: NDArray[np.uint8]
    key: NDArray[np.uint32]
    first: NDArray[np.int64]
    corners: NDArray[np.float32]
    middle: NDArray[np.float32]
    up: NDArray[np.float32]
    loose: NDArray[np.bool_]
    start: NDArray[np.int64]


def appearance(objects: Sequence[Placed]) -> Appearance:
    """Looks of the triangles of placed meshes, in the order of ``Scene``."""
    faces = _flatten(objects)
    rgb = np.asarray(linear([COLOURS[material] for material in Material]))[faces.material]
    pattern = np.array([OF_MATERIAL[material] for material in Material], np.uint8)[faces.material]
    corners = faces.corners.copy()
    for choice in PALETTES:
        _recolour(faces, choice, rgb)
    _dress(faces, rgb)
    _vehicles(faces, rgb, pattern)
    _houses(faces, rgb, pattern)
    _works(faces, rgb, pattern)
    _signs(faces, pattern, corners)
    pattern[(pattern == Pattern.LEAVES) & ~faces.loose] = Pattern.FOLIAGE
    seed = faces.key.astype(np.int64)
    each = np.isin(pattern, [Pattern.WINDOW, Pattern.LEAVES])
    seed[each] = mixed(faces.key[each], faces.first[each])
    table = np.concatenate([corners.reshape(-1, 9), rgb], axis=1).astype(np.float32)
    return Appearance(table, pattern, seed)


def _flatten(objects: Sequence[Placed]) -> _Faces:
    counts = np.array([len(placed.mesh.triangles) for placed in objects], np.int64)
    keys = np.array([zlib.crc32(placed.gain.tobytes()) for placed in objects], np.uint32)
    corners = np.concatenate([placed.mesh.rest[placed.mesh.triangles] for placed in objects])
    for start, placed in zip(np.cumsum(counts) - counts, objects, strict=True):
        if placed.mesh.label[0] == Label.LANE_MARKING:  # made in the world, whose origin moves
            corners[start : start + len(placed.mesh.triangles)] -= placed.mesh.rest[0]
    up = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    up = np.abs(up[:, 2]) / np.maximum(np.linalg.norm(up, axis=1), 1e-12)
    triangles = np.concatenate([placed.mesh.triangles for placed in objects]).astype(np.int64)
    return _Faces(
        label=np.concatenate([placed.mesh.label for placed in objects]),
        material=np.concatenate([placed.mesh.material for placed in objects]),
        key=np.repeat(keys, counts),
        first=triangles[:, 0],
        corners=corners,
        middle=corners.mean(axis=1),
        up=up,
        # Single leaves are triangles of their own corners, unlike the faces of the core they surround.
        loose=(triangles[:, 1] == triangles[:, 0] + 1) & (triangles[:, 2] == triangles[:, 0] + 2),
        start=np.repeat(np.cumsum(counts) - counts, counts),
    )


def mixed(key: NDArray[np.integer], other: NDArray[np.integer] | int) -> NDArray[np.int64]:
    """Numbers of 31 bits that look random in both arguments."""
    with np.errstate(over="ignore"):
        value = key.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.asarray(other).astype(np.uint64)
        value = (value ^ (value >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(32))) * np.uint64(0x94D049BB133111EB)
    return (value >> np.uint64(33)).astype(np.int64)


def unit(key: NDArray[np.integer], channel: int) -> NDArray[np.float32]:
    """Numbers in 0 ... 1, one per key and channel."""
    return (mixed(key, channel) / 2.0**31).astype(np.float32)


def picked(choice: Choice, key: NDArray[np.integer], channel: int) -> NDArray[np.float32]:
    """(N, 3) linear colours out of a palette, each a little lighter or darker."""
    weights = np.cumsum([weight for weight, _ in choice.colours])
    index = np.searchsorted(weights / weights[-1], unit(key, channel), side="right")
    colour = linear([rgb for _, rgb in choice.colours])[np.minimum(index, len(weights) - 1)]
    spread = choice.spread * (2 * unit(key, channel + 1) - 1)
    return (colour * (1 + spread[:, None])).astype(np.float32)


def _recolour(faces: _Faces, choice: Choice, rgb: NDArray[np.float32]) -> None:
    """One colour per object for the given material on the given labels."""
    chosen = faces.material == choice.material
    if choice.labels:
        chosen &= np.isin(faces.label, choice.labels)
    rgb[chosen] = picked(choice, faces.key[chosen], 16 * int(choice.material))


def _dress(faces: _Faces, rgb: NDArray[np.float32]) -> None:
    """Hair above the head, trousers or skirt below the hips, a top between them."""
    cloth = np.isin(faces.label, PEOPLE) & (faces.material == Material.CLOTH)
    x, y, z = faces.middle[cloth].T
    levels = faces.corners[cloth][:, :, 2]
    # Half way between the ends, not the mean of the corners: a facet of two triangles is one garment.
    low = ((levels.min(axis=1) + levels.max(axis=1)) / 2 < 0.96) & (np.abs(y) < 0.21) & (x > -0.3)
    key = faces.key[cloth]
    colour = rgb[cloth]
    colour[low] = picked(TROUSERS, key[low], 500)
    hair = (z > 1.6) & (np.abs(y) < 0.13)
    colour[hair] = picked(HAIR, key[hair], 600)
    rgb[cloth] = colour


def _vehicles(faces: _Faces, rgb: NDArray[np.float32], pattern: NDArray[np.uint8]) -> None:
    """Head and tail lamps, number plates, shut lines and grilles of cars, stripes of buses, dark trim of lorries."""
    lamp = (faces.material == Material.RETROREFLECTOR) & ~np.isin(faces.label, NO_LAMPS)
    x, y, _ = faces.middle.T
    plate = lamp & np.isin(faces.label, CARS) & (np.abs(y) < 0.3)
    rgb[lamp & (x < 0)] = linear([(170, 12, 10)])
    rgb[lamp & (x >= 0)] = linear([(225, 228, 230)])
    rgb[plate] = linear([(225, 225, 215)])
    pattern[plate] = Pattern.PLATE
    small = np.sort(np.ptp(faces.corners, axis=1), axis=1)[:, 1] < TRIM_M
    trim = small & (faces.material == Material.PLASTIC) & np.isin(faces.label, TRUCKS)
    rgb[trim] = linear([COLOURS[Material.PLASTIC]])
    painted = faces.material == Material.PAINT
    pattern[painted & np.isin(faces.label, CARS)] = Pattern.CAR_PAINT
    pattern[painted & np.isin(faces.label, LARGE)] = Pattern.BUS_PAINT


def _houses(faces: _Faces, rgb: NDArray[np.float32], pattern: NDArray[np.uint8]) -> None:
    """Windows, white frames, roofs of tiles or slate."""
    house = faces.label == Label.BUILDING
    pattern[house & (faces.material == Material.GLASS)] = Pattern.WINDOW
    roof = house & (faces.material == Material.BRICK) & (faces.up > 0.1) & (faces.middle[:, 2] > 2.6)
    rgb[roof] = picked(ROOFS, faces.key[roof], 700)
    pattern[roof] = Pattern.ROOF
    narrow = np.ptp(faces.corners[:, :, 0], axis=1) < 0.11
    frame = house & (faces.material == Material.WOOD) & narrow
    rgb[frame] = picked(FRAMES, faces.key[frame], 800)
    pattern[frame] = Pattern.PLAIN
    pattern[(faces.material == Material.CONCRETE) & (faces.label != Label.SIDEWALK)] = Pattern.PLASTER


def _works(faces: _Faces, rgb: NDArray[np.float32], pattern: NDArray[np.uint8]) -> None:
    """Orange cones with white bands, red and white barriers, yellow machines."""
    cone, barrier = faces.label == Label.TRAFFIC_CONE, faces.label == Label.BARRIER
    sheet, plastic = faces.material == Material.RETROREFLECTOR, faces.material == Material.PLASTIC
    rgb[cone & plastic] = linear([(255, 84, 16)])
    rgb[(cone | barrier) & sheet] = linear([(232, 232, 226)])
    pattern[cone & sheet] = Pattern.PLAIN
    pattern[barrier & sheet] = Pattern.RED_WHITE
    block = barrier & plastic
    rgb[block] = picked(BLOCKS, faces.key[block], 900)
    machine = np.isin(faces.label, WORKS) & (faces.material == Material.PAINT)
    rgb[machine] = picked(MACHINES, faces.key[machine], 1000)


def _signs(faces: _Faces, pattern: NDArray[np.uint8], corners: NDArray[np.float32]) -> None:
    """Outline and texture coordinates of signs and signal heads: from their middle, in half widths."""
    sign = (faces.label == Label.TRAFFIC_SIGN) & (faces.material == Material.RETROREFLECTOR)
    for run in _runs(sign, faces.start):
        kind = SIGNS.get(run.stop - run.start, Pattern.PLAIN)
        half = _centre(corners[run])
        if kind == Pattern.SIGN_BOARD:
            corners[run][:, :, 0] += 10.0 * (half > BOARD_HALF_M)
        pattern[run] = kind
    head = (faces.label == Label.OTHER_OBJECT) & (faces.material == Material.PLASTIC) & (faces.middle[:, 2] > 1.5)
    for run in _runs(head, faces.start):
        _centre(corners[run])
        pattern[run] = Pattern.SIGNAL


def _centre(corners: NDArray[np.float32]) -> float:
    """Move the corners (K, 3, 3) of a plate to its middle and scale y, z by its half width, which is returned."""
    low, high = corners.min(axis=(0, 1)), corners.max(axis=(0, 1))
    half = float((high[1] - low[1]) / 2)
    corners -= (low + high) / 2
    corners[:, :, 1:] /= half
    return half


def _runs(chosen: NDArray[np.bool_], start: NDArray[np.int64]) -> list[slice]:
    """Stretches of consecutive chosen triangles of one object."""
    index = np.flatnonzero(chosen)
    if not len(index):
        return []
    cut = np.flatnonzero((np.diff(index) > 1) | (np.diff(start[index]) != 0)) + 1
    return [slice(int(part[0]), int(part[-1]) + 1) for part in np.split(index, cut)]
