"""RLSeg's recipe on tiny scans: averaged weights across a resume, safe to load, used by tests; seeds; votes."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from perception3d.datasets.semantickitti_infos import list_infos, write_infos

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "configs/segmentation/rlseg-small_1xb1-700i_semantickitti-sim.py"
MOMENTUM = 0.02
OPTIONS = [
    "model.partition.voxel_size_m=2.0",
    "model.backbone.channels=(4,4,4,4,4,4,4,4,4)",
    "train_dataloader.num_workers=0",
    "train_dataloader.persistent_workers=False",
    "default_hooks.checkpoint.interval=1",
    "default_hooks.checkpoint.max_keep_ckpts=-1",
    "train_cfg.val_interval=100",
]


def write_scene(root, sequence, frame):
    """A road, a wall and a few poles, 400 points."""
    rng = np.random.default_rng([int(sequence), frame])
    road = np.column_stack([rng.uniform(-20, 20, (200, 2)), rng.normal(-1.7, 0.02, 200)])
    wall = np.column_stack([np.full(200, 9.0), rng.uniform(-20, 20, 200), rng.uniform(-1.5, 2, 200)])
    points = np.column_stack([np.concatenate([road, wall]), rng.uniform(0, 1, 400)]).astype(np.float32)
    labels = np.repeat([40, 50], 200).astype(np.uint32)
    for folder, name, values in (("velodyne", f"{frame:06d}.bin", points), ("labels", f"{frame:06d}.label", labels)):
        (root / "sequences" / sequence / folder).mkdir(parents=True, exist_ok=True)
        values.tofile(root / "sequences" / sequence / folder / name)


def run_tool(monkeypatch, name, *arguments):
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    try:
        runpy.run_path(str(ROOT / "tools" / name), run_name="__main__")
    except SystemExit as stop:
        return stop.code or 0
    return 0


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kitti")
    for sequence, count in (("00", 4), ("08", 2)):
        for frame in range(count):
            write_scene(folder / "root", sequence, frame)
    write_infos(list_infos(folder / "root"), folder / "infos", "semantickitti")
    return ["--root-path", str(folder / "root"), "--info-dir", str(folder / "infos")]


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """Checkpoints of six steps, stopped after three and resumed."""
    work_dir = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as monkeypatch:
        for last in (3, 6):
            options = ["--cfg-options", *OPTIONS, f"train_cfg.max_iters={last}"]
            arguments = [CONFIG, *data, "--work-dir", work_dir, "--resume", *options]
            assert run_tool(monkeypatch, "train.py", *arguments) == 0
    return work_dir


def test_average_follows_its_formula_across_the_resume(trained):
    saved = [torch.load(trained / f"iter_{step}.pth", weights_only=True) for step in range(1, 7)]
    name = "decode_head.1.weight"
    average = [step["state_dict"][name] for step in saved]
    raw = [step["ema_state_dict"][f"module.{name}"] for step in saved]  # the hook swaps the two when it saves
    assert torch.equal(average[0], raw[0])
    for step in range(1, 6):
        assert not torch.equal(raw[step], raw[step - 1])
        expected = (1 - MOMENTUM) * average[step - 1] + MOMENTUM * raw[step]
        assert torch.allclose(average[step], expected, atol=1e-6)


def test_the_seed_fixes_every_weight(trained, data, tmp_path, monkeypatch):
    """Initial weights, order of scans, augmentations and mixes of another training are the same."""
    options = ["--cfg-options", *OPTIONS, "train_cfg.max_iters=2"]
    assert run_tool(monkeypatch, "train.py", CONFIG, *data, "--work-dir", tmp_path, *options) == 0
    first, again = (torch.load(folder / "iter_2.pth", weights_only=True) for folder in (trained, tmp_path))
    for weights in ("state_dict", "ema_state_dict"):
        assert all(torch.equal(first[weights][name], again[weights][name]) for name in first[weights])


def test_tests_use_the_averaged_weights_and_votes_are_a_score_of_their_own(trained, data, tmp_path, monkeypatch):
    """The hook, which would swap weights before a test, gives the scores of the average without any hook."""
    saved = torch.load(trained / "iter_6.pth", weights_only=True)
    torch.save({"meta": {}, "state_dict": saved["state_dict"]}, tmp_path / "average.pth")
    matrices = {}
    for name, checkpoint, more in (
        ("saved", trained / "iter_6.pth", []),
        ("average", tmp_path / "average.pth", ["--cfg-options", "custom_hooks=[]"]),
        ("votes", trained / "iter_6.pth", ["--tta"]),
    ):
        arguments = [CONFIG, checkpoint, *data, "--work-dir", tmp_path / name, *more]
        arguments += OPTIONS if "--cfg-options" in more else ["--cfg-options", *OPTIONS]
        assert run_tool(monkeypatch, "test.py", *arguments) == 0
        folder = tmp_path / name / ("tta" if "--tta" in more else "")
        matrices[name] = np.load(folder / "confusion_matrix.npy", allow_pickle=False)
    assert np.array_equal(matrices["saved"], matrices["average"])
    assert matrices["votes"].sum() == matrices["saved"].sum() == 800  # every labelled point of two scans, once
