"""Corrupted LiDAR keyframes and sweeps, each on the random stream of its own file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError, Scan, level_text
from corruptions.nuscenes import INTENSITY_MAX, RING_COLUMN, SENSOR, sample_id
from corruptions.suites import Part
from perception3d.registry import TRANSFORMS
from perception3d.transforms.lidar_sweeps import COLUMNS, LoadLidarSweeps


@TRANSFORMS.register_module()
class LoadCorruptedSweeps(LoadLidarSweeps):
    """``LoadLidarSweeps`` whose keyframe and sweeps are corrupted as they are read, each in its own sensor frame.

    A sweep has the same corruption under every keyframe that loads it, equal to that of the exported file: its random
    stream is that of (seed, corruption, level, stem of the file).

    Args:
        corruption: name in ``corruptions.catalog``, or "weather" for a ``corruptions.conditions.Weather``.
        level: name of a level, or None with ``parameters``.
        parameters: physical values, alone or over those of the level; the state of the weather.
        seed: base seed.
        intensity_max: full scale of the intensity column.
        sensor: LiDAR model in ``corruptions.sensors``.
        ring_dim: column of the files that holds the laser index; None to let the engine estimate it.
        sweeps_num: as in ``LoadLidarSweeps``, with the arguments after it.
        load_dim: as there.
        remove_close_m: as there; after the corruption.
        allow_missing: as there.

    Raises:
        InputError: for an unknown corruption or level, and as the loader and the engine do.
    """

    def __init__(
        self,
        corruption: str,
        level: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        seed: int = 0,
        intensity_max: float = INTENSITY_MAX,
        sensor: str = SENSOR,
        ring_dim: int | None = RING_COLUMN,
        sweeps_num: int = 10,
        load_dim: int = COLUMNS,
        remove_close_m: float = 0.0,
        allow_missing: bool = False,
    ) -> None:
        super().__init__(sweeps_num, load_dim, remove_close_m, allow_missing)
        if ring_dim is not None and ring_dim >= load_dim:
            raise InputError(f"ring_dim: expected a column in 0..{load_dim - 1}, found {ring_dim}; set ring_dim=None")
        self.part = Part("lidar", corruption, level, dict(parameters or {}))
        self.part.check()
        self.seed = seed
        self.intensity_max = intensity_max
        self.sensor = sensor
        self.ring_dim = ring_dim

    def _load_file(self, path: str) -> NDArray[np.float32]:
        points = super()._load_file(path)
        ring = None if self.ring_dim is None else points[:, self.ring_dim].astype(np.int32)
        try:
            scan = Scan(points, self.intensity_max, ring=ring, sensor=self.sensor)
            return self.part.corrupt_sweep(scan, seed=self.seed, sample=sample_id(path)).points
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    def __repr__(self) -> str:
        part = self.part
        return (
            f"{type(self).__name__}({part.corruption} {level_text(part.level, part.params)}, seed={self.seed}, "
            f"sweeps_num={self.sweeps_num})"
        )
