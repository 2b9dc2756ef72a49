from __future__ import annotations

import pytest

from corruptions import InputError
from corruptions.curves import curve_suite
from corruptions.suites import Part, available, select


def test_a_day_along_its_visibility() -> None:
    suite = curve_suite("weather.visibility_m=1000,100,20", ["water_film_mm=0.1"])
    assert suite.name == "curve_weather.visibility_m_water_film_mm=0.1"
    assert [s.folder for s in suite.settings] == ["visibility_m=1000", "visibility_m=100", "visibility_m=20"]
    for sensor in ("lidar", "camera"):
        assert suite.settings[1].part(sensor).params == {"visibility_m": 100, "water_film_mm": 0.1}
    assert [s.folder for s in select(suite, ["all"], ["20"])] == ["visibility_m=20"]


def test_each_sensor_that_has_the_parameter() -> None:
    both = curve_suite("fog.alpha_per_m=0.01,0.1").settings[0]
    assert [part.sensor for part in both.parts] == ["lidar", "camera"]
    camera = curve_suite("fog.visibility_m=200,50").settings[1]
    assert camera.parts == (Part("camera", "fog", None, {"visibility_m": 50}),)
    lidar = curve_suite("fog.mor_m=200,50").settings[1]
    assert (lidar.parts, lidar.corruption, lidar.level, lidar.params) == ((), "fog", None, {"mor_m": 50})
    assert available(lidar)


def test_samples() -> None:
    wrong = curve_suite("spatial_misalignment.rotation_deg=0.5,2").settings[0]
    assert wrong.part("sample").params == {"rotation_deg": 0.5, "translation_m": 0.0}
    late = curve_suite("temporal_lag.keyframes=1,2").settings[1].part("sample").params
    assert late["keyframes"] == 2 and late["own_pose"] is True


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("weather.visibility_m", "numbers, found ''"),
        ("weather.visibility_m=100", "expected two or more different values, found 100"),
        ("weather.visibility_m=100,100.0", "expected two or more different values"),
        ("weather.visibility_m=100,far", "numbers, found 'far'"),
        ("weather.visibility=100,20", "unknown parameter 'visibility' of weather: did you mean visibility_m"),
        ("weather.visibility_m=100,0", "visibility_m: expected"),
        ("fogg.mor_m=100,20", "unknown corruption 'fogg': did you mean fog"),
        ("fog.density=100,20", "unknown parameter 'density' of fog"),
        ("spatial_misalignment.angle=1,2", "unknown parameter 'angle' of spatial_misalignment"),
        ("local_distortion.share=0.1,0.2", "local_distortion: sigma_m not given"),
    ],
)
def test_bad_curves(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        curve_suite(text)
