"""Loading of a LiDAR keyframe together with the sweeps before it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.structures import LiDARPoints
from numpy.typing import NDArray

from corruptions.core import INTENSITY, InputError, check_within
from corruptions.files import read_points
from perception3d.registry import TRANSFORMS

COLUMNS = 5


@TRANSFORMS.register_module()
class LoadLidarSweeps(BaseTransform):
    """Load the LiDAR keyframe and the sweeps before it into one cloud in the frame of the keyframe.

    Sets ``points``: ``LiDARPoints`` float32 (N, 5) of x, y, z in metres, intensity as in the file, and the time before
    the keyframe in seconds. Always the nearest sweeps, so that nothing is drawn; with the usual ten sweeps in the info
    file and ten loaded, mmdet3d's loader takes the same. Unlike here, that loader (1.4) rotates the shift between the
    two places of the LiDAR, and misplaces sweeps in curves.

    Where there are fewer sweeps the cloud has fewer points; nothing is repeated. Subclasses may override
    :meth:`_load_file`, which reads every file, keyframe and sweeps alike.

    Args:
        sweeps_num: sweeps to load before the keyframe.
        load_dim: values per point in the files; x, y, z and intensity are the first four.
        remove_close_m: leave out points with both ``|x|`` and ``|y|`` below it, in the frame of their own sweep: hits
            on the vehicle itself. CMT keeps them.
        allow_missing: a file that is missing or empty has no points, in place of an error.

    Raises:
        InputError: for a file that is missing, empty, truncated, or holds values that are not finite; sweeps without
            their transformation.
    """

    def __init__(
        self, sweeps_num: int = 10, load_dim: int = COLUMNS, remove_close_m: float = 0.0, allow_missing: bool = False
    ) -> None:
        check_within("sweeps_num", sweeps_num, 0, whole=True)
        check_within("load_dim", load_dim, INTENSITY + 1, whole=True)
        check_within("remove_close_m", remove_close_m, 0)
        self.sweeps_num = sweeps_num
        self.load_dim = load_dim
        self.remove_close_m = remove_close_m
        self.allow_missing = allow_missing

    def transform(self, results: dict) -> dict:
        """Load ``results["lidar_points"]`` and ``results["lidar_sweeps"]``."""
        if results.get("lidar_sweeps") and "timestamp" not in results:
            raise InputError(
                f"{results['lidar_points']['lidar_path']}: expected 'timestamp' in seconds beside lidar_sweeps, "
                "found none; add it to the info"
            )
        clouds = [self._load_keyframe(results)]
        for sweep in results.get("lidar_sweeps", [])[: self.sweeps_num]:
            path = sweep["lidar_points"]["lidar_path"]
            lag_s = results["timestamp"] - sweep["timestamp"]
            clouds.append(self._load_sweep(path, _key_from_sweep(sweep["lidar_points"], path), lag_s))
        results["points"] = LiDARPoints(np.concatenate(clouds), points_dim=COLUMNS)
        results["num_pts_feats"] = COLUMNS
        return results

    def _load_keyframe(self, results: dict) -> NDArray[np.float32]:
        """(N, 5) points of the keyframe; of an earlier one that stands in for it where the LiDAR is late."""
        info = results["lidar_points"]
        if "lidar2sensor" not in info:
            return self._load_sweep(info["lidar_path"], np.eye(4), 0.0)
        lag_s = results["timestamp"] - info["timestamp"]
        return self._load_sweep(info["lidar_path"], _key_from_sweep(info, info["lidar_path"]), lag_s)

    def _load_sweep(self, path: str, key_from_sweep: NDArray[np.float64], lag_s: float) -> NDArray[np.float32]:
        """(N, 5) points of a file in the frame of the keyframe."""
        if self.allow_missing and not (Path(path).is_file() and Path(path).stat().st_size):
            return np.zeros((0, COLUMNS), dtype=np.float32)
        points = self._load_file(path)
        if self.remove_close_m:
            points = points[np.abs(points[:, :2]).max(axis=1) >= self.remove_close_m]
        cloud = np.empty((len(points), COLUMNS), dtype=np.float32)
        cloud[:, :3] = points[:, :3] @ key_from_sweep[:3, :3].T + key_from_sweep[:3, 3]
        cloud[:, INTENSITY] = points[:, INTENSITY]
        cloud[:, INTENSITY + 1] = lag_s
        return cloud

    def _load_file(self, path: str) -> NDArray[np.float32]:
        """(N, load_dim) points of a file in the frame of its sweep."""
        return read_points(path, self.load_dim)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(sweeps_num={self.sweeps_num}, load_dim={self.load_dim}, "
            f"remove_close_m={self.remove_close_m}, allow_missing={self.allow_missing})"
        )


def _key_from_sweep(info: dict, path: str) -> NDArray[np.float64]:
    """(4, 4) from the frame of a sweep to that of the keyframe; info files hold the inverse."""
    sweep_from_key = np.asarray(info.get("lidar2sensor", ()), dtype=np.float64)
    if sweep_from_key.shape != (4, 4) or not np.isfinite(sweep_from_key).all():
        raise InputError(
            f"{path}: expected lidar2sensor (4, 4) in the info of this sweep, found shape {sweep_from_key.shape}; "
            "write the info file again with tools/create_data.py nuscenes"
        )
    return np.linalg.inv(sweep_from_key)
