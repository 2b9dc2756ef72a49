"""What a corruption does to one scan or one image, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import corruptions
from corruptions import catalog, nuscenes, pictures
from corruptions.core import InputError, Level, Scan, level_text, unknown
from corruptions.describe import view_corruptions
from corruptions.files import check_columns, read_labels, read_points
from corruptions.readers import SEMANTIC_BITS, semantickitti
from corruptions.synthetic import synthetic_image, synthetic_scan

if TYPE_CHECKING:
    from matplotlib.figure import Figure

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class Source:
    """What to show.

    Attributes:
        id: of the sample; it seeds the random stream.
        scan: its sweep, or
        image: one RGB image (H, W, 3).
        depth_m: float32 (H, W) distance of what the image shows, where it is known.
    """

    id: str
    scan: Scan | None = None
    image: NDArray[np.uint8] | None = None
    depth_m: NDArray[np.float32] | None = None


def picture(
    source: Source, names: Sequence[str], level: str | None = None, physical: Level | None = None, seed: int = 0
) -> Figure:
    """One corruption before and after, or a sheet of several beside the clean input.

    Args:
        source: the sample.
        names: corruptions of the LiDAR for a sweep, of the camera for an image.
        level: level of each; without one, and without physical values, its heaviest.
        physical: physical values, alone or over those of the level.
        seed: base seed.

    Raises:
        InputError: as the corruptions do.
    """
    given = physical or {}
    titles = {}
    for name in names:
        levels = _levels(source, name)
        chosen = level if level is not None or given else levels[-1]
        titles[f"{name} {level_text(chosen, given)}".strip()] = (name, chosen)
    if source.scan is not None:
        return _lidar_picture(source.id, source.scan, titles, given, seed)
    return _camera_picture(source, titles, given, seed)


def _levels(source: Source, name: str) -> list[str]:
    if source.scan is not None:
        return list(catalog.get(name).levels)
    if name not in view_corruptions():
        raise InputError(unknown("camera corruption", name, view_corruptions()))
    return list(view_corruptions()[name].levels)


def _lidar_picture(
    sample: str, scan: Scan, titles: dict[str, tuple[str, str | None]], physical: Level, seed: int
) -> Figure:
    panels: list[pictures.LidarPanel] = [("clean", scan, None)]
    for title, (name, level) in titles.items():
        corrupted = corruptions.corrupt(scan, name, level, seed=seed, sample=sample, **physical)
        if len(titles) == 1:
            return pictures.lidar_figure(scan, corrupted, f"{sample}: {title}")
        panels.append((title, scan, corrupted))
    return pictures.lidar_sheet(panels, sample)


def _camera_picture(source: Source, titles: dict[str, tuple[str, str | None]], physical: Level, seed: int) -> Figure:
    from corruptions.camera import Views, corrupt_views

    image = source.image
    if image is None:
        raise InputError(f"{source.id}: expected a scan or an image, found neither")
    depth_m = None if source.depth_m is None else source.depth_m[None]
    # A frozen camera shows the frame before this one; its mirror image stands for it here.
    views = Views(image[None], "rgb", depth_m, previous=np.ascontiguousarray(image[None, :, ::-1]))
    panels: list[pictures.ImagePanel] = [("clean", image)]
    for title, (name, level) in titles.items():
        panels.append((title, corrupt_views(views, name, level, seed=seed, sample=source.id, **physical)[0]))
    return pictures.image_sheet(panels, source.id)


def synthetic_source(camera: bool) -> Source:
    """The synthetic street, as a sweep or as an image."""
    name = "synthetic street"
    if not camera:
        return Source(name, scan=synthetic_scan())
    image, depth_m = synthetic_image()
    return Source(name, image=image, depth_m=depth_m)


def file_source(
    path: Path,
    labels: Path | None = None,
    columns: int = 4,
    intensity_max: float = 1.0,
    sensor: str = "HDL-64E",
    ring_column: int | None = None,
) -> Source:
    """A ``.bin`` sweep or an image file; ``.pcd.bin`` is read as nuScenes'.

    Args:
        path: the file.
        labels: SemanticKITTI labels of the sweep, if there are any.
        columns: values per point in the file.
        intensity_max: full scale of the intensity column.
        sensor: LiDAR model in ``corruptions.sensors``.
        ring_column: column that holds the laser index, if there is one.

    Raises:
        InputError: for another kind of file, or one that cannot be read.
    """
    name = nuscenes.sample_id(path.name)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return Source(name, image=read_rgb(path))
    if path.suffix != ".bin":
        raise InputError(f"{path}: expected a .bin scan or an image ({', '.join(IMAGE_SUFFIXES)})")
    if path.name.endswith(".pcd.bin"):
        columns, intensity_max = nuscenes.COLUMNS, nuscenes.INTENSITY_MAX
        sensor, ring_column = nuscenes.SENSOR, nuscenes.RING_COLUMN
    check_columns(columns, ring_column)
    points = read_points(path, columns)
    ring = None if ring_column is None else points[:, ring_column].astype(np.int32)
    semantic = None if labels is None else read_labels(labels, len(points)) & SEMANTIC_BITS
    if path.parts[-4:-3] == ("sequences",):
        name = f"{path.parts[-3]}/{name}"
    return Source(name, scan=Scan(points, intensity_max, ring=ring, labels=semantic, sensor=sensor))


def dataset_source(dataset: str, root: Path | None, sample: str | None, version: str, camera: bool) -> Source:
    """One sample of a data set.

    Args:
        dataset: "semantickitti" or "nuscenes".
        root: its folder; needed.
        sample: id of the sample, "08/000004" or the name of a LiDAR file; the first without one.
        version: tables of nuScenes.
        camera: the front camera's image and not the sweep; nuScenes only.

    Raises:
        InputError: for an unknown sample, or files that cannot be read.
    """
    if root is None:
        raise InputError(f"{dataset}: expected the folder of the data set, found none; give --root")
    if dataset == "nuscenes":
        data = nuscenes.load(root, version, keyframes_only=True)
        if camera:
            groups = {group.id: group for group in nuscenes.view_groups(data)}
            chosen = _chosen(sample, groups)
            return Source(chosen, image=read_rgb(root / groups[chosen].files[0]))
        reader = nuscenes.lidar_reader(data)
    else:
        reader = semantickitti(root, (sample.split("/")[0] if sample else "08",))
    sweeps = {sweep.id: sweep for sweep in reader.samples()}
    chosen = _chosen(sample, sweeps)
    return Source(chosen, scan=reader.read(sweeps[chosen]))


def physical_values(texts: Sequence[str]) -> dict[str, float | str]:
    """``key=value`` of a command line; a number, whole or not, where the value reads as one."""
    values: dict[str, float | str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"expected KEY=VALUE, found {text}")
        values[key] = _number(value)
    return values


def _number(text: str) -> float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def only_camera(names: Sequence[str]) -> bool:
    """Whether one of these names is a corruption of cameras alone."""
    cameras = [name for name in names if name not in catalog.CATALOG]
    return any(name in view_corruptions() for name in cameras)


def _chosen(sample: str | None, known: dict[str, Any]) -> str:
    if sample is not None and sample not in known:
        raise InputError(unknown("sample", sample, known))
    return sample or next(iter(known))


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """An image file as RGB uint8 (H, W, 3); raises :class:`InputError` for one that cannot be read."""
    import cv2

    from corruptions.export.images import read_images

    return cv2.cvtColor(read_images([path])[0], cv2.COLOR_BGR2RGB)
