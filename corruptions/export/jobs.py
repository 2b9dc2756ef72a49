"""Units of work of an export: what makes the bytes of one sweep or one set of camera images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from corruptions.core import InputError
from corruptions.readers import Reader, Sample
from corruptions.suites import Setting

# Raw id of points without a class: unlabeled in SemanticKITTI, noise in nuScenes-lidarseg.
UNLABELLED = 0


@dataclass(frozen=True)
class Job:
    """One unit of work; it depends on nothing but itself, so any order and any process gives the same bytes.

    Attributes:
        folder: folder of the setting, relative to the root of the export.
        sensor: "lidar" or "camera".
        outputs: files it makes, relative to the root of the export.
        make: gives the bytes of each file of ``outputs``, in this order.
    """

    folder: str
    sensor: str
    outputs: tuple[str, ...]
    make: Callable[[], Sequence[bytes]]


@dataclass(frozen=True)
class CorruptSweep:
    """Bytes of a corrupted sweep: its points and, where it has labels, its labels.

    Kept points keep the whole label value, instance bits included; points of a status in ``drop`` get id 0. Without a
    setting the sweep is written as it was read.
    """

    reader: Reader
    sample: Sample
    setting: Setting | None
    drop: tuple[Any, ...]
    seed: int

    def __call__(self) -> list[bytes]:
        """Read, corrupt and encode."""
        scan = self.reader.read(self.sample)
        if scan.points.shape[1] != self.reader.columns:
            raise InputError(
                f"{self.sample.id}: the reader gives {scan.points.shape[1]} values per point, its columns say "
                f"{self.reader.columns}"
            )
        labels = self.reader.labels(self.sample)
        if (labels is None) != (self.sample.labels_path is None):
            raise InputError(f"{self.sample.id}: labels_path and the reader's labels() must both be None, or neither")
        points = scan.points
        if self.setting is not None:
            corrupted = self.setting.corrupt(scan, seed=self.seed, sample=self.sample.id)
            points = corrupted.points
            labels = None if labels is None else corrupted.carry(labels, UNLABELLED, self.drop)
        return [points.tobytes(), *([] if labels is None else [labels.tobytes()])]


def sweep_jobs(reader: Reader, folder: str, setting: Setting | None, drop: Sequence[Any], seed: int) -> Iterator[Job]:
    """Jobs for every sweep of a data set at one setting.

    Args:
        reader: the data set.
        folder: folder of the setting, relative to the root of the export.
        setting: what to do, or None to write the sweeps as they are.
        drop: label rule, see ``Corrupted.carry``.
        seed: base seed.
    """
    for sample in reader.samples():
        names = (sample.points_path, *([] if sample.labels_path is None else [sample.labels_path]))
        outputs = tuple(f"{folder}/{name}" for name in names)
        yield Job(folder, "lidar", outputs, CorruptSweep(reader, sample, setting, tuple(drop), seed))
