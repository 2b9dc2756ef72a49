"""One scene: its street, the way of the ego vehicle, its place in the global frame and its clock."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from perception3d.simulation.mesh import rotation
from perception3d.simulation.nuscenes.request import KEYFRAME_S, SWEEPS
from perception3d.simulation.street import START_M, Frame, Street
from perception3d.simulation.world import Stretch

# nuScenes is recorded where it is flat, and everybody takes its boxes as turned about the vertical axis alone.
FLATTER = 0.2
STANDING_SHARE = 0.1
SPEEDS_MPS = (3.0, 10.0)
EPOCH_US = 1_530_000_000_000_000
SCENE_US = 100_000_000  # from one scene number to the next
MAP_M = 520.0  # edge of the square that a scene lies in: 20 s of driving from its middle, and 60 m more


def street_of(seed: int, scene: str) -> Street:
    """The street of a scene: work sites, gentle slopes, the speeds of towns, at times an ego vehicle that waits."""
    street = Street.of(seed, scene)
    waits = street.rng("ego waits").random() < STANDING_SHARE
    return replace(
        street,
        hills=street.hills * [FLATTER, 1.0, 1.0],
        worksites=True,
        ego_speed_mps=0.0 if waits else street.rng("ego speed").uniform(*SPEEDS_MPS),
    )


def timestamp_us(scene: str, sweep: int) -> int:
    """Time of a LiDAR sweep, counted from the first keyframe; every ``SWEEPS`` of them there is a keyframe."""
    return EPOCH_US + int(scene.removeprefix("scene-")) * SCENE_US + round(sweep * KEYFRAME_S * 1e6 / SWEEPS)


def time_s(sweep: int) -> float:
    """Seconds from the first keyframe to a LiDAR sweep."""
    return sweep * KEYFRAME_S / SWEEPS


@dataclass(frozen=True)
class Drive:
    """A scene.

    Attributes:
        street: its street.
        turn_rad: heading of the street's x axis in the global frame.
        sway_m: how far the ego vehicle strays from the middle of its lane.
        sway_length_m: over which length it does so.
        sway_phase: where it starts.
    """

    street: Street
    turn_rad: float
    sway_m: float
    sway_length_m: float
    sway_phase: float

    @classmethod
    def of(cls, seed: int, scene: str) -> Drive:
        """The scene of this name."""
        street = street_of(seed, scene)
        rng = street.rng("drive")
        return cls(street, rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.3), rng.uniform(60, 120),
                   rng.uniform(0, 2 * np.pi))  # fmt: skip

    def ego_s(self, at_s: float) -> float:
        """Where along the street the ego vehicle is at a time."""
        return START_M + self.street.ego_speed_mps * at_s

    def ego_pose(self, frame: Frame, at_s: float) -> NDArray[np.float64]:
        """(4, 4) from the ego frame to the frame of the scenes."""
        s, turn = self.ego_s(at_s), 2 * np.pi / self.sway_length_m
        phase = turn * (s - START_M) + self.sway_phase
        aside, slope = self.sway_m * np.sin(phase), self.sway_m * turn * np.cos(phase)
        pose = frame.pose(s, -self.street.lane_m + aside, 0.0)
        pose[:3, :3] = pose[:3, :3] @ rotation(float(np.arctan(slope)))
        return pose

    def global_from_world(self, stretch: Stretch) -> NDArray[np.float64]:
        """(4, 4) from the frame of the scenes of a stretch to the global frame, where the scene starts mid map."""
        start = Frame(self.street, START_M, START_M).xy(START_M, 0.0)
        pose = np.eye(4)
        pose[:3, :3] = rotation(self.turn_rad)
        pose[:3, 3] = [MAP_M / 2, MAP_M / 2, 0.0] + pose[:3, :3] @ (stretch.frame.origin - [*start, 0.0])
        return pose
