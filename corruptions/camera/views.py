"""Camera views in, corrupted views out: the types every camera corruption works with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError, Level, merge_parameters, unknown

CHANNEL_ORDERS = ("rgb", "bgr")


@dataclass(frozen=True)
class Views:
    """The camera images of one sample, all of one size.

    Cameras of different sizes (Waymo's side cameras) make one ``Views`` per size.

    Attributes:
        images: uint8 (V, H, W, 3), sRGB-encoded as cameras write them.
        channel_order: "bgr" as opencv, mmcv and mmdet3d load images, or "rgb" as PIL does. The result comes back in the
            same order, and a corruption gives the same colours for either.
        depth_m: float32 (V, H, W), distance in metres of what each pixel shows, or None. The sky has no distance: give
            it a large finite one, such as 1e5.
        previous: uint8 (V, H, W, 3), the images of the sample before in the same order, or None.

    Raises:
        InputError: for another type, shape or channel order, or depths that are not positive and finite.
    """

    images: NDArray[np.uint8]
    channel_order: str
    depth_m: NDArray[np.float32] | None = None
    previous: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        _check_images(self.images, "images")
        if self.channel_order not in CHANNEL_ORDERS:
            raise InputError(unknown("channel order", str(self.channel_order), CHANNEL_ORDERS))
        if self.depth_m is not None:
            _check_depth(self.depth_m, self.images.shape[:3])
        if self.previous is not None:
            _check_images(self.previous, "previous")
            if self.previous.shape != self.images.shape:
                raise InputError(
                    f"previous: expected the shape of images {self.images.shape}, found {self.previous.shape}"
                )

    def __len__(self) -> int:
        return len(self.images)

    def in_rgb(self) -> Views:
        """The same views with contiguous images in RGB order; shares memory where nothing has to change."""
        if self.channel_order == "rgb":
            return replace(self, images=np.ascontiguousarray(self.images))
        previous = None if self.previous is None else swap_red_blue(self.previous)
        return replace(self, images=swap_red_blue(self.images), channel_order="rgb", previous=previous)


@dataclass(frozen=True)
class ViewCorruption:
    """A camera corruption by name: a function of the views, its level table and its source in the literature.

    Attributes:
        name: name in the catalog, e.g. "sun_glare".
        reference: the paper, section or standard the model follows.
        levels: parameters by level name, in order of severity.
        fn: ``fn(views, rng, **parameters) -> uint8 (V, H, W, 3)``; pure, gets views in RGB and never writes them.
        severity: the measure that grows along ``levels``, in words; what the tests check to be monotone.
        parameter_docs: meaning and unit of every parameter of ``fn``.
        group: "camera".
    """

    name: str
    reference: str
    levels: Mapping[str, Level]
    fn: Callable[..., NDArray[np.uint8]]
    severity: str
    parameter_docs: Mapping[str, str]
    group: str = "camera"

    def __call__(
        self, views: Views, rng: np.random.Generator, level: str | None = None, **physical: Any
    ) -> NDArray[np.uint8]:
        """Corrupt ``views`` at a named level, or at physical values such as ``visibility_m=80``.

        Args:
            views: the images of one sample; never written.
            rng: source of every random draw.
            level: a key of ``levels``, or None.
            **physical: parameters of ``fn``; they replace those of the level.

        Returns:
            New uint8 (V, H, W, 3) in the channel order of ``views``.

        Raises:
            InputError: for an unknown level or parameter, a value out of range, or an input that is needed and missing.
        """
        parameters = self.parameters(level, physical)
        corrupted = self.fn(views.in_rgb(), rng, **parameters)
        return corrupted if views.channel_order == "rgb" else swap_red_blue(corrupted)

    def parameters(self, level: str | None, physical: Level) -> dict[str, Any]:
        """Parameters of a level, overridden by physical values; see :func:`corruptions.core.merge_parameters`."""
        return merge_parameters(self.name, self.fn, self.levels, level, physical)


def swap_red_blue(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """New (V, H, W, 3) images with the first and the third channel exchanged."""
    return np.stack([cv2.cvtColor(np.ascontiguousarray(view), cv2.COLOR_RGB2BGR) for view in images])


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Raise :class:`InputError` unless ``value`` is a number and ``low <= value <= high``; NaN fails too."""
    if isinstance(value, bool) or not isinstance(value, Real) or not low <= value <= high:
        raise InputError(f"{name}: expected a value in [{low:g}, {high:g}], found {value!r}")


def check_view_numbers(name: str, numbers: Sequence[int], count: int) -> NDArray[np.int64]:
    """Ascending, distinct ``numbers`` of views; :class:`InputError` unless there are some, all within 0..count - 1."""
    chosen = np.unique(np.asarray(numbers))
    if chosen.dtype.kind not in "iu" or chosen[0] < 0 or chosen[-1] >= count:
        raise InputError(f"{name}: expected view numbers in 0..{count - 1}, found {chosen.tolist()}")
    return chosen.astype(np.int64)


def focal_px(width: int, horizontal_fov_deg: float) -> float:
    """Focal length in pixels of a pinhole image ``width`` pixels wide that spans ``horizontal_fov_deg``."""
    check_range("horizontal_fov_deg", horizontal_fov_deg, 5.0, 175.0)
    return float(width / 2.0 / np.tan(np.deg2rad(horizontal_fov_deg) / 2.0))


def _check_images(images: NDArray[np.uint8], name: str) -> None:
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        found = f"{images.dtype} {images.shape}" if isinstance(images, np.ndarray) else type(images).__name__
        raise InputError(
            f"{name}: expected uint8 (views, height, width, 3), found {found}; stack views of one size and corrupt "
            "them before they are normalised"
        )
    if 0 in images.shape:
        raise InputError(f"{name}: expected at least one view of at least one pixel, found {images.shape}")


def _check_depth(depth_m: NDArray[np.float32], shape: tuple[int, ...]) -> None:
    if not isinstance(depth_m, np.ndarray) or depth_m.dtype != np.float32 or depth_m.shape != shape:
        found = f"{depth_m.dtype} {depth_m.shape}" if isinstance(depth_m, np.ndarray) else type(depth_m).__name__
        raise InputError(f"depth_m: expected float32 {shape}, one distance in metres per pixel, found {found}")
    bad = ~(np.isfinite(depth_m) & (depth_m > 0))
    if bad.any():
        view, row, column = np.unravel_index(int(np.argmax(bad)), shape)
        raise InputError(
            f"depth_m: expected finite distances above 0, found {int(bad.sum())} others, first "
            f"{depth_m[view, row, column]} at view {view}, row {row}, column {column}; fill what was not measured, and "
            "give the sky a large distance such as 1e5"
        )
