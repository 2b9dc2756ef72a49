"""SemanticKITTI-C read from files: released by Yan et al. or by Robo3D, or exported by tools/corrupt.py."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perception3d.conventions import SEMANTICKITTI_TRAIN_IDS
from perception3d.datasets.corrupted_folders import ROBO3D, ROBO3D_TRAIN_IDS, find_folders, list_scans
from perception3d.datasets.semantickitti import SemanticKittiDataset
from perception3d.registry import DATASETS


@DATASETS.register_module()
class CorruptedSemanticKittiDataset(SemanticKittiDataset):
    """One setting of a corrupted SemanticKITTI, without an info file: the scans are those on disk.

    The layout tells which set it is (``corrupted_folders``). Of Robo3D's, the raw ids 21, 22 and 23, which mark fog,
    snow and crosstalk points, count as ignored; in any other set they are an error like every unknown id.

    Args:
        data_root: the folder ``SemanticKITTI-C``, or the one that holds it.
        setting: "fog_heavy" (Yan et al., exports) or "fog/heavy" (Robo3D).
        sequence: the sequence that the scans were made from, where the folders do not say it.
        ann_file: not read; taken so that any config's test set can be turned into this one.
        metainfo: overrides, as for ``SemanticKittiDataset``.
        base: further arguments of ``SemanticKittiDataset`` (``pipeline``, ``test_mode``, ``indices``, ...).

    Raises:
        InputError: for a folder that is neither set or both, an unknown setting, an unfinished export, or files of the
            wrong size.
    """

    def __init__(
        self,
        data_root: str,
        setting: str,
        sequence: str = "08",
        ann_file: str | None = None,
        metainfo: Mapping[str, Any] | None = None,
        **base: Any,
    ) -> None:
        self.folders = find_folders(Path(data_root))
        self.setting = setting
        self.sequence = sequence
        given = {"dataset": "semantickitti", **(metainfo or {})}
        if self.folders.layout == ROBO3D:
            train_ids = given.get("seg_label_mapping", SEMANTICKITTI_TRAIN_IDS)
            given["seg_label_mapping"] = {**ROBO3D_TRAIN_IDS, **train_ids}
        super().__init__(data_root=str(self.folders.root), metainfo=given, **base)

    def load_data_list(self) -> list[dict]:
        """Infos of the scans of the setting."""
        return [self.parse_data_info(info) for info in list_scans(self.folders, self.setting, self.sequence)]
