"""SemanticKITTI with semantic-kitti-api's class names and label map."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
from mmdet3d.datasets import SemanticKittiDataset as StockSemanticKittiDataset
from numpy.typing import NDArray

from corruptions.core import InputError
from perception3d.conventions import (
    SEMANTICKITTI_CLASSES,
    SEMANTICKITTI_IGNORE,
    SEMANTICKITTI_PALETTE,
    SEMANTICKITTI_TRAIN_IDS,
)
from perception3d.datasets.info_files import InfoFileDataset
from perception3d.datasets.labels import classes_present, label_lookup
from perception3d.registry import DATASETS

LABELS = dict(enumerate(SEMANTICKITTI_CLASSES))


@DATASETS.register_module()
class SemanticKittiDataset(InfoFileDataset, StockSemanticKittiDataset):
    """Scans listed by ``tools/create_data.py semantickitti``.

    mmdet3d's class of the same name knows other class names ("bus", "trunck") and maps raw ids outside its map to
    class 0 (car). Here the names are the api's, and an unknown id is an error of the transform that maps labels.

    Args:
        data_root: folder that holds ``sequences``.
        ann_file: info file, absolute, below ``data_root``, or below the working directory.
        metainfo: overrides. ``seg_label_mapping`` (raw id -> train id, 19 = ignore) replaces the official map, e.g. to
            give ids of a data set in the same layout a class; ``classes`` must be the 19 official ones in order.
        ignore_index: 19, the train id of points that are not scored; an argument because mmdet3d's configs set it.
        base: further arguments of ``mmdet3d.datasets.Seg3DDataset`` and ``mmengine.dataset.BaseDataset``
            (``pipeline``, ``test_mode``, ``indices``, ``lazy_init``, ...).

    Raises:
        InputError: for other classes or another ignore index, and when the scans are listed (at once, or at first use
            with ``lazy_init``): for a missing data root or info file, or an info file without scans.
    """

    METAINFO = {
        "classes": SEMANTICKITTI_CLASSES,
        "palette": [list(colour) for colour in SEMANTICKITTI_PALETTE],
        "seg_valid_class_ids": tuple(LABELS),
        "seg_all_class_ids": tuple(LABELS),
    }

    def __init__(
        self,
        data_root: str = "",
        ann_file: str = "",
        metainfo: Mapping[str, Any] | None = None,
        ignore_index: int | None = SEMANTICKITTI_IGNORE,
        **base: Any,
    ) -> None:
        if ignore_index not in (None, SEMANTICKITTI_IGNORE):
            raise InputError(f"ignore_index: expected {SEMANTICKITTI_IGNORE}, found {ignore_index}; leave it out")
        self._present: tuple[int, ...] | None = None
        super().__init__(
            data_root=data_root, ann_file=ann_file, metainfo=_metainfo(metainfo), ignore_index=ignore_index, **base
        )

    def get_seg_label_mapping(self, metainfo: Mapping[str, Any]) -> NDArray[np.int64]:
        """Lookup table of ``perception3d.datasets.labels.to_train_ids``; infos carry it to the transforms."""
        return label_lookup(metainfo["seg_label_mapping"])

    def load_data_list(self) -> list[dict]:
        """Infos of the split, after a check that there are any."""
        remedy = self.check_files("semantickitti", "SemanticKITTI", "`sequences`")
        data_list = super().load_data_list()
        if not data_list:
            raise InputError(
                f"{self.ann_file}: expected at least one scan, found an empty list; add scans, then {remedy}"
            )
        return data_list

    def parse_data_info(self, info: dict) -> dict:
        """Absolute paths, and ``sample_id`` "SEQ/FRAME" from the path.

        The path decides because mmdet3d's own info files concatenate bare numbers: "111" is 1/11 and 11/1.
        """
        info = super().parse_data_info(info)
        path = PurePath(info["lidar_path"])
        if path.parts[-4:-3] == ("sequences",):
            info["sample_id"] = f"{path.parts[-3]}/{path.stem}"
        return info

    def present_classes(self) -> tuple[int, ...]:
        """Train ids (0..18) that occur in the ground truth of this split.

        Pass it to ``LidarSegMetric(present_classes=...)`` of every setting to be compared, taken once from the clean
        data. Reads every label file at the first call.
        """
        if self._present is None:
            infos = [self.get_data_info(index) for index in range(len(self))]
            self._present = classes_present(
                ((i["lidar_path"], _label_path(i), i["num_pts_feats"]) for i in infos),
                self.seg_label_mapping,
                len(SEMANTICKITTI_CLASSES),
            )
        return self._present


def _metainfo(overrides: Mapping[str, Any] | None) -> dict[str, Any]:
    """Metainfo that mmdet3d's constructor needs, with the user's overrides checked."""
    given = dict(overrides or {})
    classes = tuple(given.get("classes", SEMANTICKITTI_CLASSES))
    if classes != SEMANTICKITTI_CLASSES:
        raise InputError(
            f"metainfo['classes']: expected semantic-kitti-api's {', '.join(SEMANTICKITTI_CLASSES)}; "
            f"found {', '.join(map(str, classes))}; leave it out"
        )
    return {"classes": SEMANTICKITTI_CLASSES, "seg_label_mapping": dict(SEMANTICKITTI_TRAIN_IDS), **given}


def _label_path(info: Mapping[str, Any]) -> str:
    if "pts_semantic_mask_path" not in info:
        raise InputError(f"{info['lidar_path']}: expected a scan with labels, found one of the test split; use val")
    return info["pts_semantic_mask_path"]
