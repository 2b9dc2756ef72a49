"""nuScenes' categories, attributes and visibility levels, and which of them the labels of the world are."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from perception3d.conventions import NUSCENES_LIDARSEG_CLASS_OF
from perception3d.simulation.labels import MOVING, Label

# The order is that of nuScenes-lidarseg: a category's position is its index and its label in the files.
CATEGORIES: tuple[str, ...] = tuple(NUSCENES_LIDARSEG_CLASS_OF)
CATEGORY_INDEX: Mapping[str, int] = {name: index for index, name in enumerate(CATEGORIES)}
NOISE, EGO = CATEGORY_INDEX["noise"], CATEGORY_INDEX["vehicle.ego"]

ATTRIBUTE_TEXTS: Mapping[str, str] = {
    "vehicle.moving": "Vehicle is moving.",
    "vehicle.stopped": "Vehicle, with a driver in it, is stationary but intends to move.",
    "vehicle.parked": "Vehicle is stationary, usually for long, with no intent to move.",
    "cycle.with_rider": "There is a rider on the bicycle or motorcycle.",
    "cycle.without_rider": "There is no rider on the bicycle or motorcycle.",
    "pedestrian.sitting_lying_down": "The human is sitting or lying down.",
    "pedestrian.standing": "The human is standing.",
    "pedestrian.moving": "The human is moving.",
}
# level -> largest share of an object that is seen
VISIBILITIES: Mapping[str, float] = {"v0-40": 0.4, "v40-60": 0.6, "v60-80": 0.8, "v80-100": 1.0}

THINGS: Mapping[int, str] = {
    Label.CAR: "vehicle.car",
    Label.BICYCLE: "vehicle.bicycle",
    Label.BICYCLIST: "vehicle.bicycle",
    Label.MOTORCYCLE: "vehicle.motorcycle",
    Label.MOTORCYCLIST: "vehicle.motorcycle",
    Label.BUS: "vehicle.bus.rigid",
    Label.TRUCK: "vehicle.truck",
    # Farm tractors: nuScenes has no nearer category.
    Label.OTHER_VEHICLE: "vehicle.construction",
    Label.CONSTRUCTION_VEHICLE: "vehicle.construction",
    Label.TRAILER: "vehicle.trailer",
    Label.PERSON: "human.pedestrian.adult",
    Label.BARRIER: "movable_object.barrier",
    Label.TRAFFIC_CONE: "movable_object.trafficcone",
}
STUFF: Mapping[int, str] = {
    Label.ROAD: "flat.driveable_surface",
    Label.LANE_MARKING: "flat.driveable_surface",
    Label.PARKING: "flat.driveable_surface",
    Label.SIDEWALK: "flat.sidewalk",
    Label.OTHER_GROUND: "flat.other",
    Label.TERRAIN: "flat.terrain",
    Label.BUILDING: "static.manmade",
    Label.FENCE: "static.manmade",
    Label.POLE: "static.manmade",
    Label.TRAFFIC_SIGN: "static.manmade",
    Label.OTHER_OBJECT: "static.manmade",
    Label.VEGETATION: "static.vegetation",
    Label.TRUNK: "static.vegetation",
}
RIDDEN = frozenset(
    int(label) for standing in (Label.BICYCLIST, Label.MOTORCYCLIST) for label in (standing, MOVING[standing])
)
STANDING: Mapping[int, int] = {in_motion: standing for standing, in_motion in MOVING.items()}
CHILD_BELOW_M = 1.42
WALKING_MPS = 0.2


def category_of(label: int, height_m: float) -> str:
    """Category of an object by the label of its surface; people are told apart by height."""
    name = THINGS[STANDING.get(label, label)]
    if name == "human.pedestrian.adult" and height_m < CHILD_BELOW_M:
        return "human.pedestrian.child"
    return name


def attribute_of(category: str, label: int, speed_mps: float | None) -> str:
    """Attribute of an object; empty for barriers and cones, which have none.

    Args:
        category: of the object.
        label: of its surface.
        speed_mps: None for what was put there to stand.
    """
    moves = speed_mps is not None and speed_mps > WALKING_MPS
    if category.startswith("human"):
        return "pedestrian.moving" if moves else "pedestrian.standing"
    if category in ("vehicle.bicycle", "vehicle.motorcycle"):
        return "cycle.with_rider" if label in RIDDEN else "cycle.without_rider"
    if category.startswith("vehicle"):
        return "vehicle.moving" if moves else "vehicle.parked" if speed_mps is None else "vehicle.stopped"
    return ""


def visibility_level(share: float) -> int:
    """Position of a visible share, 0..1, in ``VISIBILITIES``."""
    return int(np.searchsorted(list(VISIBILITIES.values())[:-1], share, side="left"))


@lru_cache(maxsize=1)
def label_indices() -> NDArray[np.uint8]:
    """(65536,) lidarseg index by label of the world; noise for labels without a class."""
    table = np.full(65536, NOISE, np.uint8)
    for label, name in {**STUFF, **THINGS}.items():
        table[label] = CATEGORY_INDEX[name]
    for standing, in_motion in MOVING.items():
        table[in_motion] = table[standing]
    return table
