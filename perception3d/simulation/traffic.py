"""What moves: endless lanes of vehicles, cyclists and walkers, each lane at one speed so that nobody runs into another.

A lane is a row of slots that drifts along the street; what a slot holds depends on the street, the lane and the slot
alone, so that the traffic at any time is found without playing the time before it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from perception3d.simulation import cycles, people, vehicles
from perception3d.simulation.blocks import BLOCK_M, Lot, plan
from perception3d.simulation.builder import STATIC_INSTANCES
from perception3d.simulation.labels import moving
from perception3d.simulation.mesh import Mesh
from perception3d.simulation.scene import Placed, object_gain
from perception3d.simulation.street import START_M, Frame, Street

SIGHT_M = 85.0
EGO_CLEAR_M = 9.0

Maker = Callable[[np.random.Generator], Mesh]
# Drawn like cards, so that a short drive meets them all; None is a gap.
CARDS: dict[str, tuple[Maker | None, ...]] = {
    "road": (vehicles.car,) * 4 + (vehicles.truck, vehicles.other_vehicle, cycles.motorcyclist) + (None,) * 3,
    "cycle": (cycles.bicyclist,) * 2 + (cycles.motorcyclist,) + (None,) * 2,
    "walk": (partial(people.person, walking=True),) * 4 + (None,) * 5,
}


@dataclass(frozen=True)
class Lane:
    """A row of moving slots.

    Attributes:
        name: key of its random streams.
        side: -1 right of the centre line, 1 left; traffic keeps to the right, walkers go both ways.
        speed_mps: along s; negative against it.
        slot_m: length of a slot.
        kind: a key of ``CARDS``.
    """

    name: str
    side: int
    speed_mps: float
    slot_m: float
    kind: str


def lanes(street: Street) -> tuple[Lane, ...]:
    """The lanes of a street. The ego vehicle drives in "with" and is the reason for its speed."""
    rng = street.rng("lanes")
    ego = street.ego_speed_mps
    return (
        Lane("with", -1, ego, 19.0, "road"),
        Lane("against", 1, -rng.uniform(7.0, 13.0), 17.0, "road"),
        Lane("cycles with", -1, rng.uniform(4.0, 6.5), 19.0, "cycle"),
        Lane("cycles against", 1, -rng.uniform(4.0, 6.5), 19.0, "cycle"),
        Lane("walk right", -1, rng.uniform(0.9, 1.6), 12.0, "walk"),
        Lane("walk left", 1, -rng.uniform(0.9, 1.6), 12.0, "walk"),
    )


def traffic(frame: Frame, street: Street, time_s: float) -> list[Placed]:
    """Everything that moves within sight of the ego vehicle at a time."""
    ego_s = START_M + street.ego_speed_mps * time_s
    placed = []
    for number, lane in enumerate(lanes(street)):
        drift = lane.speed_mps * time_s
        first = int(np.floor((ego_s - SIGHT_M - drift) / lane.slot_m))
        last = int(np.floor((ego_s + SIGHT_M - drift) / lane.slot_m))
        for slot in range(first, last + 1):
            rng = street.rng(lane.name, slot)
            s = (slot + 0.5 + rng.uniform(-0.15, 0.15)) * lane.slot_m + drift
            maker = CARDS[lane.kind][street.card(len(CARDS[lane.kind]), slot, "traffic", lane.name)]
            if maker and not (lane.name == "with" and abs(s - ego_s) < EGO_CLEAR_M):
                instance = STATIC_INSTANCES + 1 + number * 800 + slot % 800
                placed.append(_actor(frame, street, lane, s, maker(rng), instance, rng))
    return placed


def _actor(
    frame: Frame, street: Street, lane: Lane, s: float, mesh: Mesh, instance: int, rng: np.random.Generator
) -> Placed:
    """What a slot holds, standing at ``s``."""
    lift = 0.0
    if lane.kind == "road":
        out = street.lane_m + rng.normal(0, 0.12)
    elif lane.kind == "cycle":
        out = street.half_width_m - 0.4 + rng.normal(0, 0.08)
    else:
        lot = _lot_at(street, s, lane.side)
        out = lot.walker_m + rng.normal(0, 0.15)
        lift = 0.0 if lot.kind == "crossing" else lot.lift_m
    mesh = replace(mesh, label=moving(mesh.label))
    yaw = frame.yaw_rad(s) + (0.0 if lane.speed_mps > 0 else np.pi)
    pitch = frame.pitch_rad(s) * np.sign(lane.speed_mps)
    mesh = mesh.placed(frame.points(s, lane.side * out, lift), yaw, pitch)
    return Placed(mesh, instance, object_gain(rng))


def _lot_at(street: Street, s: float, side: int) -> Lot:
    lots = plan(street, int(np.floor(s / BLOCK_M)))
    return next(lot for lot in lots if lot.side == side and lot.start_m <= s <= lot.end_m)
