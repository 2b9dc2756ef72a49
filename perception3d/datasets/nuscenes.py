"""nuScenes keyframes for detection: several cameras, LiDAR sweeps, CMT's order of classes."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmdet3d.datasets import NuScenesDataset
from mmengine import load

from corruptions.core import InputError, check_within, unknown
from corruptions.nuscenes import CAMERAS, LIDAR
from perception3d.conventions import CMT_CLASSES, NUSCENES_INFO_CLASSES
from perception3d.datasets.info_files import InfoFileDataset
from perception3d.registry import DATASETS

CALIBRATION = ("cam2img", "lidar2cam")
_COLOURS = dict(zip(NUSCENES_INFO_CLASSES, NuScenesDataset.METAINFO["palette"], strict=True))


@DATASETS.register_module()
class NuScenesDetDataset(InfoFileDataset, NuScenesDataset):
    """Keyframes listed by ``tools/create_data.py nuscenes``, or by mmdet3d's own converter.

    Labels count in CMT's order of classes, which is not mmdet3d's; objects of no class are left out. In training,
    annotations without a LiDAR point are left out too, as mmdet3d does by default.

    Args:
        data_root: folder that holds ``samples`` and ``sweeps``.
        ann_file: info file, absolute, below ``data_root``, or below the working directory.
        metainfo: overrides; ``classes`` may be any of the ten classes in any order.
        modality: ``use_lidar`` and ``use_camera``; both by default.
        cameras: cameras to keep, in this order; by default those of the info file.
        scenes: names of scenes to keep; all by default.
        tokens: sample tokens of keyframes to keep, to overfit a model to them; all by default.
        history: number of keyframes before each, of the same scene, whose infos come along in ``history``, the latest
            first; fewer at the start of a scene. For late and frozen sensors.
        base: further arguments of ``mmdet3d.datasets.NuScenesDataset`` and ``mmengine.dataset.BaseDataset``
            (``pipeline``, ``test_mode``, ``data_prefix``, ``indices``, ...).

    Raises:
        InputError: for unknown classes, and when the keyframes are listed: for a missing data root or info file, one
            with labels of other classes, keyframes without one of the cameras or its calibration, unknown scenes or
            tokens, or no keyframe at all.
    """

    def __init__(
        self,
        data_root: str,
        ann_file: str,
        metainfo: Mapping[str, Any] | None = None,
        modality: Mapping[str, bool] | None = None,
        cameras: Sequence[str] | None = None,
        scenes: Sequence[str] | None = None,
        tokens: Sequence[str] | None = None,
        history: int = 0,
        **base: Any,
    ) -> None:
        check_within("history", history, 0, whole=True)
        self.cameras = None if cameras is None else tuple(cameras)
        self.scenes = scenes
        self.tokens = tokens
        self.history = history
        prefix = {name: f"samples/{name}" for name in CAMERAS}
        prefix |= {"pts": f"samples/{LIDAR}", "sweeps": f"sweeps/{LIDAR}"}
        super().__init__(
            data_root=data_root,
            ann_file=ann_file,
            metainfo=_metainfo(metainfo),
            modality=dict(modality or {"use_lidar": True, "use_camera": True}),
            data_prefix={**prefix, **base.pop("data_prefix", {})},
            **base,
        )
        self._metainfo["modality"] = dict(self.modality)  # results files say which sensors were used

    def load_data_list(self) -> list[dict]:
        """Infos of the split that pass the filters, after checks of the file."""
        remedy = self.check_files("nuscenes", "nuScenes", "`samples` and `sweeps`")
        content = load(self.ann_file)
        if not isinstance(content, dict) or not {"metainfo", "data_list"} <= set(content):
            raise InputError(f"{self.ann_file}: expected mmdet3d's info file with metainfo and data_list; {remedy}")
        labels = content["metainfo"].get("categories", {})
        expected = {name: label for label, name in enumerate(NUSCENES_INFO_CLASSES)}
        if {name: label for name, label in labels.items() if label >= 0} != expected:
            raise InputError(f"{self.ann_file}: expected labels {expected}, found {dict(labels)}; {remedy}")
        for key, value in content["metainfo"].items():
            self._metainfo.setdefault(key, value)
        if self.history:
            if any("scene_name" not in info for info in content["data_list"]):
                raise InputError(f"{self.ann_file}: expected scene_name in each info for history, found none; {remedy}")
            add_history(content["data_list"], self.history)
        infos = self._selected(content["data_list"])
        if not infos:
            raise InputError(f"{self.ann_file}: expected at least one keyframe, found an empty list; {remedy}")
        if self.modality["use_camera"]:
            self._choose_cameras(infos)
        return [self.parse_data_info(info) for info in infos]

    def get_data_info(self, idx: int) -> dict:
        """Info of a keyframe; ``sample_idx`` stays its number in the file, by which evaluators find it."""
        info = super().get_data_info(idx)  # mmengine numbers what the filters left
        info["sample_idx"] = info["idx_in_file"]
        return info

    def parse_data_info(self, info: dict) -> dict:
        """Absolute paths, annotations by label of this dataset."""
        info["idx_in_file"] = info["sample_idx"]
        info.setdefault("instances", [])  # mmdet3d's files of the test split have none
        for earlier in info.get("history", ()):
            super().parse_data_info(earlier)
            for key in ("ann_info", "eval_ann_info", "instances"):
                earlier.pop(key, None)
        return super().parse_data_info(info)

    def parse_ann_info(self, info: dict) -> dict:
        """Boxes, labels and velocities of the objects of known classes."""
        return self._remove_dontcare(super().parse_ann_info(info))

    def _selected(self, infos: list[dict]) -> list[dict]:
        """Infos of the chosen scenes and tokens."""
        for chosen, key, what in ((self.scenes, "scene_name", "scenes"), (self.tokens, "token", "sample tokens")):
            if chosen is None:
                continue
            known = {info.get(key) for info in infos}
            if others := [name for name in chosen if name not in known]:
                raise InputError(
                    f"{self.ann_file}: expected {what} of this file, found {len(others)} others: {others[0]!r}, ...; "
                    f"one of the {len(known)} known is {next(iter(known))!r}"
                )
            wanted = set(chosen)
            infos = [info for info in infos if info.get(key) in wanted]
        return infos

    def _choose_cameras(self, infos: list[dict]) -> None:
        """Keep the chosen cameras in ``images`` of each info, after a check that all are there and calibrated."""
        names = self.cameras or tuple(infos[0].get("images", {}))
        earlier = [before for info in infos for before in info.get("history", ())]
        for info in [*infos, *earlier]:
            images = info.get("images", {})
            where = f"{self.ann_file}: keyframe {info.get('token', '?')}"
            missing = [name for name in names if name not in images]
            if missing or not names or (self.cameras is None and len(images) != len(names)):
                raise InputError(
                    f"{where}: expected {len(names)} cameras ({', '.join(names)}), found {len(images)} "
                    f"({', '.join(images)}); choose `cameras` that every keyframe has"
                )
            for name in names:
                for key in CALIBRATION:
                    if np.size(images[name].get(key, ())) not in (9, 12, 16):
                        raise InputError(f"{where}: expected {key} of {name}, found none; write the info file again")
            info["images"] = {name: images[name] for name in names}


def add_history(infos: Sequence[dict], count: int) -> None:
    """Put copies of the infos of up to ``count`` keyframes before each, of its scene, into its ``history``.

    Annotations are left out of them.
    """
    scenes: dict[str, list[dict]] = {}
    for info in sorted(infos, key=lambda info: info["timestamp"]):
        scenes.setdefault(info["scene_name"], []).append(info)
    keys = ("token", "timestamp", "ego2global", "lidar_points", "lidar_sweeps", "images")
    for scene in scenes.values():
        bare = [{**{key: info[key] for key in keys if key in info}, "instances": []} for info in scene]
        for place, info in enumerate(scene):
            info["history"] = copy.deepcopy(bare[max(place - count, 0) : place][::-1])


def _metainfo(overrides: Mapping[str, Any] | None) -> dict[str, Any]:
    """Metainfo for mmdet3d's constructor, with the user's classes checked."""
    given = dict(overrides or {})
    classes = tuple(given.get("classes", CMT_CLASSES))
    for name in classes:
        if name not in NUSCENES_INFO_CLASSES:
            raise InputError(unknown("class", name, NUSCENES_INFO_CLASSES, of="metainfo['classes']"))
    if len(set(classes)) != len(classes) or not classes:
        raise InputError(f"metainfo['classes']: expected different classes, found {', '.join(classes) or 'none'}")
    return {"palette": [_COLOURS[name] for name in classes], **given, "classes": classes}
