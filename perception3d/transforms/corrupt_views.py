"""Corrupted camera images: all views of a keyframe together, as they were loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from numpy.typing import NDArray

from corruptions.camera import Views
from corruptions.core import InputError, level_text
from corruptions.nuscenes import sample_id
from corruptions.suites import WEATHER, Part
from perception3d.registry import TRANSFORMS
from perception3d.transforms.view_depth import views_depth
from perception3d.transforms.view_loading import read_image

DEPTH_AWARE = ("fog", "snow", "rain", WEATHER)
"""Corruptions that ask how far away things are."""

FROZEN = "frozen_frame"


@TRANSFORMS.register_module()
class CorruptViews(BaseTransform):
    """Corrupt ``img``; directly after ``LoadMultiViewImages``, before anything resizes or normalises.

    The random stream is that of (seed, corruption, level, stem of the keyframe's LiDAR file), so the result depends
    neither on the order of the samples nor on the workers. Absent cameras stay black.

    Weather follows the distance of things (``view_depth``): from the depth maps of the simulator where they lie beside
    the images, else from the clean LiDAR keyframe over the ground plane. Frozen cameras show the keyframe before, which
    needs ``NuScenesDetDataset(history=1)``; at the start of a scene there is none, and they show the present.

    Args:
        corruption: name in ``corruptions.camera``, or "weather" for a ``corruptions.conditions.Weather``.
        level: name of a level, or None with ``parameters``.
        parameters: physical values, alone or over those of the level; the state of the weather.
        seed: base seed.

    Raises:
        InputError: for an unknown corruption or level, images of several sizes, and as the engine does.
    """

    def __init__(
        self, corruption: str, level: str | None = None, parameters: Mapping[str, Any] | None = None, seed: int = 0
    ) -> None:
        self.part = Part("camera", corruption, level, dict(parameters or {}))
        self.part.check()
        self.seed = seed

    def transform(self, results: dict) -> dict:
        """Corrupt the views of one keyframe."""
        images = np.stack(results["img"])
        if results["ori_shape"] != images.shape[1:3]:
            raise InputError("CorruptViews: expected images as loaded, found resized ones; put it after the loading")
        views = Views(
            images,
            "bgr",
            depth_m=views_depth(results) if self.part.corruption in DEPTH_AWARE else None,
            previous=self._previous(results, images) if self.part.corruption == FROZEN else None,
        )
        corrupted = self.part.corrupt_views(views, seed=self.seed, sample=keyframe_id(results))
        corrupted[~results["camera_present"]] = 0
        results["img"] = list(corrupted)
        return results

    def _previous(self, results: dict, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if "history" not in results:
            raise InputError(f"{FROZEN}: expected the keyframe before, found no history; set history=1 in the dataset")
        if not results["history"]:
            return images
        before = results["history"][0]["images"]
        return np.stack([read_image(before[name]["img_path"]) for name in results["camera_names"]])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.part.corruption} {level_text(self.part.level, self.part.params)})"


def keyframe_id(results: Mapping[str, Any]) -> str:
    """Name of a keyframe for the random streams: the stem of its LiDAR file, as for exported images."""
    return sample_id(results["lidar_points"]["lidar_path"])
