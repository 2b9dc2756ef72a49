"""Blur in linear light: along a line (motion), over a disc (defocus), and along the rays of a zoom."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from corruptions.camera.light import ENCODE, decode, encode
from corruptions.camera.views import ViewCorruption, Views, check_range

_BORDER = cv2.BORDER_REFLECT_101


def line_kernel(length_px: float, angle_deg: float) -> NDArray[np.float32]:
    """Kernel of a point that moves at constant speed along a line, centred, summing to one.

    Args:
        length_px: length of the line.
        angle_deg: direction, 0 along the rows, 90 along the columns.

    Returns:
        float32 (K, K), K odd; the line is spread bilinearly over the pixels beside it.
    """
    across_x, across_y = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    steep = abs(across_y) > abs(across_x)
    major, minor = (across_y, across_x) if steep else (across_x, across_y)
    reach = length_px * abs(major) / 2.0
    half = int(np.ceil(reach + 0.5))
    steps = np.arange(-half, half + 1)
    # per pixel along the longer axis: how much of the line it holds, shared by the two pixels beside the line
    held = np.clip(np.minimum(steps + 0.5, reach) - np.maximum(steps - 0.5, -reach), 0.0, None)
    held[half] = max(held[half], 1e-6)  # no line at all is the identity
    beside = steps * (minor / major)
    below = np.floor(beside).astype(int)
    kernel = np.zeros((2 * half + 1, 2 * half + 1))
    kernel[below + half, steps + half] = held * (1.0 - (beside - below))
    upper = np.minimum(below + 1 + half, 2 * half)
    kernel[upper, steps + half] += held * (beside - below)
    kernel /= kernel.sum()
    return np.ascontiguousarray(kernel.T if steep else kernel).astype(np.float32)


def disc_kernel(radius_px: float) -> NDArray[np.float32]:
    """Kernel of an ideal lens out of focus: a uniform disc with an edge one pixel wide, summing to one."""
    half = int(np.ceil(radius_px + 0.5))
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    kernel = np.clip(radius_px + 0.5 - np.hypot(x, y), 0.0, 1.0)
    return (kernel / kernel.sum()).astype(np.float32)


def motion_blur(
    views: Views, rng: np.random.Generator, *, length_px: float, angle_deg: float | None = None
) -> NDArray[np.uint8]:
    """Average each view along a line: the image moves at constant speed while the shutter is open.

    A camera of focal length ``focal_px`` that turns by ``rate_rad_per_s`` during ``exposure_s`` blurs by
    ``length_px = focal_px * rate_rad_per_s * exposure_s``.

    Args:
        views: images in RGB.
        rng: random generator.
        length_px: length of the line.
        angle_deg: its direction, 0 along the rows; None draws one per view, as cameras shake on their own.

    Returns:
        uint8 (V, H, W, 3).
    """
    check_range("length_px", length_px, 0.0, 1000.0)
    if angle_deg is not None:
        check_range("angle_deg", angle_deg, -360.0, 360.0)
    out = np.empty_like(views.images)
    for view, blurred in zip(views.images, out, strict=True):
        angle = rng.uniform(0.0, 180.0) if angle_deg is None else angle_deg
        _convolve_sparse(view, line_kernel(length_px, angle), blurred)
    return out


def defocus_blur(views: Views, rng: np.random.Generator, *, radius_px: float) -> NDArray[np.uint8]:
    """Spread every point over the disc of a lens out of focus; lights become discs, since light adds up linearly.

    Args:
        views: images in RGB.
        rng: not used; nothing here is random.
        radius_px: radius of the circle of confusion, ``focal_px * aperture_m / (2 * distance_m)`` for a lens focused at
            infinity.

    Returns:
        uint8 (V, H, W, 3).
    """
    check_range("radius_px", radius_px, 0.0, 200.0)
    kernel = disc_kernel(radius_px)
    return np.stack([encode(cv2.filter2D(decode(view), -1, kernel, borderType=_BORDER)) for view in views.images])


def zoom_blur(views: Views, rng: np.random.Generator, *, zoom: float) -> NDArray[np.uint8]:
    """Average each view over magnifications from 1 to ``zoom`` about its centre.

    Driving at ``speed_m_per_s`` towards something ``distance_m`` away for ``exposure_s`` magnifies it by
    ``distance_m / (distance_m - speed_m_per_s * exposure_s)``. The magnifications are ``q**k``, k = 0 .. 2**m - 1, with
    steps of at most one pixel at the corner. Their mean is the product over i of ``(1 + Z**(2**i)) / 2``, Z being the
    magnification by q, so m warps do the work of 2**m, at the price of m bilinear interpolations.

    Args:
        views: images in RGB.
        rng: not used; nothing here is random.
        zoom: largest magnification, at least 1.

    Returns:
        uint8 (V, H, W, 3).
    """
    check_range("zoom", zoom, 1.0, 4.0)
    height, width = views.images.shape[1:3]
    corner_px = np.hypot(width, height) / 2.0 * (zoom - 1.0)
    doublings = max(1, int(np.ceil(np.log2(corner_px + 1.0))))
    exponents = 2.0 ** np.arange(doublings) / (2.0**doublings - 1.0)
    return np.stack([encode(_mean_over_zooms(decode(view), zoom**exponents)) for view in views.images])


def _convolve_sparse(view: NDArray[np.uint8], kernel: NDArray[np.float32], out: NDArray[np.uint8]) -> None:
    from corruptions.camera import kernels

    half = len(kernel) // 2
    height, width, channels = view.shape
    padded = decode(cv2.copyMakeBorder(view, half, half, half, half, _BORDER)).reshape(height + 2 * half, -1)
    turned = kernel[::-1, ::-1]  # a convolution is a correlation with the turned kernel
    rows, columns = np.nonzero(turned)
    kernels.blend_shifted(padded, rows, columns * channels, turned[rows, columns], ENCODE, out.reshape(height, -1))


def _mean_over_zooms(light: NDArray[np.float32], zooms: NDArray[np.float64]) -> NDArray[np.float32]:
    height, width = light.shape[:2]
    centre_x, centre_y = (width - 1) / 2.0, (height - 1) / 2.0
    for zoom in zooms:
        shrink = 1.0 / zoom  # output pixel -> input pixel, towards the centre: never outside
        matrix = np.array([[shrink, 0.0, centre_x * (1.0 - shrink)], [0.0, shrink, centre_y * (1.0 - shrink)]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        warped = cv2.warpAffine(light, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        light = cv2.addWeighted(light, 0.5, warped, 0.5, 0.0)
    return light


MOTION_BLUR = ViewCorruption(
    name="motion_blur",
    reference="uniform linear motion during the exposure",
    levels={"light": {"length_px": 8.0}, "moderate": {"length_px": 16.0}, "heavy": {"length_px": 32.0}},
    fn=motion_blur,
    severity="mean absolute change; length_px",
    parameter_docs={
        "length_px": "path of the image during the exposure in pixels",
        "angle_deg": "direction in degrees, 0 along the rows; None: drawn per view",
    },
)

DEFOCUS_BLUR = ViewCorruption(
    name="defocus_blur",
    reference="thin lens: uniform circle of confusion",
    levels={"light": {"radius_px": 2.5}, "moderate": {"radius_px": 5.0}, "heavy": {"radius_px": 10.0}},
    fn=defocus_blur,
    severity="mean absolute change; radius_px",
    parameter_docs={"radius_px": "radius of the circle of confusion in pixels"},
)

ZOOM_BLUR = ViewCorruption(
    name="zoom_blur",
    reference="perspective magnification while approaching during the exposure",
    levels={"light": {"zoom": 1.02}, "moderate": {"zoom": 1.05}, "heavy": {"zoom": 1.12}},
    fn=zoom_blur,
    severity="mean absolute change; zoom",
    parameter_docs={"zoom": "largest magnification during the exposure, >= 1"},
)
