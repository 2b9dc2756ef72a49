"""Detectors under corruption: which transforms a setting needs, and the score of one setting."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook

from corruptions.core import InputError
from corruptions.suites import Part, Setting
from perception3d.robustness.loaded_model import LoadedModel, check_test_set, type_name
from perception3d.robustness.rows import DIGITS, DRAWS, Score
from perception3d.robustness.sheets import Sheet, draw_sheet

METRIC = "NuScenesDetMetric"
LOADERS = {"lidar": "LoadLidarSweeps", "camera": "LoadMultiViewImages"}
OWN = ("LoadCorruptedSweeps", "CorruptViews", "MisalignCameras", "DelaySensors")
ERRORS = ("mATE", "mASE", "mAOE", "mAVE", "mAAE")

Pipeline = list[dict[str, Any]]


class DetectionEvaluator:
    """Scores one detector on one setting after another; model and weights are loaded once.

    A setting that touches no sensor of the model (brightness, and a model with LiDAR alone) has the clean score, which
    is not measured again.

    Args:
        config: an mmengine config of a detector (see :func:`check_detection_config`), with the work dir to use.
        checkpoint: weights of the config's model.
        seed: base seed of the corruptions.

    Raises:
        InputError: for a checkpoint that does not fit the model.
    """

    def __init__(self, config: Config, checkpoint: Path, seed: int) -> None:
        self._example = _ExampleKeyframe()
        self._model = LoadedModel(config, checkpoint, [self._example])
        self._dataset = config.test_dataloader.dataset
        self._evaluator = {**config.test_evaluator, "out_dir": None, "jsonfile_prefix": None, "draws": DRAWS}
        self._seed = seed
        self._clean: tuple[Score, Sheet] | None = None

    def __call__(self, setting: Setting) -> tuple[Score, Sheet]:
        """Score a setting, and draw its example keyframe."""
        dataset = corrupted_dataset(self._dataset, setting, self._seed)
        if dataset != self._dataset:
            return self._score(dataset, setting)
        if self._clean is None:
            self._clean = self._score(dataset, setting)
        return self._clean

    def _score(self, dataset: Mapping[str, Any], setting: Setting) -> tuple[Score, Sheet]:
        metrics, tested = self._model.test(dataset, self._evaluator)
        score = make_detection_score(metrics, present_classes(tested), len(tested))
        return score, draw_sheet(self._example.packed, tested.metainfo, setting.folder)


class _ExampleKeyframe(Hook):
    """Keeps what the model was given and found in the first keyframe of each test run."""

    packed: Mapping[str, Any]

    def after_test_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Sequence[Any] | None = None
    ) -> None:
        if batch_idx == 0 and outputs:
            inputs = {name: values[0] for name, values in data_batch["inputs"].items()}
            self.packed = {"inputs": inputs, "data_samples": outputs[0]}


def is_detection(config: Config) -> bool:
    """Whether the test set of a config is scored as detection."""
    metric = config.get("test_evaluator")
    return isinstance(metric, dict) and type_name(metric) == METRIC


def check_detection_config(config: Config, name: str, settings: Sequence[Setting]) -> None:
    """Raise :class:`InputError` when a detector's config cannot be swept.

    It needs a model, and a test data set, loop and ``NuScenesDetMetric`` with a pipeline that loads at least one sensor
    that ``settings`` touch, and corrupts nothing by itself.
    """
    check_test_set(config, name)
    pipeline = config.test_dataloader.dataset.get("pipeline", [])
    names = [type_name(step) for step in pipeline]
    sensors = sensors_of(pipeline)
    if not sensors or any(names.count(loader) > 1 for loader in LOADERS.values()) or {*names} & {*OWN}:
        raise InputError(
            f"{name}: expected a test pipeline with perception3d.{' or perception3d.'.join(LOADERS.values())} once and "
            f"no corruption (the sweep inserts it), found {', '.join(names) or 'no transforms'}"
        )
    dataset = config.test_dataloader.dataset
    if all(corrupted_dataset(dataset, setting, 0) == dataset for setting in settings):
        raise InputError(
            f"{name}: expected a model of a sensor that the chosen settings corrupt, found one of {', '.join(sensors)} "
            "alone; choose another suite"
        )


def sensors_of(pipeline: Sequence[Mapping[str, Any]]) -> list[str]:
    """Which of "lidar", "camera" a pipeline loads."""
    names = [type_name(step) for step in pipeline]
    return [sensor for sensor, loader in LOADERS.items() if loader in names]


def corrupted_dataset(dataset: Mapping[str, Any], setting: Setting, seed: int) -> dict[str, Any]:
    """Config of the test set under a setting: other loaders, further transforms, keyframes before.

    Args:
        dataset: config of the clean test set.
        setting: what to do to it; parts for sensors that it does not load are left out.
        seed: base seed of the sweep.
    """
    result = dict(copy.deepcopy(dataset))
    for part in setting.all_parts:
        pipeline = list(result["pipeline"])
        if part.sensor in LOADERS:
            result["pipeline"] = _corrupt_sensor(pipeline, part, seed)
            history = int(part.corruption == "frozen_frame" and "camera" in sensors_of(pipeline))
        else:
            result["pipeline"], history = _corrupt_sample(pipeline, part, seed)
        if history > result.get("history", 0):
            result["history"] = history
    return result


def make_detection_score(metrics: Mapping[str, Any], present: Sequence[str], samples: int) -> Score:
    """The score of one setting.

    Args:
        metrics: what the metric gives: NDS, mAP and APs as fractions, the errors in their units, perhaps draws.
        present: classes that occur in the ground truth.
        samples: number of keyframes.

    Returns:
        NDS, mAP and APs in per cent; an error that is not defined (nan) is None.
    """
    ap = {key.removeprefix("AP/"): 100 * value for key, value in metrics.items() if key.startswith("AP/")}
    return Score(
        metrics={
            **{name: _known(100 * metrics[name]) for name in ("NDS", "mAP")},
            **{name: _known(metrics[name]) for name in ERRORS},
        },
        class_iou={},
        present_classes=[name for name in ap if name in present],
        confusion=[],
        samples=samples,
        class_ap={name: _known(value) for name, value in ap.items()},
        draws=[round(100 * value, DIGITS) for value in metrics.get("draws", ())],
    )


def present_classes(dataset: Any) -> list[str]:
    """Classes that occur in the annotations of a data set."""
    names = dataset.metainfo["classes"]
    labels = {
        int(label)
        for index in range(len(dataset))
        for label in dataset.get_data_info(index).get("eval_ann_info", {}).get("gt_labels_3d", ())
    }
    return [name for label, name in enumerate(names) if label in labels]


def _corrupt_sensor(pipeline: Pipeline, part: Part, seed: int) -> Pipeline:
    """Another loader of the sweeps, or the corruption of the views after theirs."""
    names = [type_name(step) for step in pipeline]
    loader = LOADERS[part.sensor]
    if loader not in names:
        return pipeline
    place = names.index(loader)
    corruption = {"corruption": part.corruption, "level": part.level, "parameters": dict(part.params), "seed": seed}
    if part.sensor == "lidar":
        changed = {**pipeline[place], "type": "perception3d.LoadCorruptedSweeps", **corruption}
        return [*pipeline[:place], changed, *pipeline[place + 1 :]]
    views = {"type": "perception3d.CorruptViews", **corruption}
    return [*pipeline[: place + 1], views, *pipeline[place + 1 :]]


def _corrupt_sample(pipeline: Pipeline, part: Part, seed: int) -> tuple[Pipeline, int]:
    """The pipeline with a part of the sample, and how many keyframes before it needs."""
    names = [type_name(step) for step in pipeline]
    places = {sensor: names.index(loader) for sensor, loader in LOADERS.items() if loader in names}
    if part.corruption == "temporal_lag":
        late = {"type": "perception3d.DelaySensors", **part.params, "seed": seed}
        return [late, *pipeline], part.params["keyframes"]
    if part.corruption == "spatial_misalignment":
        after, step = places.get("camera"), {"type": "perception3d.MisalignCameras", **part.params, "seed": seed}
    else:
        cameras = part.params["cameras"] if "camera" in places else ()
        lost = {
            "lidar": part.params["lidar"] and "lidar" in places,
            "cameras": cameras if isinstance(cameras, str) else list(cameras),
        }
        after = max(places.values()) if lost["lidar"] or lost["cameras"] else None
        step = {"type": "perception3d.DropSensors", **lost}
    return (pipeline if after is None else [*pipeline[: after + 1], step, *pipeline[after + 1 :]]), 0


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
