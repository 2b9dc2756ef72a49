"""Packing of a sample of several sensors into what the detectors take."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmdet3d.datasets.transforms import Pack3DDetInputs

from corruptions.core import InputError
from perception3d.registry import TRANSFORMS

INPUTS = ("points", "img")
ANNOTATIONS = ("gt_bboxes_3d", "gt_labels_3d")
META_KEYS = (
    # which sample
    *("sample_idx", "token", "scene_name", "timestamp", "lidar_path", "num_pts_feats"),
    # cameras: (V, 4, 4) matrices with every augmentation in them, but for ori_lidar2img; (V,) flags and names
    *("lidar2img", "lidar2cam", "cam2img", "ori_lidar2img", "camera_present", "camera_names"),
    # img_aug (3, 3) from pixels of the file to pixels of the input; bev_aug (4, 4) from the LiDAR frame to the input's
    *("img_path", "img_shape", "ori_shape", "img_aug", "bev_aug"),
    # frames of the boxes
    *("box_type_3d", "box_mode_3d", "ego2global"),
)


@TRANSFORMS.register_module()
class PackMultiModalInputs(Pack3DDetInputs):
    """Pack points, images and annotations, whichever are there, and the meta info that goes with them.

    Gives ``inputs`` with ``points`` float32 (N, C) and ``img`` uint8 (V, 3, H, W), and ``data_samples`` with
    ``gt_instances_3d`` (``bboxes_3d``, ``labels_3d``), ``eval_ann_info`` in test mode, and the meta info of
    ``META_KEYS``.

    Args:
        keys: what to pack of ``points``, ``img``, ``gt_bboxes_3d``, ``gt_labels_3d``; what a sample lacks is left out.
        meta_keys: names of further meta info.

    Raises:
        InputError: for another number of matrices or flags than images.
    """

    def __init__(self, keys: Sequence[str] = (*INPUTS, *ANNOTATIONS), meta_keys: Sequence[str] = ()) -> None:
        super().__init__(keys=tuple(keys), meta_keys=(*META_KEYS, *meta_keys))

    def transform(self, results: dict) -> dict:
        """Pack one sample."""
        if "img" in results and "img" in self.keys:
            _check_cameras(results)
        # mmdet3d looks for meta info in these two as well, where it would find matrices before augmentation
        return super().transform({key: results[key] for key in results if key not in ("images", "lidar_points")})


def _check_cameras(results: dict) -> None:
    views = len(results["img"])
    for key, shape in (("lidar2img", (views, 4, 4)), ("camera_present", (views,))):
        found = np.shape(results.get(key, ()))
        if found != shape:
            raise InputError(
                f"sample {results.get('token', '?')}: expected {key} of shape {shape} for {views} images, found "
                f"{found}; load images with LoadMultiViewImages"
            )
