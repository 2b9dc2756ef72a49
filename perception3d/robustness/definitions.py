"""Every metric that a report shows: its unit, what is better, formula, meaning and source. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SEGMENTATION, DETECTION = "segmentation", "detection"

YAN = "Yan et al., Benchmarking the Robustness of LiDAR Semantic Segmentation Models, IJCV 2024"
ROBO3D = "Kong et al., Robo3D: Towards Robust and Reliable 3D Perception against Corruptions, ICCV 2023"
MULTICORRUPT = "Beemelmanns et al., MultiCorrupt: A Multi-Modal Robustness Dataset and Benchmark, IV 2024"
NUSCENES = "Caesar et al., nuScenes: A Multimodal Dataset for Autonomous Driving, CVPR 2020"
KITTI_API = "Behley et al., SemanticKITTI, ICCV 2019; semantic-kitti-api"


@dataclass(frozen=True)
class Metric:
    """A number of a table.

    Attributes:
        name: its key in rows and results, and its heading.
        formula: how it is computed, in one line of plain text.
        meaning: the formula in words, with what a reader must know about it.
        source: who defined it.
        unit: "%", "m", ... or "" for a plain number.
        digits: digits after the point.
        higher_is_better: the direction of "best".
    """

    name: str
    formula: str
    meaning: str
    source: str
    unit: str = "%"
    digits: int = 1
    higher_is_better: bool = True


_TP = "mean over classes of the error of true positives at 2 m"

METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "mIoU",
            "mIoU = mean over all classes of TP / (TP + FP + FN)",
            "Mean intersection over union as the official tool has it: a class that does not occur scores 0, and "
            "predicting no class on a labelled point is a miss.",
            KITTI_API,
        ),
        Metric(
            "mIoU_present",
            "mIoU_present = mean over the classes of the clean ground truth of TP / (TP + FP + FN)",
            "The same over the classes that occur in the clean ground truth, one list for all settings; equal to mIoU "
            "where every class occurs.",
            "this project",
        ),
        Metric("acc", "acc = correct points / labelled points", "Share of correct points.", KITTI_API),
        Metric(
            "NDS",
            "NDS = (5 mAP + sum over mATE, mASE, mAOE, mAVE, mAAE of (1 - min(1, error))) / 10",
            "nuScenes detection score.",
            NUSCENES,
        ),
        Metric(
            "mAP",
            "mAP = mean over classes and the distances 0.5, 1, 2, 4 m of the average precision",
            "Mean average precision; a box matches by the distance of centres on the ground.",
            NUSCENES,
        ),
        Metric("mATE", _TP, "Translation error.", NUSCENES, "m", 3, False),
        Metric("mASE", _TP, "Scale error: 1 - IoU of aligned boxes.", NUSCENES, "", 3, False),
        Metric("mAOE", _TP, "Orientation error.", NUSCENES, "rad", 3, False),
        Metric("mAVE", _TP, "Velocity error.", NUSCENES, "m/s", 3, False),
        Metric("mAAE", _TP, "Attribute error: 1 - accuracy.", NUSCENES, "", 3, False),
        Metric(
            "R",
            "R(type) = 100 mean over its settings of score / clean score",
            "Retention: the share of the model's own clean score (mIoU or NDS) that is left. The same number is called "
            "RR by Robo3D and RA by MultiCorrupt, there as a fraction.",
            f"{YAN}; {ROBO3D}; {MULTICORRUPT}",
        ),
        Metric(
            "RmIoU",
            "RmIoU = mean over types of (mean over the settings of the type of mIoU)",
            "Mean mIoU under corruption. Types count equally; it is not the mean over settings.",
            YAN,
        ),
        Metric("mR", "mR = mean over types of R", "Mean retention.", YAN),
        Metric("mRR", "mRR = mean over types of R", "Mean resilience rate: the mean retention.", ROBO3D),
        Metric(
            "mCE",
            "mCE = 100 mean over types of sum(100 - mIoU) / sum(100 - mIoU of the baseline)",
            "Mean corruption error against a baseline model, which has 100; sums over the settings of a type.",
            ROBO3D,
            higher_is_better=False,
        ),
        Metric(
            "mRA",
            "mRA = 100 mean over types of (mean over the settings of the type of NDS / clean NDS)",
            "Mean resistance ability: the mean retention of NDS; the paper gives it as a fraction.",
            MULTICORRUPT,
        ),
        Metric(
            "mRRA",
            "mRRA = 100 mean over types of (sum(NDS) / sum(NDS of the baseline) - 1)",
            "Mean relative resistance ability against a baseline model, which has 0; sums over the settings of a type.",
            MULTICORRUPT,
            "%",
            2,
        ),
        Metric(
            "mean mIoU",
            "mean over types of (mean over the settings of the type of mIoU)",
            "Mean mIoU under corruption; types count equally.",
            "this project, as RmIoU",
        ),
        Metric(
            "mean NDS",
            "mean over types of (mean over the settings of the type of NDS)",
            "Mean NDS under corruption; types count equally.",
            "this project, as RmIoU",
        ),
        Metric("IoU", "IoU = TP / (TP + FP + FN)", "Intersection over union of one class.", KITTI_API),
        Metric(
            "AP",
            "AP = mean over the distances 0.5, 1, 2, 4 m of the average precision of one class",
            "Average precision of one class.",
            NUSCENES,
        ),
    )
}


@dataclass(frozen=True)
class Task:
    """What is compared in a task.

    Attributes:
        headline: the metric of all means and pictures, the first of these that a result has.
        relative: the metric against a baseline.
        of_class: the metric of one class.
    """

    headline: tuple[str, ...]
    relative: str
    of_class: str


TASKS: Mapping[str, Task] = {
    SEGMENTATION: Task(("mIoU_present", "mIoU"), "mCE", "IoU"),
    DETECTION: Task(("NDS", "mAP"), "mRRA", "AP"),
}


def means_of(suite: str, task: str) -> tuple[str, str]:
    """Names of the mean score and of the mean retention over the types, as the paper of the suite calls them."""
    if task == DETECTION:
        return "mean NDS", "mRA"
    return ("mean mIoU", "mRR") if suite == "robo3d" else ("RmIoU", "mR")


def metric(name: str) -> Metric:
    """A metric by name; one without a definition is shown with three digits."""
    return METRICS.get(name, Metric(name, name, "", "", "", 3))
