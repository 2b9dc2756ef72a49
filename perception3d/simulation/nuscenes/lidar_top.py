"""LIDAR_TOP: an HDL-32E whose files hold every firing, as nuScenes' do.

Firings without a return lie within 0.25 m behind the origin in the real files, and the roof of the carrier returns from
below the sensor; both are written here, so that a file holds 1085 x 32 points.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from corruptions.sensors import SENSORS
from perception3d.simulation.lidar import Beams, BlindSector, Mounting, fire, hidden
from perception3d.simulation.nuscenes.categories import EGO, NOISE
from perception3d.simulation.nuscenes.rig import EGO_FROM_LIDAR
from perception3d.simulation.scene import Scene

# Returns end where the simulated world does; real ones reach 105 m (0.5 % of them lie beyond 84 m).
HDL_32E = Mounting(
    sensor=replace(SENSORS["HDL-32E"], steps_per_turn=1085),
    height_m=float(EGO_FROM_LIDAR[2, 3]),
    max_range_m=84.0,
    range_sigma_m=0.012,
    # What the real scans see of their carrier, read off the azimuths of returns within 1 m by laser.
    blind=(BlindSector(175.0, -19.0, -31.0, 8.0, 45.0), BlindSector(16.0, -22.7, -31.0, 30.0, 66.0)),
)
ROOF_BELOW_M = 0.30
FIRST_AZIMUTH_DEG = -176.0
# Median intensity of the real scans (14) at the median remission of the simulation (0.28).
INTENSITY, REMISSION, CONTRAST = 14.0, 0.28, 1.6


@dataclass(frozen=True)
class Turn:
    """One turn of LIDAR_TOP, in file order: firing by firing clockwise from the left, ring 0 (lowest) to 31 in each.

    Attributes:
        points: float32 (N, 5) x right, y forward, z up in metres, intensity 0..255, ring.
        label: uint16 (N,) label of the world, 0 for firings without a return and the own roof.
        instance: uint16 (N,) instance id, 0 for stuff.
        special: uint8 (N,) lidarseg index of the own roof and of firings without a return, 255 elsewhere.
    """

    points: NDArray[np.float32]
    label: NDArray[np.uint16]
    instance: NDArray[np.uint16]
    special: NDArray[np.uint8]


@lru_cache(maxsize=1)
def firings() -> tuple[Beams, NDArray[np.bool_]]:
    """The rays of one turn in the frame of LIDAR_TOP in file order, and which of them meet the own roof."""
    sensor = HDL_32E.sensor
    ring = np.tile(np.arange(sensor.num_rings), sensor.steps_per_turn)
    step = np.repeat(np.arange(sensor.steps_per_turn), sensor.num_rings)
    # The lasers of a firing follow each other within one step.
    azimuth = np.radians(FIRST_AZIMUTH_DEG) - (step + ring / sensor.num_rings) * sensor.azimuth_step_rad
    elevation = np.radians(np.asarray(sensor.elevations_deg))[ring]
    flat = np.cos(elevation)
    directions = np.column_stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)])
    rays = Beams(np.zeros_like(directions), directions, ring.astype(np.int16))
    return rays, hidden(HDL_32E.blind, np.degrees(azimuth) - 90.0, np.degrees(elevation))


def turn(
    scenes: tuple[Scene, ...],
    world_from_lidar: NDArray[np.float64],
    laser_gain: NDArray[np.float64],
    rng: np.random.Generator,
) -> Turn:
    """One turn of the sensor; arguments as in ``perception3d.simulation.lidar.sweep``.

    Motion during the turn is taken as compensated, as in nuScenes' files; those hold no time per point.
    """
    rays, roof = firings()
    echoes = fire(scenes, world_from_lidar, HDL_32E, rays, laser_gain, rng)
    kept = echoes.kept & ~roof
    lost, count = ~kept & ~roof, len(roof)
    down = -rays.directions[:, 2]
    range_m = np.where(roof, ROOF_BELOW_M / np.where(roof, down, 1.0) + rng.normal(0, 0.01, count), echoes.range_m)
    xyz = rays.directions * np.where(lost, 0.0, range_m)[:, None]
    xyz[lost] = rng.uniform(0.02, 0.24, (int(lost.sum()), 1)) * [-0.01, -1.0, -0.03]
    intensity = INTENSITY * (np.maximum(echoes.signal, 0.0) / REMISSION) ** CONTRAST
    intensity = np.where(kept, intensity, np.exp(rng.normal(np.log(9.0), 0.8, count)))
    value = np.round(np.clip(intensity, 0, 255))
    points = np.column_stack([xyz, value, rays.ring]).astype(np.float32)
    special = np.full(count, 255, np.uint8)
    special[roof], special[lost] = EGO, NOISE
    return Turn(
        points,
        np.where(kept, echoes.hits.label, 0).astype(np.uint16),
        np.where(kept, echoes.hits.instance, 0).astype(np.uint16),
        special,
    )
