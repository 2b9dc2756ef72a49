"""Every LiDAR corruption by name, in the order of evaluation."""

from __future__ import annotations

from collections.abc import Mapping

from corruptions.core import Corruption, InputError, unknown
from corruptions.device.beam_reduction import BEAM_REDUCTION
from corruptions.noise.global_outliers import GLOBAL_OUTLIERS
from corruptions.noise.local_distortion import LOCAL_DISTORTION

CATALOG: Mapping[str, Corruption] = {
    corruption.name: corruption
    for corruption in (
        LOCAL_DISTORTION,
        GLOBAL_OUTLIERS,
        BEAM_REDUCTION,
    )
}


def get(name: str) -> Corruption:
    """The corruption of this name; raises :class:`InputError` with near matches for an unknown one."""
    if name not in CATALOG:
        raise InputError(unknown("corruption", name, CATALOG))
    return CATALOG[name]
