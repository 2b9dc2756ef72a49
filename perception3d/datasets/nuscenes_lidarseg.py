"""nuScenes keyframes for LiDAR segmentation: the 16 classes of the challenge, mapped from the categories by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from mmdet3d.datasets import Seg3DDataset
from mmengine import load
from numpy.typing import NDArray

from corruptions.core import InputError
from corruptions.nuscenes import COLUMNS, LIDAR
from perception3d.conventions import NUSCENES_LIDARSEG_CLASSES, NUSCENES_LIDARSEG_IGNORE, NUSCENES_LIDARSEG_PALETTE
from perception3d.datasets.info_files import InfoFileDataset
from perception3d.datasets.labels import UNKNOWN, classes_present
from perception3d.registry import DATASETS

LABELS = dict(enumerate(NUSCENES_LIDARSEG_CLASSES))


@DATASETS.register_module()
class NuScenesLidarsegDataset(InfoFileDataset, Seg3DDataset):
    """Keyframes listed by ``tools/create_data.py nuscenes``, or by mmdet3d's own converter.

    Label files hold the numbers of the categories in the tables; which class each belongs to follows from the names in
    ``category.json``, since the numbers are those of the tables. Load labels with ``LoadLidarLabels(dtype="uint8")``.

    Sets ``sample_id`` (stem of the point file) and ``sample_data_token`` (token of the sweep, where the info has it).

    Args:
        data_root: folder that holds ``samples``, ``lidarseg`` and the folder of the tables.
        ann_file: info file, absolute, below ``data_root``, or below the working directory.
        metainfo: overrides; ``classes`` must be the 16 of the challenge in order.
        data_prefix: folders of points (``pts``) and labels (``pts_semantic_mask``); by default the official ones.
        base: further arguments of ``mmdet3d.datasets.Seg3DDataset`` and ``mmengine.dataset.BaseDataset``
            (``pipeline``, ``test_mode``, ``indices``, ...).

    Raises:
        InputError: for other classes, and when the keyframes are listed: for a missing data root or info file, one
            without version or keyframes, or tables without the categories of lidarseg.
    """

    METAINFO = {
        "classes": NUSCENES_LIDARSEG_CLASSES,
        "palette": [list(colour) for colour in NUSCENES_LIDARSEG_PALETTE],
        "seg_valid_class_ids": tuple(LABELS),
        "seg_all_class_ids": tuple(LABELS),
    }

    seg_label_mapping: NDArray[np.int64]

    def __init__(
        self,
        data_root: str,
        ann_file: str,
        metainfo: Mapping[str, Any] | None = None,
        data_prefix: Mapping[str, str] | None = None,
        **base: Any,
    ) -> None:
        given = dict(metainfo or {})
        classes = tuple(given.get("classes", NUSCENES_LIDARSEG_CLASSES))
        if classes != NUSCENES_LIDARSEG_CLASSES:
            raise InputError(
                f"metainfo['classes']: expected {', '.join(NUSCENES_LIDARSEG_CLASSES)}; found "
                f"{', '.join(map(str, classes))}; leave it out"
            )
        self._present: tuple[int, ...] | None = None
        super().__init__(
            data_root=data_root,
            ann_file=ann_file,
            metainfo={**given, "classes": NUSCENES_LIDARSEG_CLASSES},
            data_prefix={"pts": f"samples/{LIDAR}", **(data_prefix or {})},
            ignore_index=NUSCENES_LIDARSEG_IGNORE,
            **base,
        )

    def load_data_list(self) -> list[dict]:
        """Infos of the split, after checks of the file and of the tables' categories."""
        # imported here: the scores of lidarseg import this package for its label maps
        from perception3d.metrics.nuscenes_lidarseg.truth import category_lookup

        remedy = self.check_files("nuscenes", "nuScenes", "`samples` and `lidarseg`")
        content = load(self.ann_file)
        if not isinstance(content, dict) or "version" not in content.get("metainfo", {}) or not content["data_list"]:
            raise InputError(f"{self.ann_file}: expected an info file with a version and keyframes; {remedy}")
        for key, value in content["metainfo"].items():
            self._metainfo.setdefault(key, value)
        version = str(content["metainfo"]["version"])
        labelled = any("pts_semantic_mask_path" in info for info in content["data_list"])
        root = Path(self.data_root)
        if labelled:  # the test split has no labels, and its tables no categories of lidarseg
            self.seg_label_mapping = category_lookup(root, version)
        else:
            self.seg_label_mapping = np.full(1, UNKNOWN, dtype=np.int64)
        self.data_prefix.setdefault("pts_semantic_mask", str(root / "lidarseg" / version))
        return [self.parse_data_info(info) for info in content["data_list"]]

    def parse_data_info(self, info: dict) -> dict:
        """Absolute paths and the names of the sample."""
        lidar = info["lidar_points"]
        kept = {key: info[key] for key in ("token", "scene_name", "pts_semantic_mask_path") if key in info}
        kept["lidar_points"] = {"num_pts_feats": COLUMNS, **lidar}
        parsed = super().parse_data_info(kept)
        parsed["sample_id"] = PurePath(parsed["lidar_path"]).stem
        if "sample_data_token" in lidar:
            parsed["sample_data_token"] = lidar["sample_data_token"]
        return parsed

    def present_classes(self) -> tuple[int, ...]:
        """Train ids (0..15) that occur in the ground truth of this split; reads every label file at the first call."""
        if self._present is None:
            infos = [self.get_data_info(index) for index in range(len(self))]
            self._present = classes_present(
                ((i["lidar_path"], i["pts_semantic_mask_path"], i["num_pts_feats"]) for i in infos),
                self.seg_label_mapping,
                len(NUSCENES_LIDARSEG_CLASSES),
                np.uint8,
            )
        return self._present
