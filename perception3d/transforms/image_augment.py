"""Resizing, cropping, flipping and rotating of all camera images, with the matrices that keep 3D and pixels together.

Pixel coordinates are those of mmdet3d and of the published CMT: (0, 0) is the corner of the image, so the centre of the
first pixel is (0.5, 0.5), resizing multiplies and a flip takes u to width - u exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from numpy.typing import NDArray

from corruptions.core import InputError, unknown
from perception3d.registry import TRANSFORMS
from perception3d.transforms.randomness import next_generator

INTERPOLATIONS = {"linear": cv2.INTER_LINEAR, "area": cv2.INTER_AREA}


@dataclass(frozen=True)
class ViewAugmentation:
    """What happens to an image, in this order: resize, crop (black where there is no image), flip, rotate.

    Attributes:
        raw_size: height and width of the image in pixels.
        resized_size: height and width after resizing.
        crop_corner: top and left of the crop in the resized image; may be negative.
        size: height and width of the crop, the result.
        flip: mirror left and right.
        rotation_rad: counter-clockwise about the middle of the result.
    """

    raw_size: tuple[int, int]
    resized_size: tuple[int, int]
    crop_corner: tuple[int, int]
    size: tuple[int, int]
    flip: bool = False
    rotation_rad: float = 0.0

    @property
    def matrix(self) -> NDArray[np.float64]:
        """(3, 3) from homogeneous pixels of the image to those of the result."""
        # the ratio of whole numbers of pixels, not the drawn one: they differ by up to a pixel at the far edge
        scale_v, scale_u = np.array(self.resized_size) / np.array(self.raw_size)
        (top, left), (height, width) = self.crop_corner, self.size
        matrix = np.array([[scale_u, 0, -left], [0, scale_v, -top], [0, 0, 1.0]])
        if self.flip:
            matrix = np.array([[-1.0, 0, width], [0, 1, 0], [0, 0, 1]]) @ matrix
        return self._rotation((width / 2, height / 2)) @ matrix

    def apply(self, image: NDArray[np.uint8], interpolation: int) -> NDArray[np.uint8]:
        """The augmented copy of an image (H, W, 3)."""
        resized = image
        if self.resized_size != self.raw_size:
            resized = cv2.resize(image, self.resized_size[::-1], interpolation=interpolation)
        result = _crop(resized, self.crop_corner, self.size)
        if self.flip:
            result = result[:, ::-1]
        if self.rotation_rad:
            # OpenCV counts from the middle of the first pixel
            height, width = self.size
            rotation = self._rotation(((width - 1) / 2, (height - 1) / 2))
            result = cv2.warpAffine(np.ascontiguousarray(result), rotation[:2], (width, height))
        return np.ascontiguousarray(result)

    def _rotation(self, middle: tuple[float, float]) -> NDArray[np.float64]:
        # v points down, hence the signs
        cos, sin = np.cos(self.rotation_rad), np.sin(self.rotation_rad)
        u, v = middle
        return np.array([[cos, sin, u - cos * u - sin * v], [-sin, cos, v + sin * u - cos * v], [0, 0, 1.0]])


def _crop(image: NDArray[np.uint8], corner: tuple[int, int], size: tuple[int, int]) -> NDArray[np.uint8]:
    """``size`` pixels from ``corner`` on, black outside the image."""
    result = np.zeros((*size, *image.shape[2:]), image.dtype)
    start = [max(0, -first) for first in corner]
    source = [slice(max(0, first), max(0, first + length)) for first, length in zip(corner, size, strict=True)]
    part = image[tuple(source)]
    result[start[0] : start[0] + part.shape[0], start[1] : start[1] + part.shape[1]] = part
    return result


def draw_view_augmentation(
    raw_size: tuple[int, int],
    size: tuple[int, int],
    resize_range: tuple[float, float],
    flip_prob: float,
    rotation_range_rad: tuple[float, float],
    rng: np.random.Generator,
) -> ViewAugmentation:
    """CMT's training augmentation: the crop touches the lower edge and lies anywhere from left to right."""
    factor = rng.uniform(*resize_range)
    left, flipped, rotation = rng.uniform(), rng.uniform() < flip_prob, rng.uniform(*rotation_range_rad)
    height, width = int(raw_size[0] * factor), int(raw_size[1] * factor)
    corner = (height - size[0], int(left * max(0, width - size[1])))
    return ViewAugmentation(raw_size, (height, width), corner, size, bool(flipped), float(rotation))


def fixed_view_augmentation(raw_size: tuple[int, int], size: tuple[int, int], resize: float) -> ViewAugmentation:
    """CMT's test-time crop: the lower edge, and the middle from left to right."""
    height, width = int(raw_size[0] * resize), int(raw_size[1] * resize)
    return ViewAugmentation(raw_size, (height, width), (height - size[0], max(0, width - size[1]) // 2), size)


def in_image_plane(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The (4, 4) form of a (3, 3) matrix of pixels, for (u d, v d, d, 1)."""
    result = np.eye(4)
    result[:3, :3] = matrix
    return result


@TRANSFORMS.register_module()
class ResizeCropFlipImages(BaseTransform):
    """Resize, crop, flip and rotate all cameras of a sample in the same way (Yan et al., ICCV 2023, section 4.1).

    Changes ``img`` (list of uint8 (H, W, 3)), ``img_shape`` and ``lidar2img`` (V, 4, 4); ``cam2img`` (V, 3, 3) or
    (V, 4, 4) too where it is there. Sets ``img_aug`` (3, 3) float64, from pixels before to pixels after.

    Args:
        size: height and width of the result in pixels.
        resize_range: smallest and largest factor in training; one number, and no randomness, at test time.
        flip_prob: probability of a left-right flip.
        rotation_range_rad: smallest and largest rotation.
        interpolation: "linear" as published, or "area", which does not alias when an image is made much smaller.

    Raises:
        InputError: for images of several sizes, or another number of matrices than images.
    """

    def __init__(
        self,
        size: Sequence[int],
        resize_range: float | Sequence[float],
        flip_prob: float = 0.0,
        rotation_range_rad: Sequence[float] = (0.0, 0.0),
        interpolation: str = "linear",
    ) -> None:
        if interpolation not in INTERPOLATIONS:
            raise InputError(unknown("interpolation", interpolation, INTERPOLATIONS))
        self.size = (int(size[0]), int(size[1]))
        self.resize_range = resize_range
        self.flip_prob = flip_prob
        self.rotation_range_rad = (rotation_range_rad[0], rotation_range_rad[1])
        self.interpolation = interpolation

    def transform(self, results: dict) -> dict:
        """Augment the images of one sample."""
        images = results["img"]
        sizes = sorted({image.shape[:2] for image in images})
        if len(sizes) != 1:
            raise InputError(f"img: expected cameras of one image size, found (height, width) {sizes}")
        augmentation = self._augmentation(sizes[0])
        flag = INTERPOLATIONS[self.interpolation]
        results["img"] = [augmentation.apply(image, flag) for image in images]
        results["img_shape"] = self.size
        results["img_aug"] = augmentation.matrix @ results.get("img_aug", np.eye(3))
        update_projections(results, augmentation.matrix)
        return results

    def _augmentation(self, raw_size: tuple[int, int]) -> ViewAugmentation:
        if isinstance(self.resize_range, (int, float)):
            return fixed_view_augmentation(raw_size, self.size, self.resize_range)
        low, high = self.resize_range
        return draw_view_augmentation(
            raw_size, self.size, (low, high), self.flip_prob, self.rotation_range_rad, next_generator()
        )

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(size={self.size}, resize_range={self.resize_range}, flip_prob={self.flip_prob}, "
            f"rotation_range_rad={self.rotation_range_rad}, interpolation={self.interpolation!r})"
        )


def update_projections(results: dict, matrix: NDArray[np.float64]) -> None:
    """Left-multiply ``lidar2img``, and ``cam2img`` where it is there, by a (3, 3) matrix of pixels."""
    projections = np.asarray(results["lidar2img"], dtype=np.float64)
    if projections.shape != (len(results["img"]), 4, 4):
        raise InputError(
            f"lidar2img: expected one 4 x 4 matrix for each of {len(results['img'])} images, found shape "
            f"{projections.shape}"
        )
    results["lidar2img"] = in_image_plane(matrix) @ projections
    if "cam2img" in results:
        intrinsics = np.asarray(results["cam2img"], dtype=np.float64)
        results["cam2img"] = (matrix if intrinsics.shape[-1] == 3 else in_image_plane(matrix)) @ intrinsics
