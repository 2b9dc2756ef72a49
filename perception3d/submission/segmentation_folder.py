"""Segmentation predictions as a folder in the layout of a leaderboard: one file per scan, written by any process.

``tools/submit.py`` checks such a folder and zips it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError
from corruptions.files import write_atomically
from perception3d.conventions import NUSCENES_META_KEYS
from perception3d.submission import nuscenes_lidarseg, semantickitti

LIDAR_ONLY = {"use_lidar": True}


class PredictionFolder(Protocol):
    """Where predictions of one data set go."""

    check_command: str

    def write(self, sample: Mapping[str, Any], train_ids: NDArray[np.integer]) -> Path:
        """Write the predictions (N,) of a scan, given its metadata; returns the file."""


class SemanticKittiFolder:
    """``sequences/SEQ/predictions/FRAME.label``; a scan needs ``sample_id`` "SEQ/FRAME"."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.check_command = f"python tools/submit.py semantickitti {folder} --root DATA --zip submission.zip"

    def write(self, sample: Mapping[str, Any], train_ids: NDArray[np.integer]) -> Path:
        """Write raw ids, uint32."""
        sequence, _, frame = str(_needed(sample, "sample_id")).partition("/")
        name = semantickitti.label_name(sequence, frame)
        return write_atomically(self.folder / name, semantickitti.label_bytes(train_ids, name))


class LidarsegFolder:
    """``lidarseg/SPLIT/<token>_lidarseg.bin`` and ``SPLIT/submission.json``; a scan needs ``sample_data_token``.

    Args:
        folder: the folder.
        split: of the data set, e.g. "test".
        version: folder of its tables.
        modality: sensors and data that the model uses; those not named are false.
    """

    def __init__(self, folder: Path, split: str, version: str, modality: Mapping[str, bool]) -> None:
        self.folder = folder
        self.split = split
        self.check_command = (
            f"python tools/submit.py nuscenes-lidarseg {folder} --root DATA --version {version} --split {split} "
            "--zip submission.zip"
        )
        meta = {**dict.fromkeys(NUSCENES_META_KEYS, False), **modality}
        write_atomically(folder / nuscenes_lidarseg.meta_name(split), nuscenes_lidarseg.meta_bytes(meta))

    def write(self, sample: Mapping[str, Any], train_ids: NDArray[np.integer]) -> Path:
        """Write classes 1..16, uint8."""
        name = nuscenes_lidarseg.label_name(self.split, str(_needed(sample, "sample_data_token")))
        return write_atomically(self.folder / name, nuscenes_lidarseg.label_bytes(np.asarray(train_ids) + 1, name))


def prediction_folder(
    folder: Path, dataset_meta: Mapping[str, Any], modality: Mapping[str, bool] | None = None
) -> PredictionFolder:
    """The folder of a data set, which its metainfo tells: ``dataset``, and ``split`` and ``version`` of nuScenes.

    Raises:
        InputError: for a data set without a leaderboard format here.
    """
    name = str(dataset_meta.get("dataset", "")).lower()
    if name == "semantickitti":
        return SemanticKittiFolder(folder)
    if name == "nuscenes":
        split, version = (str(_needed(dataset_meta, key)) for key in ("split", "version"))
        return LidarsegFolder(folder, split, version, modality or LIDAR_ONLY)
    raise InputError(
        f"submission_prefix: expected a data set with a leaderboard (semantickitti, nuscenes), found {name or 'none'}; "
        "its info file names it"
    )


def _needed(values: Mapping[str, Any], key: str) -> Any:
    if key not in values:
        raise InputError(
            f"{values.get('lidar_path', 'predictions')}: expected {key}, which names the file, found none; add it to "
            "meta_keys of Pack3DDetInputs, or write the info file again with tools/create_data.py"
        )
    return values[key]
