"""Wrong calibration and late sensors: the data are right, their place or time is not."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from numpy.typing import NDArray

from corruptions.core import InputError, check_within, level_text
from corruptions.device.alignment import SpatialMisalignment
from corruptions.rng import generator
from perception3d.registry import TRANSFORMS
from perception3d.transforms.corrupt_views import keyframe_id


@TRANSFORMS.register_module()
class MisalignCameras(BaseTransform):
    """A wrong extrinsic between LiDAR and cameras, the same for all cameras of a keyframe; after the loading.

    The LiDAR frame stays, and with it the boxes: ``lidar2cam`` becomes ``lidar2cam @ error``, and ``lidar2img`` and
    ``ori_lidar2img`` follow. The error has the given angle and length, its directions are drawn for each keyframe.

    Args:
        rotation_deg: angle of the error.
        translation_m: length of the error.
        seed: base seed.
    """

    def __init__(self, rotation_deg: float, translation_m: float, seed: int = 0) -> None:
        self.misalignment = SpatialMisalignment(rotation_deg, translation_m)
        self.level = level_text(None, {"rotation_deg": rotation_deg, "translation_m": translation_m})
        self.seed = seed
        self.misalignment.apply(np.eye(4), np.random.default_rng(seed))  # bad values fail here, not in a worker

    def transform(self, results: dict) -> dict:
        """Misalign one keyframe."""
        rng = generator(self.seed, "spatial_misalignment", self.level, keyframe_id(results))
        error = self.misalignment.apply(np.eye(4), rng)
        results["lidar2cam"] = results["lidar2cam"] @ error
        results["lidar2img"] = results["cam2img"] @ results["lidar2cam"]
        results["ori_lidar2img"] = results["lidar2img"].copy()
        return results

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.level}, seed={self.seed})"


@TRANSFORMS.register_module()
class DelaySensors(BaseTransform):
    """Some sensors deliver the data of an earlier keyframe; before the loading.

    Needs ``NuScenesDetDataset(history=...)`` of at least ``keyframes``. A scene's first keyframes take the earliest
    there is, the very first itself. The LiDAR brings the sweeps of that keyframe along.

    Args:
        keyframes: how many keyframes (of half a second) late.
        lidar_share: probability that the LiDAR is late, drawn for each keyframe.
        camera_share: the same for each camera by itself.
        own_pose: late data come with the time and the pose at which they were taken, so that the motion of the own
            vehicle is accounted for; otherwise they are taken for the present, as in MultiCorrupt (Beemelmanns et al.,
            IV 2024).
        seed: base seed.
    """

    def __init__(
        self, keyframes: int, lidar_share: float, camera_share: float, own_pose: bool = False, seed: int = 0
    ) -> None:
        check_within("keyframes", keyframes, 1, whole=True)
        check_within("lidar_share", lidar_share, 0, 1)
        check_within("camera_share", camera_share, 0, 1)
        self.keyframes = keyframes
        self.lidar_share = lidar_share
        self.camera_share = camera_share
        self.own_pose = own_pose
        self.seed = seed
        shares = {"lidar_share": lidar_share, "camera_share": camera_share}
        self.level = level_text(None, {"keyframes": keyframes, "own_pose": own_pose, **shares})

    def transform(self, results: dict) -> dict:
        """Swap the files of late sensors for earlier ones."""
        if "history" not in results:
            raise InputError(
                f"DelaySensors: expected keyframes before, found none; set history={self.keyframes} in the dataset"
            )
        earlier = results["history"][: self.keyframes]
        if not earlier:
            return results
        past, images = earlier[-1], results.get("images") or {}
        rng = generator(self.seed, "temporal_lag", self.level, keyframe_id(results))
        late = rng.random(1 + len(images)) < [self.lidar_share, *[self.camera_share] * len(images)]
        now_from_past = np.linalg.inv(_global_from_lidar(results)) @ _global_from_lidar(past)
        results["images"] = {
            name: self._late_camera(image, past["images"][name], now_from_past) if is_late else image
            for (name, image), is_late in zip(images.items(), late[1:], strict=True)
        }
        if late[0]:
            self._delay_lidar(results, past, now_from_past)
        return results

    def _late_camera(self, now: dict, past: dict, now_from_past: NDArray[np.float64]) -> dict:
        if not self.own_pose:
            return {**now, "img_path": past["img_path"]}
        past_from_now = np.linalg.inv(now_from_past)
        return {**past, "lidar2cam": np.asarray(past["lidar2cam"]) @ past_from_now}

    def _delay_lidar(self, results: dict, past: dict, now_from_past: NDArray[np.float64]) -> None:
        sweeps = copy.deepcopy(past.get("lidar_sweeps", []))
        past_from_now = np.linalg.inv(now_from_past)
        late_s = results["timestamp"] - past["timestamp"]
        info = {**results["lidar_points"], "lidar_path": past["lidar_points"]["lidar_path"]}
        if self.own_pose:
            info |= {"lidar2sensor": past_from_now, "timestamp": past["timestamp"]}
        for sweep in sweeps:
            if self.own_pose:
                sweep_from_past = np.asarray(sweep["lidar_points"]["lidar2sensor"])
                sweep["lidar_points"]["lidar2sensor"] = sweep_from_past @ past_from_now
            else:
                sweep["timestamp"] += late_s
        results["lidar_points"], results["lidar_sweeps"] = info, sweeps

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.level}, seed={self.seed})"


def _global_from_lidar(info: dict[str, Any]) -> NDArray[np.float64]:
    return np.asarray(info["ego2global"]) @ np.asarray(info["lidar_points"]["lidar2ego"])
