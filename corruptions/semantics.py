"""Which semantic ids mean ground or vehicle, for the corruptions that need to know (wet ground, incomplete echo).

Moving variants belong to the class they move (252 moving-car is a vehicle). Ids of SemanticKITTI from its
semantic-kitti.yaml, of nuScenes-lidarseg from the 32 general categories of its devkit.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError, unknown

# road, parking, sidewalk, other-ground, lane-marking; terrain is rough soil, which takes no water film
_SEMANTICKITTI_GROUND = (40, 44, 48, 49, 60)
# car, bicycle, bus, motorcycle, on-rails, truck, other-vehicle and their moving variants
_SEMANTICKITTI_VEHICLE = (10, 11, 13, 15, 16, 18, 20, 252, 256, 257, 258, 259)

LABEL_SETS: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "semantickitti": {"ground": _SEMANTICKITTI_GROUND, "vehicle": _SEMANTICKITTI_VEHICLE},
    # train ids 0..18 of the 19 classes, as mmdet3d numbers them
    "semantickitti_19": {"ground": (8, 9, 10, 11), "vehicle": (0, 1, 2, 3, 4)},
    # general ids: driveable surface, other flat, sidewalk; bicycle, buses, car, construction ... truck
    "nuscenes": {"ground": (24, 25, 26), "vehicle": (14, 15, 16, 17, 18, 19, 20, 21, 22, 23)},
    # challenge ids 1..16
    "nuscenes_16": {"ground": (11, 12, 13), "vehicle": (2, 3, 4, 5, 6, 9, 10)},
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
