"""Models in a few lines of Python: build one with its weights, run it on files or arrays.

model = init_model("configs/cmt/....py", "work_dirs/.../epoch_20.pth")
result = inference_detector(model, dataset.get_data_info(0))
result.pred_instances_3d.bboxes_3d
[model.dataset_meta["classes"][label] for label in result.pred_instances_3d.labels_3d]
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet3d.datasets.transforms import LoadPointsFromFile
from mmdet3d.registry import DATASETS, MODELS, TRANSFORMS
from mmdet3d.structures import Det3DDataSample, LiDARPoints
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope
from numpy.typing import NDArray

from corruptions.core import InputError
from perception3d.checkpoints import check_classes, load_weights
from perception3d.launch import check_device, read_config
from perception3d.transforms import LoadLidarLabels, LoadLidarSweeps, LoadMultiViewImages, ResizeCropFlipImages

LIDAR_STEPS = (LoadLidarSweeps, LoadPointsFromFile)
IMAGE_STEPS = (LoadMultiViewImages, ResizeCropFlipImages)


def init_model(
    config: str | Path | Config,
    checkpoint: str | Path | None = None,
    device: str | torch.device | None = None,
    cfg_options: Mapping[str, Any] | None = None,
) -> BaseModel:
    """Build the model of a config, for inference.

    Args:
        config: path of a config; or a config, which is taken as it is.
        checkpoint: weights of exactly this model; without them they are random.
        device: where to run; CUDA if there is any, else the CPU.
        cfg_options: overrides of the config in a file, by key with dots for nesting.

    Returns:
        The model in evaluation mode, with the config in ``cfg`` and the names of its labels in
        ``dataset_meta["classes"]`` (none for a config without a data set).

    Raises:
        InputError: for a missing or wrong config, a missing, unsafe or other model's checkpoint, one that was trained
            on other classes than the config names, and a CUDA device on a machine without.
    """
    cfg = config
    if not isinstance(cfg, Config):
        options = dict(cfg_options or {})
        cfg = read_config(Namespace(config=config, root_path=None, info_dir=None, cfg_options=options))
    init_default_scope(cfg.get("default_scope", "mmdet3d"))
    if "model" not in cfg:
        raise InputError(f"{cfg.filename}: expected the config of a model, found none")
    try:
        model = MODELS.build(cfg.model)
    except KeyError as error:
        raise InputError(f"{cfg.filename}: {str(error).strip(chr(34))}; correct the config") from error
    classes = _classes(cfg)
    if classes:
        check_classes(model, classes)
    if checkpoint is not None:
        load_weights(model, str(checkpoint), classes)
    model.cfg = cfg
    model.dataset_meta = {"classes": classes}
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    check_device(device)
    return model.to(device).eval()


def inference_detector(
    model: BaseModel, samples: Mapping[str, Any] | Sequence[Mapping[str, Any]]
) -> Det3DDataSample | list[Det3DDataSample]:
    """Detect objects in one sample or in several, one after the other.

    A sample is a dict as in info files, with paths that can be opened; ``NuScenesDetDataset.get_data_info`` gives such:

    - ``lidar_points``: ``{"lidar_path": path}``, and for several sweeps ``lidar_sweeps`` and ``timestamp``;
    - ``images``: ``{name: {"img_path": path, "cam2img": (3, 3), "lidar2cam": (4, 4)}}``.

    A sensor that a sample lacks is a missing sensor: leave ``lidar_points`` or ``images`` out, or some cameras.

    Args:
        model: from :func:`init_model`.
        samples: one sample or several.

    Returns:
        A data sample with ``pred_instances_3d`` for each: ``bboxes_3d`` in the LiDAR frame, ``scores_3d``,
        ``labels_3d``, best first.

    Raises:
        InputError: for a sample without any sensor of the model, missing files or wrong calibration.
    """
    if isinstance(samples, Mapping):
        return _detect(model, samples)
    return [_detect(model, sample) for sample in samples]


def inference_segmentor(
    model: BaseModel, points: str | Path | NDArray[np.floating] | Sequence[str | Path | NDArray[np.floating]]
) -> Det3DDataSample | list[Det3DDataSample]:
    """Label the points of one scan or of several, one after the other.

    Args:
        model: from :func:`init_model`.
        points: point file, or array (N, C) with the columns of the files that the model was trained on.

    Returns:
        A data sample with ``pred_pts_seg.pts_semantic_mask`` (N,) for each.

    Raises:
        InputError: for missing or wrong files, or another number of columns.
    """
    if isinstance(points, (str, Path, np.ndarray)):
        return _segment(model, points)
    return [_segment(model, scan) for scan in points]


def _classes(cfg: Config) -> tuple[str, ...]:
    """Names of the labels of a config: those of its test data, or of the kind of data set that it is."""
    dataset = cfg.get("test_dataloader", {}).get("dataset", {})
    named = dataset.get("metainfo", {}).get("classes")
    kind = None if named or "type" not in dataset else DATASETS.get(dataset.type)
    return tuple(named or getattr(kind, "METAINFO", {}).get("classes", ()))


def _detect(model: BaseModel, sample: Mapping[str, Any]) -> Det3DDataSample:
    _check_sample(sample)
    lacking = [] if sample.get("lidar_points") else list(LIDAR_STEPS)
    lacking += [] if sample.get("images") else IMAGE_STEPS
    every = _test_steps(model)
    steps = [step for step in every if not isinstance(step, tuple(lacking))]
    if not any(isinstance(step, (*LIDAR_STEPS, *IMAGE_STEPS)) for step in steps):
        sensors = {"lidar_points": LIDAR_STEPS, "images": IMAGE_STEPS}
        wanted = [name for name, kinds in sensors.items() if any(isinstance(step, kinds) for step in every)]
        raise InputError(
            f"inference_detector: expected {' or '.join(wanted)} in the sample, the sensors of the model, found "
            f"{', '.join(sample) or 'nothing'}"
        )
    return _run(model, steps, dict(sample))


def _check_sample(sample: Any) -> None:
    if not isinstance(sample, Mapping):
        raise InputError(f"inference_detector: expected a dict as in info files, found {type(sample).__name__}")
    given = [("lidar_points", "lidar_path", sample.get("lidar_points"))]
    given += [(f"images.{name}", "img_path", camera) for name, camera in (sample.get("images") or {}).items()]
    for where, key, part in given:
        if part and not part.get(key):
            raise InputError(f"inference_detector: expected {key} in {where} of the sample, found {', '.join(part)}")


def _segment(model: BaseModel, points: str | Path | NDArray[np.floating]) -> Det3DDataSample:
    steps = [step for step in _test_steps(model) if not isinstance(step, LoadLidarLabels)]
    if not isinstance(points, np.ndarray):
        return _run(model, steps, {"lidar_points": {"lidar_path": str(points)}, "lidar_path": str(points)})
    loader = next(step for step in steps if isinstance(step, LoadPointsFromFile))
    if points.ndim != 2 or points.shape[1] != loader.load_dim:
        raise InputError(f"points: expected an array (N, {loader.load_dim}), found shape {points.shape}")
    columns = np.asarray(points[:, loader.use_dim], dtype=np.float32)
    rest = [step for step in steps if step is not loader]
    return _run(model, rest, {"points": LiDARPoints(columns, points_dim=columns.shape[1])})


def _test_steps(model: BaseModel) -> list[BaseTransform]:
    init_default_scope(model.cfg.get("default_scope", "mmdet3d"))
    return [TRANSFORMS.build(step) for step in model.cfg.test_dataloader.dataset.pipeline]


def _run(model: BaseModel, steps: Sequence[BaseTransform], results: dict[str, Any]) -> Det3DDataSample:
    for step in steps:
        results = step(results)
    with torch.no_grad():
        return model.test_step(pseudo_collate([results]))[0]
