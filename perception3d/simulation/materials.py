"""How surfaces answer a laser: remission, its decay at grazing incidence, roughness, lost returns.

The numbers are chosen so that the remission quantiles per class and range come close to those of real SemanticKITTI
scans (README.md holds the comparison); they are no physical reflectances, because the HDL-64E calibrates its output.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Material(IntEnum):
    """Surface material; the index into ``SURFACES``."""

    ASPHALT = 0
    PAVING = 1
    CONCRETE = 2
    GRAVEL = 3
    GRASS = 4
    MARKING = 5
    PLASTER = 6
    BRICK = 7
    GLASS = 8
    WOOD = 9
    METAL = 10
    LEAVES = 11
    BARK = 12
    PAINT = 13
    RUBBER = 14
    RETROREFLECTOR = 15
    CLOTH = 16
    SKIN = 17
    PLASTIC = 18
    TARPAULIN = 19


@dataclass(frozen=True)
class Surface:
    """Laser properties of one material.

    Attributes:
        remission: median remission (0..1) at near range and steep incidence.
        object_sigma: log-normal spread of the remission between objects.
        point_sigma: log-normal spread from point to point on one object.
        grazing_cos: cosine of incidence at which half of the remission is left; rough surfaces keep theirs longer.
        roughness_m: standard deviation of the surface along the beam, added to the range noise.
        loss: share of the beams lost at steep incidence (mirror-like or dark surfaces).
        grazing_loss: further share lost as the incidence becomes grazing.
    """

    remission: float
    object_sigma: float = 0.12
    point_sigma: float = 0.14
    grazing_cos: float = 0.04
    roughness_m: float = 0.0
    loss: float = 0.005
    grazing_loss: float = 0.0


SURFACES: dict[Material, Surface] = {
    Material.ASPHALT: Surface(0.325, 0.08, 0.17, grazing_cos=0.052),
    Material.PAVING: Surface(0.43, 0.07, 0.15, grazing_cos=0.04, roughness_m=0.006),
    Material.CONCRETE: Surface(0.38, 0.07, 0.14, grazing_cos=0.035),
    Material.GRAVEL: Surface(0.27, 0.09, 0.34, grazing_cos=0.03, roughness_m=0.03),
    Material.GRASS: Surface(0.455, 0.06, 0.17, grazing_cos=0.028, roughness_m=0.045),
    Material.MARKING: Surface(0.50, 0.15, 0.20, grazing_cos=0.045),
    Material.PLASTER: Surface(0.5, 0.20, 0.14, grazing_cos=0.06),
    Material.BRICK: Surface(0.44, 0.20, 0.20, grazing_cos=0.05, roughness_m=0.006),
    Material.GLASS: Surface(0.12, 0.60, 0.70, grazing_cos=0.20, loss=0.5, grazing_loss=0.4),
    Material.WOOD: Surface(0.4, 0.18, 0.20, grazing_cos=0.05),
    Material.METAL: Surface(0.27, 0.45, 0.35, grazing_cos=0.15, loss=0.05, grazing_loss=0.25),
    Material.LEAVES: Surface(0.43, 0.12, 0.30, grazing_cos=0.08, roughness_m=0.02, loss=0.04),
    Material.BARK: Surface(0.46, 0.14, 0.26, grazing_cos=0.08, roughness_m=0.008, loss=0.01),
    Material.PAINT: Surface(0.06, 1.3, 0.7, grazing_cos=0.25, loss=0.05, grazing_loss=0.6),
    Material.RUBBER: Surface(0.05, 0.40, 0.60, grazing_cos=0.20, loss=0.12, grazing_loss=0.30),
    Material.RETROREFLECTOR: Surface(0.75, 0.30, 0.30, grazing_cos=0.20, loss=0.02),
    Material.CLOTH: Surface(0.46, 0.35, 0.20, grazing_cos=0.06, roughness_m=0.01, loss=0.01),
    Material.SKIN: Surface(0.5, 0.10, 0.15, grazing_cos=0.06),
    Material.PLASTIC: Surface(0.38, 0.45, 0.25, grazing_cos=0.10, loss=0.02, grazing_loss=0.10),
    Material.TARPAULIN: Surface(0.42, 0.30, 0.15, grazing_cos=0.08, loss=0.02, grazing_loss=0.10),
}


def column(field: str) -> NDArray[np.float64]:
    """(M,) one property of all materials, indexed by ``Material``."""
    return np.array([getattr(SURFACES[material], field) for material in Material])


# Colour as the eye sees it, sRGB of 0 ... 255, where no palette gives an object its own.
COLOURS: dict[Material, tuple[int, int, int]] = {
    Material.ASPHALT: (98, 98, 100),
    Material.PAVING: (142, 130, 120),
    Material.CONCRETE: (160, 156, 148),
    Material.GRAVEL: (158, 142, 116),
    Material.GRASS: (96, 104, 60),
    Material.MARKING: (228, 228, 222),
    Material.PLASTER: (214, 206, 188),
    Material.BRICK: (146, 84, 64),
    Material.GLASS: (26, 32, 36),
    Material.WOOD: (132, 100, 70),
    Material.METAL: (134, 138, 142),
    Material.LEAVES: (80, 102, 50),
    Material.BARK: (98, 82, 66),
    Material.PAINT: (170, 174, 178),
    Material.RUBBER: (30, 30, 32),
    Material.RETROREFLECTOR: (230, 230, 226),
    Material.CLOTH: (70, 74, 90),
    Material.SKIN: (214, 164, 134),
    Material.PLASTIC: (52, 56, 60),
    Material.TARPAULIN: (60, 96, 160),
}
