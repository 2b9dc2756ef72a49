"""Speed beside nuscenes-devkit, on the same boxes in memory and on the same file."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from perception3d.conventions import NUSCENES_DETECTION_CLASSES, NUSCENES_META_KEYS
from perception3d.metrics.nuscenes_detection.matching import match
from perception3d.metrics.nuscenes_detection.rules import DetectionRules
from perception3d.metrics.nuscenes_detection.scores import DetectionScores, score
from perception3d.submission.nuscenes_boxes import NuScenesBoxes, concatenate
from perception3d.submission.nuscenes_det import read_results
from perception3d.submission.nuscenes_det_writer import box_to_dict

TRUTH_PER_SAMPLE = 35
"""Scored annotations per keyframe: about 187 000 boxes in the 6 019 keyframes of the validation split."""

SPREAD_M = 40.0


@dataclass(frozen=True)
class Comparison:
    """Seconds of this project and of nuscenes-devkit for the same work.

    Attributes:
        work: what was done.
        ours_s: seconds.
        devkit_s: seconds.
        difference: largest difference of mAP and NDS between the two; None where there are no scores.
    """

    work: str
    ours_s: float
    devkit_s: float
    difference: float | None

    @property
    def speedup(self) -> float:
        """How many times faster than the devkit."""
        return self.devkit_s / self.ours_s


def measure(samples: int, boxes_per_sample: int, loading_samples: int, folder: Path) -> Iterator[Comparison]:
    """Time scores on boxes in memory, then the loading of a results file.

    Args:
        samples: number of keyframes for the scores.
        boxes_per_sample: detections in each.
        loading_samples: number of keyframes of the file.
        folder: where the file is written for the while.
    """
    rng = np.random.default_rng(0)
    detections, truth = synthetic_case(samples, boxes_per_sample, rng)
    _scores(*synthetic_case(1, boxes_per_sample, rng))  # compiles
    ours, ours_s = _timed(lambda: _scores(detections, truth))
    tokens = [f"{index:032x}" for index in range(max(samples, loading_samples))]
    theirs = devkit_boxes(truth, tokens), devkit_boxes(detections, tokens)
    devkit, devkit_s = _timed(lambda: _devkit_scores(*theirs))
    apart = max(abs(devkit["mean_ap"] - ours.mean_ap), abs(devkit["nd_score"] - ours.nds))
    work = f"scores of {samples} keyframes, {len(detections)} detections, {len(truth)} annotations"
    yield Comparison(work, ours_s, devkit_s, apart)
    yield measure_loading(loading_samples, boxes_per_sample, folder / "results.json")


def measure_loading(samples: int, boxes_per_sample: int, path: Path) -> Comparison:
    """Time the loading of a results file, checks included; the file is removed again."""
    from nuscenes.eval.common.loaders import load_prediction
    from nuscenes.eval.detection.data_classes import DetectionBox

    detections, _ = synthetic_case(samples, boxes_per_sample, np.random.default_rng(1))
    tokens = [f"{index:032x}" for index in range(samples)]
    results: dict[str, list[dict[str, Any]]] = {token: [] for token in tokens}
    for row, sample in enumerate(detections.sample):
        results[tokens[sample]].append(box_to_dict(detections, row, tokens[sample]))
    path.write_text(json.dumps({"meta": dict.fromkeys(NUSCENES_META_KEYS, False), "results": results}))
    del results
    _, ours_s = _timed(lambda: read_results(path, tokens))
    _, devkit_s = _timed(lambda: load_prediction(str(path), boxes_per_sample, DetectionBox))
    size_mb = path.stat().st_size / 1e6
    path.unlink()
    return Comparison(f"loading {samples} keyframes from a file of {size_mb:.0f} MB", ours_s, devkit_s, None)


def synthetic_case(
    samples: int, boxes_per_sample: int, rng: np.random.Generator
) -> tuple[NuScenesBoxes, NuScenesBoxes]:
    """Annotations, and detections of which some are near them; detections sorted by keyframe."""
    truth = _random(samples, TRUTH_PER_SAMPLE, rng)
    clutter = _random(samples, max(boxes_per_sample - TRUTH_PER_SAMPLE, 0), rng)
    moved = truth.center_m + rng.normal(0.0, 1.0, truth.center_m.shape)
    near = NuScenesBoxes(**{**vars(truth), "center_m": moved, "score": rng.random(len(truth))})
    both = concatenate([near, clutter])
    return both.take(np.argsort(both.sample, kind="stable")), truth


def _random(samples: int, per_sample: int, rng: np.random.Generator) -> NuScenesBoxes:
    count = samples * per_sample
    yaw = rng.uniform(-np.pi, np.pi, count)
    zero = np.zeros(count)
    return NuScenesBoxes(
        np.repeat(np.arange(samples), per_sample),
        rng.integers(0, len(NUSCENES_DETECTION_CLASSES), count),
        rng.uniform(-SPREAD_M, SPREAD_M, (count, 3)),
        rng.uniform(0.5, 5.0, (count, 3)),
        np.column_stack([np.cos(yaw / 2), zero, zero, np.sin(yaw / 2)]),
        rng.normal(0.0, 2.0, (count, 2)),
        np.full(count, -1),
        rng.random(count),
    )


def devkit_boxes(boxes: NuScenesBoxes, tokens: list[str]) -> Any:
    """The devkit's ``EvalBoxes`` of the same boxes."""
    from nuscenes.eval.common.data_classes import EvalBoxes
    from nuscenes.eval.detection.data_classes import DetectionBox

    result = EvalBoxes()
    for row, sample in enumerate(boxes.sample):
        box = DetectionBox.deserialize(box_to_dict(boxes, row, tokens[sample]))
        result.add_boxes(tokens[sample], [box])
    return result


def _scores(detections: NuScenesBoxes, truth: NuScenesBoxes) -> DetectionScores:
    return score(match(detections, truth, DetectionRules()))


def _devkit_scores(truth: Any, detections: Any) -> dict[str, Any]:
    from nuscenes.eval.common.config import config_factory
    from nuscenes.eval.detection.evaluate import DetectionEval

    evaluation = DetectionEval.__new__(DetectionEval)  # its constructor loads files; evaluate needs the boxes alone
    evaluation.cfg = config_factory("detection_cvpr_2019")
    evaluation.gt_boxes, evaluation.pred_boxes, evaluation.verbose = truth, detections, False
    return evaluation.evaluate()[0].serialize()


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def markdown(rows: list[Comparison]) -> str:
    """The comparisons as a table."""
    lines = ["| work | seconds | nuscenes-devkit | faster | difference of mAP, NDS |", "|---|---:|---:|---:|---:|"]
    for row in rows:
        apart = "" if row.difference is None else f"{row.difference:.1e}"
        lines.append(f"| {row.work} | {row.ours_s:.2f} | {row.devkit_s:.2f} | {row.speedup:.0f}x | {apart} |")
    return "\n".join(lines)
