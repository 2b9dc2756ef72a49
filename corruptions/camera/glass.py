"""Rough glass before the lens: every ray is bent by a random slope of the surface."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from corruptions.camera.light import decode, encode
from corruptions.camera.views import ViewCorruption, Views, check_range

_BORDER = cv2.BORDER_REFLECT_101


def random_field(shape: tuple[int, int], grain_px: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Normal random field of zero mean and unit variance.

    Args:
        shape: rows and columns.
        grain_px: standard deviation of the Gaussian that smooths white noise; correlation falls to 1/e at twice that.
        rng: random generator.

    Returns:
        float32 of ``shape``.
    """
    white = rng.standard_normal(shape, dtype=np.float32)
    size = 2 * int(np.ceil(3.0 * grain_px)) + 1
    kernel = cv2.getGaussianKernel(size, grain_px, cv2.CV_32F)
    kernel /= np.sqrt(np.sum(kernel**2))  # variance one after smoothing along each axis
    return cv2.sepFilter2D(white, -1, kernel, kernel, borderType=_BORDER)


def glass_blur(
    views: Views, rng: np.random.Generator, *, displacement_px: float, scatter_px: float, grain_px: float = 2.5
) -> NDArray[np.uint8]:
    """Look through rough glass: facets wider than a pixel displace the image, finer ones scatter it.

    A facet of small slope s and index n bends a ray by ``(n - 1) * s`` (thin prism), so a normal slope gives a normal
    displacement. Coarse facets displace whole patches of the grain's size; a pixel that looks through many fine ones
    sees their normal average, in linear light.

    Args:
        views: images in RGB.
        rng: random generator; every view looks through glass of its own.
        displacement_px: standard deviation along each axis of the displacement by coarse facets.
        scatter_px: standard deviation along each axis of the scatter by fine facets.
        grain_px: size of the grain, see :func:`random_field`.

    Returns:
        uint8 (V, H, W, 3).
    """
    check_range("displacement_px", displacement_px, 0.0, 200.0)
    check_range("scatter_px", scatter_px, 0.0, 100.0)
    check_range("grain_px", grain_px, 0.3, 200.0)
    height, width = views.images.shape[1:3]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    out = np.empty_like(views.images)
    for view, seen in zip(views.images, out, strict=True):
        map_x = x + np.float32(displacement_px) * random_field((height, width), grain_px, rng)
        map_y = y + np.float32(displacement_px) * random_field((height, width), grain_px, rng)
        light = decode(view)
        if scatter_px > 0:
            light = cv2.GaussianBlur(light, (0, 0), scatter_px, borderType=_BORDER)
        seen[:] = encode(cv2.remap(light, map_x, map_y, cv2.INTER_LINEAR, borderMode=_BORDER))
    return out


GLASS_BLUR = ViewCorruption(
    name="glass_blur",
    reference="thin prisms of normal random slope",
    levels={
        "light": {"displacement_px": 1.5, "scatter_px": 1.0},
        "moderate": {"displacement_px": 3.0, "scatter_px": 2.0},
        "heavy": {"displacement_px": 5.0, "scatter_px": 3.5},
    },
    fn=glass_blur,
    severity="mean absolute change; displacement_px",
    parameter_docs={
        "displacement_px": "standard deviation along each axis of the displacement by coarse facets, in pixels",
        "scatter_px": "standard deviation along each axis of the scatter by fine facets, in pixels",
        "grain_px": "grain of the glass in pixels",
    },
)
