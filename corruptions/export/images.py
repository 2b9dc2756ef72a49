"""Bytes of corrupted camera images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError, level_text
from corruptions.nuscenes import ViewGroup
from corruptions.rng import generator
from corruptions.suites import Setting

# Visually lossless; an image that no corruption changed keeps its own bytes.
JPEG_QUALITY = 95
# Which cameras fail is drawn once per keyframe and holds until the next.
RIG_FAILURES = ("camera_crash", "frozen_frame")


@dataclass(frozen=True)
class CorruptImages:
    """Bytes of one group of camera images, in the format of their files."""

    root: Path
    group: ViewGroup
    setting: Setting
    seed: int

    def __call__(self) -> list[bytes]:
        """Read, corrupt and encode."""
        from corruptions.camera import Views, corrupt_views

        paths = [self.root / name for name in self.group.files]
        images = read_images(paths)
        frozen = self.setting.corruption == "frozen_frame"
        previous = read_images([self.root / name for name in self.group.previous]) if frozen else None
        params: dict[str, Any] = dict(self.setting.params)
        level = self.setting.level
        if self.setting.corruption in RIG_FAILURES:
            failing = self._failing()
            if not failing:
                return [path.read_bytes() for path in paths]
            level, params = None, {"indices": failing}
        corrupted = corrupt_views(
            Views(images, "bgr", previous=previous),
            self.setting.corruption,
            level,
            seed=self.seed,
            sample=self.group.id,
            **params,
        )
        return [
            path.read_bytes() if np.array_equal(before, after) else encode(after, path.suffix)
            for path, before, after in zip(paths, images, corrupted, strict=True)
        ]

    def _failing(self) -> list[int]:
        """Positions in this group of the cameras that fail, drawn for the whole rig as on the fly."""
        from corruptions.camera import get
        from corruptions.camera.failure import failing_views

        name, level, params = self.setting.corruption, self.setting.level, self.setting.params
        drawn = get(name).parameters(level, params)
        rng = generator(self.seed, f"camera/{name}", level_text(level, params), self.group.rig_id)
        failing = failing_views(self.group.rig_size, rng, drawn.get("share"), drawn.get("indices"))
        return [position for position, slot in enumerate(self.group.slots) if slot in failing]


def read_images(paths: list[Path]) -> NDArray[np.uint8]:
    """Images of one size as uint8 (V, H, W, 3) in BGR; raises :class:`InputError` that names the file."""
    import cv2

    images = []
    for path in paths:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            raise InputError(f"{path}: expected an image, found a file that opencv cannot read; copy it again")
        images.append(image)
    shapes = {image.shape for image in images}
    if len(shapes) > 1:
        raise InputError(f"{paths[0].name} and its {len(paths) - 1} neighbours: expected one size, found {shapes}")
    return np.stack(images)


def encode(image: NDArray[np.uint8], suffix: str) -> bytes:
    """An image (H, W, 3) in BGR as a file of this suffix (".jpg", ".png")."""
    import cv2

    _, content = cv2.imencode(suffix, image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return content.tobytes()
