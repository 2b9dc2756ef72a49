"""One trained segmentation model scored on corrupted versions of its test set."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from numpy.typing import NDArray

from corruptions.core import InputError
from corruptions.suites import Setting, Suite
from perception3d.metrics.confusion import iou_per_class
from perception3d.robustness.loaded_model import LoadedModel, check_test_set, type_name
from perception3d.robustness.plan import is_clean
from perception3d.robustness.rows import DIGITS, DRAWS, Score
from perception3d.robustness.scenes import Scene
from perception3d.transforms.corrupt import LABEL_RULES

EXAMPLE = 0
"""Index of the scan that is kept as an example of each setting."""


class SettingEvaluator:
    """Scores one model on one setting after another; model and weights are loaded once.

    Args:
        config: an mmengine config whose test set has labels (see :func:`check_config`), with the work dir to use.
        checkpoint: weights of the config's model.
        suite: the benchmark, whose label rule is followed.
        seed: base seed of the corruptions.
        present_classes: train ids that ``mIoU_present`` averages over, the same for all settings.

    Raises:
        InputError: for a checkpoint that does not fit the model.
    """

    def __init__(
        self,
        config: Config,
        checkpoint: Path,
        suite: Suite,
        seed: int,
        present_classes: Sequence[int],
    ) -> None:
        self._config = config
        self._seed = seed
        self._suite = suite
        self._present = list(present_classes)
        self._example = _ExamplePrediction()
        self._model = LoadedModel(config, checkpoint, [self._example])

    def __call__(self, setting: Setting) -> tuple[Score, Scene]:
        """Score a setting, and keep its example scan."""
        dataset = copy.deepcopy(self._config.test_dataloader.dataset)
        dataset.pipeline = corrupted_pipeline(dataset.pipeline, setting, self._seed, self._suite.drop_of(setting))
        with tempfile.TemporaryDirectory() as folder:
            evaluator = {
                **self._config.test_evaluator,
                "present_classes": self._present,
                "out_dir": folder,
                "draws": DRAWS,
            }
            metrics, tested = self._model.test(dataset, evaluator)
            confusion = np.load(Path(folder) / "confusion_matrix.npy", allow_pickle=False)
        score = make_score(metrics, confusion, tested.metainfo["classes"], self._present, len(tested))
        return score, example_scene(tested, setting, self._example.prediction)


class _ExamplePrediction(Hook):
    """Keeps the predicted labels of the first scan of each test run."""

    prediction: NDArray[np.integer] | None = None

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Sequence[Any] | None = None
    ) -> None:
        if batch_idx == EXAMPLE and outputs:
            self.prediction = outputs[0].pred_pts_seg.pts_semantic_mask.cpu().numpy()


def check_config(config: Config, name: str) -> None:
    """Raise :class:`InputError` when a config cannot be swept.

    It needs a model, and a test data set, loop and ``LidarSegMetric`` with a pipeline that loads labels and does not
    corrupt by itself.
    """
    found = check_test_set(config, name)
    if found != "LidarSegMetric":
        raise InputError(
            f"{name}: expected test_evaluator of type perception3d.LidarSegMetric or perception3d.NuScenesDetMetric, "
            f"found {found}"
        )
    label_index(config.test_dataloader.dataset.get("pipeline", []))


def label_index(pipeline: Sequence[dict[str, Any]]) -> int:
    """Position of the transform that loads the labels.

    Raises:
        InputError: for none or several, or a pipeline that corrupts points already.
    """
    names = [type_name(transform) for transform in pipeline]
    if names.count("LoadLidarLabels") != 1 or "CorruptPoints" in names:
        raise InputError(
            "test pipeline: expected perception3d.LoadLidarLabels once and no CorruptPoints (the sweep inserts it), "
            f"found {', '.join(names) or 'no transforms'}"
        )
    return names.index("LoadLidarLabels")


def corrupted_pipeline(
    pipeline: Sequence[dict[str, Any]], setting: Setting, seed: int, drop: Sequence[Any]
) -> list[dict[str, Any]]:
    """The test pipeline with the corruption of a setting directly after the labels are loaded.

    Args:
        pipeline: the clean test pipeline.
        setting: what to insert; nothing for the clean one.
        seed: base seed of the sweep.
        drop: the label rule of the suite, see ``corruptions.suites.Suite``.
    """
    after = label_index(pipeline) + 1
    if is_clean(setting):
        return list(pipeline)
    corruption = {
        "type": "perception3d.CorruptPoints",
        "corruption": setting.corruption,
        "level": setting.level,
        "parameters": dict(setting.params),
        "seed": seed,
        "label_rule": next(name for name, statuses in LABEL_RULES.items() if set(statuses) == set(drop)),
    }
    return [*pipeline[:after], corruption, *pipeline[after:]]


def example_scene(dataset: Any, setting: Setting, prediction: NDArray[np.integer] | None) -> Scene:
    """The example scan as it is after loading and corrupting, before any other transform."""
    results = dataset.get_data_info(EXAMPLE)
    transforms = dataset.pipeline.transforms
    loaded = [type(transform).__name__ for transform in transforms].index("LoadLidarLabels") + 1
    for transform in transforms[: loaded + (not is_clean(setting))]:
        results = transform(results)
    points = results["points"].tensor.numpy()
    status = results.get("point_status", np.zeros(len(points), dtype=np.uint8))
    if prediction is not None and len(prediction) != len(points):
        prediction = None  # the test pipeline drops points after loading, so these are predictions of others
    return Scene(
        sample=results["sample_id"],
        points_m=points[:, :3].copy(),
        labels=results["pts_semantic_mask"].astype(np.uint8),
        status=status,
        predictions=None if prediction is None else prediction.astype(np.uint8),
    )


def make_score(
    metrics: Mapping[str, Any], confusion: NDArray[np.int64], names: Sequence[str], present: Sequence[int], samples: int
) -> Score:
    """The score of a setting from the metric's output.

    Args:
        metrics: what ``LidarSegMetric`` returns.
        confusion: its confusion matrix, int64 (K, K + 1).
        names: the K class names.
        present: train ids of the classes in ``mIoU_present``.
        samples: number of scans.
    """
    absent = confusion.sum(axis=1) + confusion[:, : len(names)].sum(axis=0) == 0
    absent[list(present)] = False  # a corruption that removes the last point of a class leaves it at 0
    iou = 100 * iou_per_class(confusion)
    return Score(
        metrics={key: float(metrics[key]) for key in ("mIoU", "mIoU_present", "acc")},
        class_iou={name: None if absent[k] else float(iou[k]) for k, name in enumerate(names)},
        present_classes=[names[k] for k in present],
        confusion=confusion.tolist(),
        samples=samples,
        draws=[round(value, DIGITS) for value in metrics.get("draws", ())],
    )
