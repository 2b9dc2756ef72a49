"""Frames as mmdet3d's pipelines pack them for a model, with what the model made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError
from perception3d.conventions import SEMANTICKITTI_CLASSES
from perception3d.visualization.colours import RGB, by_class, classes_shown
from perception3d.visualization.geometry import BoxSet
from perception3d.visualization.sheet import Frame, View


def frame_of(packed: Mapping[str, Any], metainfo: Mapping[str, Any], score_threshold: float = 0.0) -> Frame:
    """What a model is given, and what it found.

    Boxes, points and images are drawn as they are after augmentation, with the projections of the sample itself: a
    slip in the bookkeeping of matrices shows as boxes beside their objects.

    Args:
        packed: ``inputs`` (``points`` (N, C) and ``img`` (V, 3, H, W), of the sensors there are) and ``data_samples``,
            one ``Det3DDataSample``.
        metainfo: of the dataset, with ``classes`` and, for segmentation, ``palette``.
        score_threshold: detections below are left out.

    Raises:
        InputError: for images without their projections.
    """
    inputs, sample = packed["inputs"], packed["data_samples"]
    classes: Sequence[str] = metainfo["classes"]
    truth = annotated(sample, classes)
    found = detected(sample, classes, score_threshold)
    rgb, legend = _point_colours(sample, metainfo)
    return Frame(
        title=_title(sample.metainfo),
        points=_array(inputs["points"]) if "points" in inputs else np.zeros((0, 3), dtype=np.float32),
        rgb=rgb,
        views=_views(inputs["img"], sample.metainfo) if "img" in inputs else (),
        boxes=tuple(boxes for boxes in (found, truth) if boxes is not None),
        forward=forward_axis(metainfo),
        point_legend=legend,
    )


def class_colours(metainfo: Mapping[str, Any]) -> dict[str, RGB]:
    """Names and colours of the classes of a dataset by train id."""
    colours: list[RGB] = [(colour[0], colour[1], colour[2]) for colour in metainfo["palette"]]
    return dict(zip(metainfo["classes"], colours, strict=False))  # some palettes colour "ignore" too


def forward_axis(metainfo: Mapping[str, Any]) -> str:
    """The axis of the LiDAR frame that points ahead: x in SemanticKITTI, y in nuScenes."""
    return "x" if tuple(metainfo["classes"]) == SEMANTICKITTI_CLASSES else "y"


def annotated(sample: Any, classes: Sequence[str]) -> BoxSet | None:
    """Annotations of a sample, in training or in testing; None where it has none."""
    if "gt_instances_3d" in sample and "bboxes_3d" in sample.gt_instances_3d:
        return _box_set(sample.gt_instances_3d.bboxes_3d, sample.gt_instances_3d.labels_3d, classes)
    held_back = sample.eval_ann_info if "eval_ann_info" in sample else None
    if held_back is not None and "gt_bboxes_3d" in held_back:
        return _box_set(held_back["gt_bboxes_3d"], held_back["gt_labels_3d"], classes)
    return None


def detected(sample: Any, classes: Sequence[str], score_threshold: float) -> BoxSet | None:
    """Detections of a sample from a score on; None without a model's answer."""
    if "pred_instances_3d" not in sample or "bboxes_3d" not in sample.pred_instances_3d:
        return None
    found = sample.pred_instances_3d
    found = found[found.scores_3d >= score_threshold]
    return _box_set(found.bboxes_3d, found.labels_3d, classes, _array(found.scores_3d))


def _box_set(boxes: Any, labels: Any, classes: Sequence[str], scores: NDArray[Any] | None = None) -> BoxSet:
    values = np.concatenate([_array(boxes.gravity_center), _array(boxes.tensor)[:, 3:]], axis=1)
    return BoxSet(values, tuple(classes[label] if label >= 0 else "other" for label in _array(labels)), scores)


def _views(images: Any, meta: Mapping[str, Any]) -> list[View]:
    if "lidar2img" not in meta:
        raise InputError(
            "lidar2img: expected the projections of the images in the sample's metainfo, found none; "
            "add it to meta_keys of the transform that packs"
        )
    shown = np.moveaxis(_array(images), 1, -1)[..., ::-1]  # BGR until the data preprocessor
    shown = np.ascontiguousarray(shown.clip(0, 255).astype(np.uint8))
    names = meta.get("camera_names", [f"camera {number}" for number in range(len(shown))])
    present = meta.get("camera_present", [True] * len(shown))
    projections = np.asarray(meta["lidar2img"], dtype=np.float64)
    parts = zip(names, present, shown, projections, strict=True)
    return [View(name, image, projection, bool(there)) for name, there, image, projection in parts]


def _point_colours(sample: Any, metainfo: Mapping[str, Any]) -> tuple[NDArray[np.uint8] | None, dict[str, RGB]]:
    if "palette" not in metainfo or "gt_pts_seg" not in sample or "pts_semantic_mask" not in sample.gt_pts_seg:
        return None, {}
    labels, colours = _array(sample.gt_pts_seg.pts_semantic_mask), class_colours(metainfo)
    return by_class(labels, list(colours.values())), classes_shown(labels, colours)


def _title(meta: Mapping[str, Any]) -> str:
    name = meta.get("token") or meta.get("sample_id") or meta.get("sample_idx")
    return "   ".join(
        str(part) for part in (name, Path(meta["lidar_path"]).name if "lidar_path" in meta else "") if part
    )


def _array(values: Any) -> NDArray[Any]:
    """A tensor, mmdet3d points or an array as an array."""
    values = getattr(values, "tensor", values)
    return values.detach().cpu().numpy() if hasattr(values, "detach") else np.asarray(values)
