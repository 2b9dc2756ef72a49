"""nuScenes detection results: from boxes in the LiDAR frame to the results file, keyframe by keyframe."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError
from perception3d.conventions import (
    NUSCENES_ATTRIBUTES,
    NUSCENES_CLASS_ATTRIBUTES,
    NUSCENES_DETECTION_CLASSES,
    NUSCENES_MAX_BOXES_PER_SAMPLE,
)
from perception3d.submission.files import replacing
from perception3d.submission.nuscenes_boxes import ATTRIBUTES, NuScenesBoxes
from perception3d.submission.nuscenes_det import parse_results
from perception3d.submission.nuscenes_det_faults import meta_faults

MOVING_M_S = 0.2
"""Speed from which an object counts as moving."""

_MOVING = {name: "vehicle.moving" for name, allowed in NUSCENES_CLASS_ATTRIBUTES.items() if "vehicle.moving" in allowed}
_MOVING |= {"pedestrian": "pedestrian.moving", "motorcycle": "cycle.with_rider", "bicycle": "cycle.with_rider"}
_RESTING = dict.fromkeys(_MOVING, "vehicle.parked") | {
    "bus": "vehicle.stopped",
    "pedestrian": "pedestrian.standing",
    "motorcycle": "cycle.without_rider",
    "bicycle": "cycle.without_rider",
}


def _by_label(names: Mapping[str, str]) -> NDArray[np.int64]:
    return np.array([ATTRIBUTES[names.get(name, "")] for name in NUSCENES_DETECTION_CLASSES], dtype=np.int64)


def attributes_by_speed(label: NDArray[np.int64], velocity_m_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """An attribute for detectors that predict none, from class and speed.

    Those of CBGS (Zhu et al. 2019) as mmdet3d applies them: above 0.2 m/s vehicles and pedestrians move and cycles have
    a rider; below, vehicles are parked, buses stopped, pedestrians standing and cycles without a rider. Cones and
    barriers have none.

    Args:
        label: int (n,) position in ``NUSCENES_DETECTION_CLASSES``.
        velocity_m_s: float (n, 2).

    Returns:
        int64 (n,) position in ``NUSCENES_ATTRIBUTES``, -1 for none.
    """
    moving = np.hypot(velocity_m_s[:, 0], velocity_m_s[:, 1]) > MOVING_M_S
    return np.where(moving, _by_label(_MOVING)[label], _by_label(_RESTING)[label])


def boxes_to_global(
    label: NDArray[np.int64],
    score: NDArray[np.float64],
    center_m: NDArray[np.float64],
    size_m: NDArray[np.float64],
    yaw_rad: NDArray[np.float64],
    velocity_m_s: NDArray[np.float64],
    global_from_lidar: NDArray[np.float64],
) -> NuScenesBoxes:
    """Boxes of one keyframe from the LiDAR frame of mmdet3d to the global frame.

    Args:
        label: int (n,) position in ``NUSCENES_DETECTION_CLASSES``.
        score: (n,).
        center_m: (n, 3) centres of the volumes (mmdet3d's ``gravity_center``, not its bottom centres).
        size_m: (n, 3) extent along the box's own x, y, z: length, width, height.
        yaw_rad: (n,) heading from the x axis to the y axis.
        velocity_m_s: (n, 2).
        global_from_lidar: (4, 4) rigid.
    """
    from scipy.spatial.transform import Rotation

    turn, shift_m = global_from_lidar[:3, :3], global_from_lidar[:3, 3]
    count = len(label)
    headings = Rotation.from_rotvec(np.outer(yaw_rad, [0.0, 0.0, 1.0])) if count else None
    xyzw = (Rotation.from_matrix(turn) * headings).as_quat() if headings is not None else np.zeros((0, 4))
    return NuScenesBoxes(
        np.zeros(count, dtype=np.int64),
        label,
        center_m @ turn.T + shift_m,
        size_m[:, [1, 0, 2]],
        xyzw[:, [3, 0, 1, 2]],
        velocity_m_s @ turn[:2, :2].T,
        attributes_by_speed(label, velocity_m_s),
        score,
    )


def most_confident(boxes: NuScenesBoxes) -> NuScenesBoxes:
    """The boxes of a keyframe that fit into a results file: the 500 of highest score, in the given order."""
    if len(boxes) <= NUSCENES_MAX_BOXES_PER_SAMPLE:
        return boxes
    return boxes.take(np.sort(np.argsort(-boxes.score, kind="stable")[:NUSCENES_MAX_BOXES_PER_SAMPLE]))


class ResultWriter:
    """Writes one keyframe after the other, so that memory does not grow with the split.

    Attributes:
        written: tokens that are in the file.
    """

    def __init__(self, file: IO[str], sample_tokens: Sequence[str]) -> None:
        self._file = file
        self._expected = set(sample_tokens)
        self.written: set[str] = set()

    def add(self, token: str, boxes: NuScenesBoxes) -> None:
        """Write the boxes of a keyframe; of more than 500 the most confident.

        Raises:
            InputError: for an unknown keyframe, one that is written already, or boxes that the format does not allow.
        """
        if token not in self._expected:
            raise InputError(f"{token}: expected a keyframe of the split, found another; check the split and its infos")
        if token in self.written:
            raise InputError(f"{token}: expected each keyframe once, found it again")
        boxes = most_confident(boxes)
        rows = [box_to_dict(boxes, row, token) for row in range(len(boxes))]
        faults = parse_results({"meta": {}, "results": {token: rows}}, [token]).faults
        faults = tuple(fault for fault in faults if fault.where.startswith("results"))
        if faults:
            raise InputError(f"{faults[0]}; {len(faults)} faults in the boxes of this keyframe")
        self._file.write(f"{',' if self.written else ''}\n{json.dumps(token)}: {json.dumps(rows)}")
        self.written.add(token)


@contextlib.contextmanager
def result_writer(path: Path, meta: Mapping[str, bool], sample_tokens: Sequence[str]) -> Iterator[ResultWriter]:
    """Write a results file; it appears only when every keyframe of the split was added.

    Args:
        path: the JSON file.
        meta: which sensors and data were used: the five keys of ``NUSCENES_META_KEYS``.
        sample_tokens: all keyframes of the split.

    Raises:
        InputError: for a wrong ``meta``, a keyframe that was not added, or a file that cannot be written.
    """
    faults = meta_faults(dict(meta), "meta")
    if faults:
        raise InputError("; ".join(map(str, faults)))
    with replacing(path, "w") as file:
        file.write(f'{{"meta": {json.dumps(dict(meta))}, "results": {{')
        writer = ResultWriter(file, sample_tokens)
        yield writer
        missing = [token for token in sample_tokens if token not in writer.written]
        if missing:
            raise InputError(
                f"{path}: expected results for all {len(sample_tokens)} keyframes of the split, found none for "
                f"{len(missing)} of them, first {missing[0]}; run inference on the whole split"
            )
        file.write("\n}}\n")


def box_to_dict(boxes: NuScenesBoxes, row: int, token: str) -> dict[str, Any]:
    """One box as the results file holds it."""
    attribute = int(boxes.attribute[row])
    return {
        "sample_token": token,
        "translation": boxes.center_m[row].tolist(),
        "size": boxes.size_m[row].tolist(),
        "rotation": boxes.rotation[row].tolist(),
        "velocity": boxes.velocity_m_s[row].tolist(),
        "detection_name": NUSCENES_DETECTION_CLASSES[boxes.label[row]],
        "detection_score": float(boxes.score[row]),
        "attribute_name": "" if attribute < 0 else NUSCENES_ATTRIBUTES[attribute],
    }
