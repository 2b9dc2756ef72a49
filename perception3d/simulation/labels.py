"""Labels the world is made of: SemanticKITTI's ids (semantic-kitti.yaml of semantic-kitti-api) and finer kinds.

Kinds that SemanticKITTI does not tell apart have ids from 300 on; ``semantickitti_ids`` gives what its files hold.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Label(IntEnum):
    """Label of a surface; below 300 the original SemanticKITTI id."""

    UNLABELED = 0
    CAR = 10
    BICYCLE = 11
    BUS = 13
    MOTORCYCLE = 15
    TRUCK = 18
    OTHER_VEHICLE = 20
    PERSON = 30
    BICYCLIST = 31
    MOTORCYCLIST = 32
    ROAD = 40
    PARKING = 44
    SIDEWALK = 48
    OTHER_GROUND = 49
    BUILDING = 50
    FENCE = 51
    LANE_MARKING = 60
    VEGETATION = 70
    TRUNK = 71
    TERRAIN = 72
    POLE = 80
    TRAFFIC_SIGN = 81
    OTHER_OBJECT = 99
    BARRIER = 300
    TRAFFIC_CONE = 301
    CONSTRUCTION_VEHICLE = 302
    TRAILER = 303


# id while standing -> id while moving
MOVING = {
    Label.CAR: 252,
    Label.BICYCLIST: 253,
    Label.PERSON: 254,
    Label.MOTORCYCLIST: 255,
    Label.BUS: 257,
    Label.TRUCK: 258,
    Label.OTHER_VEHICLE: 259,
    Label.CONSTRUCTION_VEHICLE: 312,
    Label.TRAILER: 313,
}
# finer kind -> id in SemanticKITTI's files
SEMANTICKITTI_IDS = {
    Label.BARRIER: Label.OTHER_OBJECT,
    Label.TRAFFIC_CONE: Label.OTHER_OBJECT,
    Label.CONSTRUCTION_VEHICLE: Label.OTHER_VEHICLE,
    Label.TRAILER: Label.OTHER_VEHICLE,
    MOVING[Label.CONSTRUCTION_VEHICLE]: MOVING[Label.OTHER_VEHICLE],
    MOVING[Label.TRAILER]: MOVING[Label.OTHER_VEHICLE],
}
# the classes that carry instance ids
THINGS = (
    Label.CAR,
    Label.BICYCLE,
    Label.BUS,
    Label.MOTORCYCLE,
    Label.TRUCK,
    Label.OTHER_VEHICLE,
    Label.PERSON,
    Label.BICYCLIST,
    Label.MOTORCYCLIST,
    Label.BARRIER,
    Label.TRAFFIC_CONE,
    Label.CONSTRUCTION_VEHICLE,
    Label.TRAILER,
)


def moving(labels: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """The ids of the same things in motion; ids without a moving variant stay."""
    result = labels.copy()
    for standing, in_motion in MOVING.items():
        result[labels == standing] = in_motion
    return result


def is_thing(labels: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Which labels carry an instance id (``THINGS`` and their moving variants)."""
    return np.isin(labels, [*THINGS, *MOVING.values()])


def semantickitti_ids(labels: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """The ids that SemanticKITTI's files hold for these labels."""
    result = labels.copy()
    for finer, label in SEMANTICKITTI_IDS.items():
        result[labels == finer] = label
    return result
