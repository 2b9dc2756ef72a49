"""Which semantic ids mean ground or vehicle, for the corruptions that need to know (wet ground, incomplete echo).

Moving variants belong to the class they move (252 moving-car is a vehicle). Ids of SemanticKITTI from its
semantic-kitti.yaml, of nuScenes-lidarseg from the 32 general categories of its devkit.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError, unknown

# road, parking, sidewalk, other-ground, lane-marking; terrain is rough soil, which takes no water film
_SEMANTICKITTI_GROUND = (40, 44, 48, 49, 60)
# Classes that are scored, in one order for raw and for train ids: whoever draws per class draws the same for both.
VEHICLE_CLASSES: Mapping[str, tuple[tuple[int, ...], ...]] = {
    # car, bicycle, motorcycle, truck, other-vehicle (bus, on-rails, other), each with its moving variants
    "semantickitti": ((10, 252), (11,), (15,), (18, 258), (13, 16, 20, 256, 257, 259)),
    "semantickitti_19": ((0,), (1,), (2,), (3,), (4,)),
    # bicycle, bus, car, construction vehicle, motorcycle, trailer, truck; emergency vehicles have no challenge class
    "nuscenes": ((14,), (15, 16), (17,), (18,), (21,), (22,), (23,), (19, 20)),
    "nuscenes_16": ((2,), (3,), (4,), (5,), (6,), (9,), (10,)),
}


def _kinds(label_set: str, ground: tuple[int, ...]) -> Mapping[str, tuple[int, ...]]:
    return {"ground": ground, "vehicle": tuple(chain(*VEHICLE_CLASSES[label_set]))}


LABEL_SETS: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "semantickitti": _kinds("semantickitti", _SEMANTICKITTI_GROUND),
    # train ids 0..18 of the 19 classes, as mmdet3d numbers them
    "semantickitti_19": _kinds("semantickitti_19", (8, 9, 10, 11)),
    # general ids: driveable surface, other flat, sidewalk
    "nuscenes": _kinds("nuscenes", (24, 25, 26)),
    # challenge ids 1..16
    "nuscenes_16": _kinds("nuscenes_16", (11, 12, 13)),
}


def members(labels: NDArray[np.integer], label_set: str, kind: str) -> NDArray[np.bool_]:
    """Points whose label is of a kind ("ground" or "vehicle").

    Args:
        labels: int (N,) ids of ``label_set``.
        label_set: a key of ``LABEL_SETS``.
        kind: "ground" or "vehicle".

    Returns:
        bool (N,).

    Raises:
        InputError: for an unknown label set or kind.
    """
    if label_set not in LABEL_SETS:
        raise InputError(unknown("label set", label_set, LABEL_SETS))
    kinds = LABEL_SETS[label_set]
    if kind not in kinds:
        raise InputError(unknown("kind of label", kind, kinds, of=label_set))
    return np.isin(labels, kinds[kind])
