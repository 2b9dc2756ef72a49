"""One weather state for both sensors: clear days change nothing, and both sensors see the same extinction."""

import math

import numpy as np
import pytest

from corruptions import ADDED, KEPT, MOVED, Corrupted, InputError, Scan
from corruptions.camera import Views
from corruptions.camera.light import decode
from corruptions.camera.rain import marshall_palmer
from corruptions.conditions import DAYS, Weather, corrupt_sweep, corrupt_views, then
from corruptions.synthetic import synthetic_scan
from corruptions.weather.rain import extinction_per_m as rain_extinction_per_m


@pytest.fixture(scope="module")
def scan() -> Scan:
    return synthetic_scan()


def views(depth_m: float, order: str = "rgb") -> Views:
    image = np.full((2, 40, 60, 3), 90, np.uint8)
    image[:, :10] = 200
    return Views(image, order, depth_m=np.full((2, 40, 60), depth_m, np.float32))


def test_clear_day_changes_nothing(scan: Scan) -> None:
    result = corrupt_sweep(scan, Weather(), seed=0, sample="a")
    assert np.array_equal(result.points, scan.points)
    assert np.array_equal(result.source, np.arange(len(scan.points)))
    assert not result.status.any()
    clear = views(20.0)
    seen = corrupt_views(clear, Weather(), seed=0, sample="a")
    assert np.array_equal(seen, clear.images) and seen is not clear.images


def test_extinction_adds_up() -> None:
    # ln 20 / 100 = 0.029957; rain of 20 mm/h: slope 4.1 * 20^-0.21 = 2.1856 /mm, pi * 8000 / 2.1856^3 * 1e-6 = 0.002407
    both = Weather(visibility_m=100.0, rain_mm_per_h=20.0)
    assert both.fog_extinction_per_m == pytest.approx(0.029957, rel=1e-4)
    assert both.extinction_per_m == pytest.approx(0.029957 + 0.002407, rel=1e-3)
    assert Weather().extinction_per_m == 0.0


def test_both_sensors_lose_light_to_the_same_fog(scan: Scan) -> None:
    day = Weather(visibility_m=100.0)
    sweep = corrupt_sweep(scan, day, seed=0, sample="a")
    kept = sweep.status == KEPT
    before = scan.points[sweep.source[kept]]
    range_m = np.linalg.norm(before[:, :3], axis=1)
    expected = before[:, 3] * np.exp(-2 * day.fog_extinction_per_m * range_m)  # there and back
    assert np.allclose(sweep.points[kept, 3], expected, rtol=1e-3, atol=1e-4)

    clear, seen = views(30.0), corrupt_views(views(30.0), day, seed=0, sample="a")
    # one way through 30 m: contrast between the two greys shrinks to exp(-0.029957 * 30) = 0.407
    dark, bright = (decode(image[None, [30, 5], 10])[0, :, 0] for image in (seen[0], clear.images[0]))
    assert (dark[1] - dark[0]) / (bright[1] - bright[0]) == pytest.approx(math.exp(-0.029957 * 30), rel=0.03)


def test_rain_of_both_sensors_has_the_same_drops() -> None:
    for rate in (2.0, 25.0):
        assert marshall_palmer(rate).extinction_per_m == pytest.approx(rain_extinction_per_m(rate), rel=1e-9)


def test_flakes_of_the_cameras_block_as_much_as_those_of_the_lidar(monkeypatch: pytest.MonkeyPatch) -> None:
    import corruptions.camera.particles as particles

    spectra = []
    fall = particles.fall

    def spy(*args: object, **kwargs: object) -> object:
        spectra.append(kwargs["spectrum"])
        return fall(*args, **kwargs)

    monkeypatch.setattr(particles, "fall", spy)
    day = Weather(snowfall_mm_per_h=1.0)
    corrupt_views(views(40.0), day, seed=0, sample="a")
    diameter_mm = np.linspace(0, 40, 400_001)
    number = spectra[0].n0_per_m3_mm * np.exp(-spectra[0].slope_per_mm * diameter_mm)
    # area of spheres in a cubic metre, integrated over their diameters in mm
    blocked_per_m = np.sum(np.pi / 4 * (diameter_mm * 1e-3) ** 2 * number) * (diameter_mm[1] - diameter_mm[0])
    assert blocked_per_m == pytest.approx(day.snow_law.extinction_per_m, rel=1e-3)


def test_snow_and_rain_and_fog_together(scan: Scan) -> None:
    day = Weather(visibility_m=60.0, rain_mm_per_h=30.0, water_film_mm=1.0)
    result = corrupt_sweep(scan, day, seed=3, sample="b")
    again = corrupt_sweep(scan, day, seed=3, sample="b")
    assert np.array_equal(result.points, again.points)
    assert not np.array_equal(result.points, corrupt_sweep(scan, day, seed=4, sample="b").points[: len(result.points)])
    kept = result.status == KEPT
    assert np.array_equal(result.points[kept, :3], scan.points[result.source[kept], :3])
    moved = result.status == MOVED
    assert moved.any() and not (result.status == ADDED).any()
    ranges = np.linalg.norm(result.points[:, :3], axis=1)
    assert (ranges[moved] <= np.linalg.norm(scan.points[result.source[moved], :3], axis=1) + 1e-3).all()


def test_order_of_channels_gives_the_same_colours() -> None:
    day = Weather(visibility_m=80.0, snowfall_mm_per_h=1.0, rain_mm_per_h=5.0)
    rgb = corrupt_views(views(30.0), day, seed=0, sample="a")
    bgr = corrupt_views(views(30.0, "bgr"), day, seed=0, sample="a")
    assert np.array_equal(rgb, bgr[..., ::-1])


def test_then_keeps_the_source_and_the_graver_status() -> None:
    points = np.arange(20, dtype=np.float32).reshape(5, 4)
    # rows 0, 2, 4 of the sweep, the second moved, and one added point
    first = Corrupted(points[:4], np.array([0, 2, 4, -1]), np.array([KEPT, MOVED, KEPT, ADDED], np.uint8))
    # of these the last three, the added one moved and another added
    second = Corrupted(points[:4], np.array([1, 2, 3, -1]), np.array([KEPT, MOVED, MOVED, ADDED], np.uint8))
    both = then(first, second)
    assert both.source.tolist() == [2, 4, -1, -1]
    assert both.status.tolist() == [MOVED, MOVED, ADDED, ADDED]


def test_days_grow_worse() -> None:
    for levels in DAYS.values():
        extinctions = [levels[level].extinction_per_m for level in ("light", "moderate", "heavy")]
        assert extinctions == sorted(extinctions) and extinctions[0] > 0


@pytest.mark.parametrize(
    "values", [{"visibility_m": 0.0}, {"rain_mm_per_h": -1.0}, {"snowfall_mm_per_h": 1e-4}, {"water_film_mm": math.nan}]
)
def test_values_out_of_range_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(InputError, match="expected"):
        Weather(**values)
