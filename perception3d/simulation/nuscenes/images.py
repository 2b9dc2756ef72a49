"""Camera images and depth maps as bytes of files."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

QUALITY = 90
DEPTH_STEPS_PER_M = 256


def jpeg(image: NDArray[np.uint8]) -> bytes:
    """A picture, uint8 (H, W, 3) RGB, as JPEG."""
    import cv2

    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return data.tobytes()


def depth_png(depth_m: NDArray[np.float32]) -> bytes:
    """Depths (H, W) as 16-bit PNG in steps of 1/256 m, 0 for none, as the depth maps of KITTI."""
    import cv2

    finite = np.isfinite(depth_m)
    steps = np.where(finite, np.clip(np.round(np.where(finite, depth_m, 0) * DEPTH_STEPS_PER_M), 1, 65535), 0)
    _, data = cv2.imencode(".png", steps.astype(np.uint16))
    return data.tobytes()
