"""Folders of corrupted SemanticKITTI scans, as released and as tools/corrupt.py exports them.

Two sets are called SemanticKITTI-C, and their folders tell them apart:

* Yan et al., IJCV 2024: ``SemanticKITTI-C/<setting>/{velodyne,labels}``, settings ``fog_light`` ... ``sparse_16beam``
  and ``clean_data``. Exports have this layout; of several sequences they have ``<setting>/sequences/<sequence>/...``.
* Robo3D, Kong et al., ICCV 2023: ``SemanticKITTI-C/<corruption>/<light|moderate|heavy>/{velodyne,labels}``. Its labels
  use the ids 21 (fog), 22 (snow) and 23 (crosstalk) for points that are not scored, which the official map lacks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from corruptions.core import InputError, unknown
from corruptions.export.manifest import MANIFEST, read_manifest
from corruptions.files import check_label_count, count_points
from perception3d.conventions import SEMANTICKITTI_IGNORE

NAME = "SemanticKITTI-C"
SETTINGS, ROBO3D = "settings", "robo3d"
SEVERITIES = ("light", "moderate", "heavy")
CLEAN = ("clean", "clean_data")
ROBO3D_TRAIN_IDS: Mapping[int, int] = dict.fromkeys((21, 22, 23), SEMANTICKITTI_IGNORE)
COLUMNS = 4
EXPECTED = (
    "expected <setting>/velodyne (Yan et al., exports) or <corruption>/<light|moderate|heavy>/velodyne (Robo3D) in it"
)


@dataclass(frozen=True)
class CorruptedFolders:
    """The settings of one corrupted data set.

    Attributes:
        root: the folder that holds them.
        layout: ``SETTINGS`` (Yan et al., exports) or ``ROBO3D``.
        settings: names, which are their paths below ``root``: "fog_light", or "fog/light" for Robo3D.
    """

    root: Path
    layout: str
    settings: tuple[str, ...]


def find_folders(root: Path) -> CorruptedFolders:
    """Find the settings of a corrupted data set, and which of the two layouts they have.

    Args:
        root: the folder ``SemanticKITTI-C``, or the one that holds it.

    Raises:
        InputError: for a missing folder, one without settings, or a mixture of both layouts.
    """
    root = root / NAME if (root / NAME).is_dir() else root
    if not root.is_dir():
        raise InputError(f"{root}: expected a folder of corrupted scans, found none; set data_root")
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    flat = [path.name for path in folders if _holds_scans(path)]
    nested = [f"{path.name}/{level}" for path in folders for level in SEVERITIES if _holds_scans(path / level)]
    # The clean scans have no severity in either set.
    if nested and set(flat) - set(CLEAN):
        raise InputError(
            f"{root}: found a mixture of two data sets, {flat[0]} as Yan et al. and exports have it and {nested[0]} as "
            "Robo3D has it; both call themselves SemanticKITTI-C: give each a folder of its own"
        )
    if not flat and not nested:
        found = ", ".join(path.name for path in folders[:5]) or "no folder"
        raise InputError(f"{root}: {EXPECTED}, found {found}; set data_root to the folder of the corrupted scans")
    return CorruptedFolders(root, ROBO3D if nested else SETTINGS, tuple(flat + nested))


def list_scans(folders: CorruptedFolders, setting: str, sequence: str = "08") -> list[dict[str, Any]]:
    """Infos of the scans of a setting, paths relative to the root.

    Args:
        folders: from :func:`find_folders`.
        setting: one of ``folders.settings``.
        sequence: the sequence that a folder without sequences was made from.

    Raises:
        InputError: for an unknown setting, an unfinished export, scans without points, or files of the wrong size.
    """
    if setting not in folders.settings:
        raise InputError(unknown("setting", setting, folders.settings, of=str(folders.root)))
    scans = sorted((folders.root / setting).glob("velodyne/*.bin"))
    scans += sorted((folders.root / setting).glob("sequences/*/velodyne/*.bin"))
    pairs = [(scan, scan.parent.parent / "labels" / f"{scan.stem}.label") for scan in scans]
    _check_complete(folders.root, setting, len(scans) + sum(labels.is_file() for _, labels in pairs))
    if pairs and not any(scan.stat().st_size for scan, _ in pairs):
        raise InputError(
            f"{folders.root / setting}: no scan of it has a point, as after missing_lidar: nothing is left to score; "
            "choose another setting"
        )
    infos = []
    for scan, labels in pairs:
        check_label_count(labels, count_points(scan, COLUMNS), np.uint32)
        parent = scan.parent.parent
        infos.append(
            {
                "sample_id": f"{parent.name if parent.parent.name == 'sequences' else sequence}/{scan.stem}",
                "lidar_points": {
                    "lidar_path": scan.relative_to(folders.root).as_posix(),
                    "num_pts_feats": COLUMNS,
                },
                "pts_semantic_mask_path": labels.relative_to(folders.root).as_posix(),
            }
        )
    return [{"sample_idx": index, **info} for index, info in enumerate(infos)]


def _holds_scans(folder: Path) -> bool:
    return any(folder.glob("velodyne/*.bin")) or any(folder.glob("sequences/*/velodyne/*.bin"))


def _check_complete(root: Path, setting: str, found: int) -> None:
    """An export says how many files it will have; a score over fewer would look like any other."""
    if not (root / MANIFEST).is_file():
        return
    files = read_manifest(root)["settings"].get(setting, {}).get("files", found)
    if files != found:
        raise InputError(
            f"{root / setting}: expected the {files} files of a finished export, found {found}; run tools/corrupt.py "
            "again, or with --verify to see what is missing"
        )
