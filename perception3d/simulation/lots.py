"""What stands on a lot behind the sidewalk: one function per kind of lot, each a few rows of objects."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from perception3d.simulation import buildings, cycles, furniture, nature, people, vehicles, worksite
from perception3d.simulation.blocks import BAY_M, KERB_M, Lot
from perception3d.simulation.builder import Builder
from perception3d.simulation.mesh import Mesh
from perception3d.simulation.street import Street

Maker = Callable[[np.random.Generator], Mesh]
PARKED: tuple[tuple[Maker, float], ...] = (
    (vehicles.car, 0.68),
    (vehicles.truck, 0.06),
    (vehicles.other_vehicle, 0.09),
    (cycles.motorcycle, 0.17),
)

# The same where the street has work sites: nuScenes' towns are lined with cars.
CITY_PARKED: tuple[tuple[Maker, float], ...] = (
    (vehicles.car, 0.84),
    (vehicles.truck, 0.09),
    (vehicles.caravan, 0.02),
    (cycles.motorcycle, 0.05),
)


def parked(street: Street, rng: np.random.Generator) -> Mesh:
    """A vehicle as they stand in parking lanes."""
    kinds = CITY_PARKED if street.worksites else PARKED
    return kinds[int(rng.choice(len(kinds), p=[share for _, share in kinds]))][0](rng)


def bystander(rng: np.random.Generator) -> Mesh:
    """Somebody who stands about, looking anywhere."""
    return people.person(rng, walking=False).placed([0, 0, 0], rng.uniform(0, 2 * np.pi))


def _facade(b: Builder, lot: Lot) -> None:
    """House fronts wall to wall at the back of the sidewalk, here and there a gateway."""
    s, rng = lot.start_m, b.rng
    while s < lot.end_m - 4.0:
        length = min(rng.uniform(7.0, 14.0), lot.end_m - s)
        if rng.random() < 0.12:
            b.beside(lot, buildings.fence(rng, length - 0.2), s + length / 2, lot.land_from_m + 0.1)
            b.beside(lot, nature.broadleaf(rng), s + length / 2, lot.land_from_m + rng.uniform(3, 6))
        else:
            b.beside(lot, buildings.building(rng, length), s + length / 2, lot.land_from_m + rng.uniform(0.0, 0.3))
        s += length
    _background(b, lot, lot.land_from_m + 16.0)


def _boundary(b: Builder, lot: Lot, out_m: float, fence_share: float) -> None:
    """Fences and hedges along the front of a lot, with openings between them."""
    s, rng = lot.start_m, b.rng
    while s < lot.end_m - 3.0:
        length = min(rng.uniform(5.0, 12.0), lot.end_m - s)
        maker = buildings.fence if rng.random() < fence_share else nature.hedge
        b.beside(lot, maker(rng, length), s + length / 2, out_m)
        s += length + (rng.uniform(1.0, 3.0) if rng.random() < 0.5 else 0.0)


def _planting(b: Builder, lot: Lot, near_m: float, far_m: float, trees: float, bushes: float) -> None:
    """Trees and bushes strewn over a strip; densities in plants per 100 square metres."""
    rng, area = b.rng, lot.length_m * (far_m - near_m) / 100.0
    for maker, density in ((nature.broadleaf, 0.7 * trees), (nature.conifer, 0.3 * trees), (nature.bush, bushes)):
        for _ in range(rng.poisson(density * area)):
            s, out = rng.uniform(lot.start_m + 0.5, lot.end_m - 0.5), rng.uniform(near_m, far_m)
            b.beside(lot, maker(rng), s, out, rng.uniform(0, 2 * np.pi))


def _houses(b: Builder, lot: Lot, out_m: float) -> None:
    """Detached houses in a row."""
    s, rng = lot.start_m + b.rng.uniform(0, 3), b.rng
    while s < lot.end_m - 7.0:
        length = min(rng.uniform(8.0, 13.0), lot.end_m - s)
        b.beside(lot, buildings.building(rng, length), s + length / 2, out_m + rng.uniform(0.0, 2.0))
        s += length + rng.uniform(3.0, 7.0)


def _background(b: Builder, lot: Lot, near_m: float) -> None:
    """Something to close the view: woods or large buildings far from the street."""
    rng = b.rng
    if rng.random() < 0.65:
        b.beside(lot, nature.thicket(rng, lot.length_m), (lot.start_m + lot.end_m) / 2, near_m + rng.uniform(0.0, 12.0))
    else:
        length = 0.9 * lot.length_m
        b.beside(lot, buildings.building(rng, length), (lot.start_m + lot.end_m) / 2, near_m + rng.uniform(0.0, 12.0))


def _garden(b: Builder, lot: Lot) -> None:
    edge = lot.land_from_m
    _boundary(b, lot, edge + 0.3, fence_share=0.45)
    house = edge + b.rng.uniform(4.0, 8.0)
    _planting(b, lot, edge + 1.5, house - 0.8, trees=1.5, bushes=7.0)
    _houses(b, lot, house)
    _planting(b, lot, house + 10.0, house + 18.0, trees=1.5, bushes=1.5)
    _background(b, lot, house + 16.0)


def _green(b: Builder, lot: Lot) -> None:
    edge, rng = lot.land_from_m, b.rng
    for s in b.spots(lot, rng.uniform(6.0, 10.0)):
        b.beside(lot, nature.broadleaf(rng), s, edge + rng.uniform(0.8, 1.6), rng.uniform(0, 6.28))
    if rng.random() < 0.3:
        b.beside(lot, furniture.bench(rng), rng.uniform(lot.start_m + 2, lot.end_m - 2), edge + 0.5)
    if rng.random() < 0.35:
        _boundary(b, lot, edge + rng.uniform(2.5, 6.0), fence_share=0.3)
    _planting(b, lot, edge + 2.0, edge + 7.0, trees=1.0, bushes=5.0)
    _planting(b, lot, edge + 7.0, edge + 18.0, trees=1.0, bushes=2.0)
    _background(b, lot, edge + 12.0)


def _yard(b: Builder, lot: Lot) -> None:
    """A car park: vehicles side by side, square to the street, larger ones along the back."""
    edge, rng, city = lot.land_from_m, b.rng, b.street.worksites
    taken, cycle = (0.8, 0.08) if city else (0.5, 0.22)
    _bays(b, lot, edge + 3.0, taken, cycle)
    if city and rng.random() < 0.4:
        _bays(b, lot, edge + lot.depth_m - 3.0, taken, cycle)
    else:
        _large_vehicles(b, lot, worksite.semitrailer if city else vehicles.other_vehicle)
    _boundary(b, lot, edge + lot.depth_m + 0.3, fence_share=0.7)
    _background(b, lot, edge + lot.depth_m + 6.0)


def _bays(b: Builder, lot: Lot, out_m: float, taken: float, cycle: float) -> None:
    """A row of bays square to the street: the share that is taken, and the share of motorcycles among those."""
    rng = b.rng
    for s in np.arange(lot.start_m + 2.0, lot.end_m - 1.5, 2.7):
        if rng.random() < taken:
            maker = cycles.motorcycle if rng.random() < cycle else vehicles.car
            b.beside(lot, maker(rng), s, out_m, rng.choice([0.5, 1.5]) * np.pi + rng.normal(0, 0.04), BAY_M)


def _large_vehicles(b: Builder, lot: Lot, third: Maker) -> None:
    """Cars, trucks and a third kind one behind the other along the back of a yard."""
    s, rng = lot.start_m + 0.5, b.rng
    while s < lot.end_m - 3.0:
        mesh = (vehicles.car, vehicles.truck, third)[int(rng.choice(3, p=[0.5, 0.2, 0.3]))](rng)
        length = float(np.ptp(mesh.vertices[:, 0]))
        if s + length < lot.end_m and rng.random() < 0.6:
            out = lot.land_from_m + lot.depth_m - 1.9
            b.beside(lot, mesh, s + length / 2, out, rng.choice([0.0, np.pi]), BAY_M)
        s += length + rng.uniform(0.8, 3.0)


def _plaza(b: Builder, lot: Lot) -> None:
    """A paved or gravelled square with cycle stands, people, benches and trees."""
    edge, rng = lot.land_from_m, b.rng
    stand = rng.uniform(lot.start_m + 2.0, lot.end_m - 6.0)
    for i in range(int(rng.integers(2, 5) if b.street.worksites else rng.integers(4, 8))):
        maker = cycles.motorcycle if rng.random() < 0.3 else cycles.bicycle
        b.beside(lot, maker(rng), stand + 0.85 * i, edge + 1.3, 0.5 * np.pi + rng.normal(0, 0.08))
    for s in b.spots(lot, 5.0):
        kind, out = rng.random(), edge + rng.uniform(2.6, lot.depth_m - 0.6)
        if kind < 0.38:
            b.beside(lot, bystander(rng), s, out)
        elif kind < 0.5:
            b.beside(lot, furniture.bench(rng), s, out)
        elif kind < 0.64:
            b.beside(lot, nature.broadleaf(rng), s, out)
        elif kind < 0.72:
            b.traffic_facing(lot, furniture.direction_board(rng), s, edge + 0.8)
        elif kind < 0.8:
            b.beside(lot, furniture.bins(rng), s, out)
    _houses(b, lot, edge + lot.depth_m + 0.3)
    _planting(b, lot, edge + lot.depth_m + 14.0, edge + lot.depth_m + 24.0, trees=0.8, bushes=0.4)
    _background(b, lot, edge + lot.depth_m + 16.0)


def _rural(b: Builder, lot: Lot) -> None:
    """Verge, guard rail or field fence, shrubs and woods, farm vehicles, utility poles."""
    rng, verge = b.rng, lot.land_from_m + lot.depth_m
    if rng.random() < 0.55:
        b.beside(lot, buildings.roadside_barrier(rng, lot.length_m), (lot.start_m + lot.end_m) / 2, verge + 0.2)
    else:
        _boundary(b, lot, verge + rng.uniform(2.0, 5.0), fence_share=0.6)
    for s in b.spots(lot, 16.0):
        kind = rng.random()
        if kind < 0.4:
            b.beside(lot, furniture.utility_pole(rng), s, verge + 1.0)
        elif kind < 0.7:
            b.traffic_facing(lot, furniture.sign(rng), s, verge - 0.2)
        else:
            b.traffic_facing(lot, furniture.direction_board(rng), s, verge + 2.2)
    if rng.random() < 0.35:
        farm = worksite.semitrailer if b.street.worksites else vehicles.tractor
        maker = (farm, vehicles.trailer, vehicles.truck)[int(rng.integers(3))]
        b.beside(lot, maker(rng), (lot.start_m + lot.end_m) / 2, verge + rng.uniform(6.5, 10.0), rng.uniform(0, 6.28))
    _planting(b, lot, verge + 1.2, verge + 4.5, trees=1.0, bushes=9.0)
    _planting(b, lot, verge + 10.0, verge + 18.0, trees=1.5, bushes=1.5)
    _background(b, lot, verge + 14.0)


def _corner(b: Builder, lot: Lot) -> None:
    edge = lot.land_from_m
    _boundary(b, lot, edge + 0.3, fence_share=0.6)
    if b.rng.random() < 0.6:
        b.beside(lot, buildings.building(b.rng, lot.length_m - 1.5), (lot.start_m + lot.end_m) / 2, edge + 3.0)
    _planting(b, lot, edge + 1.5, edge + 14.0, trees=1.0, bushes=2.5)
    _planting(b, lot, edge + 16.0, edge + 24.0, trees=1.5, bushes=1.0)
    _background(b, lot, edge + 20.0)


def _crossing(b: Builder, lot: Lot) -> None:
    """A side street: signals or signs at its corners, vehicles waiting or parked in it."""
    rng, corner = b.rng, lot.road_m + 0.6
    middle = (lot.start_m + lot.end_m) / 2
    maker = furniture.traffic_light if rng.random() < 0.4 else furniture.sign
    for s in (lot.start_m + 1.4, lot.end_m - 1.4):
        b.at(maker(rng), s, lot.side * corner, 0.0 if lot.side < 0 else np.pi, KERB_M)
    b.at(
        furniture.direction_board(rng),
        lot.end_m - 0.8,
        lot.side * (corner + 2.0),
        0.0 if lot.side < 0 else np.pi,
        KERB_M,
    )
    if rng.random() < 0.6:
        b.beside(
            lot, parked(b.street, rng), middle + 2.3 * lot.side, lot.road_m + rng.uniform(7.5, 9.5), -0.5 * np.pi, 0.0
        )
    for out in (18.0, 26.0, 34.0):
        if rng.random() < 0.5:
            b.beside(lot, vehicles.car(rng), middle - 3.4, lot.road_m + out, 0.5 * np.pi, 0.0)


def _site(b: Builder, lot: Lot) -> None:
    """A work site: barriers along its front, cones at the kerb, machines, workers and heaps, a trailer at the back."""
    rng, edge = b.rng, lot.land_from_m
    maker = worksite.BARRIERS[int(rng.integers(len(worksite.BARRIERS)))]
    for s in np.arange(lot.start_m + 2.0, lot.end_m - 1.9, rng.uniform(*worksite.BARRIER_SPACING_M)):
        if rng.random() < 0.95:
            b.beside(lot, worksite.barrier(rng, maker), s, edge + 0.4, np.pi / 2 + rng.normal(0, 0.06))
    for s in b.spots(lot, rng.uniform(5.0, 9.0)):
        b.beside(lot, worksite.traffic_cone(rng), s, lot.kerb_m + rng.uniform(0.25, 0.45))
    for middle in np.arange(lot.start_m + 4.0, lot.end_m - 3.5, 8.0):
        s, out, kind = middle + rng.uniform(-0.5, 0.5), edge + rng.uniform(5.0, 6.0), rng.random()
        if kind < 0.4:
            b.beside(lot, worksite.construction_vehicle(rng), s, out, rng.choice([0, np.pi]) + rng.normal(0, 0.3))
        elif kind < 0.75:
            b.beside(lot, worksite.heap(rng), s, out)
        for _ in range(int(rng.integers(1, 3))):
            b.beside(lot, bystander(rng), middle + rng.uniform(-3.5, 3.5), edge + rng.uniform(1.5, 2.4))
    for middle in np.arange(lot.start_m + 8.0, lot.end_m - 7.5, 16.0):
        parked_there = worksite.semitrailer if rng.random() < 0.9 else vehicles.truck
        b.beside(lot, parked_there(rng), middle, edge + lot.depth_m - 2.5, rng.choice([0.0, np.pi]))
    _boundary(b, lot, edge + lot.depth_m + 0.3, fence_share=1.0)
    _background(b, lot, edge + lot.depth_m + 6.0)


LOTS: dict[str, Callable[[Builder, Lot], None]] = {
    "facade": _facade,
    "garden": _garden,
    "green": _green,
    "yard": _yard,
    "plaza": _plaza,
    "rural": _rural,
    "corner": _corner,
    "crossing": _crossing,
    "site": _site,
}
