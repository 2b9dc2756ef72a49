"""Taking sensors away: at random in training (masked-modal training), and by name at test time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from mmcv.transforms import BaseTransform
from numpy.typing import NDArray

from corruptions.core import InputError, unknown
from perception3d.registry import TRANSFORMS
from perception3d.transforms.randomness import next_generator

ALL = "all"


def draw_missing(
    num_cameras: int, lidar_prob: float, cameras_prob: float, camera_prob: float, rng: np.random.Generator
) -> tuple[bool, NDArray[np.bool_]]:
    """What is missing in a sample: the LiDAR, or all cameras, never both; then single cameras.

    Returns:
        Whether the LiDAR is missing, and bool (num_cameras,) True for a missing camera. At least one sensor is left.
    """
    draw = rng.uniform()
    no_lidar, no_cameras = draw < lidar_prob, lidar_prob <= draw < lidar_prob + cameras_prob
    lost = rng.uniform(size=num_cameras) < (1.0 if no_cameras else camera_prob)
    if no_lidar and lost.all():
        lost[rng.integers(num_cameras)] = False
    return bool(no_lidar), lost


def drop_lidar(results: dict, blank: bool = False) -> None:
    """Take all points away, or (``blank``) put them all at the origin with zero features."""
    if "points" not in results:
        raise InputError("points: expected a loaded point cloud, found none; put the transform after the loading")
    points = results["points"].tensor
    results["points"] = results["points"].new_point(points * 0 if blank else points[:0])


def drop_cameras(results: dict, lost: NDArray[np.bool_], blank: bool = False) -> None:
    """Mark cameras as absent in ``camera_present`` (V,), or (``blank``) leave them with black images."""
    images = results["img"]
    # the images stay as black ones, so that a batch has one shape
    results["img"] = [np.zeros_like(image) if gone else image for image, gone in zip(images, lost, strict=True)]
    if not blank:
        results["camera_present"] = results.get("camera_present", np.ones(len(images), dtype=bool)) & ~lost


def check_probabilities(**probabilities: float) -> None:
    """Raise :class:`InputError` unless each lies in 0..1."""
    for name, value in probabilities.items():
        if not 0 <= value <= 1:
            raise InputError(f"{name}: expected a probability in 0..1, found {value}")


@TRANSFORMS.register_module()
class ModalMask(BaseTransform):
    """Masked-modal training (Yan et al., ICCV 2023, section 3.5): some samples lack a sensor.

    The defaults are the published ones: a quarter without LiDAR, a quarter without cameras. For the pipeline after the
    loading. A sample without LiDAR has an empty ``points``; absent cameras are False in ``camera_present`` (V,) and
    give no tokens.

    Args:
        lidar_prob: share of samples without LiDAR.
        cameras_prob: share of samples without any camera.
        camera_prob: probability that a camera is lost, for each by itself, where not all are.
        blank: mask as the published code does: images become black, and all points lie at the origin, and both go
            through the network.
    """

    def __init__(
        self,
        lidar_prob: float = 0.25,
        cameras_prob: float = 0.25,
        camera_prob: float = 0.0,
        blank: bool = False,
    ) -> None:
        check_probabilities(lidar_prob=lidar_prob, cameras_prob=cameras_prob, camera_prob=camera_prob)
        check_probabilities(lidar_prob_plus_cameras_prob=lidar_prob + cameras_prob)
        self.lidar_prob = lidar_prob
        self.cameras_prob = cameras_prob
        self.camera_prob = camera_prob
        self.blank = blank

    def transform(self, results: dict) -> dict:
        """Mask one sample."""
        no_lidar, lost = draw_missing(
            len(results["img"]), self.lidar_prob, self.cameras_prob, self.camera_prob, next_generator()
        )
        if no_lidar:
            drop_lidar(results, self.blank)
        drop_cameras(results, lost, self.blank)
        return results

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(lidar_prob={self.lidar_prob}, cameras_prob={self.cameras_prob}, "
            f"camera_prob={self.camera_prob}, blank={self.blank})"
        )


@TRANSFORMS.register_module()
class DropSensors(BaseTransform):
    """Take sensors away from every sample, to test without them. For the pipeline after the loading.

    Args:
        lidar: take the LiDAR away.
        cameras: names of cameras to take away (``CAM_FRONT``, in nuScenes), or "all".
        blank: black images and points at the origin in place of nothing, as the published weights were trained and
            tested.

    Raises:
        InputError: for a camera that the sample does not have.
    """

    def __init__(self, lidar: bool = False, cameras: Sequence[str] | Literal["all"] = (), blank: bool = False) -> None:
        if isinstance(cameras, str) and cameras != ALL:
            raise InputError(f"DropSensors cameras: expected a list of camera names or {ALL!r}, found {cameras!r}")
        self.lidar = lidar
        self.cameras = cameras
        self.blank = blank

    def transform(self, results: dict) -> dict:
        """Drop the sensors of one sample."""
        if self.lidar:
            drop_lidar(results, self.blank)
        if self.cameras:
            drop_cameras(results, self._lost(results["camera_names"]), self.blank)
        return results

    def _lost(self, names: Sequence[str]) -> NDArray[np.bool_]:
        if self.cameras == ALL:
            return np.ones(len(names), dtype=bool)
        for name in self.cameras:
            if name not in names:
                raise InputError(unknown("camera", name, names))
        return np.array([name in self.cameras for name in names])

    def __repr__(self) -> str:
        return f"{type(self).__name__}(lidar={self.lidar}, cameras={self.cameras}, blank={self.blank})"
