"""Loading of the images of all cameras of a keyframe, with their matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from numpy.typing import NDArray

from corruptions.core import InputError
from perception3d.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadMultiViewImages(BaseTransform):
    """Load the cameras of ``results["images"]``, in its order.

    Sets, for V cameras:

    - ``img``: V images uint8 (H, W, 3), BGR, which is what the data preprocessors of the configs expect;
    - ``camera_present``: bool (V,), False where an image is missing and a black one stands in for it;
    - ``lidar2cam``, ``cam2img``, ``lidar2img``: float64 (V, 4, 4), the last the product of the others:
      (u d, v d, d, 1) = lidar2img (x, y, z, 1) in pixels and metres;
    - ``ori_lidar2img``: the same, which no augmentation changes;
    - ``camera_names``, ``img_path``: V names and paths;
    - ``img_shape``, ``ori_shape``: height and width.

    Args:
        allow_missing: a file that is missing is an absent camera, in place of an error.

    Raises:
        InputError: for no camera at all, a file that is missing or no image, images of several sizes or of another
            size than they are calibrated for, and calibration that is missing, not finite or not invertible.
    """

    def __init__(self, allow_missing: bool = False) -> None:
        self.allow_missing = allow_missing

    def transform(self, results: dict) -> dict:
        """Load the images of one sample."""
        where = f"sample {results.get('token', results.get('sample_idx', '?'))}"
        cameras = results.get("images") or {}
        if not cameras:
            raise InputError(
                f"{where}: expected cameras, found none; set modality=dict(use_camera=True) in the dataset"
            )
        loaded = {name: self._load_present(camera["img_path"]) for name, camera in cameras.items()}
        size = _common_size(cameras, loaded, where)
        black = np.zeros((*size, 3), dtype=np.uint8)
        matrices = {name: camera_matrices(camera, f"{where}: {name}") for name, camera in cameras.items()}
        lidar2cam, cam2img = (np.stack(parts) for parts in zip(*matrices.values(), strict=True))
        results.update(
            img=[black if image is None else image for image in loaded.values()],
            camera_present=np.array([image is not None for image in loaded.values()]),
            camera_names=list(cameras),
            img_path=[camera["img_path"] for camera in cameras.values()],
            img_shape=size,
            ori_shape=size,
            lidar2cam=lidar2cam,
            cam2img=cam2img,
            lidar2img=cam2img @ lidar2cam,
            ori_lidar2img=cam2img @ lidar2cam,
        )
        return results

    def _load_present(self, path: str) -> NDArray[np.uint8] | None:
        if self.allow_missing and not Path(path).is_file():
            return None
        return self._load_file(path)

    def _load_file(self, path: str) -> NDArray[np.uint8]:
        """BGR image (H, W, 3) of a file."""
        return read_image(path)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(allow_missing={self.allow_missing})"


def read_image(path: str) -> NDArray[np.uint8]:
    """BGR image (H, W, 3) of a file; raises :class:`InputError` for a missing one, or one that is no image."""
    if not Path(path).is_file():
        raise InputError(
            f"{path}: expected an image, found no file; check data_root, or set allow_missing=True to test without "
            "this camera"
        )
    # what EXIF says about rotation is not what the calibration is for
    image = cv2.imread(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise InputError(f"{path}: expected an image, found a file that is none; copy it again")
    return np.asarray(image, dtype=np.uint8)


def camera_matrices(camera: Mapping[str, Any], where: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """``lidar2cam`` and ``cam2img`` of a camera's info.

    Returns:
        Two (4, 4) matrices.

    Raises:
        InputError: for one that is missing, of another shape, not finite, or not invertible.
    """
    matrices = []
    for key, shapes in (("lidar2cam", ((4, 4),)), ("cam2img", ((3, 3), (3, 4), (4, 4)))):
        given = np.asarray(camera.get(key, ()), dtype=np.float64)
        if given.shape not in shapes:
            expected = " or ".join(map(str, shapes))
            raise InputError(f"{where}: expected calibration {key} of shape {expected}, found {given.shape}")
        matrix = np.eye(4)
        matrix[: given.shape[0], : given.shape[1]] = given
        if not np.isfinite(matrix).all() or np.linalg.matrix_rank(matrix) < 4:
            raise InputError(f"{where}: expected an invertible {key}, found {given.tolist()}")
        matrices.append(matrix)
    return matrices[0], matrices[1]


def _common_size(
    cameras: Mapping[str, Mapping[str, Any]], images: Mapping[str, NDArray[np.uint8] | None], where: str
) -> tuple[int, int]:
    """Height and width of every image; from the infos where no image is there."""
    sizes: dict[tuple[int, int], str] = {}
    for name, camera in cameras.items():
        image = images[name]
        listed = (camera["height"], camera["width"]) if {"height", "width"} <= set(camera) else None
        found = None if image is None else image.shape[:2]
        if found is not None and listed is not None and found != listed:
            raise InputError(
                f"{camera['img_path']}: expected {_text(listed)}, for which the camera is calibrated, found "
                f"{_text(found)}"
            )
        if (size := found or listed) is not None:
            sizes.setdefault((size[0], size[1]), name)
    if not sizes:
        raise InputError(f"{where}: expected at least one image, found none, and no height and width in the info file")
    if len(sizes) > 1:
        parts = ", ".join(f"{_text(size)} ({name})" for size, name in sizes.items())
        raise InputError(f"{where}: expected cameras of one image size, found {parts}; choose `cameras` in the dataset")
    return next(iter(sizes))


def _text(size: Sequence[int]) -> str:
    return f"{size[1]} x {size[0]} pixels"
