"""Rotation, scaling, translation and flips of the whole scene: points, boxes and, inversely, every projection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from numpy.typing import NDArray
from torch import Tensor

from perception3d.registry import TRANSFORMS
from perception3d.transforms.randomness import next_generator


@dataclass(frozen=True)
class BEVAugmentation:
    """What happens to a scene, in this order: rotate about z, scale, translate, flip y, flip x.

    Attributes:
        rotation_rad: counter-clockwise seen from above.
        scale: factor of all lengths.
        translation_m: along x, y, z.
        flip_y: mirror left and right.
        flip_x: mirror front and back.
    """

    rotation_rad: float = 0.0
    scale: float = 1.0
    translation_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    flip_y: bool = False
    flip_x: bool = False

    @property
    def matrix(self) -> NDArray[np.float64]:
        """(4, 4) from the scene before to the scene after."""
        cos, sin = np.cos(self.rotation_rad), np.sin(self.rotation_rad)
        matrix = np.eye(4)
        matrix[:3, :3] = self.scale * np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
        matrix[:3, 3] = self.translation_m
        return np.diag([-1.0 if self.flip_x else 1.0, -1.0 if self.flip_y else 1.0, 1.0, 1.0]) @ matrix


def draw_bev_augmentation(
    rotation_range_rad: tuple[float, float],
    scale_range: tuple[float, float],
    translation_std_m: float,
    flip_y_prob: float,
    flip_x_prob: float,
    rng: np.random.Generator,
) -> BEVAugmentation:
    """Uniform rotation and scale, Gaussian translation, flips with their probabilities."""
    x, y, z = rng.normal(0.0, translation_std_m, 3)
    return BEVAugmentation(
        rng.uniform(*rotation_range_rad),
        rng.uniform(*scale_range),
        (x, y, z),
        bool(rng.uniform() < flip_y_prob),
        bool(rng.uniform() < flip_x_prob),
    )


def transform_points(points: Tensor, matrix: NDArray[np.float64]) -> Tensor:
    """Points (N, C >= 3), x y z first, moved by a (4, 4) matrix in float64, in the type they came in."""
    linear, offset = torch.from_numpy(matrix[:3, :3]), torch.from_numpy(matrix[:3, 3])
    moved = points.clone()
    moved[:, :3] = (points[:, :3].double() @ linear.T + offset).to(points.dtype)
    return moved


def transform_boxes(boxes: Tensor, augmentation: BEVAugmentation) -> Tensor:
    """Boxes (n, 7 or 9): x, y, z, length, width, height, yaw and, if there, the velocity along x and y."""
    matrix = augmentation.matrix
    moved = transform_points(boxes, matrix)
    moved[:, 3:6] *= augmentation.scale
    plane = torch.from_numpy(matrix[:2, :2])
    yaw = boxes[:, 6].double()
    heading = torch.stack([yaw.cos(), yaw.sin()], dim=1) @ plane.T
    moved[:, 6] = torch.atan2(heading[:, 1], heading[:, 0])
    if boxes.shape[1] == 9:
        moved[:, 7:9] = (boxes[:, 7:9].double() @ plane.T).to(boxes.dtype)
    return moved


@TRANSFORMS.register_module()
class AugmentBEV(BaseTransform):
    """Rotate, scale, translate and flip the scene, and keep the cameras looking at it.

    The defaults are those of the published CMT for LiDAR and cameras. Changes ``points``, ``gt_bboxes_3d``,
    ``lidar2img`` and ``lidar2cam`` (V, 4, 4), each where it is there. Sets ``bev_aug`` (4, 4) float64, from the
    sensor's frame to the augmented one.

    Args:
        rotation_range_rad: smallest and largest rotation, counter-clockwise.
        scale_range: smallest and largest scale.
        translation_std_m: standard deviation of the translation along x, y and z.
        flip_y_prob: probability of mirroring left and right.
        flip_x_prob: probability of mirroring front and back.
        reverse_angle: rotate points and boxes by minus the angle, but the projections by plus the angle, as the
            published camera-only config does on mmdet3d >= 1.0. The labels then lie up to hundreds of pixels beside the
            objects; only for repeating that training.
    """

    def __init__(
        self,
        rotation_range_rad: Sequence[float] = (-0.785, 0.785),
        scale_range: Sequence[float] = (0.9, 1.1),
        translation_std_m: float = 0.5,
        flip_y_prob: float = 0.5,
        flip_x_prob: float = 0.5,
        reverse_angle: bool = False,
    ) -> None:
        self.rotation_range_rad = (rotation_range_rad[0], rotation_range_rad[1])
        self.scale_range = (scale_range[0], scale_range[1])
        self.translation_std_m = translation_std_m
        self.flip_y_prob = flip_y_prob
        self.flip_x_prob = flip_x_prob
        self.reverse_angle = reverse_angle

    def transform(self, results: dict) -> dict:
        """Augment one sample."""
        drawn = draw_bev_augmentation(
            self.rotation_range_rad,
            self.scale_range,
            self.translation_std_m,
            self.flip_y_prob,
            self.flip_x_prob,
            next_generator(),
        )
        if self.reverse_angle:
            turned_back = replace(drawn, rotation_rad=-drawn.rotation_rad)
            apply_bev(results, turned_back)
            move_cameras(results, drawn.matrix @ np.linalg.inv(turned_back.matrix))
        else:
            apply_bev(results, drawn)
        return results

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(rotation_range_rad={self.rotation_range_rad}, scale_range={self.scale_range}, "
            f"translation_std_m={self.translation_std_m}, flip_y_prob={self.flip_y_prob}, "
            f"flip_x_prob={self.flip_x_prob}, reverse_angle={self.reverse_angle})"
        )


def apply_bev(results: dict, augmentation: BEVAugmentation) -> None:
    """Move all that a sample has in 3D."""
    matrix = augmentation.matrix
    if "points" in results:
        results["points"] = results["points"].new_point(transform_points(results["points"].tensor, matrix))
    if "gt_bboxes_3d" in results:
        boxes = results["gt_bboxes_3d"]
        results["gt_bboxes_3d"] = boxes.new_box(transform_boxes(boxes.tensor, augmentation))
    move_cameras(results, matrix)
    results["bev_aug"] = matrix @ results.get("bev_aug", np.eye(4))


def move_cameras(results: dict, matrix: NDArray[np.float64]) -> None:
    """Let the cameras see the scene moved by ``matrix`` as they saw it before."""
    for key in ("lidar2img", "lidar2cam"):
        if key in results:
            results[key] = np.asarray(results[key], dtype=np.float64) @ np.linalg.inv(matrix)
