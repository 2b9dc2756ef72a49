"""A pinhole camera in the scene: picture, depth, labels and instances of one view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError
from perception3d.simulation.light import Light
from perception3d.simulation.scene import Scene

LARGEST_PX = 8192
NEAR_M = 5.0  # how far things dim the sky light of their neighbours


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
        """(H * W, 3) directions in the optical frame through the pixels, row by row, 1 long along its axis."""
        inverse = np.linalg.inv(np.asarray(self.intrinsics, np.float64)).astype(np.float32)
        rays = np.ones((self.height, self.width, 3), np.float32)
        row = np.arange(self.height, dtype=np.float32)[:, None]
        rays[..., 1] = inverse[1, 1] * row + inverse[1, 2]
        rays[..., 0] = inverse[0, 0] * np.arange(self.width, dtype=np.float32) + (inverse[0, 1] * row + inverse[0, 2])
        return rays.reshape(-1, 3)


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


@dataclass(frozen=True)
class _Surfaces:
    """What the pixels of one picture meet first; see ``textures.paint``."""

    depth: NDArray[np.float32]
    label: NDArray[np.uint16]
    instance: NDArray[np.uint16]
    albedo: NDArray[np.float32]
    kind: NDArray[np.uint8]
    lamp: NDArray[np.float32]
    normal: NDArray[np.float32]


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

    Raises:
        InputError: for a pose that is no rigid motion.
    """
    from perception3d.simulation import shading  # compiles kernels; only those who render pay for it

    pose = _checked(world_from_camera)
    eye = pose[:3, 3].astype(np.float32)
    directions = camera.rays() @ pose[:3, :3].T.astype(np.float32)
    seen = _surfaces(scenes, camera, eye, directions)
    sunlit = _sunlit(scenes, eye, directions, seen, light)
    share = _openness(scenes, camera, eye, directions, seen)
    picture = np.empty((len(directions), 3), np.float32)
    shading.illuminate(
        seen.depth, directions, camera.width, camera.height, seen.albedo, seen.kind, seen.lamp, seen.normal,
        sunlit, share, light.sun, light.sun_rgb, light.zenith_rgb, light.horizon_rgb, light.cover, light.haze_per_m,
        light.exposure, light.lamps, light.key, picture,
    )  # fmt: skip
    shape = camera.height, camera.width
    image = np.empty((*shape, 3), np.uint8)
    noise = rng.standard_normal((*shape, 3), np.float32)
    shading.develop(picture.reshape(*shape, 3), noise, light.noise, image)
    return View(image, seen.depth.reshape(shape), seen.label.reshape(shape), seen.instance.reshape(shape))


def _checked(world_from_camera: NDArray[np.float64]) -> NDArray[np.float64]:
    pose = np.asarray(world_from_camera, np.float64)
    rigid = pose.shape == (4, 4) and np.isfinite(pose).all() and np.array_equal(pose[3], [0, 0, 0, 1])
    if not (rigid and np.allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-4)):
        raise InputError(f"world_from_camera: expected a (4, 4) rotation and translation, found {pose.tolist()}")
    return pose


def _surfaces(
    scenes: tuple[Scene, ...], camera: Camera, eye: NDArray[np.float32], directions: NDArray[np.float32]
) -> _Surfaces:
    """The nearest surface of every pixel, painted."""
    from perception3d.simulation.textures import paint

    count = len(directions)
    seen = _Surfaces(
        depth=np.full(count, np.inf, np.float32),
        label=np.zeros(count, np.uint16),
        instance=np.zeros(count, np.uint16),
        albedo=np.zeros((count, 3), np.float32),
        kind=np.zeros(count, np.uint8),
        lamp=np.zeros(count, np.float32),
        normal=np.zeros((count, 3), np.float32),
    )
    rays = np.empty((count, 6), np.float32)
    rays[:, :3], rays[:, 3:] = eye, directions
    answers = [(scene, scene.trace(rays)) for scene in scenes if len(scene.label)]
    for _, answer in answers:
        np.minimum(seen.depth, answer["t_hit"], out=seen.depth)
    taken = np.isinf(seen.depth)
    for scene, answer in answers:
        chosen = np.flatnonzero((answer["t_hit"] == seen.depth) & ~taken).astype(np.int32)
        taken[chosen] = True
        triangle = answer["primitive_ids"]
        seen.label[chosen], seen.instance[chosen] = scene.label[triangle[chosen]], scene.instance[triangle[chosen]]
        looks = scene.looks
        paint(
            chosen, triangle, answer["primitive_uvs"], answer["t_hit"], answer["primitive_normals"], directions,
            1.0 / float(camera.intrinsics[0, 0]), looks.table, looks.pattern, looks.seed,
            seen.albedo, seen.kind, seen.lamp, seen.normal,
        )  # fmt: skip
    return seen


def _sunlit(
    scenes: tuple[Scene, ...],
    eye: NDArray[np.float32],
    directions: NDArray[np.float32],
    seen: _Surfaces,
    light: Light,
) -> NDArray[np.uint8]:
    """(N,) 1 where the sun reaches; under a closed sky light comes from everywhere and casts no shadow."""
    from perception3d.simulation.shading import sun_rays

    count = len(directions)
    sunlit = np.ones(count, np.uint8)
    if not light.shadows:
        return sunlit
    rays, pixel = np.empty((count, 6), np.float32), np.empty(count, np.int32)
    filled = sun_rays(seen.depth, directions, eye, seen.normal, seen.kind, light.sun, rays, pixel)
    rays, pixel = rays[:filled], pixel[:filled]
    for scene in scenes:
        hidden = scene.occluded(rays)
        sunlit[pixel[hidden]] = 0
    return sunlit


def _openness(
    scenes: tuple[Scene, ...],
    camera: Camera,
    eye: NDArray[np.float32],
    directions: NDArray[np.float32],
    seen: _Surfaces,
) -> NDArray[np.float32]:
    """Share of the open hemisphere that blocks of 2 x 2 pixels see within ``NEAR_M``, (blocks,)."""
    from perception3d.simulation.shading import hemisphere_rays, openness

    width, height = camera.width, camera.height
    blocks = ((width + 1) // 2) * ((height + 1) // 2)
    rays, block = np.empty((blocks, 6), np.float32), np.empty(blocks, np.int32)
    filled = hemisphere_rays(seen.depth, directions, eye, seen.normal, width, height, rays, block)
    free, once, share = np.ones(blocks, np.float32), np.empty(blocks, np.float32), np.empty(blocks, np.float32)
    for scene in scenes:
        free[block[:filled][scene.occluded(rays[:filled], NEAR_M)]] = 0.0
    # Once gathers the 16 directions of a tile; twice, the other way about, hides the edges of the tiles.
    openness(seen.depth, width, height, 1, free, once)
    openness(seen.depth, width, height, 2, once, share)
    return share
