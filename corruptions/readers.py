"""Data sets as the exporter sees them: a list of sweeps, and how to read one.

:class:`Reader` is the whole protocol; any object with these members will do. :class:`BinReader` is it for float32
files: :func:`semantickitti` and :func:`folder` make one for SemanticKITTI and for a plain folder of scans,
``corruptions.nuscenes`` for nuScenes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError, Scan
from corruptions.files import check_columns, check_label_count, count_points, read_labels, read_points

SEMANTIC_BITS = 0xFFFF  # uint32 labels: semantic id in the lower 16 bits, instance id in the upper ones


@dataclass(frozen=True)
class Sample:
    """One sweep of a data set.

    Attributes:
        id: name of the sweep, unique in the data set; it seeds the random stream. ``SEQ/FRAME`` for SemanticKITTI
            ("08/000004"), the file name without suffix for nuScenes.
        files: the files it is read from. When their names or sizes change, an export can no longer be resumed.
        points_path: where the corrupted points go, relative to the folder of a setting.
        labels_path: where the labels go, or None for a sweep without labels.
    """

    id: str
    files: tuple[Path, ...]
    points_path: str
    labels_path: str | None = None


class Reader(Protocol):
    """What a data set needs to be exported.

    For more than one worker the reader travels to other processes: define its class in a module that they can import.
    """

    @property
    def name(self) -> str:
        """Name of the data set; the export goes to ``<name>-C``."""

    @property
    def columns(self) -> int:
        """Values per point: x, y, z, intensity, and what else the sensor gives."""

    def samples(self) -> Sequence[Sample]:
        """The sweeps, in an order that stays the same."""

    def read(self, sample: Sample) -> Scan:
        """The sweep, with ``labels`` where there are any (semantic ids alone, of ``Scan.label_set``)."""

    def labels(self, sample: Sample) -> NDArray[np.integer] | None:
        """(N,) values of the label file as they are (instance bits too), to be carried to the output; or None."""


@dataclass(frozen=True)
class BinReader:
    """Sweeps in float32 files, with one integer label per point in a second file where there are labels.

    Attributes:
        name: name of the data set.
        sweeps: the sweeps; ``files`` are the point file and, with labels, the label file.
        columns: values per point in the file.
        intensity_max: full scale of the intensity column.
        sensor: LiDAR model in ``corruptions.sensors``.
        label_set: whose ids the labels are, a key of ``corruptions.semantics.LABEL_SETS``.
        label_dtype: type in the label file; of uint32 the lower 16 bits are the semantic id.
        ring_column: column that holds the laser index, or None where the engine has to estimate it.
    """

    name: str
    sweeps: tuple[Sample, ...]
    columns: int = 4
    intensity_max: float = 1.0
    sensor: str = "HDL-64E"
    label_set: str = "semantickitti"
    label_dtype: type[np.integer] = np.uint32
    ring_column: int | None = None

    def samples(self) -> Sequence[Sample]:
        """The sweeps."""
        return self.sweeps

    def read(self, sample: Sample) -> Scan:
        """Read and check one sweep; raises :class:`InputError` that names the file."""
        points = read_points(sample.files[0], self.columns)
        labels = self.labels(sample)
        if labels is not None and self.label_dtype == np.uint32:
            labels = labels & SEMANTIC_BITS
        ring = None if self.ring_column is None else points[:, self.ring_column].astype(np.int32)
        try:
            return Scan(
                points, self.intensity_max, ring=ring, labels=labels, label_set=self.label_set, sensor=self.sensor
            )
        except InputError as error:
            raise InputError(f"{sample.files[0]}: {error}") from None

    def labels(self, sample: Sample) -> NDArray[np.integer] | None:
        """Values of the label file, or None without one."""
        if sample.labels_path is None:
            return None
        return read_labels(sample.files[1], count_points(sample.files[0], self.columns), self.label_dtype)


def reading(reader: Reader) -> dict[str, Any]:
    """How a reader understands its files: columns, and of a :class:`BinReader` scale, sensor, rings and labels."""
    if not isinstance(reader, BinReader):
        return {"columns": reader.columns}
    names = ("columns", "intensity_max", "sensor", "ring_column", "label_set")
    return {name: getattr(reader, name) for name in names}


def semantickitti(root: Path, sequences: Sequence[str] = ("08",)) -> BinReader:
    """The sweeps of a SemanticKITTI folder.

    One sequence is written as the released SemanticKITTI-C is, ``velodyne/NNNNNN.bin`` and ``labels/NNNNNN.label``.
    Several keep the layout of the data set, ``sequences/SEQ/velodyne/NNNNNN.bin``, as frame numbers repeat.

    Args:
        root: folder that holds ``sequences``.
        sequences: sequence folders, e.g. ("08",); the test sequences have no labels.

    Raises:
        InputError: for a missing sequence, one without scans, or files of the wrong size.
    """
    sweeps: list[Sample] = []
    for sequence in dict.fromkeys(sequences):
        source = root / "sequences" / sequence
        if not source.is_dir() or source.parent != root / "sequences":
            found = ", ".join(sorted(path.name for path in (root / "sequences").glob("[0-9][0-9]"))) or "none"
            raise InputError(
                f"{source}: expected a sequence folder, found sequences {found}; root is the folder that holds "
                "`sequences`"
            )
        scans = sorted((source / "velodyne").glob("*.bin"))
        if not scans:
            raise InputError(f"{source / 'velodyne'}: expected scans 000000.bin, 000001.bin, ..., found none")
        prefix = "" if len(set(sequences)) == 1 else f"sequences/{sequence}/"
        label_folder = source / "labels" if (source / "labels").is_dir() else None
        sweeps += [_bin_sample(scan, f"{sequence}/{scan.stem}", label_folder, prefix, scan.stem) for scan in scans]
    return _checked(BinReader("SemanticKITTI", tuple(sweeps)))


def folder(
    root: Path,
    *,
    intensity_max: float,
    columns: int = 4,
    sensor: str = "HDL-64E",
    ring_column: int | None = None,
    label_root: Path | None = None,
    label_set: str = "semantickitti",
) -> BinReader:
    """Every ``.bin`` below a folder, in SemanticKITTI's form: float32 points, and uint32 labels where given.

    A scan is named after its path below ``root`` without suffix; the same path leads to its labels and to the output
    (``velodyne/<path>.bin``, ``labels/<path>.label``).

    Args:
        root: folder of the scans.
        intensity_max: full scale of the intensity column, e.g. 1.0 or 255.0.
        columns: values per point in the files.
        sensor: LiDAR model in ``corruptions.sensors``.
        ring_column: column that holds the laser index, if there is one.
        label_root: folder of the ``.label`` files, if there are any.
        label_set: whose ids they hold, a key of ``corruptions.semantics.LABEL_SETS``.

    Raises:
        InputError: for a missing folder, one without scans, or files of the wrong size.
    """
    scans = sorted(root.rglob("*.bin"))
    if not scans:
        raise InputError(f"{root}: expected a folder with .bin files, found none; give the folder of the scans")
    names = [scan.relative_to(root).with_suffix("").as_posix() for scan in scans]
    sweeps = [_bin_sample(scan, name, label_root, "", name) for scan, name in zip(scans, names, strict=True)]
    reader = BinReader(
        root.resolve().name,
        tuple(sweeps),
        columns=columns,
        intensity_max=intensity_max,
        sensor=sensor,
        label_set=label_set,
        ring_column=ring_column,
    )
    return _checked(reader)


def _bin_sample(scan: Path, sample_id: str, label_folder: Path | None, prefix: str, name: str) -> Sample:
    points_path = f"{prefix}velodyne/{name}.bin"
    if label_folder is None:
        return Sample(sample_id, (scan,), points_path)
    return Sample(sample_id, (scan, label_folder / f"{name}.label"), points_path, f"{prefix}labels/{name}.label")


def _checked(reader: BinReader) -> BinReader:
    """The reader, after a look at the size of every file: hours of work shall not end at a truncated scan."""
    check_columns(reader.columns, reader.ring_column)
    for sample in reader.sweeps:
        count = count_points(sample.files[0], reader.columns)
        if sample.labels_path is not None:
            check_label_count(sample.files[1], count, reader.label_dtype)
    return reader
