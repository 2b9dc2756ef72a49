"""What moves: endless lanes of vehicles, cyclists and walkers, each lane at one speed so that nobody runs into another.

A lane is a row of slots that drifts along the street; what a slot holds depends on the street, the lane and the slot
alone, so that the traffic at any time is found without playing the time before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from perception3d.simulation import cycles, people, vehicles
from perception3d.simulation.blocks import BLOCK_M, Lot, plan
from perception3d.simulation.builder import STATIC_INSTANCES
from perception3d.simulation.labels import moving
from perception3d.simulation.mesh import Mesh
from perception3d.simulation.scene import Placed, object_gain
from perception3d.simulation.street import START_M, Frame, Street

SIGHT_M = 85.0
EGO_CLEAR_M = 9.0
BUMPER_M = 1.5
TOWED_INSTANCES = 4800  # ids of trailers, above those of the lanes; two lanes tow

Maker = Callable[[np.random.Generator], Mesh]
# Drawn like cards, so that a short drive meets them all; None is a gap.
CARDS: dict[str, tuple[Maker | None, ...]] = {
    "road": (vehicles.car,) * 4 + (vehicles.truck, vehicles.other_vehicle, cycles.motorcyclist) + (None,) * 3,
    "cycle": (cycles.bicyclist,) * 2 + (cycles.motorcyclist,) + (None,) * 2,
    "walk": (partial(people.person, walking=True),) * 4 + (None,) * 5,
}


# The same for worlds with work sites, which hold all kinds that nuScenes counts.
CITY_CARDS: dict[str, tuple[Maker | None, ...]] = {
    "road": (vehicles.car,) * 3 + (vehicles.truck,) * 2 + (vehicles.bus,) * 2 + (None,) * 9,
    "cycle": (cycles.bicyclist, cycles.motorcyclist) + (None,) * 18,
    "walk": CARDS["walk"],
}
TOWING_SHARE = 0.12  # of the cars in worlds with work sites
CITY_ONCOMING_MPS = (3.0, 9.0)


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
        Lane("against", 1, -rng.uniform(*(CITY_ONCOMING_MPS if street.worksites else (7.0, 13.0))), 17.0, "road"),
        Lane("cycles with", -1, rng.uniform(4.0, 6.5), 19.0, "cycle"),
        Lane("cycles against", 1, -rng.uniform(4.0, 6.5), 19.0, "cycle"),
        Lane("walk right", -1, rng.uniform(0.9, 1.6), 12.0, "walk"),
        Lane("walk left", 1, -rng.uniform(0.9, 1.6), 12.0, "walk"),
    )


@dataclass(frozen=True)
class Actor:
    """What a slot holds, made once.

    Attributes:
        share: place within the slot, in slots.
        mesh: the body in its own frame, with moving labels.
        out_m: offset across the street, from the line that its lane keeps to.
        gain: as in ``Placed``.
        towed: a trailer behind it, standing where it is drawn, if any.
    """

    share: float
    mesh: Mesh
    out_m: float
    gain: NDArray[np.float32]
    towed: Mesh | None = None


class Traffic:
    """Everything that moves on a street; remembers the bodies that it made."""

    def __init__(self, frame: Frame, street: Street) -> None:
        self._frame, self._street, self._lanes = frame, street, lanes(street)
        self._cards = CITY_CARDS if street.worksites else CARDS
        self._actors: dict[tuple[int, int], Actor | None] = {}
        self._lots: dict[int, tuple[Lot, ...]] = {}

    def at(self, time_s: float) -> list[Placed]:
        """What moves within sight of the ego vehicle at a time."""
        ego_s = START_M + self._street.ego_speed_mps * time_s
        placed: list[Placed] = []
        for number, lane in enumerate(self._lanes):
            drift = lane.speed_mps * time_s
            first = int(np.floor((ego_s - SIGHT_M - drift) / lane.slot_m))
            last = int(np.floor((ego_s + SIGHT_M - drift) / lane.slot_m))
            for slot in range(first, last + 1):
                actor = self._actor(number, slot)
                if actor is None:
                    continue
                s = (slot + 0.5 + actor.share) * lane.slot_m + drift
                if not (lane.name == "with" and self._too_near(actor, s - ego_s)):
                    placed += self._place(number, slot, actor, s)
        return placed

    def _too_near(self, actor: Actor, ahead_m: float) -> bool:
        if not self._street.worksites:
            return abs(ahead_m) < EGO_CLEAR_M
        # The ego vehicle of these worlds reaches from 1 m behind its position to 4 m before it.
        bodies = [actor.mesh.vertices[:, 0], *([] if actor.towed is None else [actor.towed.vertices[:, 0]])]
        rear, front = min(body.min() for body in bodies), max(body.max() for body in bodies)
        return ahead_m + rear < 4.0 + BUMPER_M and ahead_m + front > -1.0 - BUMPER_M

    def _actor(self, number: int, slot: int) -> Actor | None:
        if (number, slot) not in self._actors:
            self._actors[number, slot] = self._made(self._lanes[number], slot)
        return self._actors[number, slot]

    def _made(self, lane: Lane, slot: int) -> Actor | None:
        rng, cards = self._street.rng(lane.name, slot), self._cards[lane.kind]
        share = rng.uniform(-0.15, 0.15)
        maker = cards[self._street.card(len(cards), slot, "traffic", lane.name)]
        if maker is None:
            return None
        mesh = maker(rng)
        mesh = replace(mesh, label=moving(mesh.label))
        out_m = rng.normal(0, {"road": 0.12, "cycle": 0.08, "walk": 0.15}[lane.kind])
        gain = object_gain(rng)
        towed = None
        if self._street.worksites and maker is vehicles.car and rng.random() < TOWING_SHARE:
            towed = _behind(mesh, vehicles.caravan(rng) if rng.random() < 0.5 else vehicles.trailer(rng))
        return Actor(share, mesh, out_m, gain, towed)

    def _place(self, number: int, slot: int, actor: Actor, s: float) -> Iterator[Placed]:
        lane, lift = self._lanes[number], 0.0
        if lane.kind == "road":
            out = self._street.lane_m
        elif lane.kind == "cycle":
            out = self._street.half_width_m - 0.4
        else:
            lot = self._lot_at(s, lane.side)
            out = lot.walker_m
            lift = 0.0 if lot.kind == "crossing" else lot.lift_m
        at = self._frame.points(s, lane.side * (out + actor.out_m), lift)
        yaw = self._frame.yaw_rad(s) + (0.0 if lane.speed_mps >= 0 else np.pi)
        pitch = self._frame.pitch_rad(s) * (1.0 if lane.speed_mps >= 0 else -1.0)
        speed = abs(lane.speed_mps)
        first = STATIC_INSTANCES + 1
        yield Placed(actor.mesh.placed(at, yaw, pitch), first + number * 800 + slot % 800, actor.gain, speed)
        if actor.towed is not None:
            instance = first + TOWED_INSTANCES + number * 300 + slot % 300
            yield Placed(actor.towed.placed(at, yaw, pitch), instance, actor.gain, speed)

    def _lot_at(self, s: float, side: int) -> Lot:
        index = int(np.floor(s / BLOCK_M))
        if index not in self._lots:
            self._lots[index] = plan(self._street, index)
        return next(lot for lot in self._lots[index] if lot.side == side and lot.start_m <= s <= lot.end_m)


def traffic(frame: Frame, street: Street, time_s: float) -> list[Placed]:
    """Everything that moves within sight of the ego vehicle at a time."""
    return Traffic(frame, street).at(time_s)


def _behind(car: Mesh, trailer: Mesh) -> Mesh:
    """The trailer with its drawbar at the rear of the car."""
    gap = float(car.vertices[:, 0].min() - trailer.vertices[:, 0].max())
    trailer = trailer.placed([gap + 0.15, 0.0, 0.0])
    return replace(trailer, label=moving(trailer.label))
