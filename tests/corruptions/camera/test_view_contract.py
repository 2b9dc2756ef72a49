"""What every camera corruption keeps to, checked over the whole catalog."""

import inspect
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from street_images import street

import corruptions.camera
from corruptions.camera import VIEW_CORRUPTIONS, Views, corrupt_views, get
from corruptions.core import InputError

NAMES = list(VIEW_CORRUPTIONS)
RANDOM = {
    "darkness", "snow", "rain", "sun_glare", "motion_blur", "glass_blur", "gaussian_noise", "shot_noise",
    "impulse_noise", "camera_crash", "frozen_frame",
}  # fmt: skip
SIZES = [(1, 1, 1), (1, 1, 7), (1, 5, 1), (2, 2, 3), (1, 17, 31), (6, 17, 31)]


def with_previous(images: np.ndarray, order: str = "rgb", depth_m: np.ndarray | None = None) -> Views:
    return Views(images, order, depth_m=depth_m, previous=255 - images)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_any_size_gives_new_bytes_of_the_same_shape_and_leaves_the_input(name, size):
    images = street(*size)
    images.setflags(write=False)
    before = images.tobytes()
    depth_m = np.full(size, 30.0, np.float32)
    for depth in (None, depth_m):
        for level in get(name).levels:
            out = corrupt_views(with_previous(images, depth_m=depth), name, level, seed=0, sample="s")
            assert out.dtype == np.uint8 and out.shape == images.shape
            assert not np.shares_memory(out, images)
    assert images.tobytes() == before


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0, 128, 255])
def test_uniform_views(name, value):
    images = np.full((2, 24, 40, 3), value, np.uint8)
    out = corrupt_views(with_previous(images), name, "heavy", seed=0, sample="s")
    assert out.dtype == np.uint8 and out.shape == images.shape


@pytest.mark.parametrize("name", NAMES)
def test_bytes_depend_on_seed_and_sample_exactly_where_the_corruption_is_random(name, scene):
    first = corrupt_views(scene, name, "moderate", seed=0, sample="a")
    assert np.array_equal(first, corrupt_views(scene, name, "moderate", seed=0, sample="a"))
    # five draws: choosing 3 of 6 cameras gives the same set twice now and then, not five times
    by_sample = {corrupt_views(scene, name, "moderate", seed=0, sample=s).tobytes() for s in "abcde"}
    by_seed = {corrupt_views(scene, name, "moderate", seed=s, sample="a").tobytes() for s in range(5)}
    assert (len(by_sample) > 1) == (len(by_seed) > 1) == (name in RANDOM)


@pytest.mark.parametrize("name", NAMES)
def test_channel_order_changes_nothing_but_the_order(name, scene):
    rgb = corrupt_views(scene, name, "heavy", seed=0, sample="a")
    swapped = Views(scene.images[..., ::-1], "bgr", scene.depth_m, scene.previous[..., ::-1])
    assert np.array_equal(corrupt_views(swapped, name, "heavy", seed=0, sample="a")[..., ::-1], rgb)


@pytest.mark.parametrize("name", NAMES)
def test_bytes_do_not_depend_on_opencv_threads(name, nuscenes_views):
    before = cv2.getNumThreads()
    one_view = Views(nuscenes_views.images[:1], "bgr", previous=nuscenes_views.previous[:1])
    try:
        outputs = []
        for threads in (1, 4):
            cv2.setNumThreads(threads)
            outputs.append(corrupt_views(one_view, name, "moderate", seed=0, sample="a"))
    finally:
        cv2.setNumThreads(before)
    assert np.array_equal(*outputs)


@pytest.mark.parametrize("name", NAMES)
def test_entry_is_complete(name):
    corruption = get(name)
    arguments = list(inspect.signature(corruption.fn).parameters)
    assert arguments[:2] == ["views", "rng"]
    assert arguments[2:] == list(corruption.parameter_docs)
    assert list(corruption.levels) == ["light", "moderate", "heavy"]
    assert corruption.name == name and corruption.group == "camera" and corruption.reference and corruption.severity


def test_readme_states_the_levels():
    text = (Path(corruptions.camera.__file__).parent / "README.md").read_text()
    for name, corruption in VIEW_CORRUPTIONS.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| {name} |"))
        for key in corruption.levels["light"]:
            values = [level[key] for level in corruption.levels.values()]
            written = " / ".join(f"{round(v * 6)}/6" if key == "share" and v > 0.125 else f"{v:g}" for v in values)
            assert f"{key} {written}" in row


# physical values at which nothing is left of the corruption
IDENTITIES = {
    "brightness": {"exposure_stops": 0.0},
    "fog": {"alpha_per_m": 0.0},
    "sun_glare": {"veil_at_10_deg": 0.0},
    "motion_blur": {"length_px": 0.0},
    "defocus_blur": {"radius_px": 0.0},
    "glass_blur": {"displacement_px": 0.0, "scatter_px": 0.0},
    "zoom_blur": {"zoom": 1.0},
    "gaussian_noise": {"sigma": 0.001},
    "impulse_noise": {"share": 0.0},
    "contrast": {"factor": 1.0},
    "colour_quantisation": {"bits_per_channel": 8},
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_limit_is_the_identity(name, scene):
    assert np.array_equal(corrupt_views(scene, name, seed=0, sample="a", **IDENTITIES[name]), scene.images)


def test_physical_value_beside_a_level_replaces_it(scene):
    level = corrupt_views(scene, "defocus_blur", "light", seed=0, sample="a", radius_px=4.0)
    assert np.array_equal(level, corrupt_views(scene, "defocus_blur", seed=0, sample="a", radius_px=4.0))


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("fogg", {"level": "light"}, "did you mean fog"),
        ("fog", {"level": "lihgt"}, "did you mean light"),
        ("fog", {"visibility": 5.0}, "did you mean visibility_m"),
        ("fog", {}, "give a level"),
        ("fog", {"level": "light", "alpha_per_m": 0.1}, "exactly one of visibility_m and alpha_per_m"),
        ("fog", {"airlight": 0.5}, "exactly one"),
        ("fog", {"visibility_m": 0.0}, "visibility_m: expected a value in"),
        ("rain", {"wind_m_per_s": 3.0}, "rate_mm_per_h"),
        ("rain", {"level": "light", "horizontal_fov_deg": 180.0}, "horizontal_fov_deg"),
        ("gaussian_noise", {"sigma": float("nan")}, "sigma"),
        ("jpeg", {"quality": 0}, "quality"),
        ("camera_crash", {"share": 0.5, "indices": (0,)}, "exactly one of share and indices"),
        ("camera_crash", {"indices": (6,)}, r"expected view numbers in 0\.\.5, found \[6\]"),
        ("camera_crash", {"indices": ()}, "expected view numbers"),
        ("sun_glare", {"level": "light", "sun_views": (-1,)}, "sun_views"),
        ("sun_glare", {"level": "light", "sun_position": (0.5,)}, "sun_position"),
    ],
)
def test_bad_arguments_are_named(name, arguments, message, scene):
    with pytest.raises(InputError, match=message):
        corrupt_views(scene, name, seed=0, sample="a", **arguments)


def test_frozen_frame_needs_the_views_before(scene):
    with pytest.raises(InputError, match="previous"):
        corrupt_views(Views(scene.images, "rgb"), "frozen_frame", "light", seed=0, sample="a")


IMAGES = np.zeros((2, 4, 6, 3), np.uint8)
DEPTH_M = np.ones((2, 4, 6), np.float32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": IMAGES.astype(np.float32)}, r"uint8 .* found float32 \(2, 4, 6, 3\)"),
        ({"images": IMAGES[0]}, r"found uint8 \(4, 6, 3\)"),
        ({"images": IMAGES[..., :1]}, r"found uint8 \(2, 4, 6, 1\)"),
        ({"images": IMAGES[:0]}, "at least one view"),
        ({"images": [IMAGES[0]]}, "found list"),
        ({"channel_order": "bgra"}, "unknown channel order"),
        ({"depth_m": DEPTH_M[:1]}, r"depth_m: expected float32 \(2, 4, 6\)"),
        ({"depth_m": DEPTH_M.astype(np.float64)}, "found float64"),
        ({"depth_m": np.where(np.arange(6) == 3, np.nan, DEPTH_M).astype(np.float32)}, "view 0, row 0, column 3"),
        ({"depth_m": 0 * DEPTH_M}, "48 others"),
        ({"previous": IMAGES[:1]}, "previous: expected the shape"),
    ],
)
def test_bad_views_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        Views(**{"images": IMAGES, "channel_order": "rgb", **arguments})


def test_importing_the_engine_imports_neither_opencv_nor_numba():
    code = "import sys, corruptions, corruptions.core; print(sorted({'cv2', 'numba', 'scipy'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
    code = "import sys, corruptions.camera; print(sorted({'numba', 'scipy', 'torch'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
