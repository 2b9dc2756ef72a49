"""Image augmentation: pixels and matrices say the same, by hand arithmetic and by where drawn spots end up."""

import cv2
import numpy as np
import pytest
import torch

from corruptions.core import InputError
from perception3d.transforms.image_augment import (
    ResizeCropFlipImages,
    ViewAugmentation,
    draw_view_augmentation,
    fixed_view_augmentation,
)


def moved_by_hand(pixels, augmentation):
    """Each step on corner-based pixels (N, 2), written out."""
    height, width = augmentation.raw_size
    u = pixels[:, 0] * augmentation.resized_size[1] / width - augmentation.crop_corner[1]
    v = pixels[:, 1] * augmentation.resized_size[0] / height - augmentation.crop_corner[0]
    if augmentation.flip:
        u = augmentation.size[1] - u
    # seen with v up, a counter-clockwise turn is a complex factor
    middle = augmentation.size[1] / 2 - 1j * augmentation.size[0] / 2
    turned = (u - 1j * v - middle) * np.exp(1j * augmentation.rotation_rad) + middle
    return np.stack([turned.real, -turned.imag], axis=1)


def cameras(count=6):
    """Views (count, 4, 4) of 900 x 1600 cameras turned about z, sensor frame x forward."""
    views = []
    for angle in np.linspace(0, 2 * np.pi, count, endpoint=False):
        cos, sin = np.cos(angle), np.sin(angle)
        cam = np.array([[sin, -cos, 0, 0], [0, 0, -1, 0.3], [cos, sin, 0, -0.5], [0, 0, 0, 1]])
        views.append(np.array([[1260, 0, 800, 0], [0, 1260, 450, 0], [0, 0, 1, 0], [0, 0, 0, 1]]) @ cam)
    return np.stack(views)


def project(matrix, points):
    uvd = np.concatenate([points, np.ones((len(points), 1))], axis=1) @ matrix[:3].T
    return uvd[:, :2] / uvd[:, 2:]


def sample(value=128, size=(900, 1600)):
    return {"img": [np.full((*size, 3), value, np.uint8) for _ in range(6)], "lidar2img": cameras()}


def test_matrices_follow_the_steps_by_hand():
    rng = np.random.default_rng(0)
    pixels = rng.uniform(0, 900, (50, 2))
    for _ in range(100):
        augmentation = draw_view_augmentation((900, 1600), (640, 1600), (0.5, 1.25), 0.5, (-0.5, 0.5), rng)
        found = np.concatenate([pixels, np.ones((50, 1))], axis=1) @ augmentation.matrix.T
        assert np.abs(found[:, :2] - moved_by_hand(pixels, augmentation)).max() < 1e-9
        assert np.array_equal(found[:, 2], np.ones(50))


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("rotation_rad", [0.0, 0.3])
@pytest.mark.parametrize(("resized", "corner"), [((240, 426), (30, 40)), ((90, 160), (-20, 0)), ((180, 320), (20, 60))])
def test_a_spot_lands_where_the_matrix_says(flip, rotation_rad, resized, corner):
    augmentation = ViewAugmentation((180, 320), resized, corner, (150, 200), flip, rotation_rad)
    spot = np.array([[150.5, 100.5]])
    rows, columns = np.mgrid[:180, :320] + 0.5  # middles of the pixels
    bump = np.exp(-((columns - spot[0, 0]) ** 2 + (rows - spot[0, 1]) ** 2) / (2 * 8.0**2))
    image = np.repeat((250 * bump).astype(np.uint8)[..., None], 3, axis=2)
    result = augmentation.apply(image, cv2.INTER_LINEAR)[..., 0].astype(float)
    assert result.shape == (150, 200)
    rows, columns = np.mgrid[:150, :200] + 0.5
    centroid = np.array([(result * columns).sum(), (result * rows).sum()]) / result.sum()
    # bytes and linear interpolation blur a little; half a pixel, the mistake to catch, would show
    assert np.abs(centroid - moved_by_hand(spot, augmentation)[0]).max() < 0.06


def test_projections_of_a_sample():
    torch.manual_seed(3)
    points = np.random.default_rng(1).uniform([5, -4, -2], [40, 4, 2], (40, 3))
    drawn = set()
    for _ in range(20):
        results = sample() | {"cam2img": np.tile(np.array([[1260.0, 0, 800], [0, 1260, 450], [0, 0, 1]]), (6, 1, 1))}
        before = project(results["lidar2img"][0], points)
        ResizeCropFlipImages((640, 1600), (0.94, 1.25), 0.5, (-0.1, 0.1)).transform(results)
        after = np.concatenate([before, np.ones((40, 1))], axis=1) @ results["img_aug"].T
        assert np.abs(project(results["lidar2img"][0], points) - after[:, :2]).max() < 1e-8
        assert np.allclose(results["cam2img"], results["img_aug"] @ [[1260.0, 0, 800], [0, 1260, 450], [0, 0, 1]])
        assert all(image.shape == (640, 1600, 3) and image.flags.c_contiguous for image in results["img"])
        assert results["img_shape"] == (640, 1600)
        drawn.add(results["img_aug"].tobytes())
    assert len(drawn) == 20


def test_published_ranges():
    """Rows are cut from the top; 0.94 makes images narrower than the crop; the drawn crops stay inside."""
    rng = np.random.default_rng(0)
    drawn = [draw_view_augmentation((900, 1600), (640, 1600), (0.94, 1.25), 0.5, (0, 0), rng) for _ in range(2000)]
    factors = np.array([item.resized_size[1] / 1600 for item in drawn])
    assert 0.94 <= factors.min() < 0.945 and 1.245 < factors.max() <= 1.25
    assert np.mean([item.flip for item in drawn]) == pytest.approx(0.5, abs=0.05)
    for item in drawn:
        height, width = item.resized_size
        assert item.crop_corner[0] == height - 640
        assert 0 <= item.crop_corner[1] <= max(0, width - 1600)
    # as the published test pipelines: 1600 x 900 unscaled keeps rows 260..899, half size keeps rows 130..449
    assert fixed_view_augmentation((900, 1600), (640, 1600), 1.0).crop_corner == (260, 0)
    assert fixed_view_augmentation((900, 1600), (320, 800), 0.5).crop_corner == (130, 0)


def test_fixed_factor_is_not_random():
    results = sample()
    results["img"][0][260, 0] = 255
    transform = ResizeCropFlipImages((640, 1600), 1.0)
    transform.transform(results)
    assert (results["img"][0][0, 0] == 255).all() and results["img"][0].sum() == 128 * (640 * 1600 * 3 - 3) + 255 * 3
    assert np.array_equal(results["img_aug"], [[1, 0, 0], [0, 1, -260], [0, 0, 1]])


def test_outside_is_black():
    augmentation = ViewAugmentation((100, 100), (100, 100), (-10, 20), (50, 100))
    image = augmentation.apply(np.full((100, 100, 3), 9, np.uint8), cv2.INTER_LINEAR)
    assert not image[:10].any() and not image[:, 80:].any()
    assert (image[10:, :80] == 9).all()
    nothing = ViewAugmentation((10, 10), (10, 10), (20, 0), (5, 5)).apply(np.ones((10, 10, 3), np.uint8), 1)
    assert nothing.shape == (5, 5, 3) and not nothing.any()


def test_seed_repeats():
    found = []
    for _ in range(2):
        torch.manual_seed(11)
        results = sample()
        ResizeCropFlipImages((320, 800), (0.47, 0.625), 0.5).transform(results)
        found.append(results["img_aug"])
    assert np.array_equal(*found)


def test_bad_images_are_named():
    results = sample()
    results["img"][2] = results["img"][2][:100]
    with pytest.raises(InputError, match=r"one image size, found \(height, width\) \[\(100, 1600\), \(900, 1600\)\]"):
        ResizeCropFlipImages((640, 1600), 1.0).transform(results)
    results = sample()
    results["lidar2img"] = results["lidar2img"][:5]
    with pytest.raises(InputError, match=r"each of 6 images, found shape \(5, 4, 4\)"):
        ResizeCropFlipImages((640, 1600), 1.0).transform(results)
    with pytest.raises(InputError, match="unknown interpolation 'arae': did you mean area"):
        ResizeCropFlipImages((640, 1600), 1.0, interpolation="arae")
