"""Exposure, fog, glare, tone: closed forms in linear light."""

import cv2
import numpy as np
import pytest

from corruptions.camera import Views, corrupt_views
from corruptions.camera.fog import extinction_per_m
from corruptions.camera.light import DECODE, ambient_light, decode, encode, linear_to_srgb, srgb_to_linear
from corruptions.camera.views import focal_px


def uniform(code: int, size: tuple[int, int] = (8, 12), views: int = 1) -> np.ndarray:
    return np.full((views, *size, 3), code, np.uint8)


def test_srgb_curve_and_its_tables():
    # IEC 61966-2-1: 18 % grey is code 117.6 of 255, half of full scale in code is 21.4 % in light
    assert 255 * linear_to_srgb(np.array(0.18)) == pytest.approx(117.6, abs=0.1)
    assert srgb_to_linear(np.array(0.5)) == pytest.approx(0.2140, abs=1e-4)
    codes = np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, axis=2)
    assert np.array_equal(encode(decode(codes)), codes)
    assert encode(np.array([[[-1.0, 2.0, 0.5]]], np.float32)).tolist() == [[[0, 255, 188]]]


def test_one_stop_doubles_light_and_saturates():
    # code 100 is light 0.1274; doubled 0.2548 is code 138.1
    assert (
        corrupt_views(Views(uniform(100), "rgb"), "brightness", seed=0, sample="", exposure_stops=1.0)[0, 0, 0, 0]
        == 138
    )
    assert (corrupt_views(Views(uniform(200), "rgb"), "brightness", seed=0, sample="", exposure_stops=1.0) == 255).all()


@pytest.mark.parametrize("code", [0, 40, 128, 255])
def test_fog_is_koschmieder_at_every_depth(code):
    depth_m = np.geomspace(0.5, 5000, 96, dtype=np.float32).reshape(1, 8, 12)
    views = Views(uniform(code), "rgb", depth_m=depth_m)
    out = corrupt_views(views, "fog", seed=0, sample="", alpha_per_m=0.03, airlight=0.6)
    through = np.exp(-0.03 * depth_m.astype(np.float64))
    expected = 255 * linear_to_srgb(srgb_to_linear(np.array(code / 255)) * through + 0.6 * (1 - through))
    np.testing.assert_allclose(out, expected[..., None].repeat(3, axis=-1), atol=0.51)


def test_contrast_falls_to_five_percent_at_the_visibility():
    # 0.05 = exp(-alpha V), so V = 100 m gives alpha = ln(20) / 100 = 0.029957
    assert extinction_per_m(100.0) == pytest.approx(0.0299573, abs=1e-7)
    images = np.stack([uniform(0)[0], uniform(255)[0]])
    depth_m = np.full((2, 8, 12), 100.0, np.float32)
    out = corrupt_views(Views(images, "rgb", depth_m), "fog", seed=0, sample="", visibility_m=100.0, airlight=0.5)
    dark, bright = DECODE[out[:, 0, 0, 0]]
    assert bright - dark == pytest.approx(0.05, abs=0.005)


def test_fog_without_depth_is_fog_at_the_assumed_depth():
    images = np.arange(8 * 12 * 3, dtype=np.uint8).reshape(1, 8, 12, 3)
    depth_m = np.full((1, 8, 12), 35.0, np.float32)
    with_depth = corrupt_views(Views(images, "rgb", depth_m), "fog", "heavy", seed=0, sample="")
    without = corrupt_views(Views(images, "rgb"), "fog", "heavy", seed=0, sample="", assumed_depth_m=35.0)
    # exp in double and in single precision may round to neighbouring codes
    assert np.abs(with_depth.astype(int) - without).max() <= 1


def test_ambient_light_is_a_high_quantile_and_capped():
    images = uniform(60, (10, 10))
    images[0, :2] = 150  # a fifth of the pixels: the 90 % quantile is among them
    assert ambient_light(images) == pytest.approx(float(srgb_to_linear(np.array(150 / 255))), abs=1e-6)
    assert ambient_light(uniform(255)) == 0.75
    assert ambient_light(uniform(0)) == 0.0


def test_veiling_glare_falls_with_the_square_of_the_angle():
    height, width = 400, 800
    focal = focal_px(width, 65.0)
    black = Views(uniform(0, (height, width)), "rgb")
    out = corrupt_views(
        black, "sun_glare", seed=0, sample="", veil_at_10_deg=0.2, sun_position=(0.25, 0.25), horizontal_fov_deg=65.0
    )
    light = decode(out[0])[..., 0]  # the red channel carries the veil undiminished
    for angle_deg, expected in ((10.0, 0.2), (20.0, 0.05)):
        # 30 degrees from the nearest ray of the star, and away from the ghosts on the axis to the centre
        away = np.deg2rad(angle_deg) * focal * np.array([np.sin(np.pi / 2), np.cos(np.pi / 2)])
        row, column = int(100 + away[0]), int(200 - away[1])
        assert light[row, column] == pytest.approx(expected, rel=0.04)
    assert light[100, 200] == 1.0


def test_one_sun_shines_into_one_view_unless_told(scene):
    out = corrupt_views(scene, "sun_glare", "heavy", seed=0, sample="a")
    assert (out != scene.images).any(axis=(1, 2, 3)).sum() == 1
    told = corrupt_views(scene, "sun_glare", "heavy", seed=0, sample="a", sun_views=(0, 4))
    assert np.flatnonzero((told != scene.images).any(axis=(1, 2, 3))).tolist() == [0, 4]


def test_contrast_formula():
    images = np.zeros((1, 2, 2, 3), np.uint8)
    images[0] = [[[100, 100, 100], [200, 200, 200]], [[60, 60, 60], [40, 40, 40]]]
    # mean 100: 100 + 0.5 * (200 - 100) = 150, 100 - 20 = 80, 100 - 30 = 70
    out = corrupt_views(Views(images, "rgb"), "contrast", seed=0, sample="", factor=0.5)
    assert out[0, ..., 0].ravel().tolist() == [100, 150, 80, 70]


def test_quantisation_keeps_two_to_the_bits_levels_with_black_and_white():
    images = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    for bits in range(1, 9):
        out = corrupt_views(Views(images, "rgb"), "colour_quantisation", seed=0, sample="", bits_per_channel=bits)
        levels = np.unique(out)
        assert len(levels) == 2**bits and levels[0] == 0 and levels[-1] == 255
        # nearest level: half a step away at most
        assert np.abs(out.astype(int) - images).max() <= 255 / (2**bits - 1) / 2 + 0.5


def test_jpeg_is_what_the_codec_makes_of_a_bgr_file(scene):
    out = corrupt_views(scene, "jpeg", seed=0, sample="", quality=30)
    _, data = cv2.imencode(".jpg", scene.images[2][..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 30])
    assert np.array_equal(out[2], cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


def test_crashed_views_are_black_and_the_others_untouched(scene):
    for level, lost in (("light", 1), ("moderate", 3), ("heavy", 5)):
        out = corrupt_views(scene, "camera_crash", level, seed=0, sample="a")
        black = (out == 0).all(axis=(1, 2, 3))
        assert black.sum() == lost
        assert np.array_equal(out[~black], scene.images[~black])
    chosen = corrupt_views(scene, "camera_crash", seed=0, sample="a", indices=(1, 3))
    assert np.flatnonzero((chosen == 0).all(axis=(1, 2, 3))).tolist() == [1, 3]


def test_every_camera_crashes_about_as_often(scene):
    tiny = Views(np.ones((6, 1, 1, 3), np.uint8), "rgb")
    lost = sum(corrupt_views(tiny, "camera_crash", "light", seed=0, sample=str(i))[:, 0, 0, 0] == 0 for i in range(600))
    # 600 draws of 1 in 6: mean 100, standard deviation 9.1
    assert lost.sum() == 600 and np.abs(lost - 100).max() < 5 * 9.1


def test_frozen_views_are_those_before(scene):
    out = corrupt_views(scene, "frozen_frame", seed=0, sample="a", indices=(0, 5))
    assert np.array_equal(out[[0, 5]], scene.previous[[0, 5]])
    assert np.array_equal(out[1:5], scene.images[1:5])
