"""What lies along the street: blocks of fixed length, each side cut into lots, each lot with its ground.

A block depends on the street and its index alone, so that any stretch of the endless street can be built by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from perception3d.simulation.labels import Label
from perception3d.simulation.materials import Material
from perception3d.simulation.mesh import Mesh, grid, merge
from perception3d.simulation.street import LIMIT_M, Frame, Street

BLOCK_M = 32.0
KERB_M = 0.15
SITE_M = 14.0  # depth of a work site
BAY_M = 0.06  # parking bays are paved, a low step above the road
SKIRT_M = 0.35
WALK_M = 2.5  # width of the sidewalks of a side street
# Kinds of lot by theme of the street. Each side draws them like cards, so that no kind is ever long absent.
THEMES = {
    "urban": ("facade",) * 3 + ("garden",) * 3 + ("green",) * 2 + ("plaza",) * 2 + ("yard",),
    "suburban": ("garden",) * 4 + ("green",) * 3 + ("plaza",) * 2 + ("facade", "yard", "rural"),
    "rural": ("rural",) * 4 + ("green",) * 3 + ("garden",) * 2 + ("plaza",) * 2 + ("yard",),
}
# Added to each theme where the street has work sites, which also has more parked cars.
CITY_KINDS = ("site",) * 2 + ("yard",) * 3
CITY_PARKING = 3.4
CITY_YARD_M = 3.0  # deeper, for two rows of cars and an aisle
VERGE_SHARE = 0.35
PARKING_SHARE = {"facade": 0.45, "garden": 0.3, "green": 0.25, "yard": 0.1, "plaza": 0.2, "rural": 0.05, "site": 0.2}
GROUND = {
    Label.ROAD: Material.ASPHALT,
    Label.PARKING: Material.PAVING,
    Label.SIDEWALK: Material.CONCRETE,
    Label.OTHER_GROUND: Material.GRAVEL,
    Label.TERRAIN: Material.GRASS,
}


@dataclass(frozen=True)
class Lot:
    """One side of the street over a stretch.

    Attributes:
        kind: one of ``KINDS``, or "crossing" (a side street) or "corner" (the land beside one).
        side: 1 left, -1 right.
        start_m: first s.
        end_m: last s.
        parking_m: width of the parking lane at the edge of the road, 0 for none.
        verge_m: width of the grass between road and sidewalk, 0 for none.
        walk_m: width of the sidewalk, 0 for none.
        depth_m: depth of the yard, plaza or shoulder behind it.
        road_m: half width of the main road.
    """

    kind: str
    side: int
    start_m: float
    end_m: float
    parking_m: float
    verge_m: float
    walk_m: float
    depth_m: float
    road_m: float

    @property
    def length_m(self) -> float:
        """Extent along the street."""
        return self.end_m - self.start_m

    @property
    def kerb_m(self) -> float:
        """Distance of the kerb from the centre line."""
        return self.road_m + self.parking_m

    @property
    def walk_from_m(self) -> float:
        """Distance of the sidewalk from the centre line."""
        return self.road_m + self.parking_m + self.verge_m

    @property
    def land_from_m(self) -> float:
        """Distance of the land behind the sidewalk from the centre line."""
        return self.walk_from_m + self.walk_m

    @property
    def lift_m(self) -> float:
        """Height of the land over the road: a kerb where there is a sidewalk."""
        return KERB_M if self.walk_m else 0.0

    @property
    def walker_m(self) -> float:
        """Where people walk, as a distance from the centre line."""
        return self.walk_from_m + 0.55 * self.walk_m if self.walk_m else self.road_m + 0.6


def plan(street: Street, index: int) -> tuple[Lot, ...]:
    """The lots of one block, both sides."""
    rng = street.rng("plan", index)
    start = index * BLOCK_M
    crossing = rng.random() < 0.16
    sides = (1, -1) if rng.random() < 0.6 else (int(rng.choice([1, -1])),)
    lots: list[Lot] = []
    for side in (1, -1):
        if crossing and side in sides:
            cuts = [("corner", 0.0, 8.0), ("crossing", 8.0, 22.0), ("corner", 22.0, BLOCK_M)]
        elif rng.random() < 0.5:
            first, second = _kind(street, side, 2 * index), _kind(street, side, 2 * index + 1)
            cuts = [(first, 0.0, BLOCK_M / 2), (second, BLOCK_M / 2, BLOCK_M)]
        else:
            cuts = [(_kind(street, side, 2 * index + int(rng.integers(2))), 0.0, BLOCK_M)]
        lots += [_lot(street, rng, kind, side, start + low, start + high) for kind, low, high in cuts]
    return tuple(lots)


def _kind(street: Street, side: int, place: int) -> str:
    kinds = THEMES[street.theme] + (CITY_KINDS if street.worksites else ())
    return kinds[street.card(len(kinds), place, "kinds", side)]


def _lot(street: Street, rng: np.random.Generator, kind: str, side: int, start: float, end: float) -> Lot:
    share = PARKING_SHARE.get(kind, 0.0) * (CITY_PARKING if street.worksites else 1.0)
    parking = rng.uniform(2.2, 2.5) if rng.random() < share else 0.0
    walk = 0.0 if kind == "rural" else rng.uniform(1.6, 3.2)
    verge = rng.uniform(1.2, 2.4) if walk and not parking and kind != "crossing" and rng.random() < VERGE_SHARE else 0.0
    depth = {"yard": rng.uniform(10.0, 15.0), "plaza": rng.uniform(6.0, 12.0)}.get(kind, rng.uniform(1.0, 2.4))
    if street.worksites and kind == "yard":
        depth += CITY_YARD_M
    depth = SITE_M if kind == "site" else depth
    return Lot(kind, side, start, end, parking, verge, walk, depth, street.half_width_m)


@dataclass(frozen=True)
class Zone:
    """A strip of ground: its extent from the centre line outwards, its label and how far it stands above the road."""

    inner_m: float
    outer_m: float
    label: Label
    lift_m: float


def zones(lot: Lot) -> list[Zone]:
    """The strips of ground of a lot, from the edge of the road outwards."""
    strips = []
    if lot.parking_m:
        strips.append(Zone(lot.road_m, lot.kerb_m, Label.PARKING, BAY_M))
    if lot.verge_m:
        strips.append(Zone(lot.kerb_m, lot.walk_from_m, Label.TERRAIN, lot.lift_m))
    if lot.walk_m:
        strips.append(Zone(lot.walk_from_m, lot.land_from_m, Label.SIDEWALK, lot.lift_m))
    land = lot.land_from_m
    if lot.kind in ("yard", "plaza", "rural", "site"):
        label = Label.PARKING if lot.kind == "yard" else Label.OTHER_GROUND
        lift = BAY_M if lot.kind == "yard" else lot.lift_m + 0.02
        strips.append(Zone(land, land + lot.depth_m, label, lift))
        land += lot.depth_m
    return [*strips, Zone(land, LIMIT_M, Label.TERRAIN, lot.lift_m)]


def ground(frame: Frame, street: Street, index: int, lots: tuple[Lot, ...]) -> list[Mesh]:
    """The ground of one block: the road and the strips of each lot."""
    start, end = index * BLOCK_M, (index + 1) * BLOCK_M
    patches = [patch(frame, start, end, -street.half_width_m, street.half_width_m, Label.ROAD, 0.0)]
    for lot in lots:
        if lot.kind == "crossing":
            patches += _side_street(frame, lot)
            continue
        for zone in zones(lot):
            near, far = sorted((lot.side * zone.inner_m, lot.side * zone.outer_m))
            patches.append(patch(frame, lot.start_m, lot.end_m, near, far, zone.label, zone.lift_m))
    return patches


def _side_street(frame: Frame, lot: Lot) -> list[Mesh]:
    """A road square to the main one between two sidewalks."""
    near, far = sorted((lot.side * lot.road_m, lot.side * LIMIT_M))
    cuts = (
        (0.0, WALK_M, Label.SIDEWALK, KERB_M),
        (WALK_M, lot.length_m - WALK_M, Label.ROAD, 0.0),
        (lot.length_m - WALK_M, lot.length_m, Label.SIDEWALK, KERB_M),
    )
    return [
        patch(frame, lot.start_m + low, lot.start_m + high, near, far, label, lift) for low, high, label, lift in cuts
    ]


def patch(frame: Frame, start: float, end: float, near: float, far: float, label: Label, lift: float) -> Mesh:
    """A strip of ground between s = start..end and d = near..far, with skirts that close steps to its neighbours."""
    s = np.linspace(start, end, max(2, round((end - start) / 2.0) + 1))
    columns = _columns(near, far)
    points = frame.points(s[:, None], columns[None], lift)
    strip = np.stack(np.broadcast_arrays(s[:, None], columns[None], lift), axis=-1)
    mesh = _with_skirts(points, GROUND[label]).labelled(label)
    return replace(mesh, rest=_with_skirts(strip, GROUND[label]).rest)


def _with_skirts(points: NDArray[np.float64], material: Material) -> Mesh:
    edges = (points[0], points[-1], points[:, 0], points[:, -1])
    skirts = [grid(np.stack([edge, edge - [0, 0, SKIRT_M]]), material) for edge in edges]
    return merge([grid(points, material), *skirts])


def _columns(near: float, far: float) -> NDArray[np.float64]:
    """Breakpoints across a strip, fine near the street and coarser away from it."""
    out = np.array([8.0, 10.0, 13.0, 16.0, 20.0, 24.0, 30.0, 40.0, 60.0])
    fixed = np.concatenate([-out[::-1], [0.0], out])
    inside = fixed[(fixed > near + 0.3) & (fixed < far - 0.3)]
    return np.concatenate([[near], inside, [far]])
