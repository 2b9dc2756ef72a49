"""The sensors on the ego vehicle, like those of nuScenes but in round numbers.

Ego frame: x forward, y left, z up, origin on the ground below the rear axle. LIDAR_TOP: x right, y forward, z up.
Cameras: x right, y down, z forward.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception3d.simulation.camera import Camera
from perception3d.simulation.mesh import rotation

LIDAR = "LIDAR_TOP"
FULL_WIDTH_PX, FULL_HEIGHT_PX = 1600, 900
# Where the visibility of objects is judged from: the middle of the cameras, in the ego frame.
EYE_M = (1.0, 0.0, 1.55)
EGO_FROM_LIDAR = np.array([[0.0, 1.0, 0.0, 0.94], [-1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.84], [0.0, 0.0, 0.0, 1.0]])


@dataclass(frozen=True)
class Mounted:
    """A camera on the ego vehicle.

    Attributes:
        heading_deg: direction of view, counter-clockwise from straight ahead.
        position_m: in the ego frame.
        focal_px: focal length at 900 x 1600.
    """

    heading_deg: float
    position_m: tuple[float, float, float]
    focal_px: float


# Means of the two rigs that nuScenes' tables hold, rounded; the axes are level. In the order of mmdet3d's info files.
CAMERAS: dict[str, Mounted] = {
    "CAM_FRONT": Mounted(0.0, (1.7, 0.0, 1.5), 1266.0),
    "CAM_FRONT_RIGHT": Mounted(-55.0, (1.55, -0.5, 1.5), 1260.0),
    "CAM_FRONT_LEFT": Mounted(55.0, (1.55, 0.5, 1.5), 1260.0),
    "CAM_BACK": Mounted(180.0, (0.03, 0.0, 1.57), 809.0),
    "CAM_BACK_LEFT": Mounted(110.0, (1.04, 0.48, 1.58), 1256.0),
    "CAM_BACK_RIGHT": Mounted(-110.0, (1.04, -0.48, 1.58), 1256.0),
}


def ego_from_camera(channel: str) -> NDArray[np.float64]:
    """(4, 4) from the optical frame of a camera to the ego frame."""
    mounted, pose = CAMERAS[channel], np.eye(4)
    body_from_optical = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    pose[:3, :3] = rotation(np.radians(mounted.heading_deg)) @ body_from_optical
    pose[:3, 3] = mounted.position_m
    return pose


def camera(channel: str, height_px: int, width_px: int) -> Camera:
    """A camera of the rig at any resolution; the field of view stays, the principal point is the middle of the image.

    Pixel centres have integer coordinates, so that the middle of 1600 pixels is 799.5.
    """
    focal = CAMERAS[channel].focal_px
    intrinsics = np.array(
        [
            [focal * width_px / FULL_WIDTH_PX, 0.0, (width_px - 1) / 2],
            [0.0, focal * height_px / FULL_HEIGHT_PX, (height_px - 1) / 2],
            [0.0, 0.0, 1.0],
        ]
    )
    return Camera(width_px, height_px, intrinsics)


def quaternion(matrix: NDArray[np.float64]) -> list[float]:
    """Rotation (3, 3) as w, x, y, z, the order of nuScenes' tables, with w not negative."""
    from scipy.spatial.transform import Rotation

    x, y, z, w = Rotation.from_matrix(matrix).as_quat(canonical=True)
    return [float(w), float(x), float(y), float(z)]


def matrix(quaternion_wxyz: list[float]) -> NDArray[np.float64]:
    """(3, 3) rotation of a quaternion w, x, y, z."""
    from scipy.spatial.transform import Rotation

    w, x, y, z = quaternion_wxyz
    return Rotation.from_quat([x, y, z, w]).as_matrix()
