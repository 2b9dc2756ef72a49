"""The scores against the published tables, from their own columns."""

from __future__ import annotations

import pytest

from corruptions import scores
from corruptions.suites import SEMANTICKITTI_C

TYPES = ("fog", "snowfall", "global_outliers", "local_distortion", "32beam", "16beam")

# Yan et al., IJCV 132(7), 2024, main result table: clean, RmIoU, mR, then mIoU / R of each type, one decimal each.
SEMANTICKITTI_C_TABLE = {
    "SalsaNext": (55.8, 42.7, 76.5, "27.3/48.9 43.6/78.1 49.5/88.7 53.6/96.1 51.1/91.6 31.0/55.6"),
    "PolarNet": (58.2, 43.3, 74.5, "31.7/54.5 47.4/81.5 52.4/90.0 48.7/83.7 46.3/79.5 33.5/57.6"),
    "CENet": (62.3, 47.7, 76.6, "31.5/50.5 51.3/82.4 57.2/91.7 58.6/94.0 54.5/87.5 33.4/53.7"),
    "GFNet": (63.0, 46.4, 73.6, "31.1/49.4 41.8/66.3 61.4/97.5 56.0/88.9 52.5/83.4 35.6/56.5"),
    "KPConv": (63.5, 51.6, 81.3, "59.6/93.9 54.8/86.4 61.9/97.4 31.8/50.1 58.3/91.7 43.4/68.3"),
    "RandLA-Net": (59.2, 47.6, 80.4, "56.4/95.4 50.0/84.4 57.8/97.8 26.4/44.7 53.3/90.1 41.7/70.5"),
    "Point Transformer": (63.3, 40.5, 64.0, "45.5/71.9 44.2/69.9 38.8/61.4 39.3/62.2 47.2/74.6 27.9/44.2"),
    "MinkowskiNet": (66.3, 53.6, 80.9, "56.3/84.9 50.4/76.1 65.3/98.5 37.0/55.9 62.2/93.9 50.4/76.0"),
    "SPVCNN": (67.4, 53.2, 78.9, "53.7/79.7 50.5/75.0 65.8/97.7 39.6/58.8 61.7/91.5 47.7/70.8"),
    "Cylinder3D": (66.9, 46.5, 69.5, "44.2/66.1 45.7/68.3 63.3/94.6 39.7/59.4 51.2/76.5 34.7/51.9"),
    "2DPASS": (70.1, 51.1, 72.9, "40.4/57.6 53.6/76.5 69.8/99.6 43.9/62.7 61.3/87.4 37.7/53.7"),
    "RLSeg": (73.5, 62.5, 85.0, "57.6/78.4 66.2/90.1 73.4/99.9 71.9/97.8 62.3/84.7 43.6/59.3"),
}
# Means of weather, noise and device over the printed mIoUs, by hand: (27.3 + 43.6) / 2 = 35.45 ...
GROUP_MEANS = {"SalsaNext": (35.45, 51.55, 41.05), "MinkowskiNet": (53.35, 51.15, 56.3), "RLSeg": (61.9, 72.65, 52.95)}

every_model = pytest.mark.parametrize("model", SEMANTICKITTI_C_TABLE)


def published(model: str) -> tuple[float, float, float, dict[str, float], dict[str, float]]:
    clean, rmiou, mr, cells = SEMANTICKITTI_C_TABLE[model]
    pairs = [tuple(map(float, cell.split("/"))) for cell in cells.split()]
    miou, resilience = zip(*pairs, strict=True)
    return clean, rmiou, mr, dict(zip(TYPES, miou, strict=True)), dict(zip(TYPES, resilience, strict=True))


@every_model
def test_rmiou_of_the_published_table(model: str) -> None:
    _, rmiou, _, type_miou, _ = published(model)
    # The mean of six mIoUs, each printed to within 0.05, is within 0.05, and the printed RmIoU within 0.05 of its own:
    # at most 0.10 apart. All twelve are within 0.06.
    assert scores.rmiou(type_miou) == pytest.approx(rmiou, abs=0.06)


@every_model
def test_mr_of_the_published_table(model: str) -> None:
    clean, _, mr, type_miou, resilience = published(model)
    computed = scores.mr(type_miou, clean)
    # From the printed R, nothing but their rounding: six values within 0.05 and the printed mean within 0.05.
    assert scores.mean(resilience.values()) == pytest.approx(mr, abs=0.1)
    # From the mIoUs, R = 100 m / c moves by up to 100 (0.05 + 0.05 m / c) / c; clean is the same in all six, so this
    # does not average out: with m / c = mr / 100, up to 5 (1 + mr / 100) / c, 0.16 at c = 55.8, plus 0.05 of mR.
    bound = 5 * (1 + mr / 100) / clean + 0.05
    assert abs(computed - mr) <= bound
    assert abs(computed - mr) <= 0.06  # as it turns out


@every_model
def test_r_of_the_published_table(model: str) -> None:
    clean, _, _, type_miou, resilience = published(model)
    computed = scores.resilience(type_miou, clean)
    for name in TYPES:
        bound = 5 * (1 + type_miou[name] / clean) / clean + 0.05
        assert abs(computed[name] - resilience[name]) <= bound, name


@pytest.mark.parametrize("model", GROUP_MEANS)
def test_group_means(model: str) -> None:
    type_miou = published(model)[3]
    means = scores.group_means(type_miou, SEMANTICKITTI_C.groups)
    assert list(means) == ["weather", "noise", "device"]
    assert list(means.values()) == pytest.approx(GROUP_MEANS[model], abs=1e-9)


def test_types_are_averaged_before_the_mean_over_types() -> None:
    # 60 everywhere but 30 in both 16-beam settings: six types (5 * 60 + 30) / 6 = 55; 16 settings would give 56.25.
    miou = dict.fromkeys((setting.folder for setting in SEMANTICKITTI_C.settings), 60.0)
    miou["dense_16beam"] = miou["sparse_16beam"] = 30.0
    type_miou = scores.group_means(miou, SEMANTICKITTI_C.types)
    assert scores.rmiou(type_miou) == pytest.approx(55.0)
    assert scores.mr(type_miou, 60.0) == pytest.approx(100 * 55 / 60)


# Robo3D, Kong et al., ICCV 2023, SemanticKITTI-C: MinkUNet18 by severity, and SPVCNN34 and FRNet averaged over them.
ROBO3D = ("fog", "wet_ground", "snow", "motion_blur", "beam_missing", "crosstalk", "incomplete_echo", "cross_sensor")
MINKUNET18_CLEAN = 62.76
MINKUNET18 = {
    "fog": (61.71, 58.32, 47.59),
    "wet_ground": (58.38, 52.38, 51.21),
    "snow": (55.50, 53.70, 50.65),
    "motion_blur": (42.78, 31.62, 24.35),
    "beam_missing": (60.70, 56.78, 51.47),
    "crosstalk": (59.87, 58.47, 56.68),
    "incomplete_echo": (57.89, 54.68, 50.72),
    "cross_sensor": (57.53, 52.08, 28.53),
}
MINKUNET18_MEANS = (55.87, 53.99, 53.28, 32.92, 56.32, 58.34, 54.43, 46.05)
OTHER_MODELS = {
    # mCE, mRR, clean, mean mIoU by corruption
    "FRNet": (96.80, 80.04, 67.55, (47.61, 62.15, 57.08, 56.80, 62.54, 40.94, 58.11, 47.30)),
    "SPVCNN34": (99.16, 82.01, 63.22, (56.53, 53.68, 52.35, 34.39, 56.76, 59.00, 54.97, 47.07)),
    "Cylinder3D-TSC": (103.13, 83.90, 61.00, (37.11, 53.40, 45.39, 58.64, 56.81, 53.59, 54.88, 49.62)),
    "2DPASS": (106.14, 77.50, 64.61, (40.46, 60.68, 48.53, 57.80, 58.78, 28.46, 55.84, 50.01)),
}


def test_robo3d_baseline() -> None:
    for name, printed in zip(ROBO3D, MINKUNET18_MEANS, strict=True):
        # cross-sensor is printed as 46.05, its severities average 46.0467
        assert scores.mean(MINKUNET18[name]) == pytest.approx(printed, abs=0.011)
    assert scores.mrr(MINKUNET18, MINKUNET18_CLEAN) == pytest.approx(81.90, abs=0.01)
    assert scores.mce(MINKUNET18, MINKUNET18) == pytest.approx(100.0)


@pytest.mark.parametrize("model", OTHER_MODELS)
def test_robo3d_leaderboard(model: str) -> None:
    mce, mrr, clean, means = OTHER_MODELS[model]
    # Only means are published: as one level each they have the same ratios of sums.
    miou = {name: (value,) for name, value in zip(ROBO3D, means, strict=True)}
    baseline = {name: (value,) for name, value in zip(ROBO3D, MINKUNET18_MEANS, strict=True)}
    # Rounding of 0.005 in 100 - m of about 45 moves each CE by up to 0.02.
    assert scores.mce(miou, baseline) == pytest.approx(mce, abs=0.03)
    assert scores.mrr(miou, clean) == pytest.approx(mrr, abs=0.02)


# MultiCorrupt, Beemelmanns et al., IV 2024: RA by corruption with NDS, and RRA of CMT against BEVFusion in per cent.
CMT_CLEAN, BEVFUSION_CLEAN = 0.729, 0.714
CMT_RA = (0.786, 0.985, 0.948, 0.806, 0.974, 0.841, 0.983, 0.833, 0.809, 0.788)
BEVFUSION_RA = (0.676, 0.987, 0.969, 0.752, 0.974, 0.866, 0.973, 0.774, 0.705, 0.742)
CMT_RRA = (18.642, 1.821, -0.096, 9.398, 2.041, -0.841, 3.069, 9.887, 17.053, 8.448)


def test_multicorrupt_leaderboard() -> None:
    cmt = {str(index): (ra * CMT_CLEAN,) for index, ra in enumerate(CMT_RA)}
    bevfusion = {str(index): (ra * BEVFUSION_CLEAN,) for index, ra in enumerate(BEVFUSION_RA)}
    assert scores.mra(cmt, CMT_CLEAN) == pytest.approx(0.875, abs=0.001)
    assert scores.mra(bevfusion, BEVFUSION_CLEAN) == pytest.approx(0.842, abs=0.001)
    # RA and clean NDS are printed to 0.0005: 100 (0.0005 (1/0.68 + 1/0.79) + 0.0005 (1/0.71 + 1/0.73)) = 0.28
    gains = scores.relative_resistance_abilities(cmt, bevfusion)
    assert list(gains.values()) == pytest.approx(CMT_RRA, abs=0.28)
    assert scores.mrra(cmt, bevfusion) == pytest.approx(6.942, abs=0.28)
    assert scores.mrra(cmt, cmt) == pytest.approx(0.0, abs=1e-12)


def test_levels_by_hand() -> None:
    miou, baseline = {"fog": (60.0, 40.0)}, {"fog": (50.0, 30.0)}
    assert scores.corruption_errors(miou, baseline)["fog"] == pytest.approx(100 * (40 + 60) / (50 + 70))
    assert scores.resilience_rates(miou, 80.0)["fog"] == pytest.approx(100 * (60 + 40) / (2 * 80))
    assert scores.resistance_abilities(miou, 80.0)["fog"] == pytest.approx((60 / 80 + 40 / 80) / 2)
    assert scores.relative_resistance_abilities(miou, baseline)["fog"] == pytest.approx(100 * (100 / 80 - 1))


@pytest.mark.parametrize("missing", ["a level", "a corruption of the baseline", "the clean score"])
def test_missing_values_give_no_mean(missing: str) -> None:
    miou: scores.Levels = {"fog": (60.0, 40.0), "snow": (50.0, None if missing == "a level" else 45.0)}
    baseline = {"fog": (50.0, 30.0)} | ({} if missing == "a corruption of the baseline" else {"snow": (40.0, 30.0)})
    clean = None if missing == "the clean score" else 70.0
    with_baseline = missing != "the clean score"
    with_clean = missing != "a corruption of the baseline"
    assert (scores.mce(miou, baseline) is None) == with_baseline
    assert (scores.mrra(miou, baseline) is None) == with_baseline
    assert (scores.mrr(miou, clean) is None) == with_clean
    assert (scores.mra(miou, clean) is None) == with_clean
    assert scores.corruption_errors(miou, baseline)["fog"] == pytest.approx(100 * 100 / 120)


def test_a_missing_setting_gives_no_partial_mean() -> None:
    miou = dict.fromkeys((setting.folder for setting in SEMANTICKITTI_C.settings), 60.0)
    del miou["fog_heavy"]
    type_miou = scores.group_means(miou, SEMANTICKITTI_C.types)
    assert type_miou["fog"] is None
    assert type_miou["snowfall"] == 60.0
    assert scores.rmiou(type_miou) is None
    assert scores.mr(type_miou, 70.0) is None
    groups = scores.group_means(type_miou, SEMANTICKITTI_C.groups)
    assert groups == {"weather": None, "noise": 60.0, "device": 60.0}
    assert scores.mean([]) is None


def test_other_number_of_levels_than_the_baseline() -> None:
    with pytest.raises(ValueError, match=r"fog: expected as many levels as the baseline has \(3\), found 2"):
        scores.mce({"fog": (60.0, 40.0)}, {"fog": (1.0, 2.0, 3.0)})
