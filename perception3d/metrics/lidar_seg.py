"""Evaluator of LiDAR semantic segmentation."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from numpy.typing import NDArray

from corruptions.core import InputError
from corruptions.files import write_atomically
from perception3d.metrics.confusion import (
    accuracy,
    check_classes,
    classes_in_truth,
    confusion_matrix,
    iou_per_class,
    miou_official,
    miou_present,
)
from perception3d.metrics.nuscenes_detection.bootstrap import SEED, draw_scenes
from perception3d.registry import METRICS
from perception3d.submission.segmentation_folder import PredictionFolder, prediction_folder

STRETCH_FRAMES = 100
_NOTHING = np.zeros((0, 0), dtype=np.int64)
"""Stands for a sample that is not scored: mmengine counts samples by their results."""


@METRICS.register_module()
class LidarSegMetric(BaseMetric):
    """Two mean IoUs, accuracy and the IoU of each class, in percent, not rounded.

    ``mIoU`` is semantic-kitti-api's: a prediction of "ignore" on a labelled point is a miss, and a class that does not
    occur scores 0. ``mIoU_present`` is the mean over a fixed list of classes. ``acc`` is the api's accuracy,
    ``IoU/<class>`` the rows of the table that is also printed.

    One confusion matrix is kept per sample, in the order of the samples: mmengine then drops the samples that a
    distributed sampler repeats to fill up the ranks, and several processes give exactly the scores of one.

    Reads ``pred_pts_seg.pts_semantic_mask`` and ``eval_ann_info.pts_semantic_mask`` of each sample, as mmdet3d's
    ``SegMetric`` does.

    Args:
        present_classes: train ids of ``mIoU_present``, e.g. ``dataset.present_classes()`` of the clean split. By
            default the classes of the evaluated ground truth, which corruptions can change: give the list where
            settings are compared.
        out_dir: folder for ``confusion_matrix.npy`` (int64 (K, K + 1), see ``perception3d.metrics.confusion``) and
            ``per_class_iou.json``; nothing is written without it.
        submission_prefix: folder for the predictions in the layout of the data set's leaderboard, see
            ``perception3d.submission.segmentation_folder``; none are written without it.
        format_only: write the predictions and score nothing; needs no ground truth. For the test split.
        modality: for nuScenes, which of ``use_camera``, ``use_lidar``, ``use_radar``, ``use_map``, ``use_external`` the
            model uses, written beside the predictions; by default the LiDAR alone.
        draws: number of times that the stretches of driving (:func:`stretch_of`) are drawn with replacement; adds
            ``draws``, the mIoU_present in each (empty for fewer than two stretches). Every run has the same draws.
        collect_device: "cpu" or "gpu", how mmengine gathers the ranks.
        prefix: put before the names of the scores.
    """

    default_prefix = ""  # bare names (mIoU), and not mmengine's warning that there is no prefix

    def __init__(
        self,
        present_classes: Sequence[int] | None = None,
        out_dir: str | None = None,
        submission_prefix: str | None = None,
        format_only: bool = False,
        modality: Mapping[str, bool] | None = None,
        draws: int = 0,
        collect_device: str = "cpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if format_only and submission_prefix is None:
            raise InputError("LidarSegMetric: format_only writes predictions: expected submission_prefix, found none")
        self.present_classes = present_classes
        self.out_dir = out_dir
        self.submission_prefix = submission_prefix
        self.format_only = format_only
        self.modality = modality
        self.draws = draws
        self._folder: PredictionFolder | None = None

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count the points of a batch, and write its predictions where they are wanted."""
        if self.present_classes is not None:  # now and not after hours of inference
            check_classes(self.present_classes, len(self._classes))
        for sample in data_samples:
            prediction = _to_numpy(sample["pred_pts_seg"]["pts_semantic_mask"])
            if self.submission_prefix is not None:
                self._prediction_folder().write(sample, prediction)
            counts = _NOTHING if self.format_only else self._confusion(sample, prediction)
            self.results.append((stretch_of(sample), counts))

    def _confusion(self, sample: Mapping[str, Any], prediction: NDArray[np.integer]) -> NDArray[np.int64]:
        truth = (sample.get("eval_ann_info") or {}).get("pts_semantic_mask")
        if truth is None:
            raise InputError(
                f"{sample.get('lidar_path', 'sample')}: expected ground truth in eval_ann_info, found none; set "
                "test_mode=True in the dataset and LoadLidarLabels in its pipeline, on a split with labels, or write "
                "predictions alone with tools/test.py --format-only"
            )
        return confusion_matrix(prediction, _to_numpy(truth), len(self._classes), self._ignore_index)

    def compute_metrics(self, results: list[tuple[str, NDArray[np.int64]]]) -> dict[str, Any]:
        """Scores of all samples; prints the table and writes the files."""
        if not results:
            raise InputError("LidarSegMetric: expected at least one sample, found none; the dataloader is empty")
        if self.submission_prefix is not None:
            command = self._prediction_folder().check_command
            print_log(
                f"{len(results)} predictions in {self.submission_prefix}; check, zip: {command}", logger="current"
            )
        if self.format_only:
            return {}
        stretches, counts = zip(*results, strict=True)
        confusion = np.sum(counts, axis=0, dtype=np.int64)
        present = classes_in_truth(confusion) if self.present_classes is None else tuple(self.present_classes)
        scores: dict[str, Any] = {
            "mIoU": 100 * miou_official(confusion),
            "mIoU_present": 100 * miou_present(confusion, present),
            "acc": 100 * accuracy(confusion),
        }
        rows = class_rows(confusion, self._classes, present)
        print_log("\n" + format_table(rows, scores), logger="current")
        if self.out_dir is not None:
            self._save(confusion, {**scores, "samples": len(results), "classes": rows})
        if self.draws:
            scores["draws"] = [100 * value for value in miou_draws(stretches, counts, self.draws, present)]
        return {**scores, **{f"IoU/{row['name']}": row["IoU"] for row in rows}}

    def _prediction_folder(self) -> PredictionFolder:
        if self._folder is None:
            self._folder = prediction_folder(Path(str(self.submission_prefix)), self.dataset_meta or {}, self.modality)
        return self._folder

    @property
    def _classes(self) -> tuple[str, ...]:
        return tuple(self._meta("classes"))

    @property
    def _ignore_index(self) -> int:
        return int(self._meta("ignore_index"))

    def _meta(self, key: str) -> Any:
        if not self.dataset_meta or key not in self.dataset_meta:
            raise InputError(
                f"dataset_meta[{key!r}]: expected from the dataset's metainfo, found none; use a perception3d dataset"
            )
        return self.dataset_meta[key]

    def _save(self, confusion: NDArray[np.int64], table: dict[str, Any]) -> None:
        folder = Path(str(self.out_dir))
        matrix = io.BytesIO()
        np.save(matrix, confusion, allow_pickle=False)
        write_atomically(folder / "confusion_matrix.npy", matrix.getvalue())
        write_atomically(folder / "per_class_iou.json", json.dumps(table, indent=2).encode())


def class_rows(confusion: NDArray[np.int64], names: Sequence[str], present: Sequence[int]) -> list[dict[str, Any]]:
    """Per-class table: train id, name, IoU in percent, counts of true and predicted points, whether it is present."""
    percent = 100 * iou_per_class(confusion)
    true_points, predicted = confusion.sum(axis=1), confusion[:, :-1].sum(axis=0)
    return [
        {
            "train_id": train_id,
            "name": name,
            "IoU": float(percent[train_id]),
            "true_points": int(true_points[train_id]),
            "predicted_points": int(predicted[train_id]),
            "present": train_id in present,
        }
        for train_id, name in enumerate(names)
    ]


def format_table(rows: Sequence[dict[str, Any]], scores: dict[str, float]) -> str:
    """The per-class table and the scores as text; "*" marks classes outside ``mIoU_present``."""
    width = max(len(row["name"]) for row in rows) + 1
    lines = [f"{'class':{width}} {'IoU':>6} {'true points':>12} {'predicted':>12}"]
    for row in rows:
        name = row["name"] + ("" if row["present"] else "*")
        lines.append(f"{name:{width}} {row['IoU']:6.2f} {row['true_points']:12d} {row['predicted_points']:12d}")
    lines.append("  ".join(f"{name} {value:.2f}" for name, value in scores.items()))
    if not all(row["present"] for row in rows):
        lines.append("* not in mIoU_present")
    return "\n".join(lines)


def stretch_of(sample: Mapping[str, Any]) -> str:
    """What a scan is drawn with: its scene where it has one, else the 100 frames of its sequence around it (10 s)."""
    if sample.get("scene_name"):
        return str(sample["scene_name"])
    path = Path(str(sample.get("lidar_path", "")))
    if path.stem.isdigit():
        return f"{path.parent.parent.name}/{int(path.stem) // STRETCH_FRAMES}"
    return str(path)


def miou_draws(
    stretches: Sequence[str], counts: Sequence[NDArray[np.int64]], draws: int, present: Sequence[int]
) -> list[float]:
    """mIoU_present as a fraction in each draw of the stretches; none for fewer than two of them.

    Args:
        stretches: (S,) stretch of each scan.
        counts: (S,) its confusion matrix, int64 (K, K + 1).
        draws: number of draws.
        present: train ids of the mean.
    """
    if len(set(stretches)) < 2:
        return []
    copies = draw_scenes(stretches, draws, np.random.default_rng(SEED))
    return [miou_present(np.tensordot(row, np.stack(counts), axes=1), present) for row in copies]


def _to_numpy(labels: Any) -> NDArray[np.integer]:
    """A tensor on any device, or an array, as an array."""
    return labels.cpu().numpy() if hasattr(labels, "cpu") else np.asarray(labels)
