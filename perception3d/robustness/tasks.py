"""The two tasks a sweep knows, behind one interface: segmentation of LiDAR points, detection on nuScenes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from corruptions.core import InputError
from corruptions.suites import Setting, Suite
from perception3d.robustness import naming
from perception3d.robustness.detection import DetectionEvaluator, check_detection_config, is_detection
from perception3d.robustness.evaluate import SettingEvaluator, check_config
from perception3d.robustness.plan import data_hash, keyframes_hash
from perception3d.robustness.run import Evaluate


@dataclass(frozen=True)
class Task:
    """What a sweep asks of a task.

    Attributes:
        sample: what is counted, "scan" or "keyframe".
        check: raises :class:`InputError` for a config (and its name) that cannot be swept under these settings.
        data_hash: hash of the samples of a data set.
        present: train ids of the classes in a data set that all settings average over; none where the metric finds
            them itself.
        evaluator: loads the model, from config, checkpoint, suite, seed and ``present``; scores one setting.
    """

    sample: str
    check: Callable[[Config, str, Sequence[Setting]], None]
    data_hash: Callable[[Any], str]
    present: Callable[[Any], Sequence[int]]
    evaluator: Callable[[Config, Path, Suite, int, Sequence[int]], Evaluate]


def task_of(config: Config) -> Task:
    """The task that the metric of a config scores."""
    return DETECTION if is_detection(config) else SEGMENTATION


def _check_segmentation(config: Config, name: str, settings: Sequence[Setting]) -> None:
    check_config(config, name)
    others = [setting.folder for setting in settings if setting.parts]
    if others:
        raise InputError(
            f"{name}: expected settings of the LiDAR alone, found {others[0]}, ..., which is for detectors; choose "
            "--suite semantickitti_c or robo3d"
        )


def _scans_hash(dataset: Any) -> str:
    return data_hash(dataset.get_data_info(index) for index in range(len(dataset)))


def _keyframes_hash(dataset: Any) -> str:
    sensors = [name for name in ("lidar", "camera") if dataset.modality[f"use_{name}"]]
    return keyframes_hash((dataset.get_data_info(index) for index in range(len(dataset))), sensors)


def _classes_of_scans(dataset: Any) -> Sequence[int]:
    return dataset.present_classes()


def _no_classes(dataset: Any) -> Sequence[int]:
    return ()


def _detection(config: Config, checkpoint: Path, suite: Suite, seed: int, present: Sequence[int]) -> Evaluate:
    return DetectionEvaluator(config, checkpoint, seed)


SEGMENTATION = Task(naming.SEGMENTATION.sample, _check_segmentation, _scans_hash, _classes_of_scans, SettingEvaluator)
DETECTION = Task(naming.DETECTION.sample, check_detection_config, _keyframes_hash, _no_classes, _detection)
