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
from perception3d.simulation.lidar import Beams, BlindSector, Echoes, Mounting, fire, hidden
from perception3d.simulation.materials import Material
from perception3d.simulation.nuscenes.categories import EGO, NOISE
from perception3d.simulation.nuscenes.rig import EGO_FROM_LIDAR
from perception3d.simulation.scene import Scene

# Returns end where the simulated world does; real ones reach 105 m (0.5 % of them lie beyond 84 m).
HDL_32E = Mounting(
    sensor=replace(SENSORS["HDL-32E"], steps_per_turn=1085),
    height_m=float(EGO_FROM_LIDAR[2, 3]),
    max_range_m=84.0,
    range_sigma_m=0.012,
    # What the real scans see of their carrier: its rear and its bonnet, read off the azimuths of returns by laser.
    blind=(
        BlindSector(180.0, -19.5, -22.7, 3.0, 29.0),
        BlindSector(180.0, -22.7, -31.0, 29.0, 48.0),
        BlindSector(0.0, -21.0, -24.0, 8.0, 44.0),
        BlindSector(0.0, -24.0, -28.0, 44.0, 64.0),
        BlindSector(0.0, -28.0, -31.0, 64.0, 103.0),
    ),
    fading_m=np.inf,  # the real intensities rise with range
)
ROOF_BELOW_M = 0.30
FIRST_AZIMUTH_DEG = -176.0
BEHIND = np.array([-0.01, -1.0, -0.03])  # where firings without a return lie
# Intensity over the remission of the simulation, whose median is 0.28, and over range: fitted to the quantiles of the
# real scans. Below some SOFT the remission is lifted, so that dark surfaces spread over 0, 1, 2 ...
INTENSITY, REMISSION, CONTRAST, SOFT, SPREAD = 14.0, 0.28, 1.9, 0.17, 0.5
GAIN_AT_M = ((0.0, 10.0, 15.0, 30.0, 60.0, 85.0), (1.0, 0.95, 0.68, 0.52, 0.75, 1.5))
# The weakest returns of the real scans grow with the square of range (5 % quantile: 3 at 30 m, 12 at 50 m, 32 at 85 m).
THRESHOLD_PER_M2 = 0.0022
ZEROS_LOST = 0.1  # share of the echoes that would round to 0
# Diffuse surfaces end at 100, retroreflectors begin there (HDL-32E user's manual: calibrated reflectivities).
DIFFUSE_MAX = 100.0


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


@dataclass(frozen=True)
class Firings:
    """The rays of one turn in the frame of LIDAR_TOP, in file order.

    Attributes:
        directions: (N, 3) unit vectors.
        ring: int16 (N,) laser index.
        roof: bool (N,) which of them meet the own roof.
        free: the others.
    """

    directions: NDArray[np.float64]
    ring: NDArray[np.int16]
    roof: NDArray[np.bool_]
    free: Beams


@lru_cache(maxsize=1)
def firings() -> Firings:
    """The rays of one turn."""
    sensor = HDL_32E.sensor
    ring = np.tile(np.arange(sensor.num_rings), sensor.steps_per_turn).astype(np.int16)
    step = np.repeat(np.arange(sensor.steps_per_turn), sensor.num_rings)
    # The lasers of a firing follow each other within one step.
    azimuth = np.radians(FIRST_AZIMUTH_DEG) - (step + ring / sensor.num_rings) * sensor.azimuth_step_rad
    elevation = np.radians(np.asarray(sensor.elevations_deg))[ring]
    flat = np.cos(elevation)
    directions = np.column_stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)])
    roof = hidden(HDL_32E.blind, np.degrees(azimuth) - 90.0, np.degrees(elevation))
    return Firings(directions, ring, roof, Beams(np.zeros((int((~roof).sum()), 3)), directions[~roof], ring[~roof]))


def turn(
    scenes: tuple[Scene, ...],
    world_from_lidar: NDArray[np.float64],
    laser_gain: NDArray[np.float64],
    rng: np.random.Generator,
) -> Turn:
    """One turn of the sensor; arguments as in ``perception3d.simulation.lidar.sweep``.

    Motion during the turn is taken as compensated, as in nuScenes' files; those hold no time per point.
    """
    rays, count = firings(), len(firings().ring)
    echoes = fire(scenes, world_from_lidar, HDL_32E, rays.free, laser_gain, rng)
    strength = intensities(echoes, rng)
    kept = echoes.kept & heard(strength, echoes.range_m, rng)
    met = np.flatnonzero(~rays.roof)[kept]
    roof = np.flatnonzero(rays.roof)
    lost = np.ones(count, bool)
    lost[met] = lost[roof] = False
    range_m, intensity = np.zeros(count), np.exp(rng.normal(np.log(9.0), 0.8, count))
    range_m[met] = echoes.range_m[kept]
    range_m[roof] = -ROOF_BELOW_M / rays.directions[roof, 2] + rng.normal(0, 0.01, len(roof))
    xyz = rays.directions * range_m[:, None]
    xyz[lost] = rng.uniform(0.02, 0.24, (int(lost.sum()), 1)) * BEHIND
    intensity[met] = strength[kept]
    points = np.column_stack([xyz, np.round(np.clip(intensity, 0, 255)), rays.ring]).astype(np.float32)
    label, instance = np.zeros(count, np.uint16), np.zeros(count, np.uint16)
    label[met], instance[met] = echoes.hits.label[kept], echoes.hits.instance[kept]
    special = np.full(count, 255, np.uint8)
    special[roof], special[lost] = EGO, NOISE
    return Turn(points, label, instance, special)


def intensities(echoes: Echoes, rng: np.random.Generator) -> NDArray[np.float64]:
    """(N,) intensity of each echo as LIDAR_TOP reports it, before rounding and clipping to 255."""
    signal = echoes.signal
    lifted = (signal + np.hypot(signal, SOFT)) / 2
    spread = np.exp(rng.normal(0.0, SPREAD, len(signal)))
    strength = INTENSITY * (lifted / REMISSION) ** CONTRAST * spread * np.interp(echoes.range_m, *GAIN_AT_M)
    bright = echoes.hits.material == Material.RETROREFLECTOR
    return np.where(bright, DIFFUSE_MAX + strength, np.minimum(strength, DIFFUSE_MAX))


def heard(strength: NDArray[np.float64], range_m: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.bool_]:
    """(N,) which echoes rise above the noise: what is far away must be bright, and some of the faintest are lost."""
    faint = (strength < 0.5) & (rng.random(len(strength)) < ZEROS_LOST)
    return (strength > THRESHOLD_PER_M2 * np.minimum(range_m, 1e3) ** 2) & ~faint
