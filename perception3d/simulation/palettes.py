"""Colours that objects are drawn from, as sRGB of 0 ... 255 with how often each is met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception3d.simulation.labels import Label
from perception3d.simulation.materials import Material

RGB = tuple[int, int, int]
BUILT = (Label.BUILDING,)


@dataclass(frozen=True)
class Choice:
    """Colours of one material on objects of some labels.

    Attributes:
        material: the material.
        labels: labels it holds for; empty for all.
        colours: weight and colour of each.
        spread: largest share by which one object is lighter or darker.
    """

    material: Material
    labels: tuple[int, ...]
    colours: tuple[tuple[float, RGB], ...]
    spread: float = 0.15


def linear(colours: Sequence[RGB]) -> NDArray[np.float32]:
    """(N, 3) linear RGB of 0 ... 1 (IEC 61966-2-1)."""
    value = np.asarray(colours, np.float64) / 255.0
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)


CAR_COLOURS = ((2.0, (238, 238, 236)), (2.0, (24, 25, 28)), (1.7, (170, 174, 178)), (1.6, (84, 88, 94)),
               (1.0, (24, 48, 112)), (0.5, (64, 112, 176)), (0.9, (160, 20, 24)), (0.3, (96, 14, 20)),
               (0.25, (28, 66, 44)), (0.35, (176, 160, 132)), (0.2, (92, 64, 46)), (0.25, (226, 178, 30)),
               (0.2, (216, 92, 24)), (0.15, (92, 150, 66)))  # fmt: skip
TOPS = ((1.0, (40, 42, 50)), (0.8, (34, 50, 96)), (0.7, (200, 198, 194)), (0.6, (150, 32, 36)), (0.5, (70, 92, 66)),
        (0.4, (212, 168, 40)), (0.4, (96, 116, 150)), (0.3, (190, 96, 120)), (0.3, (226, 110, 30)),
        (0.4, (120, 104, 84)), (0.25, (60, 150, 160)))  # fmt: skip
TROUSERS = Choice(Material.CLOTH, (), ((1.2, (44, 56, 88)), (1.0, (32, 32, 36)), (0.5, (122, 108, 84)),
                                       (0.4, (84, 84, 86)), (0.2, (128, 40, 48))))  # fmt: skip
HAIR = Choice(Material.CLOTH, (), ((1.0, (38, 28, 22)), (0.8, (20, 18, 18)), (0.5, (108, 76, 44)),
                                   (0.3, (170, 140, 90)), (0.4, (150, 146, 140))))  # fmt: skip
ROOFS = Choice(Material.BRICK, (), ((1.2, (150, 76, 54)), (0.8, (118, 62, 48)), (0.9, (74, 76, 82)),
                                    (0.5, (96, 80, 68))))  # fmt: skip
FRAMES = Choice(Material.WOOD, (), ((2.0, (232, 230, 224)), (0.6, (92, 66, 46)), (0.4, (70, 74, 78))))
BLOCKS = Choice(Material.PLASTIC, (), ((1.0, (204, 36, 28)), (0.8, (228, 226, 220)), (0.4, (236, 110, 24))))
MACHINES = Choice(Material.PAINT, (), ((2.0, (236, 168, 22)), (0.5, (226, 96, 24)), (0.3, (60, 110, 64))))

PALETTES = (
    Choice(Material.PAINT, (), CAR_COLOURS),
    Choice(Material.PAINT, (Label.BUS, 257), ((1.0, (222, 180, 24)), (1.0, (176, 24, 30)), (0.8, (232, 232, 228)),
                                              (0.6, (30, 92, 160)), (0.5, (44, 130, 74)))),
    Choice(Material.PAINT, (Label.TRUCK, 258), ((2.0, (230, 230, 226)), (1.0, (170, 24, 28)), (1.0, (32, 74, 150)),
                                                (0.6, (226, 140, 24)), (0.5, (56, 110, 70)))),
    Choice(Material.PAINT, (Label.OTHER_VEHICLE, 259), ((2.0, (236, 234, 226)), (0.8, (60, 120, 52)),
                                                        (0.6, (190, 40, 30)), (0.5, (40, 84, 150)))),
    Choice(Material.PLASTER, BUILT, ((1.2, (226, 216, 192)), (1.0, (232, 230, 224)), (0.9, (222, 196, 140)),
                                     (0.7, (206, 162, 130)), (0.8, (186, 184, 178)), (0.4, (190, 200, 180)),
                                     (0.4, (180, 194, 208)), (0.4, (196, 124, 96)), (0.3, (150, 144, 136)))),
    Choice(Material.BRICK, (), ((1.5, (150, 84, 64)), (0.8, (122, 66, 52)), (0.7, (176, 124, 88)),
                                (0.4, (140, 124, 108)))),
    Choice(Material.WOOD, (Label.FENCE,), ((1.2, (138, 104, 72)), (0.8, (98, 72, 50)), (0.7, (150, 144, 132)),
                                           (0.5, (206, 202, 192)), (0.4, (72, 96, 70)))),
    Choice(Material.WOOD, BUILT, ((1.0, (96, 60, 38)), (0.7, (50, 70, 60)), (0.6, (120, 32, 30)),
                                  (0.6, (210, 206, 198)), (0.5, (44, 58, 92)))),
    Choice(Material.METAL, (Label.POLE,), ((1.2, (132, 138, 140)), (0.8, (84, 92, 88)), (0.5, (50, 62, 58)))),
    Choice(Material.METAL, (Label.FENCE,), ((1.0, (150, 154, 156)), (0.7, (52, 58, 56)), (0.3, (40, 84, 60)))),
    Choice(Material.METAL, BUILT, ((1.0, (96, 98, 100)), (0.7, (60, 62, 64)), (0.4, (170, 170, 166)))),
    Choice(Material.LEAVES, (), ((1.6, (82, 104, 50)), (1.2, (66, 90, 44)), (0.8, (106, 122, 58)),
                                 (0.7, (58, 84, 52)), (0.25, (160, 136, 52)), (0.12, (150, 84, 48))), 0.25),
    Choice(Material.BARK, (), ((1.0, (104, 88, 70)), (0.7, (82, 70, 58)), (0.3, (150, 144, 134)))),
    Choice(Material.CLOTH, (), TOPS),
    Choice(Material.SKIN, (), ((1.4, (224, 176, 148)), (0.7, (198, 146, 112)), (0.5, (142, 96, 68)),
                               (0.4, (92, 60, 44))), 0.08),
    Choice(Material.PLASTIC, (), ((0.8, (40, 42, 44)), (0.8, (52, 92, 60)), (0.5, (60, 64, 110)),
                                  (0.3, (170, 130, 30)))),
    Choice(Material.PLASTIC, (Label.TRUCK, 258), ((2.5, (234, 234, 230)), (0.8, (198, 200, 204)),
                                                  (0.5, (40, 86, 156)), (0.4, (176, 30, 34)))),
    Choice(Material.PLASTIC, (Label.POLE,), ((1.0, (120, 124, 126)),)),
    Choice(Material.TARPAULIN, (), ((1.0, (44, 92, 168)), (1.0, (206, 204, 196)), (0.8, (60, 116, 78)),
                                    (0.6, (186, 44, 40)), (0.5, (214, 150, 40)))),
)  # fmt: skip
