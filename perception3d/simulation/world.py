"""A stretch of one world: the standing scene around a few ego poses, and the traffic at any time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception3d.simulation.blocks import BLOCK_M
from perception3d.simulation.roadside import block
from perception3d.simulation.scene import Scene
from perception3d.simulation.street import LIMIT_M, START_M, Frame, Street
from perception3d.simulation.traffic import Traffic

SIGHT_M = 85.0  # beyond the longest return


def ego_pose(frame: Frame, street: Street, time_s: float, height_m: float) -> NDArray[np.float64]:
    """(4, 4) from a sensor ``height_m`` above the road on the ego vehicle to the world less the frame's origin."""
    return frame.pose(START_M + street.ego_speed_mps * time_s, -street.lane_m, height_m)


class Stretch:
    """The part of a world that a sensor sees between two times."""

    def __init__(self, street: Street, first_s: float, last_s: float) -> None:
        near = START_M + street.ego_speed_mps * first_s
        far = START_M + street.ego_speed_mps * last_s
        self.street = street
        self.frame = Frame(street, far + SIGHT_M + 2 * LIMIT_M, near)
        self._traffic = Traffic(self.frame, street)
        blocks = range(int((near - SIGHT_M) // BLOCK_M), int((far + SIGHT_M) // BLOCK_M) + 1)
        self.standing = Scene([placed for index in blocks for placed in block(self.frame, street, index)])

    def moving(self, time_s: float) -> Scene:
        """The traffic at a time."""
        return Scene(self._traffic.at(time_s))

    def pose(self, time_s: float, height_m: float) -> NDArray[np.float64]:
        """(4, 4) from a sensor on the ego vehicle to the frame of the scenes."""
        return ego_pose(self.frame, self.street, time_s, height_m)
