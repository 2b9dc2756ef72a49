"""Linear light: where exposure, scattering and blur act.

A camera file holds sRGB-encoded values; light adds up before that encoding. So physics decodes a view to linear light
(1 is full scale), works there and encodes the result. The curve is that of IEC 61966-2-1; a camera's own tone curve is
unknown and differs from it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

LUMA = np.array([0.2126, 0.7152, 0.0722])  # Rec. 709, the primaries of sRGB
_AMBIENT_QUANTILE = 0.9
_AMBIENT_MAX = 0.75


def srgb_to_linear(encoded: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear light of sRGB-encoded values, both on the scale 0..1 (IEC 61966-2-1)."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse of :func:`srgb_to_linear`."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def _frozen(table: NDArray[np.generic]) -> NDArray[np.generic]:
    table.setflags(write=False)
    return table


# light of the 256 codes, and the code of 65536 steps of light: the darkest codes are 20 steps apart, so every code
# survives decoding and encoding
DECODE = _frozen(srgb_to_linear(np.arange(256) / 255.0).astype(np.float32))
ENCODE = _frozen(np.rint(255.0 * linear_to_srgb(np.arange(65536) / 65535.0)).astype(np.uint8))


def decode(view: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Linear light, float32 of the shape of ``view``, in 0..1."""
    return cv2.LUT(view, DECODE)


def encode(light: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The 8-bit view of linear light; what exceeds full scale saturates."""
    from corruptions.camera import kernels

    coded = np.empty(light.shape, np.uint8)
    kernels.encode(np.ascontiguousarray(light).reshape(-1), ENCODE, coded.reshape(-1))
    return coded


def relight(
    view: NDArray[np.uint8],
    transmission: NDArray[np.float32],
    added: NDArray[np.float32],
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> NDArray[np.uint8]:
    """What is seen through a medium: ``light * transmission + colour * added``, in linear light.

    Args:
        view: uint8 (H, W, 3), RGB.
        transmission: float32 (H, W), share of the scene's light that reaches the camera.
        added: float32 (H, W), light that the medium sends into the camera, 1 is full scale.
        colour: factors of ``added`` for red, green, blue.

    Returns:
        New uint8 (H, W, 3).
    """
    from corruptions.camera import kernels

    out = np.empty_like(view)
    kernels.relight(view, transmission, added, np.array(colour, np.float32), DECODE, ENCODE, out)
    return out


def ambient_light(images: NDArray[np.uint8]) -> float:
    """Light of the surroundings, which fog, drops and flakes scatter into the camera, from the images themselves.

    The 90 % quantile of luminance over all views: sky or bright surfaces by day, little by night. At most 0.75 of full
    scale, since a saturated sky says nothing about how bright it is, and a camera does not expose fog to saturation.

    Args:
        images: uint8 (V, H, W, 3), RGB.

    Returns:
        Linear light in [0, 0.75].
    """
    counts = np.zeros(256)
    for view in images:
        counts += np.bincount(cv2.cvtColor(view, cv2.COLOR_RGB2GRAY).reshape(-1), minlength=256)
    code = int(np.searchsorted(np.cumsum(counts), _AMBIENT_QUANTILE * counts.sum()))
    return min(float(DECODE[code]), _AMBIENT_MAX)
