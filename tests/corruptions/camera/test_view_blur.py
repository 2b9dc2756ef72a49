"""Blur against what it does to a point of light."""

import cv2
import numpy as np
import pytest

from corruptions.camera import Views, corrupt_views
from corruptions.camera.blur import disc_kernel, line_kernel
from corruptions.camera.glass import random_field
from corruptions.camera.light import DECODE, decode


def moments(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centroid (x, y) and covariance of a kernel about its middle."""
    half = len(kernel) // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    positions = np.stack([x.ravel(), y.ravel()])
    weights = kernel.ravel().astype(np.float64)
    centroid = positions @ weights
    return centroid, (positions - centroid[:, None]) * weights @ (positions - centroid[:, None]).T


def point_of_light() -> Views:
    images = np.zeros((1, 61, 81, 3), np.uint8)
    images[0, 30, 40] = 255
    return Views(images, "rgb")


@pytest.mark.parametrize("angle_deg", [0.0, 20.0, 45.0, 70.0, 90.0, 135.0, 200.0])
@pytest.mark.parametrize("length_px", [0.0, 3.3, 12.0, 41.0])
def test_line_kernel_is_a_centred_uniform_line(length_px, angle_deg):
    kernel = line_kernel(length_px, angle_deg)
    centroid, covariance = moments(kernel)
    assert kernel.sum() == pytest.approx(1.0, abs=1e-6) and kernel.min() >= 0
    np.testing.assert_allclose(centroid, 0.0, atol=1e-5)
    along = np.array([np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))])
    across = np.array([-along[1], along[0]])
    # a uniform line of length L has variance L**2 / 12; sharing between pixels adds less than a pixel
    assert along @ covariance @ along == pytest.approx(length_px**2 / 12, abs=0.5 + 0.02 * length_px)
    assert across @ covariance @ across < 0.26


def test_motion_blur_of_a_point_is_its_line():
    out = corrupt_views(point_of_light(), "motion_blur", seed=0, sample="", length_px=9.0, angle_deg=0.0)
    light = decode(out[0])[..., 1]
    assert np.flatnonzero(light[30]).tolist() == list(range(36, 45))
    np.testing.assert_allclose(light[30, 36:45], 1 / 9, atol=0.002)
    assert light.sum() == pytest.approx(light[30].sum())


def test_motion_blur_is_the_convolution_of_the_linear_view(scene):
    out = corrupt_views(scene, "motion_blur", seed=0, sample="", length_px=14.0, angle_deg=33.0)
    # opencv correlates: a symmetric kernel gives the same
    blurred = cv2.filter2D(decode(scene.images[0]), -1, line_kernel(14.0, 33.0), borderType=cv2.BORDER_REFLECT_101)
    np.testing.assert_allclose(DECODE[out[0]], blurred, atol=0.006)


@pytest.mark.parametrize("radius_px", [0.0, 1.0, 4.0, 11.5])
def test_disc_kernel(radius_px):
    kernel = disc_kernel(radius_px)
    centroid, covariance = moments(kernel)
    assert kernel.sum() == pytest.approx(1.0, abs=1e-5) and kernel.min() >= 0
    np.testing.assert_allclose(centroid, 0.0, atol=1e-5)
    # variance r**2 / 4 along each axis of a uniform disc
    np.testing.assert_allclose(covariance, np.eye(2) * radius_px**2 / 4, atol=0.3)


def test_defocus_keeps_the_light():
    out = corrupt_views(point_of_light(), "defocus_blur", seed=0, sample="", radius_px=4.0)
    light = decode(out[0])[..., 0]
    assert light.sum() == pytest.approx(1.0, abs=0.02)
    # pi r**2 = 50.3 pixels share the point
    assert light.max() == pytest.approx(1 / 50.3, rel=0.06)


def test_zoom_blur_is_the_mean_of_its_magnifications():
    y, x = np.mgrid[:90, :160]
    smooth = (127 + 60 * np.sin(x / 9) + 60 * np.cos(y / 7)).astype(np.uint8)
    images = smooth[None, ..., None].repeat(3, axis=-1)
    zoom = 1.2
    out = corrupt_views(Views(images, "rgb"), "zoom_blur", seed=0, sample="", zoom=zoom)
    total = np.zeros((90, 160))
    for step in np.linspace(0, 1, 32):
        matrix = cv2.getRotationMatrix2D((79.5, 44.5), 0.0, zoom**step)
        total += cv2.warpAffine(decode(images[0])[..., 0], matrix, (160, 90), borderMode=cv2.BORDER_REPLICATE)
    np.testing.assert_allclose(decode(out[0])[..., 0], total / 32, atol=0.012)


def test_zoom_blur_leaves_the_centre():
    images = np.zeros((1, 61, 81, 3), np.uint8)
    images[0, 30, 40] = 255
    out = corrupt_views(Views(images, "rgb"), "zoom_blur", seed=0, sample="", zoom=1.05)
    rows, columns = np.nonzero(out[0, ..., 0] > 60)
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == {(30, 40)}


@pytest.mark.parametrize("grain_px", [0.5, 2.5, 8.0])
def test_glass_slopes_are_normal_with_their_grain(grain_px):
    field = random_field((600, 900), grain_px, np.random.default_rng(0)).astype(np.float64)
    independent = field.size / (4 * np.pi * grain_px**2 + 1)
    assert field.mean() == pytest.approx(0.0, abs=5 / np.sqrt(independent))
    assert field.var() == pytest.approx(1.0, abs=5 * np.sqrt(2 / independent))
    if grain_px >= 2:
        # white noise smoothed by a Gaussian of s correlates by exp(-d**2 / (4 s**2)): 1/e at d = 2 s
        shift = int(2 * grain_px)
        assert (field[:, shift:] * field[:, :-shift]).mean() == pytest.approx(np.exp(-1), abs=0.06)


def test_glass_moves_pixels_by_its_displacement():
    # a ramp in linear light of slope k turns displacement into light: standard deviation k * displacement
    ramp = np.linspace(0.1, 0.9, 400)
    codes = np.searchsorted(DECODE, ramp).clip(0, 255).astype(np.uint8)
    images = np.broadcast_to(codes[None, None, :, None], (1, 300, 400, 3)).copy()
    out = corrupt_views(
        Views(images, "rgb"), "glass_blur", seed=0, sample="", displacement_px=6.0, scatter_px=0.0, grain_px=3.0
    )
    moved = (decode(out[0]) - decode(images[0]))[:, 40:-40, 0]
    assert moved.std() / (0.8 / 399) == pytest.approx(6.0, rel=0.1)
