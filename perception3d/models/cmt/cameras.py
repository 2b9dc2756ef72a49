"""The cameras of a batch: projections, their inverses, image size, and which cameras are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from corruptions.core import InputError


@dataclass(frozen=True)
class Cameras:
    """Cameras of B samples, V a sample.

    Attributes:
        img_from_lidar: float32 (B, V, 4, 4): (u d, v d, d, 1) = matrix (x, y, z, 1), every augmentation included.
        lidar_from_img: float32 (B, V, 4, 4), the inverse, taken in float64.
        image_size: height and width in pixels of the padded image.
        present: bool (B, V) on the CPU, where it decides shapes; False where a camera gave no image.
    """

    img_from_lidar: Tensor
    lidar_from_img: Tensor
    image_size: tuple[int, int]
    present: Tensor

    def of_samples(self, rows: Tensor) -> Cameras:
        """The cameras of some samples; ``rows`` on the CPU."""
        return Cameras(self.img_from_lidar[rows], self.lidar_from_img[rows], self.image_size, self.present[rows])

    @classmethod
    def from_metas(
        cls, metas: Sequence[dict[str, Any]], num_views: int, image_size: tuple[int, int], device: torch.device | str
    ) -> Cameras:
        """Read ``lidar2img`` (V, 4, 4) and, if there, ``camera_present`` (V,) from the meta info of each sample.

        Raises:
            InputError: calibration missing, of another number of cameras, not finite or not invertible.
        """
        matrices = np.stack([_projections(meta, num_views) for meta in metas])
        present = np.stack([_present(meta, num_views) for meta in metas])
        # float32 inverses of projections are off by pixels: invert in float64, then cast.
        inverses = np.linalg.inv(matrices)
        return cls(
            torch.from_numpy(matrices).float().to(device),
            torch.from_numpy(inverses).float().to(device),
            image_size,
            torch.from_numpy(present),
        )


def _projections(meta: dict[str, Any], num_views: int) -> np.ndarray:
    name = f"sample {meta.get('sample_idx', '?')}"
    if meta.get("lidar2img") is None:
        raise InputError(
            f"{name}: images came without calibration; expected 'lidar2img' ({num_views}, 4, 4) in meta info"
        )
    matrices = np.asarray(meta["lidar2img"], dtype=np.float64)
    if matrices.shape != (num_views, 4, 4):
        raise InputError(
            f"{name}: expected 'lidar2img' of shape ({num_views}, 4, 4) for {num_views} images, found {matrices.shape}"
        )
    if not np.isfinite(matrices).all() or np.linalg.matrix_rank(matrices).min() < 4:
        raise InputError(f"{name}: 'lidar2img' must be finite and invertible; check intrinsics and augmentation")
    return matrices


def _present(meta: dict[str, Any], num_views: int) -> np.ndarray:
    present = np.asarray(meta.get("camera_present", np.ones(num_views)), dtype=bool)
    if present.shape != (num_views,):
        name = f"sample {meta.get('sample_idx', '?')}"
        raise InputError(f"{name}: expected 'camera_present' of {num_views} flags, found shape {present.shape}")
    return present
