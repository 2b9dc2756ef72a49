"""Info files of the SemanticKITTI scans that are on disk, in mmdet3d 1.4's format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from corruptions.core import InputError
from corruptions.files import check_label_count, count_points
from perception3d.conventions import SEMANTICKITTI_SPLITS
from perception3d.datasets.info_files import INFO_VERSION, write_info_files

COLUMNS = 4  # x, y, z, intensity
SPLITS = ("train", "val", "trainval", "test")


def list_infos(root: Path) -> dict[str, list[dict[str, Any]]]:
    """Find and check the scans of each split under ``root/sequences``.

    Every point file must hold whole points and, in the sequences 00-10, have a label file with one label per point.
    Only sizes are looked at; values are checked when a scan is read.

    Args:
        root: folder that holds ``sequences``.

    Returns:
        Infos by split ("train", "val", "trainval", "test"), in order of sequence and frame. A split of which no
        sequence is on disk is empty. Each info has ``sample_idx`` (position in its split), ``sample_id``
        ("08/000004"), ``lidar_points`` (``lidar_path`` relative to the root, ``num_pts_feats``) and, but for the test
        split, ``pts_semantic_mask_path``.

    Raises:
        InputError: for a missing folder, no scan at all, or a file of the wrong size.
    """
    sequences = root / "sequences"
    if not sequences.is_dir():
        raise InputError(
            f"{sequences}: expected a folder with the sequences 00 to 21, found none; --root-path is the folder that "
            "holds `sequences`"
        )
    infos: dict[str, list[dict[str, Any]]] = {}
    for split, names in SEMANTICKITTI_SPLITS.items():
        folders = [sequences / name for name in names if (sequences / name).is_dir()]
        infos[split] = [info for folder in folders for info in _sequence_infos(root, folder, split != "test")]
    if not any(infos.values()):
        raise InputError(f"{sequences}: expected folders 00 to 21 with scans, found none; unpack the data set here")
    infos["trainval"] = sorted(infos["train"] + infos["val"], key=lambda info: info["sample_id"])
    return {split: [{"sample_idx": i, **info} for i, info in enumerate(infos[split])] for split in SPLITS}


def write_infos(infos: Mapping[str, list[dict[str, Any]]], out_dir: Path, tag: str) -> dict[str, Path]:
    """Write ``{tag}_infos_{split}.pkl`` for each split; none takes its place before all are complete.

    Returns:
        Path written by split.

    Raises:
        InputError: when ``out_dir`` cannot be written.
    """
    paths = {split: out_dir / f"{tag}_infos_{split}.pkl" for split in infos}
    contents = {}
    for split, data_list in infos.items():
        metainfo = {"dataset": "semantickitti", "info_version": INFO_VERSION, "split": split}
        contents[paths[split]] = {"metainfo": metainfo, "data_list": data_list}
    write_info_files(contents)
    return paths


def _sequence_infos(root: Path, folder: Path, labelled: bool) -> list[dict[str, Any]]:
    """Checked infos of one sequence folder, in order of frame."""
    scans = sorted((folder / "velodyne").glob("[0-9][0-9][0-9][0-9][0-9][0-9].bin"))
    if not scans:
        raise InputError(
            f"{folder / 'velodyne'}: expected scans 000000.bin, 000001.bin, ..., found none; unpack this sequence or "
            "remove its folder"
        )
    infos = []
    for scan in scans:
        count = count_points(scan, COLUMNS)
        info: dict[str, Any] = {
            "sample_id": f"{folder.name}/{scan.stem}",
            "lidar_points": {"lidar_path": scan.relative_to(root).as_posix(), "num_pts_feats": COLUMNS},
        }
        if labelled:
            labels = folder / "labels" / f"{scan.stem}.label"
            check_label_count(labels, count, np.uint32)
            info["pts_semantic_mask_path"] = labels.relative_to(root).as_posix()
        infos.append(info)
    return infos
