"""The line a world is laid out along: an endless street with bends and slopes.

Street coordinates: ``s`` metres along the centre line, ``d`` metres to its left. World frame: x east, y north, z up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from corruptions.rng import generator
from perception3d.simulation.mesh import rotation

LIMIT_M = 88.0  # how far the ground reaches to either side; beyond the longest return
STEP_M = 0.25  # integration step of the centre line
START_M = 120.0  # where the ego vehicle starts, with street behind it


@dataclass(frozen=True)
class Street:
    """The geometry of one world, a function of its seed and name alone.

    Attributes:
        seed: seed of the data set.
        name: name of the world, e.g. the sequence "08".
        half_width_m: from the centre line to the edge of the road; two lanes, traffic keeps to the right (d < 0).
        ego_speed_mps: speed of the ego vehicle.
        theme: "urban", "suburban" or "rural"; decides what stands along the street.
        waves: (K, 3) amplitude in radians, length in metres and phase of each sine that the heading is a sum of.
        hills: (K, 3) amplitude in metres, length and phase of the sines of the height along the street.
        bumps: (K, 4) amplitude, s and d lengths and phase of the sines of the open ground beside the street.
        worksites: whether the street has what only nuScenes counts: work sites with barriers, cones and construction
            vehicles, trailers behind cars.
    """

    seed: int
    name: str
    half_width_m: float
    ego_speed_mps: float
    theme: str
    waves: NDArray[np.float64]
    hills: NDArray[np.float64]
    bumps: NDArray[np.float64]
    worksites: bool = False

    @classmethod
    def of(cls, seed: int, name: str) -> Street:
        """The street of one world."""
        rng = generator(seed, "simulation", "street", name)
        straight = rng.random() < 0.2
        # Bends stay wider than LIMIT_M + 20 m, so that the ground to their inside does not fold over itself:
        # curvature is at most the sum of 2 pi amplitude / length = 1/250 + 1/220 per metre.
        shrink = 0.15 if straight else 1.0
        lengths = np.array([rng.uniform(500, 900), rng.uniform(220, 350)])
        bends = shrink * rng.uniform(0.4, 1.0, 2) * lengths / (2 * np.pi) / [250.0, 220.0]
        return cls(
            seed=seed,
            name=name,
            half_width_m=rng.uniform(4.5, 5.5),
            ego_speed_mps=rng.uniform(6.5, 9.5),
            theme=str(rng.choice(["urban", "suburban", "suburban", "rural"])),
            waves=np.column_stack([bends, lengths, rng.uniform(0, 2 * np.pi, 2)]),
            hills=_waves(rng, [1.2, 0.4], [180, 70], [350, 120]),
            bumps=np.insert(
                _waves(rng, [1.2, 0.5, 0.12], [60, 25, 7], [120, 45, 12]),
                2,
                rng.uniform([60, 25, 7], [120, 45, 12]),
                axis=1,
            ),
        )

    @property
    def lane_m(self) -> float:
        """Distance of the middle of either lane from the centre line."""
        return self.half_width_m / 2

    def rng(self, *what: object) -> np.random.Generator:
        """Random generator of one part of this world, e.g. ``rng("block", 12)``."""
        return generator(self.seed, "simulation", " ".join(str(part) for part in what), self.name)

    def card(self, cards: int, place: int, *deck: object) -> int:
        """Which of ``cards`` lies at a place of an endless row of shuffled decks: each comes once in every deck."""
        return int(self.rng(*deck, place // cards).permutation(cards)[place % cards])

    def heading_rad(self, s: ArrayLike) -> NDArray[np.float64]:
        """Direction of the street at ``s``, counter-clockwise from east."""
        amplitude, length, phase = self.waves.T
        return np.sum(amplitude * np.sin(2 * np.pi * np.asarray(s)[..., None] / length + phase), axis=-1)

    def centre_line(self, until_m: float) -> NDArray[np.float64]:
        """(K, 2) x, y of the centre line every ``STEP_M`` from s = 0."""
        middle = (np.arange(int(until_m / STEP_M) + 2) + 0.5) * STEP_M
        heading = self.heading_rad(middle)
        steps = STEP_M * np.column_stack([np.cos(heading), np.sin(heading)])
        return np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])

    def road_height_m(self, s: ArrayLike) -> NDArray[np.float64]:
        """Height of the road at ``s``."""
        amplitude, length, phase = self.hills.T
        return np.sum(amplitude * np.sin(2 * np.pi * np.asarray(s)[..., None] / length + phase), axis=-1)

    def ground_height_m(self, s: ArrayLike, d: ArrayLike) -> NDArray[np.float64]:
        """Height of the ground without kerbs: the road, slightly cambered, then open ground that rolls."""
        s, d = np.broadcast_arrays(np.asarray(s, np.float64), np.asarray(d, np.float64))
        amplitude, along, across, phase = self.bumps.T
        wave = np.sin(2 * np.pi * (s[..., None] / along + d[..., None] / across) + phase)
        away = np.clip((np.abs(d) - self.half_width_m - 3.0) / 18.0, 0.0, 1.0)
        camber = -0.02 * np.minimum(np.abs(d), self.half_width_m)
        return self.road_height_m(s) + camber + away * np.sum(amplitude * wave, axis=-1)


def _waves(
    rng: np.random.Generator, highest: list[float], shortest: list[float], longest: list[float]
) -> NDArray[np.float64]:
    """(K, 3) amplitude between a tenth of ``highest`` and all of it, length and phase of K sines."""
    amplitude = rng.uniform(0.1, 1.0, len(highest)) * highest
    return np.column_stack([amplitude, rng.uniform(shortest, longest), rng.uniform(0, 2 * np.pi, len(highest))])


class Frame:
    """Turns street coordinates into world coordinates along a stretch of the street.

    The world's origin is moved to ``origin`` because ray casting works in float32.
    """

    def __init__(self, street: Street, until_m: float, origin_s: float) -> None:
        self.street = street
        self._line = street.centre_line(until_m)
        self.origin = np.array([*np.round(self.xy(origin_s, 0.0)), 0.0])

    def xy(self, s: ArrayLike, d: ArrayLike) -> NDArray[np.float64]:
        """(..., 2) world x, y, not moved by the origin."""
        s, d = np.broadcast_arrays(np.asarray(s, np.float64), np.asarray(d, np.float64))
        at = np.arange(len(self._line)) * STEP_M
        centre = np.stack([np.interp(s, at, self._line[:, i]) for i in (0, 1)], axis=-1)
        heading = self.street.heading_rad(s)
        return centre + d[..., None] * np.stack([-np.sin(heading), np.cos(heading)], axis=-1)

    def points(self, s: ArrayLike, d: ArrayLike, above_m: float = 0.0) -> NDArray[np.float64]:
        """(..., 3) points ``above_m`` the ground, relative to the origin."""
        z = self.street.ground_height_m(s, d) + above_m
        return np.concatenate([self.xy(s, d), z[..., None]], axis=-1) - self.origin

    def yaw_rad(self, s: float) -> float:
        """Direction of the street at ``s`` in the world."""
        return float(self.street.heading_rad(s))

    def pitch_rad(self, s: float) -> float:
        """Slope of the street at ``s``, nose up positive."""
        rise = self.street.road_height_m(np.array([s - 1.4, s + 1.4]))
        return float(np.arctan2(rise[1] - rise[0], 2.8))

    def pose(self, s: float, d: float, height_m: float) -> NDArray[np.float64]:
        """(4, 4) from a body that drives along the street, ``height_m`` above the ground, to the world less origin."""
        pose = np.eye(4)
        pose[:3, :3] = rotation(self.yaw_rad(s), self.pitch_rad(s))
        # The height stands square to the road, as the sensor is mounted.
        pose[:3, 3] = self.points(s, d) + pose[:3, :3] @ [0.0, 0.0, height_m]
        return pose
