from __future__ import annotations

import pytest

import corruptions
from corruptions import ADDED, KEPT, MOVED, InputError, Scan
from corruptions.catalog import CATALOG
from corruptions.suites import ROBO3D, SEMANTICKITTI_C, SUITES, Setting, available, select, suite

# Yan et al., IJCV 2024: the folders of the published data in the order of evaluation.
PUBLISHED = [
    *("fog_light", "fog_moderate", "fog_heavy"),
    *("snowfall_light", "snowfall_moderate", "snowfall_heavy"),
    *("local_light", "local_moderate", "local_heavy"),
    *("global_light", "global_moderate", "global_heavy"),
    *("dense_32beam", "sparse_32beam"),
    *("dense_16beam", "sparse_16beam"),
]


def folders(settings: tuple[Setting, ...]) -> list[str]:
    return [setting.folder for setting in settings]


def test_published_folders_in_order() -> None:
    assert folders(SEMANTICKITTI_C.settings) == PUBLISHED
    assert SEMANTICKITTI_C.clean_folder == "clean_data"
    assert [len(members) for members in SEMANTICKITTI_C.types.values()] == [3, 3, 3, 3, 2, 2]
    assert [kind for kinds in SEMANTICKITTI_C.groups.values() for kind in kinds] == list(SEMANTICKITTI_C.types)


@pytest.mark.parametrize("benchmark", SUITES.values(), ids=SUITES)
def test_every_setting_is_well_formed(benchmark) -> None:
    assert SUITES[benchmark.name] is benchmark
    assert len(set(folders(benchmark.settings))) == len(benchmark.settings)
    assert {kind for kinds in benchmark.groups.values() for kind in kinds} == set(benchmark.types)
    for setting in benchmark.settings:
        assert benchmark.setting(setting.folder) is setting
        if setting.corruption in CATALOG:
            assert available(setting), setting
            CATALOG[setting.corruption].parameters(setting.level, setting.params)


@pytest.mark.parametrize(
    ("names", "levels", "expected"),
    [
        (("all",), ("all",), PUBLISHED),
        (("weather",), ("all",), PUBLISHED[:6]),
        (("device",), ("all",), PUBLISHED[12:]),
        (("16beam",), ("all",), PUBLISHED[14:]),
        (("beam_reduction",), ("sparse",), ["sparse_32beam", "sparse_16beam"]),
        (("all",), ("dense_32beam",), ["dense_32beam"]),
        (("global_light", "fog"), ("light",), ["fog_light", "global_light"]),
        (("noise", "local_heavy"), ("heavy", "light"), ["local_light", "local_heavy", "global_light", "global_heavy"]),
    ],
)
def test_select(names: tuple[str, ...], levels: tuple[str, ...], expected: list[str]) -> None:
    assert folders(select(SEMANTICKITTI_C, names, levels)) == expected


def test_select_errors() -> None:
    with pytest.raises(
        InputError, match="unknown corruption 'local_havy' of semantickitti_c: did you mean local_heavy"
    ):
        select(SEMANTICKITTI_C, ["local_havy"])
    with pytest.raises(InputError, match="unknown level 'modrate' of semantickitti_c: did you mean moderate"):
        select(SEMANTICKITTI_C, ["all"], ["modrate"])
    with pytest.raises(InputError, match="nothing is both fog and dense; fog has the levels light, moderate, heavy"):
        select(SEMANTICKITTI_C, ["fog"], ["dense"])
    with pytest.raises(InputError, match="unknown suite 'semantickitti-c': did you mean semantickitti_c"):
        suite("semantickitti-c")
    with pytest.raises(InputError, match="unknown setting 'fog_hevy' of semantickitti_c: did you mean fog_heavy"):
        SEMANTICKITTI_C.setting("fog_hevy")


def test_available() -> None:
    assert available(SEMANTICKITTI_C.setting("local_light"))
    assert not available(Setting("x", "x", "light", "no_such_corruption", "light"))
    assert not available(Setting("x", "x", "light", "local_distortion", "no_such_level"))
    assert available(Setting("x", "x", "light", "local_distortion", None, {"share": 0.1, "sigma_m": 0.1}))


def test_a_setting_corrupts_on_the_stream_of_its_level(street_scan: Scan) -> None:
    setting = SEMANTICKITTI_C.setting("local_heavy")
    expected = corruptions.corrupt(street_scan, "local_distortion", "heavy", seed=3, sample="08/000000")
    assert setting.corrupt(street_scan, seed=3, sample="08/000000").points.tobytes() == expected.points.tobytes()


ROBO3D_TYPES = [
    *("fog", "wet_ground", "snow", "motion_blur", "beam_missing"),
    *("crosstalk", "incomplete_echo", "cross_sensor"),
]


def test_robo3d_has_the_published_folders() -> None:
    assert list(ROBO3D.types) == ROBO3D_TYPES
    paths = [ROBO3D.path(setting) for setting in ROBO3D.settings]
    assert paths == [f"{kind}/{level}" for kind in ROBO3D_TYPES for level in ("light", "moderate", "heavy")]
    assert [SEMANTICKITTI_C.path(setting) for setting in SEMANTICKITTI_C.settings] == PUBLISHED


def test_only_blurred_points_keep_their_label_in_robo3d() -> None:
    for setting in ROBO3D.settings:
        assert ROBO3D.drop_of(setting) == ((ADDED,) if setting.type == "motion_blur" else (MOVED, ADDED))


@pytest.mark.parametrize("kind", [kind for kind in ROBO3D_TYPES if kind != "motion_blur"])
def test_robo3d_levels_leave_fewer_points_untouched(kind: str, kitti_scan: Scan) -> None:
    # Blur moves all points at every level; how far is tested with the corruption.
    outs = [s.corrupt(kitti_scan, seed=0, sample="08/000000") for s in ROBO3D.settings if s.type == kind]
    untouched = [(out.status == KEPT).sum() for out in outs]
    assert len(kitti_scan.points) > untouched[0] > untouched[1] > untouched[2]
