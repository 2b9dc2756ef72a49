"""Cameras that fail: black frames and frames that do not change any more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from corruptions.camera.views import ViewCorruption, Views, check_range, check_view_numbers
from corruptions.core import InputError


def failing_views(
    count: int, rng: np.random.Generator, share: float | None, indices: Sequence[int] | None
) -> NDArray[np.int64]:
    """Which of ``count`` views fail: the given ``indices``, or a drawn ``share`` of them, at least one.

    Raises:
        InputError: unless exactly one of the two is given and in range.
    """
    if share is not None and indices is None:
        check_range("share", share, 0.0, 1.0)
        return rng.permutation(count)[: max(1, int(share * count + 0.5))]
    if indices is not None and share is None:
        return check_view_numbers("indices", indices, count)
    raise InputError("expected exactly one of share and indices (a level gives share)")


def camera_crash(
    views: Views, rng: np.random.Generator, *, share: float | None = None, indices: Sequence[int] | None = None
) -> NDArray[np.uint8]:
    """Failed cameras deliver black.

    Args:
        views: images in RGB.
        rng: random generator.
        share: share of the views that fail, drawn, rounded to whole views and at least one; or give
        indices: the views that fail. Exactly one of the two.

    Returns:
        uint8 (V, H, W, 3).
    """
    out = views.images.copy()
    out[failing_views(len(views), rng, share, indices)] = 0
    return out


def frozen_frame(
    views: Views, rng: np.random.Generator, *, share: float | None = None, indices: Sequence[int] | None = None
) -> NDArray[np.uint8]:
    """Frozen cameras deliver the images of the sample before.

    Args:
        views: images in RGB with ``previous``; at the first sample of a scene pass ``previous=images``.
        rng: random generator.
        share: share of the views that freeze, drawn, rounded to whole views and at least one; or give
        indices: the views that freeze. Exactly one of the two.

    Returns:
        uint8 (V, H, W, 3).

    Raises:
        InputError: where ``previous`` is None.
    """
    if views.previous is None:
        raise InputError(
            "frozen_frame: expected the images of the sample before in Views.previous, found None; load them, or pass "
            "previous=images at the first sample of a scene"
        )
    frozen = failing_views(len(views), rng, share, indices)
    out = views.images.copy()
    out[frozen] = views.previous[frozen]
    return out


_LEVELS = {"light": {"share": 1 / 6}, "moderate": {"share": 3 / 6}, "heavy": {"share": 5 / 6}}
_DOCS = {
    "share": "share of the views that fail, drawn; at least one view",
    "indices": "indices of the views that fail, instead of share",
}

CAMERA_CRASH = ViewCorruption(
    name="camera_crash",
    reference="no signal: black frames; 1, 3, 5 of 6 cameras",
    levels=_LEVELS,
    fn=camera_crash,
    severity="views lost",
    parameter_docs=_DOCS,
)

FROZEN_FRAME = ViewCorruption(
    name="frozen_frame",
    reference="stale frame buffer: images of the sample before; 1, 3, 5 of 6 cameras",
    levels=_LEVELS,
    fn=frozen_frame,
    severity="views frozen",
    parameter_docs=_DOCS,
)
