from __future__ import annotations

import pytest

from corruptions import InputError
from corruptions.camera import VIEW_CORRUPTIONS
from corruptions.catalog import CATALOG
from corruptions.conditions import DAYS, Weather
from corruptions.multimodal import CONSISTENT_WEATHER, MISSING_SENSORS, MULTICORRUPT, MULTIMODAL_SUITES
from corruptions.suites import SAMPLE_PARTS, SEMANTICKITTI_C, SUITES, Part, available, select, suite

# Beemelmanns et al., IV 2024, table of the benchmark: each in three severities.
TYPES = [
    *("beams_reducing", "brightness", "dark", "fog", "missing_camera"),
    *("motion_blur", "points_reducing", "snow", "spatial_misalignment", "temporal_misalignment"),
]
CAMERAS = ("front", "front_right", "front_left", "back", "back_left", "back_right")


def test_multicorrupt_is_ten_types_of_three_levels() -> None:
    assert list(MULTICORRUPT.types) == TYPES
    assert [s.folder for s in MULTICORRUPT.settings] == [f"{kind}_{level}" for kind in TYPES for level in (1, 2, 3)]
    sensors = {kind: [p.sensor for p in MULTICORRUPT.setting(f"{kind}_2").parts] for kind in TYPES}
    both = ["lidar", "camera"]
    assert [kind for kind in TYPES if sensors[kind] == both] == ["fog", "motion_blur", "snow"]
    assert [kind for kind in TYPES if sensors[kind] == ["lidar"]] == ["beams_reducing", "points_reducing"]
    assert [kind for kind in TYPES if sensors[kind] == ["camera"]] == ["brightness", "dark", "missing_camera"]
    beams = [s.part("lidar").params["beams"] for s in select(MULTICORRUPT, ["beams_reducing"])]
    assert beams == [16, 8, 4]
    fog = MULTICORRUPT.setting("fog_3")
    assert fog.part("lidar").params["alpha_per_m"] == fog.part("camera").params["alpha_per_m"] == 0.06


def test_missing_sensors_loses_each_camera_once() -> None:
    alone = select(MISSING_SENSORS, ["one_camera"])
    assert [s.folder for s in alone] == [f"no_cam_{name}" for name in CAMERAS]
    assert [s.part("sample").params["cameras"] for s in alone] == [(f"CAM_{name.upper()}",) for name in CAMERAS]
    assert len(MISSING_SENSORS.setting("only_cam_front").part("sample").params["cameras"]) == 5
    assert [s.folder for s in select(MISSING_SENSORS, ["lidar"])] == ["no_lidar"]


def test_a_day_is_one_state_for_both_sensors() -> None:
    assert list(CONSISTENT_WEATHER.types) == list(DAYS)
    for setting in CONSISTENT_WEATHER.settings:
        lidar, camera = setting.part("lidar"), setting.part("camera")
        assert lidar.params == camera.params == setting.params
        assert Weather(**setting.params) == DAYS[setting.type][setting.severity]


@pytest.mark.parametrize("benchmark", MULTIMODAL_SUITES.values(), ids=MULTIMODAL_SUITES)
def test_every_setting_is_well_formed(benchmark) -> None:
    assert suite(benchmark.name) is benchmark
    assert benchmark.name not in SUITES
    assert len({setting.folder for setting in benchmark.settings}) == len(benchmark.settings)
    assert {kind for kinds in benchmark.groups.values() for kind in kinds} == set(benchmark.types)
    for setting in benchmark.settings:
        assert setting.parts
        assert available(setting)
        for part in setting.parts:
            known = {"lidar": [*CATALOG, "weather"], "camera": [*VIEW_CORRUPTIONS, "weather"], "sample": SAMPLE_PARTS}
            assert part.corruption in known[part.sensor]
            if part.sensor != "sample":
                part.check()


def test_a_lidar_setting_is_one_part() -> None:
    heavy = SEMANTICKITTI_C.setting("fog_heavy")
    assert heavy.all_parts == (Part("lidar", "fog", "heavy"),)
    assert heavy.part("camera") is None


def test_levels_by_place() -> None:
    assert [s.folder for s in select(SEMANTICKITTI_C, ["fog", "16beam"], ["2"])] == ["fog_moderate", "sparse_16beam"]
    assert [s.folder for s in select(MULTICORRUPT, ["weather"], ["3"])] == ["fog_3", "snow_3"]


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (Part("lidar", "weather", None, {"visibility": 3.0}), "unknown parameter 'visibility' of weather"),
        (Part("lidar", "weather", None, {"visibility_m": 0.0}), "visibility_m: expected"),
        (Part("camera", "fog", "hevy"), "unknown level 'hevy' of fog"),
        (Part("lidar", "darkness", "heavy"), "unknown corruption 'darkness'"),
    ],
)
def test_parts_that_do_not_exist(part: Part, message: str) -> None:
    with pytest.raises(InputError, match=message):
        part.check()
