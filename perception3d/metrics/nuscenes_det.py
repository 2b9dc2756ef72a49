"""Evaluator of 3D detection on nuScenes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine import load
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from numpy.typing import NDArray

from corruptions.core import InputError
from perception3d.conventions import NUSCENES_DETECTION_CLASSES, NUSCENES_META_KEYS
from perception3d.metrics.nuscenes_detection.bootstrap import flat, summary_draws
from perception3d.metrics.nuscenes_detection.devkit import load_ground_truth, official_scores, open_tables
from perception3d.metrics.nuscenes_detection.evaluate import evaluate
from perception3d.metrics.nuscenes_detection.report import Report, write_report
from perception3d.registry import METRICS
from perception3d.submission.nuscenes_boxes import LABELS, NuScenesBoxes, concatenate
from perception3d.submission.nuscenes_det_writer import boxes_to_global, most_confident, result_writer
from perception3d.submission.nuscenes_split import read_split

RESULT_FILE = "results_nusc.json"
SPLITS = {"v1.0-mini": "mini_val", "v1.0-test": "test"}
"""The split that is scored where an info file does not say it; "val" in other versions."""
TokenBoxes = tuple[str, NuScenesBoxes]


@METRICS.register_module()
class NuScenesDetMetric(BaseMetric):
    """The official nuScenes scores: ``NDS``, ``mAP``, the five mean errors, and ``AP/<class>``; fractions.

    They are nuscenes-devkit's. When only some keyframes of the split were evaluated the scores are those of them, and
    a warning says so.

    Reads ``pred_instances_3d`` (``bboxes_3d`` in the LiDAR frame, ``scores_3d``, ``labels_3d``) and ``sample_idx`` of
    each sample, as mmdet3d's ``NuScenesMetric`` does. Attributes follow from class and speed.

    Args:
        data_root: folder of the data set.
        ann_file: mmdet3d's info file of the split; gives token and poses by ``sample_idx``.
        version: folder of the tables, e.g. "v1.0-mini"; by default what the info file says.
        split: split of the tables, e.g. "mini_val", "test"; by default what the info file says.
        modality: which of ``use_camera``, ``use_lidar``, ``use_radar``, ``use_map``, ``use_external`` the model uses;
            those not named are false. Written to the results file. By default the sensors that the dataset loads.
        out_dir: folder for the results file (when the whole split was evaluated), tables and curves; nothing is
            written without it.
        format_only: write the results file and score nothing; needs no annotations. For the test split.
        jsonfile_prefix: folder of the results file, ``out_dir`` by default.
        official: run nuscenes-devkit on the written file too; adds ``devkit/NDS`` and ``devkit/mAP``.
        draws: number of times that the scenes are drawn with replacement; adds ``draws``, the NDS in each (empty for
            fewer than two scenes). Every run has the same draws.
        collect_device: "cpu" or "gpu", how mmengine gathers the ranks.
        prefix: put before the names of the scores.
    """

    default_prefix = ""  # bare names (NDS), and not mmengine's warning that there is no prefix

    def __init__(
        self,
        data_root: str,
        ann_file: str,
        version: str | None = None,
        split: str | None = None,
        modality: Mapping[str, bool] | None = None,
        out_dir: str | None = None,
        format_only: bool = False,
        jsonfile_prefix: str | None = None,
        official: bool = False,
        draws: int = 0,
        collect_device: str = "cpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        folder = jsonfile_prefix or out_dir
        if (format_only or official) and folder is None:
            raise InputError(
                "NuScenesDetMetric: format_only and official write a results file: expected jsonfile_prefix or "
                "out_dir, found neither"
            )
        if set(modality or {}) - set(NUSCENES_META_KEYS):
            found = ", ".join(modality or {})
            raise InputError(f"modality: expected keys of {', '.join(NUSCENES_META_KEYS)}, found {found}")
        self.data_root = Path(data_root)
        self.ann_file = ann_file
        self.out_dir = None if out_dir is None else Path(out_dir)
        self.format_only = format_only
        self.official = official
        self.draws = draws
        self._result_file = None if folder is None else Path(folder) / RESULT_FILE
        self.version = version
        self.split = split
        self.modality = modality
        self._content: dict[str, Any] | None = None
        self._infos: dict[int, dict[str, Any]] = {}

    @property
    def meta(self) -> dict[str, bool]:
        """The five keys of "meta" in the results file."""
        used = self.modality or (self.dataset_meta or {}).get("modality")
        if not used:
            raise InputError(
                "NuScenesDetMetric: expected the sensors of the model for the results file, found none in the dataset; "
                "set modality=dict(use_lidar=..., use_camera=...) in the metric"
            )
        return {key: bool(used.get(key, False)) for key in NUSCENES_META_KEYS}

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Bring the boxes of a batch to the global frame."""
        if self._result_file is not None:
            _ = self.meta  # missing sensors are an error now, not after hours of inference
        labels = self._labels()
        for sample in data_samples:
            info = self._info(int(sample["sample_idx"]))
            pose = np.array(info["ego2global"]) @ np.array(info["lidar_points"]["lidar2ego"])
            boxes = most_confident(instances_to_global(sample["pred_instances_3d"], labels, pose))
            self.results.append((info["token"], boxes))

    def compute_metrics(self, results: list[TokenBoxes]) -> dict[str, Any]:
        """Scores of all samples; prints the tables and writes the files."""
        if not results:
            raise InputError("NuScenesDetMetric: expected at least one sample, found none; the dataloader is empty")
        path = self._write_results(results)
        version, split = self._tables()
        if self.format_only:
            where = f"--root {self.data_root} --version {version} --split {split}"
            text = f"written to {path}; check and zip it: python tools/submit.py nuscenes-det {path} {where} --zip FILE"
            print_log(text, logger="current")
            return {}
        nusc = open_tables(self.data_root, version)
        truth = load_ground_truth(nusc, split, [token for token, _ in results])
        place = {token: index for index, token in enumerate(truth.tokens)}
        evaluation = evaluate(concatenate([_at(boxes, place[token]) for token, boxes in results]), truth)
        report = Report(evaluation, self.meta if self.out_dir else {})
        print_log("\n" + report.text(), logger="current")
        if self.out_dir is not None:
            write_report(report, self.out_dir)
        scores: dict[str, Any] = flat(evaluation.scores)
        if self.draws:
            scores["draws"] = summary_draws(evaluation, self.draws, "NDS")
        if self.official and path is not None:
            devkit = official_scores(nusc, path, split)
            scores |= {"devkit/NDS": devkit["nd_score"], "devkit/mAP": devkit["mean_ap"]}
        return scores

    def _write_results(self, results: list[TokenBoxes]) -> Path | None:
        """Write the results file of a whole split; None where only a part was evaluated."""
        version, split = self._tables()
        tokens = read_split(self.data_root, version, split).sample_tokens
        missing = len(set(tokens) - {token for token, _ in results})
        if missing and not (self.format_only or self.official):
            text = f"{missing} of {len(tokens)} keyframes of {split} were not evaluated: no official scores"
            print_log(text, logger="current", level=30)
        if self._result_file is None or (missing and not (self.format_only or self.official)):
            return None
        with result_writer(self._result_file, self.meta, tokens) as writer:
            for token, boxes in results:
                writer.add(token, boxes)
        return self._result_file

    def _labels(self) -> NDArray[np.int64]:
        """Official label of each label of the model."""
        classes = (self.dataset_meta or {}).get("classes", ())
        if not classes or not set(classes) <= set(LABELS):
            raise InputError(
                f"dataset_meta['classes']: expected classes of {', '.join(NUSCENES_DETECTION_CLASSES)}, found "
                f"{', '.join(map(str, classes)) or 'none'}; set metainfo in the dataset"
            )
        return np.array([LABELS[name] for name in classes], dtype=np.int64)

    def _tables(self) -> tuple[str, str]:
        """Version and split, given or as the info file has them; mmdet3d's own files have no split."""
        metainfo = self._read_infos()["metainfo"]
        version = self.version or metainfo.get("version", "v1.0-trainval")
        return version, self.split or metainfo.get("split") or SPLITS.get(version, "val")

    def _read_infos(self) -> dict[str, Any]:
        if self._content is None:
            self._content = load(self.ann_file)
            self._infos = {int(info["sample_idx"]): info for info in self._content["data_list"]}
        return self._content

    def _info(self, sample_idx: int) -> dict[str, Any]:
        self._read_infos()
        if sample_idx not in self._infos:
            raise InputError(
                f"{self.ann_file}: expected sample_idx {sample_idx}, found none; use the dataset's info file"
            )
        return self._infos[sample_idx]


def instances_to_global(
    instances: Any, labels: NDArray[np.int64], global_from_lidar: NDArray[np.float64]
) -> NuScenesBoxes:
    """Predictions of mmdet3d for one keyframe in the global frame.

    Args:
        instances: ``bboxes_3d`` (mmdet3d's LiDAR boxes, with or without velocity), ``scores_3d``, ``labels_3d``; an
            ``InstanceData`` or a mapping.
        labels: (K,) official label of each label of the model.
        global_from_lidar: (4, 4).

    Raises:
        InputError: for boxes of another frame.
    """
    boxes = instances["bboxes_3d"]
    if not type(boxes).__name__.startswith("LiDAR"):
        raise InputError(f"bboxes_3d: expected boxes in the LiDAR frame, found {type(boxes).__name__}")
    velocity = boxes.tensor[:, 7:9] if boxes.tensor.shape[1] >= 9 else boxes.tensor.new_zeros((len(boxes.tensor), 2))
    return boxes_to_global(
        labels[instances["labels_3d"].cpu().numpy()],
        _real(instances["scores_3d"]),
        _real(boxes.gravity_center),
        _real(boxes.dims),
        _real(boxes.yaw),
        _real(velocity),
        global_from_lidar,
    )


def _real(tensor: Any) -> NDArray[np.float64]:
    return tensor.detach().cpu().numpy().astype(np.float64)


def _at(boxes: NuScenesBoxes, sample: int) -> NuScenesBoxes:
    return dataclasses.replace(boxes, sample=np.full(len(boxes), sample, dtype=np.int64))
