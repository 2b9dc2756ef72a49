"""nuScenes ground truth read with nuscenes-devkit, and the devkit's own evaluation."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError, unknown
from perception3d.metrics.nuscenes_detection.filters import Racks
from perception3d.submission.nuscenes_boxes import ATTRIBUTES, LABELS, NuScenesBoxes

RACK = "static_object.bicycle_rack"


@dataclass(frozen=True)
class GroundTruth:
    """Annotations of the keyframes of a split.

    Attributes:
        tokens: S sample tokens; ``boxes.sample`` counts in them.
        scenes: name of the scene of each keyframe.
        descriptions: free text on each scene, by name.
        boxes: all annotations of the ten classes, not filtered.
        num_points: int64 (N,) LiDAR and radar points inside each.
        visibility: int64 (N,) 1..4 for 0-40, 40-60, 60-80, 80-100 % of the object seen by the cameras, 0 unknown.
        ego_m: float64 (S, 3) place of the ego vehicle at the LiDAR sweep, global frame.
        racks: bicycle racks.
    """

    tokens: tuple[str, ...]
    scenes: tuple[str, ...]
    descriptions: dict[str, str]
    boxes: NuScenesBoxes
    num_points: NDArray[np.int64]
    visibility: NDArray[np.int64]
    ego_m: NDArray[np.float64]
    racks: Racks


def open_tables(root: Path, version: str) -> Any:
    """The devkit's ``NuScenes``; raises :class:`InputError` for missing or broken tables."""
    if not (root / version).is_dir():
        found = ", ".join(sorted(path.name for path in root.glob("v1.0-*"))) or "none"
        raise InputError(f"{root / version}: expected the folder of the tables, found none; versions there: {found}")
    from nuscenes import NuScenes

    try:
        return NuScenes(version=version, dataroot=str(root), verbose=False)
    except (AssertionError, KeyError, TypeError, ValueError, OSError) as error:
        raise InputError(f"{root / version}: expected complete nuScenes tables, found: {error}") from error


def load_ground_truth(nusc: Any, eval_set: str, tokens: Collection[str] | None = None) -> GroundTruth:
    """Read the annotations of the keyframes of a split that are in the tables.

    Args:
        nusc: the devkit's ``NuScenes``, from :func:`open_tables`.
        eval_set: split of the devkit ("val", "mini_val") or of the tables' own ``splits.json``.
        tokens: sample tokens to keep; the whole split by default. Scores of a part are not official.

    Raises:
        InputError: for an unknown split, tokens outside it, one without keyframes in these tables, or tables without
            annotations.
    """
    scene_of = _scenes_of(nusc, eval_set)
    samples = [row for row in nusc.sample if row["scene_token"] in scene_of]
    if tokens is not None:
        wanted = set(tokens)
        outside = wanted - {row["token"] for row in samples}
        if outside:
            raise InputError(f"{min(outside)}: expected keyframes of split {eval_set!r}, found {len(outside)} others")
        samples = [row for row in samples if row["token"] in wanted]
    if not samples:
        here = ", ".join(sorted(row["name"] for row in nusc.scene)[:5])
        raise InputError(
            f"{nusc.dataroot}/{nusc.version}: expected keyframes of split {eval_set!r}, found none; scenes in these "
            f"tables: {here}, ..."
        )
    if not any(row["anns"] for row in samples):
        raise InputError(
            f"{nusc.dataroot}/{nusc.version}: expected annotations of split {eval_set!r}, found none; the test split "
            "is scored by the server: validate its file with tools/submit.py nuscenes-det"
        )
    try:
        return _ground_truth(nusc, samples, scene_of)
    except InputError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{nusc.dataroot}/{nusc.version}: expected complete nuScenes tables, found a row that breaks them: "
            f"{error!r}; unpack them again"
        ) from error


def _ground_truth(nusc: Any, samples: list[dict[str, Any]], scene_of: dict[str, dict[str, Any]]) -> GroundTruth:
    annotations = [(index, nusc.get("sample_annotation", token)) for index, row in enumerate(samples)
                   for token in row["anns"]]  # fmt: skip
    detection_class = _detection_class()
    boxes = [(index, row) for index, row in annotations if detection_class(row["category_name"]) is not None]
    return GroundTruth(
        tokens=tuple(row["token"] for row in samples),
        scenes=tuple(scene_of[row["scene_token"]]["name"] for row in samples),
        descriptions={row["name"]: row["description"] for row in scene_of.values()},
        boxes=_boxes(nusc, boxes),
        num_points=np.array([row["num_lidar_pts"] + row["num_radar_pts"] for _, row in boxes], dtype=np.int64),
        visibility=np.array([int(row["visibility_token"] or 0) for _, row in boxes], dtype=np.int64),
        ego_m=np.array([_ego_m(nusc, row) for row in samples], dtype=np.float64),
        racks=_racks([(index, row) for index, row in annotations if row["category_name"] == RACK]),
    )


def _scenes_of(nusc: Any, eval_set: str) -> dict[str, dict[str, Any]]:
    from nuscenes.utils.splits import create_splits_scenes, get_scenes_of_split

    try:
        names = set(get_scenes_of_split(eval_set, nusc))
    except ValueError:
        raise InputError(
            unknown("split", eval_set, create_splits_scenes()) + f"; own splits: {nusc.version}/splits.json"
        ) from None
    return {row["token"]: row for row in nusc.scene if row["name"] in names}


def _detection_class() -> Any:
    from nuscenes.eval.detection.utils import category_to_detection_name

    return category_to_detection_name


def _boxes(nusc: Any, rows: list[tuple[int, dict[str, Any]]]) -> NuScenesBoxes:
    attribute_names = {row["token"]: row["name"] for row in nusc.attribute}
    detection_class = _detection_class()
    count = len(rows)

    def column(values: list[Any], width: int) -> NDArray[np.float64]:
        return np.array(values, dtype=np.float64).reshape(count, width)

    return NuScenesBoxes(
        sample=np.array([index for index, _ in rows], dtype=np.int64),
        label=np.array([LABELS[detection_class(row["category_name"])] for _, row in rows], dtype=np.int64),
        center_m=column([row["translation"] for _, row in rows], 3),
        size_m=column([row["size"] for _, row in rows], 3),
        rotation=column([row["rotation"] for _, row in rows], 4),
        velocity_m_s=column([nusc.box_velocity(row["token"])[:2] for _, row in rows], 2),
        attribute=np.array([_attribute(row, attribute_names) for _, row in rows], dtype=np.int64),
        score=np.full(count, -1.0),
    )


def _attribute(row: dict[str, Any], names: dict[str, str]) -> int:
    tokens = row["attribute_tokens"]
    if len(tokens) > 1:
        raise InputError(f"sample_annotation {row['token']}: expected at most one attribute, found {len(tokens)}")
    return ATTRIBUTES[names[tokens[0]]] if tokens else -1


def _ego_m(nusc: Any, sample: dict[str, Any]) -> list[float]:
    sweep = nusc.get("sample_data", sample["data"]["LIDAR_TOP"])
    return nusc.get("ego_pose", sweep["ego_pose_token"])["translation"]


def _racks(rows: list[tuple[int, dict[str, Any]]]) -> Racks:
    def column(key: str, width: int) -> NDArray[np.float64]:
        return np.array([row[key] for _, row in rows], dtype=np.float64).reshape(len(rows), width)

    sample = np.array([index for index, _ in rows], dtype=np.int64)
    return Racks(sample, column("translation", 3), column("size", 3), column("rotation", 4))


def official_scores(nusc: Any, result_file: Path, eval_set: str) -> dict[str, Any]:
    """Run nuscenes-devkit's ``DetectionEval`` on a results file.

    Returns:
        The devkit's ``metrics_summary.json``.

    Raises:
        InputError: for a file or split that the devkit refuses, in its words.
    """
    from nuscenes.eval.common.config import config_factory
    from nuscenes.eval.detection.evaluate import DetectionEval

    # the devkit makes a folder for plots and draws progress bars whatever it is told
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        config = config_factory("detection_cvpr_2019")
        try:
            evaluation = DetectionEval(nusc, config, str(result_file), eval_set, folder, verbose=False)
        except Exception as error:  # it raises bare exceptions too, such as for a file without a single box
            raise InputError(f"{result_file}: nuscenes-devkit refuses it: {error}") from error
        return evaluation.evaluate()[0].serialize()
