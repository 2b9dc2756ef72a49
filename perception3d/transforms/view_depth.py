"""Distance of what each camera pixel of a keyframe shows, from the best source at hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from corruptions.camera.depth import SKY_M, from_lidar, ground_plane
from corruptions.core import InputError
from corruptions.files import read_points

DEPTH_STEPS_PER_M = 256.0  # KITTI's depth maps, and the simulator's
DEFAULT_HEIGHT_M = 1.5


def views_depth(results: Mapping[str, Any]) -> NDArray[np.float32]:
    """Distances along the rays, of all cameras of a loaded keyframe.

    For each camera: the depth map ``depth/CAM_X/STEM.png`` beside ``samples`` (the simulator writes them), else the
    clean LiDAR keyframe over the ground plane, else the ground plane alone.

    Args:
        results: of the pipeline, after ``LoadMultiViewImages``.

    Returns:
        float32 (V, H, W) in metres.

    Raises:
        InputError: for a depth map of another size than its image.
    """
    points = None
    depths = []
    for index, name in enumerate(results["camera_names"]):
        path = Path(results["img_path"][index])
        depth_map = path.parents[2] / "depth" / name / f"{path.stem}.png"
        img_from_cam = results["cam2img"][index][:3, :3]
        if depth_map.is_file():
            depths.append(read_depth(depth_map, img_from_cam, results["ori_shape"]))
            continue
        if points is None:
            points = _keyframe_points(results["lidar_points"])
        cam_from_lidar = results["lidar2cam"][index]
        ground = _ground(results, cam_from_lidar, img_from_cam)
        image = results["img"][index]
        depths.append(from_lidar(points, cam_from_lidar, img_from_cam, ground, image=image) if len(points) else ground)
    return np.stack(depths)


def read_depth(path: Path, img_from_cam: NDArray[np.floating], shape: tuple[int, int]) -> NDArray[np.float32]:
    """A depth map along the optical axis, as distances along the rays; 0 in the file is sky."""
    steps = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if steps is None or steps.dtype != np.uint16 or steps.shape != tuple(shape):
        found = "no 16-bit PNG" if steps is None or steps.dtype != np.uint16 else f"{steps.shape}"
        raise InputError(f"{path}: expected the depth map of an image of {tuple(shape)}, found {found}; write it again")
    focal_x, focal_y, centre_x, centre_y = img_from_cam[[0, 1, 0, 1], [0, 1, 2, 2]]
    across = (np.arange(shape[1]) - centre_x) / focal_x
    down = (np.arange(shape[0]) - centre_y) / focal_y
    stretch = np.sqrt(1 + across**2 + down[:, None] ** 2)
    return np.where(steps > 0, steps / DEPTH_STEPS_PER_M * stretch, SKY_M).astype(np.float32)


def _keyframe_points(info: Mapping[str, Any]) -> NDArray[np.float32]:
    """The clean keyframe; nothing where the dataset loads no LiDAR."""
    path = Path(info["lidar_path"])
    return read_points(path, info.get("num_pts_feats", 5)) if path.is_file() else np.zeros((0, 4), dtype=np.float32)


def _ground(
    results: Mapping[str, Any], cam_from_lidar: NDArray[np.float64], img_from_cam: NDArray[np.float64]
) -> NDArray[np.float32]:
    ego_from_cam = np.asarray(results["lidar_points"]["lidar2ego"]) @ np.linalg.inv(cam_from_lidar)
    height_m = ego_from_cam[2, 3]  # the ego frame stands on the ground
    up_in_cam = ego_from_cam[2, :3]
    return ground_plane(results["ori_shape"], img_from_cam, up_in_cam, height_m if height_m > 0 else DEFAULT_HEIGHT_M)
