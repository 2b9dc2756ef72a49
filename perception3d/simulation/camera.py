"""A pinhole camera in the scene: picture, depth, labels and instances of one view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError
from perception3d.simulation.light import Light
from perception3d.simulation.scene import Scene

LARGEST_PX = 8192


@dataclass(frozen=True)
class Camera:
    """A pinhole camera without distortion. Optical frame: x right, y down, z forward.

    Attributes:
        width: pixels per row.
        height: rows.
        intrinsics: (3, 3) from the optical frame to pixels, last row 0 0 1. Pixel (column c, row r) is seen along the
            ray through image coordinates (c, r): the centres of pixels have integer coordinates, as in OpenCV.

    Raises:
        InputError: for an empty or huge image, or intrinsics that are no upper triangular, invertible matrix.
    """

    width: int
    height: int
    intrinsics: NDArray[np.float64]

    def __post_init__(self) -> None:
        if not (1 <= self.width <= LARGEST_PX and 1 <= self.height <= LARGEST_PX):
            raise InputError(
                f"camera: expected a width and height of 1 ... {LARGEST_PX} pixels, found {self.width} x {self.height}"
            )
        matrix = np.asarray(self.intrinsics, np.float64)
        if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
            raise InputError(f"camera: expected finite (3, 3) intrinsics, found {matrix.tolist()}")
        if np.any(matrix[2] != [0, 0, 1]) or matrix[0, 0] <= 0 or matrix[1, 1] <= 0 or matrix[1, 0] != 0:
            raise InputError(
                "camera: expected intrinsics [[fx, s, cx], [0, fy, cy], [0, 0, 1]] with focal lengths above 0 pixels, "
                f"found {matrix.tolist()}"
            )

    def rays(self) -> NDArray[np.float32]:
        """(H * W, 3) directions through the pixels, row by row, of unit length along the optical axis."""
        column, row = np.meshgrid(np.arange(self.width), np.arange(self.height))
        pixels = np.stack([column.ravel(), row.ravel(), np.ones(column.size)])
        return np.linalg.solve(np.asarray(self.intrinsics, np.float64), pixels).T.astype(np.float32)


@dataclass(frozen=True)
class View:
    """What a camera sees.

    Attributes:
        image: uint8 (H, W, 3) RGB.
        depth_m: float32 (H, W) along the optical axis, infinite in the sky.
        label: uint16 (H, W) original SemanticKITTI id, 0 in the sky.
        instance: uint16 (H, W) instance id, 0 for stuff and sky.
    """

    image: NDArray[np.uint8]
    depth_m: NDArray[np.float32]
    label: NDArray[np.uint16]
    instance: NDArray[np.uint16]


def render(
    scenes: tuple[Scene, ...],
    camera: Camera,
    world_from_camera: NDArray[np.float64],
    light: Light,
    rng: np.random.Generator,
) -> View:
    """One picture.

    Args:
        scenes: scenes seen together, e.g. the static world and what moves.
        camera: the camera.
        world_from_camera: (4, 4) from the optical frame to the frame of the scenes.
        light: sun, sky and haze.
        rng: source of the sensor noise, and of nothing else.
    """
    directions = camera.rays() @ np.asarray(world_from_camera, np.float64)[:3, :3].T.astype(np.float32)
    rays = np.concatenate([np.broadcast_to(world_from_camera[:3, 3], directions.shape), directions], axis=1)
    rays = rays.astype(np.float32)
    depth = np.full(len(rays), np.inf, np.float32)
    label, instance = np.zeros(len(rays), np.uint16), np.zeros(len(rays), np.uint16)
    lit = np.zeros(len(rays), np.float32)
    for scene in scenes:
        if not len(scene.label):
            continue
        answer = scene.trace(rays)
        nearer = answer["t_hit"] < depth
        triangle = answer["primitive_ids"][nearer]
        depth[nearer] = answer["t_hit"][nearer]
        label[nearer], instance[nearer] = scene.label[triangle], scene.instance[triangle]
        lit[nearer] = np.abs(answer["primitive_normals"][nearer] @ light.sun)
    shade = np.stack([lit * 200 + 20] * 3, axis=-1) + rng.normal(0, 2, (len(rays), 3))
    shade[np.isinf(depth)] = (170, 200, 230)
    shape = camera.height, camera.width
    return View(
        image=np.clip(shade, 0, 255).astype(np.uint8).reshape(*shape, 3),
        depth_m=depth.reshape(shape),
        label=label.reshape(shape),
        instance=instance.reshape(shape),
    )
