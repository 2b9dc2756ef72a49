import copy
import dataclasses
import hashlib

import pytest

from corruptions.catalog import CATALOG
from corruptions.core import InputError
from corruptions.files import sha256_of
from corruptions.suites import SEMANTICKITTI_C, select
from perception3d.robustness.plan import (
    clean_setting,
    config_hash,
    data_hash,
    is_clean,
    make_plan,
    versions,
)

CONFIG = {
    "model": {"type": "Net", "width": 4},
    "test_dataloader": {
        "batch_size": 1,
        "num_workers": 0,
        "dataset": {"type": "Scans", "data_root": "a", "ann_file": "b.pkl", "pipeline": [{"type": "Load"}]},
    },
    "test_evaluator": {"type": "Metric"},
    "test_cfg": {"type": "TestLoop"},
    "train_cfg": {"max_epochs": 3},
}


def changed(path, value):
    config = copy.deepcopy(CONFIG)
    *parents, last = path.split(".")
    part = config
    for name in parents:
        part = part[name]
    part[last] = value
    return config


def folders(settings):
    return [setting.folder for setting in settings]


def test_plan_skips_what_is_done_and_retries_what_failed(make_row, monkeypatch):
    # taken out for good it would come back last
    monkeypatch.setitem(CATALOG, "global_outliers", dataclasses.replace(CATALOG["global_outliers"], levels={}))
    settings = [clean_setting(SEMANTICKITTI_C), *select(SEMANTICKITTI_C, ["noise"])]
    rows = {name: make_row(name, score) for name, score in (("clean_data", 50.0), ("local_heavy", None))}
    plan = make_plan(settings, rows)
    assert folders(plan.done) == ["clean_data"]
    assert folders(plan.todo) == ["local_light", "local_moderate", "local_heavy"]
    assert folders(plan.missing) == ["global_light", "global_moderate", "global_heavy"]


def test_the_clean_setting_comes_first_and_is_known_as_such():
    settings = [clean_setting(SEMANTICKITTI_C), *SEMANTICKITTI_C.settings]
    assert [is_clean(setting) for setting in settings] == [True] + [False] * 16
    assert folders(make_plan(settings, {}).todo)[0] == "clean_data"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("test_dataloader.num_workers", 2),
        ("test_dataloader.batch_size", 4),
        ("test_dataloader.dataset.data_root", "elsewhere"),
        ("test_dataloader.dataset.ann_file", "elsewhere.pkl"),
        ("train_cfg.max_epochs", 9),
    ],
)
def test_config_hash_ignores_what_changes_no_score(path, value):
    assert config_hash(changed(path, value)) == config_hash(CONFIG)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("model.width", 8),
        ("test_dataloader.dataset.type", "Others"),
        ("test_dataloader.dataset.pipeline", [{"type": "Load"}, {"type": "Crop"}]),
        ("test_evaluator.type", "Other"),
        ("test_cfg.fp16", True),
    ],
)
def test_config_hash_sees_what_changes_scores(path, value):
    assert config_hash(changed(path, value)) != config_hash(CONFIG)


def test_data_hash_sees_ids_order_and_sizes(tmp_path):
    def info(name, size):
        for suffix in ("bin", "label"):
            (tmp_path / f"{name}.{suffix}").write_bytes(b"x" * size)
        paths = {"lidar_path": f"{tmp_path}/{name}.bin", "pts_semantic_mask_path": f"{tmp_path}/{name}.label"}
        return {"sample_id": name, **paths}

    first, second = info("a", 16), info("b", 32)
    reference = data_hash([first, second])
    assert reference == data_hash([dict(first), dict(second)])
    others = [data_hash([second, first]), data_hash([first]), data_hash([first, {**second, "sample_id": "c"}])]
    info("b", 48)
    others.append(data_hash([first, second]))
    assert len({reference, *others}) == 5
    with pytest.raises(InputError, match="expected a scan with labels"):
        data_hash([{"sample_id": "a", "lidar_path": first["lidar_path"]}])
    with pytest.raises(InputError, match="c.bin: expected a file, found none"):
        data_hash([{**first, "lidar_path": f"{tmp_path}/c.bin"}])


def test_checkpoint_hash_is_sha256_of_the_whole_file(tmp_path):
    data = bytes(range(256)) * 5000  # more than one block
    (tmp_path / "a.pth").write_bytes(data)
    assert sha256_of(tmp_path / "a.pth") == hashlib.sha256(data).hexdigest()


def test_versions_name_what_scores_depend_on():
    import numpy
    import torch

    found = versions()
    assert found["numpy"] == numpy.__version__
    assert found["torch"] == torch.__version__
    assert {"python", "perception3d", "mmdet3d", "numba"} <= set(found)
