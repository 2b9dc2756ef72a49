from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet3d.structures import LiDARPoints
from mmengine.config import Config

from corruptions.catalog import CATALOG
from corruptions.core import InputError
from corruptions.suites import SEMANTICKITTI_C
from corruptions.synthetic import synthetic_scan
from perception3d.transforms import RandomCorruption
from perception3d.transforms.held_out import HELD_OUT, SCORED, draw_value

ROOT = Path(__file__).resolve().parents[3]
CONFIGS = sorted(path for path in (ROOT / "configs").rglob("*.py") if "_base_" not in path.parts)


SCORING = ("val_dataloader", "test_dataloader", "test_pipeline", "tta_pipeline")


def corruptions_in(part):
    """Every corruption that a part of a config names, in whatever transform, and every data set of corrupted scans."""
    if isinstance(part, dict):
        if "corruption" in part:
            yield part["corruption"]
        if "Corrupted" in str(part.get("type", "")).rpartition(".")[2] and "corruption" not in part:
            yield "corrupted files"
        for value in part.values():
            yield from corruptions_in(value)
    elif isinstance(part, (list, tuple)):
        for value in part:
            yield from corruptions_in(value)


def trained_on(config):
    """What a config names anywhere but in what it scores: pipelines may be switched by hooks, or stand in variables."""
    return {*corruptions_in({key: value for key, value in config.to_dict().items() if key not in SCORING})}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_no_config_trains_on_what_is_scored(path):
    assert trained_on(Config.fromfile(path)) & {*HELD_OUT, "corrupted files"} == set()


@pytest.mark.parametrize("kind", ["CorruptPoints", "LoadCorruptedSweeps", "OneOfTomorrow"])
def test_a_config_that_would_is_found(kind):
    fog = dict(type=f"perception3d.{kind}", corruption="fog", level="light")
    nested = dict(type="PolarMix", pre_transform=[dict(type="LoadX"), fog])
    config = Config(dict(train_dataloader=dict(dataset=dict(dataset=dict(pipeline=[nested])))))
    assert trained_on(config) == {"fog"}
    assert trained_on(Config(dict(custom_hooks=[dict(type="SwitchHook", switch_pipeline=[nested])]))) == {"fog"}
    assert trained_on(Config(dict(test_dataloader=config.train_dataloader, val_dataloader=None))) == set()
    files = dict(type="perception3d.CorruptedSemanticKittiDataset", data_root="data/SemanticKITTI-C")
    assert trained_on(Config(dict(train_dataloader=dict(dataset=files)))) == {"corrupted files"}


def test_some_config_does_train_on_corruptions():
    """The search above is of use only if it finds them."""
    found = trained_on(Config.fromfile(ROOT / "configs/segmentation/rlseg-small-all_1xb1-700i_semantickitti-sim.py"))
    assert {"rain", "crosstalk"} <= found


def test_the_list_is_the_benchmark_s():
    paper = {"fog", "snowfall", "local_distortion", "global_outliers", "beam_reduction"}
    assert paper == SCORED == {setting.corruption for setting in SEMANTICKITTI_C.settings}
    assert set(CATALOG) >= HELD_OUT > paper


@pytest.mark.parametrize("name", sorted(HELD_OUT))
def test_held_out_corruptions_are_refused(name):
    with pytest.raises(InputError, match="held out"):
        RandomCorruption(choices=[dict(corruption=name)])


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        (dict(corruption="rian", rate_mm_per_h=[1, 2]), "rain"),
        (dict(corruption="rain", rate=[1.0, 2.0]), "rate_mm_per_h"),
        (dict(corruption="rain", rate_mm_per_h=[2.0, 1.0]), "least, most"),
        (dict(rate_mm_per_h=[1.0, 2.0]), "corruption=NAME"),
    ],
)
def test_bad_choices(choice, says):
    with pytest.raises(InputError, match=says):
        RandomCorruption(choices=[choice])


def sample():
    scan = synthetic_scan()
    points = LiDARPoints(torch.from_numpy(scan.points.copy()), points_dim=4)
    return {"points": points, "pts_semantic_mask": np.full(len(scan.points), 8), "sample_id": "00/000000"}


def test_each_draw_is_another_and_labels_follow_the_corruption_s_rule():
    crosstalk = RandomCorruption(choices=[dict(corruption="crosstalk", share=[0.1, 0.3], sigma_m=[3.0, 3.0])], prob=1)
    shares = []
    for seed in range(3):
        result = crosstalk.apply(sample(), np.random.default_rng(seed))
        ignored = result["pts_semantic_mask"] == 19
        moved = (result["points"].tensor.numpy() != sample()["points"].tensor.numpy()).any(axis=1)
        assert np.array_equal(ignored, moved)
        shares.append(round(float(ignored.mean()), 4))
    assert len(set(shares)) == 3
    assert all(0.09 < share < 0.31 for share in shares)
    noise = RandomCorruption(choices=[dict(corruption="gaussian_noise", sigma_m=[0.05, 0.05])], prob=1)
    assert (noise.apply(sample(), np.random.default_rng(0))["pts_semantic_mask"] == 8).all()


def test_whole_numbers_stay_whole():
    rng = np.random.default_rng(0)
    assert {draw_value(rng, 1, 3) for _ in range(60)} == {1, 2, 3}
    assert isinstance(draw_value(rng, 1, 3.0), float)
