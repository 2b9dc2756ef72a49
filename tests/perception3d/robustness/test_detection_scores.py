"""Rows of detectors: tables, RA and RRA against published figures, and which transforms a setting puts where."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from mmengine.config import Config

from corruptions import InputError
from corruptions.multimodal import CONSISTENT_WEATHER, MISSING_SENSORS, MULTICORRUPT
from corruptions.suites import SEMANTICKITTI_C
from perception3d.robustness.baseline import read_baseline
from perception3d.robustness.collect import collect, settings_csv, settings_markdown, types_markdown
from perception3d.robustness.detection import (
    check_detection_config,
    corrupted_dataset,
    is_detection,
    make_detection_score,
    sensors_of,
)
from perception3d.robustness.plan import clean_setting, keyframes_hash
from perception3d.robustness.relative import levels_of, relative_markdown, relative_scores, relative_to
from perception3d.robustness.rows import Fingerprint, Row, Score, read_row, write_row

RESULTS = Path(__file__).resolve().parents[3] / "configs" / "robustness" / "results"

# NDS of severities 1, 2, 3 on MultiCorrupt: Beemelmanns et al., IV 2024, leaderboard of the benchmark.
CMT = {
    "beams_reducing": (68.3, 58.7, 45.0),
    "brightness": (70.4, 68.5, 66.1),
    "dark": (70.5, 69.0, 67.9),
    "fog": (69.7, 65.3, 41.3),
    "missing_camera": (71.8, 71.1, 70.1),
    "motion_blur": (68.9, 61.5, 53.6),
    "points_reducing": (70.1, 68.3, 63.8),
    "snow": (64.8, 61.9, 55.5),
    "spatial_misalignment": (64.6, 58.6, 53.7),
    "temporal_misalignment": (65.7, 56.8, 49.9),
}
MEFORMER_FOG, MEFORMER_CLEAN = (69.8, 64.2, 41.1), 73.85
FINGERPRINT = Fingerprint("multicorrupt", 0, "c" * 64, "d" * 64, "e" * 64, "1.0.0")
RUN = {"seconds": 6.0, "seconds_per_scan": 2.0}


def row(setting, nds, **fingerprint):
    metrics = {"NDS": nds, "mAP": nds - 3, "mATE": 0.3, "mASE": 0.25, "mAOE": None, "mAVE": 0.3, "mAAE": 0.2}
    score = Score(metrics, {}, ["car"], [], 3, {"car": nds + 1, "bus": None})
    fields = {"folder": setting.folder, "type": setting.type, "severity": setting.severity, "parts": [{}]}
    return Row(fields, replace(FINGERPRINT, **fingerprint), score, None, dict(RUN))


def rows_of(types, clean, **fingerprint):
    scores = {f"{kind}_{index + 1}": nds for kind, levels in types.items() for index, nds in enumerate(levels)}
    settings = [clean_setting(MULTICORRUPT), *(s for s in MULTICORRUPT.settings if s.folder in scores)]
    return {s.folder: row(s, scores.get(s.folder, clean), **fingerprint) for s in settings}


def test_the_published_resistance_of_cmt():
    relative = relative_scores(MULTICORRUPT, rows_of(CMT, 72.9), {})
    assert relative.mean.retained == pytest.approx(0.865, abs=5e-4)
    assert relative.types[0].retained == pytest.approx(0.786, abs=5e-4)
    assert relative.types[0].against is None
    table = collect(MULTICORRUPT, rows_of(CMT, 72.9))
    assert table.overall.r == pytest.approx(100 * relative.mean.retained)
    assert "| **mRA, mRRA**         | 0.865 |   - |" in relative_markdown(relative)


def test_resistance_against_a_baseline():
    rows, baseline = rows_of({"fog": CMT["fog"]}, 72.9), rows_of({"fog": MEFORMER_FOG}, MEFORMER_CLEAN)
    fog = next(line for line in relative_scores(MULTICORRUPT, rows, baseline).types if line.name == "fog")
    assert fog.against == pytest.approx(100 * (176.3 / 175.1 - 1))  # sums of the levels
    assert fog.retained == pytest.approx(176.3 / 3 / 72.9)
    assert levels_of(MULTICORRUPT, rows)["snow"] == [None, None, None]
    with pytest.raises(InputError, match=r"same corrupted data \(seed 0\), found others \(seed 4\)"):
        relative_scores(MULTICORRUPT, rows, rows_of({"fog": MEFORMER_FOG}, 73.85, seed=4))


def test_published_figures_as_the_baseline():
    published = RESULTS / "multicorrupt" / "meformer_nuscenes_quoted.json"
    baseline = read_baseline(published, MULTICORRUPT, seed=0)
    assert baseline.levels["fog"] == list(MEFORMER_FOG)
    baseline.check(FINGERPRINT)  # nothing is known about the data
    fog = relative_to(MULTICORRUPT, rows_of({"fog": CMT["fog"]}, 72.9), baseline.levels).types[3]
    assert fog.against == pytest.approx(100 * (176.3 / 175.1 - 1))
    with pytest.raises(InputError, match="found only means over them"):
        read_baseline(RESULTS / "multicorrupt" / "is-fusion_nuscenes_quoted.json", MULTICORRUPT, seed=0)
    with pytest.raises(InputError, match="expected a result of missing_sensors, found one of multicorrupt"):
        read_baseline(published, MISSING_SENSORS, seed=0)


def test_tables_name_the_metrics_of_detectors():
    table = collect(MULTICORRUPT, rows_of(CMT, 72.9))
    lines = settings_markdown(table).splitlines()
    assert [cell.strip() for cell in lines[0].split("|")[1:-1]] == [
        *("setting", "NDS", "RA", "mAP", "mATE", "mASE", "mAOE", "mAVE", "mAAE", "s/keyframe")
    ]
    clean = [cell.strip() for cell in lines[2].split("|")[1:-1]]
    assert clean == ["clean", "72.9", "100.0", "69.9", "0.300", "0.250", "-", "0.300", "0.200", "2.00"]
    assert "**mean NDS, mRA**" in types_markdown(table)
    header, first = settings_csv(table).splitlines()[:2]
    assert header.endswith("samples,seconds,AP car,AP bus")
    assert first.endswith(",3,6.0,73.9,")


def test_a_row_survives_the_disk(tmp_path):
    written = rows_of({"fog": CMT["fog"]}, 72.9)["fog_2"]
    assert read_row(write_row(tmp_path, written)) == written


def test_a_score_from_the_metric():
    """Fractions become per cent, errors keep their unit, what is not defined is None."""
    errors = {"mATE": 0.4, "mASE": 0.3, "mAOE": math.nan, "mAVE": 1.2, "mAAE": 0.1}
    score = make_detection_score({"NDS": 0.5, "mAP": 0.4, **errors, "AP/car": 0.8, "AP/bus": 0.0}, ["car"], 7)
    assert score.metrics == {"NDS": 50, "mAP": 40, "mATE": 0.4, "mASE": 0.3, "mAOE": None, "mAVE": 1.2, "mAAE": 0.1}
    assert score.class_ap == score.per_class == {"car": 80, "bus": 0}
    assert (score.present_classes, score.samples, score.confusion) == (["car"], 7, [])


IMAGES, LIDAR = {"type": "perception3d.LoadMultiViewImages"}, {"type": "perception3d.LoadLidarSweeps", "sweeps_num": 4}
RESIZE, PACK = {"type": "perception3d.ResizeCropFlipImages"}, {"type": "perception3d.PackMultiModalInputs"}
BOTH = {"type": "Data", "pipeline": [IMAGES, LIDAR, RESIZE, PACK]}


def types(dataset):
    return [step["type"].removeprefix("perception3d.") for step in dataset["pipeline"]]


def test_weather_changes_the_loader_and_follows_the_images():
    changed = corrupted_dataset(BOTH, MULTICORRUPT.setting("fog_3"), seed=4)
    assert types(changed) == [
        *("LoadMultiViewImages", "CorruptViews", "LoadCorruptedSweeps", "ResizeCropFlipImages", "PackMultiModalInputs")
    ]
    assert changed["pipeline"][2] == {
        "type": "perception3d.LoadCorruptedSweeps",
        "sweeps_num": 4,
        "corruption": "fog",
        "level": None,
        "parameters": {"alpha_per_m": 0.06, "beta_per_m_sr": 0.05},
        "seed": 4,
    }
    assert BOTH["pipeline"] == [IMAGES, LIDAR, RESIZE, PACK]
    heavy = corrupted_dataset(BOTH, SEMANTICKITTI_C.setting("fog_heavy"), seed=4)
    assert types(heavy) == [
        "LoadMultiViewImages",
        "LoadCorruptedSweeps",
        "ResizeCropFlipImages",
        "PackMultiModalInputs",
    ]


def test_samples_change_around_the_loading():
    lost = corrupted_dataset(BOTH, MISSING_SENSORS.setting("no_cam_back"), seed=0)
    assert types(lost)[:3] == ["LoadMultiViewImages", "LoadLidarSweeps", "DropSensors"]
    assert lost["pipeline"][2]["cameras"] == ["CAM_BACK"]
    wrong = corrupted_dataset(BOTH, MULTICORRUPT.setting("spatial_misalignment_2"), seed=0)
    assert types(wrong)[:3] == ["LoadMultiViewImages", "MisalignCameras", "LoadLidarSweeps"]
    late = corrupted_dataset(BOTH, MULTICORRUPT.setting("temporal_misalignment_2"), seed=0)
    assert types(late)[:3] == ["DelaySensors", "LoadMultiViewImages", "LoadLidarSweeps"]
    assert late["history"] == 1
    assert corrupted_dataset(BOTH, MISSING_SENSORS.setting("frozen_cameras_3"), seed=0)["history"] == 1


def test_what_a_model_does_not_see_stays_away():
    lidar, camera = ({**BOTH, "pipeline": [loader, PACK]} for loader in (LIDAR, IMAGES))
    assert (sensors_of(lidar["pipeline"]), sensors_of(camera["pipeline"])) == (["lidar"], ["camera"])
    for name in ("brightness_1", "missing_camera_2", "spatial_misalignment_1"):
        assert corrupted_dataset(lidar, MULTICORRUPT.setting(name), seed=0) == lidar
    for name in ("no_cameras", "no_cam_back", "frozen_cameras_1"):
        assert corrupted_dataset(lidar, MISSING_SENSORS.setting(name), seed=0) == lidar
    assert corrupted_dataset(camera, MULTICORRUPT.setting("beams_reducing_1"), seed=0) == camera
    assert corrupted_dataset(camera, MISSING_SENSORS.setting("no_lidar"), seed=0) == camera
    day = CONSISTENT_WEATHER.setting("rain_heavy")
    assert types(corrupted_dataset(camera, day, seed=0))[:2] == ["LoadMultiViewImages", "CorruptViews"]


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        ([PACK], "expected a test pipeline with"),
        ([LIDAR, LIDAR, PACK], "found LoadLidarSweeps, LoadLidarSweeps"),
        ([{"type": "perception3d.DelaySensors"}, LIDAR], "no corruption"),
        ([LIDAR, PACK], "found one of lidar alone"),
    ],
)
def test_pipelines_that_cannot_be_corrupted(pipeline, message):
    metric = {"type": "perception3d.NuScenesDetMetric"}
    config = Config(
        {"model": {"type": "M"}, "test_dataloader": {"dataset": {"pipeline": pipeline}}, "test_evaluator": metric}
        | {"test_cfg": {"type": "TestLoop"}}
    )
    assert is_detection(config)
    with pytest.raises(InputError, match=message):
        check_detection_config(config, "a.py", [MULTICORRUPT.setting("brightness_1")])


def test_the_hash_of_keyframes_knows_their_files(tmp_path):
    paths = [tmp_path / name for name in ("key.bin", "sweep.bin", "image.jpg")]
    for path in paths:
        path.write_bytes(b"0" * 20)
    info = {
        "token": "t",
        "lidar_points": {"lidar_path": str(paths[0])},
        "lidar_sweeps": [{"lidar_points": {"lidar_path": str(paths[1])}}],
        "images": {"CAM_FRONT": {"img_path": str(paths[2])}},
        "instances": [{}],
    }
    both = keyframes_hash([info], ["lidar", "camera"])
    lidar = keyframes_hash([info], ["lidar"])
    assert keyframes_hash([{**info, "instances": []}], ["lidar"]) != lidar
    paths[2].write_bytes(b"0" * 21)
    assert keyframes_hash([info], ["lidar"]) == lidar
    assert keyframes_hash([info], ["lidar", "camera"]) != both
    paths[1].unlink()
    with pytest.raises(InputError, match=r"sweep.bin: expected a file, found none"):
        keyframes_hash([info], ["lidar"])
