"""A spinning LiDAR in the scene: beam pattern, blind sectors, lost returns, range noise, remission."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corruptions.sensors import Sensor
from perception3d.simulation.materials import column
from perception3d.simulation.scene import Hits, Scene, nearer


@dataclass(frozen=True)
class BlindSector:
    """Directions that the carrier hides: a trapezium in azimuth and laser elevation.

    Attributes:
        azimuth_deg: middle, counter-clockwise from straight ahead.
        top_deg: upper edge.
        bottom_deg: lower edge.
        top_half_deg: half width at the upper edge.
        bottom_half_deg: half width at the lower edge.
    """

    azimuth_deg: float
    top_deg: float
    bottom_deg: float
    top_half_deg: float
    bottom_half_deg: float


@dataclass(frozen=True)
class Mounting:
    """A LiDAR on a vehicle and what its files keep.

    Attributes:
        sensor: beam table and azimuth steps.
        height_m: origin of the sensor frame above the road.
        max_range_m: longest range kept in the files.
        range_sigma_m: range noise of one return.
        blind: directions hidden by the carrier.
        fading_m: range at which half of the reported remission is left.
    """

    sensor: Sensor
    height_m: float
    max_range_m: float
    range_sigma_m: float
    blind: tuple[BlindSector, ...] = ()
    fading_m: float = 41.0


@dataclass(frozen=True)
class Sweep:
    """One turn, in file order: ring by ring from ring 0, each counter-clockwise from straight ahead.

    Attributes:
        points: float32 (N, 4) x, y, z in metres in the sensor frame, remission in 0..0.99.
        ring: int16 (N,) laser index.
        label: uint16 (N,) original SemanticKITTI id.
        instance: uint16 (N,) instance id, 0 for stuff.
    """

    points: NDArray[np.float32]
    ring: NDArray[np.int16]
    label: NDArray[np.uint16]
    instance: NDArray[np.uint16]


@dataclass(frozen=True)
class Beams:
    """The rays of one turn in the sensor frame, in file order.

    Attributes:
        origins: (N, 3) where each beam starts, metres.
        directions: (N, 3) unit vectors.
        ring: int16 (N,) laser index.
    """

    origins: NDArray[np.float64]
    directions: NDArray[np.float64]
    ring: NDArray[np.int16]


def beams(mounting: Mounting) -> Beams:
    """The rays of one turn that the carrier does not hide."""
    sensor = mounting.sensor
    rings, steps = sensor.num_rings, sensor.steps_per_turn
    ring = np.repeat(np.arange(rings), steps)
    # The lasers of one block fire one after the other, so each ring starts at another part of a step; the share stays
    # clear of 0 and 1, where rounding to float32 could move a point across straight ahead.
    share = 0.1 + 0.8 * np.modf(np.arange(rings) * 0.618034)[0]
    azimuth = (np.tile(np.arange(steps), rings) + share[ring]) * sensor.azimuth_step_rad
    elevation = np.radians(np.asarray(sensor.elevations_deg))[ring]
    heights = np.asarray(sensor.beam_heights_m or np.zeros(rings))[ring]
    flat = np.cos(elevation)
    directions = np.column_stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)])
    origins = np.column_stack([np.zeros((len(ring), 2)), heights])
    seen = ~hidden(mounting.blind, np.degrees(azimuth), np.degrees(elevation))
    return Beams(origins[seen], directions[seen], ring[seen].astype(np.int16))


def hidden(
    blind: tuple[BlindSector, ...], azimuth_deg: NDArray[np.float64], elevation_deg: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """(N,) which directions the carrier hides; azimuth counter-clockwise from straight ahead."""
    hidden = np.zeros(len(azimuth_deg), bool)
    for sector in blind:
        share = (sector.top_deg - elevation_deg) / (sector.top_deg - sector.bottom_deg)
        half = sector.top_half_deg + share * (sector.bottom_half_deg - sector.top_half_deg)
        off = np.abs((azimuth_deg - sector.azimuth_deg + 180) % 360 - 180)
        hidden |= (share >= 0) & (share <= 1) & (off < half)
    return hidden


def sweep(
    scenes: tuple[Scene, ...],
    pose: NDArray[np.float64],
    mounting: Mounting,
    rays: Beams,
    laser_gain: NDArray[np.float64],
    rng: np.random.Generator,
) -> Sweep:
    """One turn of the sensor.

    Args:
        scenes: scenes the beams meet together, e.g. the static world and what moves.
        pose: (4, 4) from the sensor frame to the frame of the scenes.
        mounting: the sensor.
        rays: ``beams(mounting)``.
        laser_gain: (R,) sensitivity of each laser, about 1.
        rng: source of noise and lost returns.

    Returns:
        The points that return within range. Motion during the turn is taken as compensated, as in KITTI's files.
    """
    echoes = fire(scenes, pose, mounting, rays, laser_gain, rng)
    kept = echoes.kept
    xyz = rays.origins[kept] + rays.directions[kept] * echoes.range_m[kept, None]
    # The device reports 8 bits, KITTI's files hold them in steps of 0.01.
    value = np.round(np.clip(echoes.signal[kept], 0.0, 0.99), 2)
    points = np.column_stack([xyz, value]).astype(np.float32)
    return Sweep(points, rays.ring[kept], echoes.hits.label[kept], echoes.hits.instance[kept])


@dataclass(frozen=True)
class Echoes:
    """What N beams bring back.

    Attributes:
        hits: what they met.
        signal: (N,) remission as the device reports it, not clipped.
        range_m: (N,) measured range, infinite for the sky.
        kept: (N,) whether there is a return within the sensor's limits.
    """

    hits: Hits
    signal: NDArray[np.float64]
    range_m: NDArray[np.float64]
    kept: NDArray[np.bool_]


def fire(
    scenes: tuple[Scene, ...],
    pose: NDArray[np.float64],
    mounting: Mounting,
    rays: Beams,
    laser_gain: NDArray[np.float64],
    rng: np.random.Generator,
) -> Echoes:
    """The echo of each beam; arguments as in ``sweep``."""
    rotation = pose[:3, :3]
    origins = rays.origins @ rotation.T + pose[:3, 3]
    directions = rays.directions @ rotation.T
    hits = scenes[0].cast(origins, directions)
    for scene in scenes[1:]:
        hits = nearer(hits, scene.cast(origins, directions))
    signal = remission(hits, laser_gain[rays.ring], rng, mounting.fading_m)
    noise = rng.normal(size=len(signal)) * np.hypot(mounting.range_sigma_m, column("roughness_m")[hits.material])
    range_m = hits.range_m + noise
    kept = returns(hits, signal, rng) & (range_m > mounting.sensor.min_range_m) & (range_m < mounting.max_range_m)
    return Echoes(hits, signal, range_m, kept)


def sensitivities(rng: np.random.Generator, rings: int) -> NDArray[np.float64]:
    """(R,) gain of each laser of one unit: near 1, a few much weaker, as in the real scans."""
    gain = rng.uniform(0.88, 1.12, rings)
    weak = rng.random(rings) < 0.08
    return np.where(weak, gain * rng.uniform(0.15, 0.5, rings), gain)


def remission(
    hits: Hits, laser_gain: NDArray[np.float64], rng: np.random.Generator, fading_m: float
) -> NDArray[np.float64]:
    """(N,) remission as the device reports it, before clipping; may be negative where the signal drowns.

    The HDL-64E flattens its output with range; what is left is a decay beyond some 25 m and a loss at grazing
    incidence that sets in sharply. Both are fitted to the medians per class and range of real scans; other sensors
    fade elsewhere.
    """
    material, cosine = hits.material, np.maximum(hits.cos_incidence, 1e-3)
    count = len(material)
    spread = np.exp(rng.normal(size=count) * column("point_sigma")[material])
    angle = 1.0 / (1.0 + (column("grazing_cos")[material] / cosine) ** 3)
    decay = 1.0 / (1.0 + (np.minimum(hits.range_m, 1e3) / fading_m) ** 3)
    signal = column("remission")[material] * hits.gain * spread * angle * decay * laser_gain
    return signal - 0.05 + rng.normal(0.0, 0.03, count)


def returns(hits: Hits, signal: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.bool_]:
    """(N,) which rays come back: not the sky, rarely glass, paint at grazing incidence or drowned signals."""
    cosine = hits.cos_incidence
    mirrored = column("grazing_loss")[hits.material] * (1.0 - np.clip(cosine / 0.6, 0.0, 1.0))
    drowned = np.clip((np.minimum(hits.range_m, 1e3) - 15.0) / 60.0, 0.0, 0.85) * np.clip(1.0 - signal / 0.06, 0.0, 1.0)
    lost = column("loss")[hits.material] + mirrored + drowned
    return np.isfinite(hits.range_m) & (rng.random(len(signal)) >= lost)
