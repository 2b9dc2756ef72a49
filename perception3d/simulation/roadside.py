"""One block of the street: ground, road furniture, parked vehicles, sidewalk, and the lots behind."""

from __future__ import annotations

import numpy as np

from perception3d.simulation import cycles, furniture, nature, worksite
from perception3d.simulation.blocks import BAY_M, BLOCK_M, KERB_M, Lot, ground, patch, plan
from perception3d.simulation.builder import Builder
from perception3d.simulation.labels import Label
from perception3d.simulation.lots import LOTS, Maker, bystander, parked
from perception3d.simulation.scene import Placed
from perception3d.simulation.street import Frame, Street


def block(frame: Frame, street: Street, index: int) -> list[Placed]:
    """The ground and all standing objects of one block."""
    builder, lots = Builder(frame, street, index), plan(street, index)
    for mesh in ground(frame, street, index, lots):
        builder.add(mesh)
    _road_furniture(builder, lots)
    for lot in lots:
        if lot.parking_m:
            _parked_row(builder, lot)
        if lot.walk_m and lot.kind != "crossing":
            _sidewalk(builder, lot)
        LOTS[lot.kind](builder, lot)
    return builder.placed


def _road_furniture(b: Builder, lots: tuple[Lot, ...]) -> None:
    """Lane marking, zebra crossings at side streets, and now and then a traffic island with keep-right signs."""
    start, rng = b.index * BLOCK_M, b.rng
    crossings = [lot for lot in lots if lot.kind == "crossing"]
    if not crossings:
        for s in np.arange(start + 1.0, start + BLOCK_M, 8.0):
            b.add(furniture.painted([_stripe(b.frame, s, s + 3.5, -0.07, 0.07)]))
        if rng.random() < 0.3:
            _island(b, start + rng.uniform(6.0, BLOCK_M - 14.0))
        elif b.street.worksites and rng.random() < 0.35:
            _median(b, start + rng.uniform(2.0, 8.0))
    elif rng.random() < 0.6:
        bars = np.arange(-b.street.half_width_m + 0.4, b.street.half_width_m - 0.5, 1.0)
        s = crossings[0].start_m - 1.5
        b.add(furniture.painted([_stripe(b.frame, s, s + 3.0, d, d + 0.5) for d in bars]))


def _stripe(frame: Frame, s0: float, s1: float, d0: float, d1: float) -> list[list[float]]:
    return frame.points(np.array([s0, s1, s1, s0]), np.array([d0, d0, d1, d1]), 0.012).tolist()


def _island(b: Builder, s: float) -> None:
    length = b.rng.uniform(5.0, 8.0)
    b.add(patch(b.frame, s, s + length, -0.6, 0.6, Label.OTHER_GROUND, KERB_M))
    for at, facing in ((s + 0.6, 0.0), (s + length - 0.6, np.pi)):
        b.at(furniture.sign(b.rng), at, 0.0, facing, KERB_M)


def _median(b: Builder, s: float) -> None:
    """A row of barriers between the lanes, with cones before and behind it."""
    rng, spacing = b.rng, b.rng.uniform(*worksite.BARRIER_SPACING_M)
    maker, count = worksite.BARRIERS[int(rng.integers(len(worksite.BARRIERS)))], int(rng.integers(3, 7))
    for i in range(-2, count + 2):
        mesh = worksite.barrier(rng, maker) if 0 <= i < count else worksite.traffic_cone(rng)
        b.at(mesh, s + 2.0 + i * spacing, rng.normal(0, 0.05), np.pi / 2 + rng.normal(0, 0.03), 0.0)


def _parked_row(b: Builder, lot: Lot) -> None:
    """Vehicles one behind the other in the parking lane, most of them in the direction of travel."""
    full = CITY_FULL if b.street.worksites else FULL
    s, middle, rng = lot.start_m + _gap(b.rng, full), lot.road_m + lot.parking_m / 2, b.rng
    while True:
        mesh = parked(b.street, rng)
        length = float(np.ptp(mesh.vertices[:, 0]))
        if s + length > lot.end_m - 0.5:
            return
        turn = (np.pi if lot.side > 0 else 0.0) + (np.pi if rng.random() < 0.15 else 0.0) + rng.normal(0, 0.03)
        at = s + length / 2 - float(np.mean([mesh.vertices[:, 0].min(), mesh.vertices[:, 0].max()])) * np.cos(turn)
        b.at(mesh, at, lot.side * (middle + rng.normal(0, 0.08)), turn, BAY_M)
        s += length + _gap(rng, full)


def _gap(rng: np.random.Generator, full: float) -> float:
    """Distance to the next parked vehicle: bumper to bumper (that share of the gaps), or a free place."""
    return float(rng.uniform(0.6, 1.4) if rng.random() < full else rng.uniform(3.0, 8.0))


# What stands along the sidewalk, drawn like cards so that a short drive meets it all; None leaves a place free.
AT_KERB: tuple[Maker | None, ...] = (
    *(furniture.lamp,) * 3,
    *(furniture.sign,) * 3,
    *(cycles.bicycle,) * 3,
    furniture.bollards,
    nature.sapling,
    furniture.utility_pole,
    None,
)
AT_WALL: tuple[Maker | None, ...] = (
    *(bystander,) * 4,
    cycles.bicycle,
    *(cycles.motorcycle,) * 2,
    furniture.bins,
    *(None,) * 2,
)
# The same for worlds with work sites, where cycles are as rare as in nuScenes.
CITY_AT_KERB = tuple(maker for maker in AT_KERB if maker is not cycles.bicycle) + (None,) * 3
CITY_AT_WALL: tuple[Maker | None, ...] = (
    *(bystander,) * 8,
    *(cycles.bicycle,) * 2,
    *(cycles.motorcycle,) * 2,
    *(furniture.bins,) * 2,
    *(None,) * 6,
)
FULL, CITY_FULL = 0.6, 0.85  # share of parked vehicles that stand bumper to bumper
CARD_M = 6.0


def _sidewalk(b: Builder, lot: Lot) -> None:
    """Lamps, signs and parked cycles at the kerb; people, cycles and bins by the wall."""
    rng = b.rng
    deck, wall = (CITY_AT_KERB, CITY_AT_WALL) if b.street.worksites else (AT_KERB, AT_WALL)
    for s in b.spots(lot, 7.0):
        maker = deck[b.street.card(len(deck), int(s / CARD_M), "kerb", lot.side)]
        if maker is furniture.sign:
            b.traffic_facing(lot, furniture.sign(rng), s, lot.kerb_m + 0.4)
        elif maker:
            b.beside(lot, maker(rng), s, lot.kerb_m + 0.4, rng.normal(0, 0.08))
    for s in b.spots(lot, 7.0, 2.0):
        maker = wall[b.street.card(len(wall), int(s / CARD_M), "wall", lot.side)]
        if maker:
            b.beside(lot, maker(rng), s, lot.land_from_m - 0.45, rng.normal(0, 0.08))
