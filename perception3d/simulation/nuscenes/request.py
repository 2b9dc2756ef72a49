"""What to simulate: parameters, presets, and the official names of scenes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from corruptions.core import InputError

FORMAT_VERSION = 4  # of the world and the rig: a change of bytes is a new one
KEYFRAME_S = 0.5
SWEEPS = 10  # LiDAR turns from one keyframe to the next, at 20 Hz
MAX_KEYFRAMES = 40  # as in the real scenes
# The scenes of v1.0-mini (nuscenes.utils.splits of nuscenes-devkit).
MINI_TRAIN = ("scene-0061", "scene-0553", "scene-0655", "scene-0757", "scene-0796", "scene-1077", "scene-1094",
              "scene-1100")  # fmt: skip
MINI_VAL = ("scene-0103", "scene-0916")


@dataclass(frozen=True)
class Preset:
    """A size of data set.

    Attributes:
        version: folder of the tables.
        scenes: number of scenes.
        keyframes: of each scene.
        height_px: rows of the images.
        width_px: columns of the images.
    """

    version: str
    scenes: int
    keyframes: int
    height_px: int
    width_px: int

    def __str__(self) -> str:
        return f"{self.version}, {self.scenes} scenes of {self.keyframes} keyframes, {self.height_px}x{self.width_px}"


PRESETS = {"mini": Preset("v1.0-mini", 10, 4, 225, 400), "train": Preset("v1.0-trainval", 100, 10, 450, 800)}
VERSIONS = tuple(preset.version for preset in PRESETS.values())


@dataclass(frozen=True)
class Request:
    """What to write.

    Attributes:
        out: root folder of the data set.
        version: folder of the tables.
        seed: one integer makes one set of worlds.
        keyframes: number of keyframes of each scene, by official name.
        height_px: rows of the camera images.
        width_px: columns of the camera images.
        cameras: whether there are camera images.
        depth: whether depth maps are written beside them.
    """

    out: Path
    version: str
    seed: int
    keyframes: dict[str, int] = field(repr=False)
    height_px: int = 450
    width_px: int = 800
    cameras: bool = True
    depth: bool = False

    def __post_init__(self) -> None:
        if self.version not in VERSIONS:
            raise InputError(f"version: expected one of {', '.join(VERSIONS)}, found {self.version!r}")
        for name, count in self.keyframes.items():
            if not 1 <= count <= MAX_KEYFRAMES:
                raise InputError(f"scene {name}: expected 1 ... {MAX_KEYFRAMES} keyframes, found {count}")
        for name, size in (("height", self.height_px), ("width", self.width_px)):
            if not 16 <= size <= 4096:
                raise InputError(f"resolution: expected a {name} of 16 ... 4096 pixels, found {size}")
        if self.depth and not self.cameras:
            raise InputError("depth: expected camera images to write depth maps of, found none asked for")

    @property
    def parameters(self) -> dict[str, Any]:
        """What the files depend on beside the names of scenes."""
        return {
            "format": "nuscenes",
            "format_version": FORMAT_VERSION,
            "version": self.version,
            "seed": self.seed,
            "resolution": f"{self.height_px}x{self.width_px}",
            "cameras": self.cameras,
            "depth": self.depth,
        }


def scene_names(version: str, count: int | None = None) -> tuple[str, ...]:
    """Official names of scenes, one of five from the validation split.

    More scenes start with the same names, so that a data set can be extended. The second one is a validation scene.

    Args:
        version: "v1.0-mini" or "v1.0-trainval" (whose names nuscenes-devkit knows).
        count: how many; all by default.

    Raises:
        InputError: for more scenes than the version has, or without the devkit.
    """
    train, val = _splits(version)
    names: list[str] = []
    rest_train, rest_val = list(train), list(val)
    while rest_train or rest_val:
        take_val = rest_val and (not rest_train or len(names) % 5 == 1)
        names.append((rest_val if take_val else rest_train).pop(0))
    if count is not None and not 1 <= count <= len(names):
        raise InputError(f"scenes: expected 1 ... {len(names)} for {version}, found {count}")
    return tuple(names[:count])


def _splits(version: str) -> tuple[Sequence[str], Sequence[str]]:
    if version == "v1.0-mini":
        return MINI_TRAIN, MINI_VAL
    try:
        from nuscenes.utils import splits
    except ImportError:
        raise InputError(
            f"{version}: expected nuscenes-devkit for the names of its scenes, found none; pip install nuscenes-devkit"
        ) from None
    return splits.train, splits.val
