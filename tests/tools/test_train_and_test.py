"""Train, interrupt, resume, test and test with two processes, on a handful of tiny scans."""

import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from perception3d.datasets.semantickitti_infos import list_infos, write_infos
from perception3d.launch import run
from perception3d.models.cmt.losses import check_finite

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "configs/segmentation/minkunet-small_1xb1-700i_semantickitti-mini.py"
TINY = [
    "model.partition.voxel_size_m=1.0",
    "model.backbone.channels=(4,4,4,8,8,8,4,4,4)",
    "train_dataloader.num_workers=0",
    "train_dataloader.persistent_workers=False",
]


def write_scene(root, sequence, frame):
    """Ground, walls and poles at random places: class by shape, 600 points."""
    rng = np.random.default_rng([int(sequence), int(frame)])
    ground = np.column_stack([rng.uniform(-20, 20, (300, 2)), rng.normal(-1.7, 0.02, 300)])
    wall = np.column_stack([np.full(200, rng.uniform(5, 15)), rng.uniform(-20, 20, 200), rng.uniform(-1.5, 2, 200)])
    pole = np.column_stack([np.tile(rng.uniform(-15, 0, 2), (100, 1)), rng.uniform(-1.5, 2, 100)])
    points = np.column_stack([np.concatenate([ground, wall, pole]), rng.uniform(0, 1, 600)]).astype(np.float32)
    labels = np.repeat([40, 50, 80], [300, 200, 100]).astype(np.uint32)
    for folder, name, values in (("velodyne", f"{frame}.bin", points), ("labels", f"{frame}.label", labels)):
        (root / "sequences" / sequence / folder).mkdir(parents=True, exist_ok=True)
        values.tofile(root / "sequences" / sequence / folder / name)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kitti")
    for sequence, count in (("00", 4), ("08", 3)):
        for frame in range(count):
            write_scene(folder / "root", sequence, f"{frame:06d}")
    write_infos(list_infos(folder / "root"), folder / "infos", "semantickitti")
    return ["--root-path", str(folder / "root"), "--info-dir", str(folder / "infos")]


def options(*more):
    return ["--cfg-options", *TINY, *more]


def run_tool(monkeypatch, name, *arguments):
    """Run a tool in this process; returns its exit code."""
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    try:
        runpy.run_path(str(ROOT / "tools" / name), run_name="__main__")
    except SystemExit as stop:
        return stop.code or 0
    return 0


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """Work dir of a run of 12 iterations that was stopped after 6 and resumed."""
    work_dir = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as monkeypatch:
        for last in (6, 12):
            steps = [f"train_cfg.max_iters={last}", "default_hooks.checkpoint.interval=6", "train_cfg.val_interval=12"]
            arguments = [CONFIG, *data, "--work-dir", work_dir, "--resume", *options(*steps)]
            assert run_tool(monkeypatch, "train.py", *arguments) == 0
            assert (work_dir / "last_checkpoint").read_text().endswith(f"iter_{last}.pth")
    return work_dir


def checkpoint_of(work_dir):
    return (work_dir / "last_checkpoint").read_text()


def test_resumed_run_equals_an_uninterrupted_one_in_its_counters(trained):
    saved = torch.load(checkpoint_of(trained), weights_only=True)
    assert saved["meta"]["iter"] == 12
    assert saved["optimizer"]["state"][0]["step"] == 12


def test_one_and_two_processes_give_the_same_metrics(trained, data, tmp_path, monkeypatch):
    one, two = tmp_path / "one", tmp_path / "two"
    arguments = [CONFIG, checkpoint_of(trained), *data, "--show-dir", tmp_path / "pictures"]
    assert run_tool(monkeypatch, "test.py", *arguments, "--work-dir", one, *options()) == 0
    command = ["bash", str(ROOT / "tools/dist_test.sh"), str(CONFIG), checkpoint_of(trained), "2", *data]
    environment = {"PYTHON": sys.executable, "PORT": "29611", "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [*command, "--work-dir", str(two), *options()], env=environment, cwd=tmp_path, capture_output=True, check=False
    )
    assert run.returncode == 0, run.stderr.decode()[-2000:]
    a, b = (np.load(folder / "confusion_matrix.npy", allow_pickle=False) for folder in (one, two))
    assert a.sum() == 3 * 600  # three validation scans of 600 labelled points
    assert np.array_equal(a, b)
    table = json.loads((one / "per_class_iou.json").read_text())
    assert table["samples"] == 3
    assert sorted(p.name for p in (tmp_path / "pictures").iterdir()) == [f"08_{k:06d}.png" for k in range(3)]


def test_two_processes_train(data, tmp_path):
    command = ["bash", str(ROOT / "tools/dist_train.sh"), str(CONFIG), "2", *data, "--work-dir", str(tmp_path / "work")]
    steps = ["train_cfg.max_iters=2", "train_cfg.val_interval=2", "default_hooks.checkpoint.interval=2"]
    environment = {"PYTHON": sys.executable, "PORT": "29612", "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    run = subprocess.run([*command, *options(*steps)], env=environment, cwd=tmp_path, capture_output=True, check=False)
    assert run.returncode == 0, run.stderr.decode()[-2000:]
    saved = torch.load(checkpoint_of(tmp_path / "work"), weights_only=True)
    assert saved["meta"]["iter"] == 2
    assert not any(key.startswith("module.") for key in saved["state_dict"])  # the weights of one process fit


def test_weights_of_the_command_line_win_over_those_of_the_config(trained, data, tmp_path, monkeypatch):
    """A config that starts from other weights (load_from) or resumes is tested with the checkpoint that is named."""
    saved = torch.load(checkpoint_of(trained), weights_only=True)
    zeros = {key: torch.zeros_like(value) for key, value in saved["state_dict"].items()}
    torch.save({"meta": {}, "state_dict": zeros}, tmp_path / "zeros.pth")
    for name, more in (("plain", []), ("with", [f"load_from={tmp_path / 'zeros.pth'}", "resume=True"])):
        arguments = [CONFIG, checkpoint_of(trained), *data, "--work-dir", tmp_path / name, *options(*more)]
        assert run_tool(monkeypatch, "test.py", *arguments) == 0
    plain, other = (np.load(tmp_path / name / "confusion_matrix.npy", allow_pickle=False) for name in ("plain", "with"))
    assert plain[:, 1:].sum() > 0  # zeros would predict class 0 alone
    assert np.array_equal(plain, other)


def test_tta_gives_scores_of_its_own(trained, data, tmp_path, monkeypatch):
    arguments = [CONFIG, checkpoint_of(trained), *data, "--tta", "--work-dir", tmp_path, "--show-dir", tmp_path / "png"]
    assert run_tool(monkeypatch, "test.py", *arguments, *options()) == 0
    assert sorted(p.name for p in (tmp_path / "png").iterdir()) == [f"08_{k:06d}.png" for k in range(3)]
    assert np.load(tmp_path / "tta/confusion_matrix.npy", allow_pickle=False).sum() == 3 * 600
    assert not (tmp_path / "confusion_matrix.npy").exists()  # the place of the scores without it
    (scores,) = (json.loads(path.read_text()) for path in tmp_path.glob("*/*.json") if path.parent.name[0] == "2")
    assert {"tta/mIoU", "tta/mIoU_present"} <= set(scores) and "mIoU" not in scores


def test_checkpoint_of_another_model_is_refused(trained, data, tmp_path, monkeypatch, capsys):
    arguments = [CONFIG, checkpoint_of(trained), *data, "--work-dir", tmp_path, *options("model.num_classes=12")]
    assert run_tool(monkeypatch, "test.py", *arguments) == 2
    error = capsys.readouterr().err
    assert "decode_head.1.bias has shape (19,), expected (12,)" in error
    assert checkpoint_of(trained) in error


@pytest.mark.parametrize("named", [True, False])
def test_resuming_another_model_is_refused(trained, data, tmp_path, monkeypatch, capsys, named):
    shutil.copytree(trained, tmp_path / "work")
    (tmp_path / "work/last_checkpoint").write_text(str(tmp_path / "work/iter_12.pth"))
    resume = ["--resume", checkpoint_of(trained)] if named else ["--resume"]
    other = "model.backbone.channels=(4,4,4,8,8,8,4,4,6)"
    arguments = [CONFIG, *data, "--work-dir", tmp_path / "work", *resume, *options(other, "train_cfg.max_iters=13")]
    assert run_tool(monkeypatch, "train.py", *arguments) == 2
    assert "iter_12.pth: expected the weights of this config's model" in capsys.readouterr().err
    assert not (tmp_path / "work/iter_13.pth").exists()


@pytest.mark.parametrize("word", ["model.num_classes", "12"])
def test_override_without_a_value_is_a_usage_error(monkeypatch, capsys, tmp_path, word):
    assert run_tool(monkeypatch, "train.py", CONFIG, "--work-dir", tmp_path, "--cfg-options", "a=1", word) == 2
    assert f"--cfg-options: expected key=value, found '{word}'" in capsys.readouterr().err


def test_pictures_that_cannot_be_written(trained, data, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    arguments = [CONFIG, checkpoint_of(trained), *data, "--work-dir", tmp_path, "--show-dir", tmp_path / "file"]
    assert run_tool(monkeypatch, "test.py", *arguments, *options()) == 2
    error = capsys.readouterr().err
    assert "file: expected a folder that can be written, found: File exists; choose another --show-dir" in error


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("train.py", ["configs/segmentation/minkunet-smal.py"], "did you mean"),
        ("train.py", [CONFIG, "--resume", "nothing.pth"], "nothing.pth: expected a checkpoint"),
        ("train.py", [CONFIG, "--cfg-options", "load_from=nothing.pth"], "nothing.pth: expected a checkpoint"),
        ("train.py", ["nowhere/config.py"], "nowhere/config.py: expected a config, found no file"),
        ("train.py", [CONFIG, "--info-dir", "infos"], "--info-dir infos: expected together with --root-path"),
        ("train.py", [CONFIG, "--root-path", "nowhere"], "nowhere: expected the SemanticKITTI folder"),
        ("train.py", [CONFIG, "--launcher", "pytorch"], "torchrun"),
        ("train.py", [CONFIG, "--launcher", "slurm"], "needs CUDA"),
        ("train.py", [CONFIG, "--amp"], "--amp: expected an accelerator"),
        ("test.py", [CONFIG, "nothing.pth"], "nothing.pth: expected a checkpoint"),
        ("test.py", [CONFIG, "https://host/a.pth"], "https://host/a.pth: expected a checkpoint, found no file"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tool, arguments, message, monkeypatch, capsys, tmp_path):
    if torch.cuda.is_available() and {"--amp", "--launcher"} & set(map(str, arguments)):
        pytest.skip("these are errors on machines without CUDA only")
    monkeypatch.chdir(ROOT)
    assert run_tool(monkeypatch, tool, *arguments, "--work-dir", tmp_path) == 2
    error = capsys.readouterr().err
    assert error.count("error: ") == 1
    assert message in error


def test_unknown_class_in_a_config(data, monkeypatch, capsys, tmp_path):
    overrides = options("model.backbone.type=perception3d.SparseUNnet")
    assert run_tool(monkeypatch, "train.py", CONFIG, *data, "--work-dir", tmp_path, *overrides) == 2
    error = capsys.readouterr().err
    assert "SparseUNnet is not in the" in error
    assert "correct the config" in error


def test_config_with_a_syntax_error(monkeypatch, capsys, tmp_path):
    (tmp_path / "broken.py").write_text("model = dict(")
    assert run_tool(monkeypatch, "train.py", tmp_path / "broken.py", "--work-dir", tmp_path) == 2
    assert "broken.py: expected an mmengine config" in capsys.readouterr().err


def test_truncated_scan_is_one_line(trained, data, tmp_path, monkeypatch, capsys):
    """The fault comes from a DataLoader worker; the user gets the line that names it."""
    root = tmp_path / "root"
    shutil.copytree(data[1], root)
    scan = root / "sequences/08/velodyne/000001.bin"
    scan.write_bytes(scan.read_bytes()[:-3])
    arguments = [CONFIG, checkpoint_of(trained), "--root-path", root, *data[2:], "--work-dir", tmp_path / "work"]
    workers = ["test_dataloader.num_workers=1"]
    assert run_tool(monkeypatch, "test.py", *arguments, *options(*workers)) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert "000001.bin: expected whole points" in error


def test_a_loss_that_is_not_finite_is_one_line(capsys):
    with pytest.raises(SystemExit) as stop:
        run(lambda: check_finite({"d0.loss_bbox": torch.tensor(torch.nan)}))
    assert stop.value.code == 1
    assert capsys.readouterr().err.startswith("error: loss is not finite: d0.loss_bbox=nan; lower the learning rate")


def test_work_dir_that_cannot_be_made(monkeypatch, capsys, tmp_path):
    (tmp_path / "file").write_text("")
    assert run_tool(monkeypatch, "train.py", CONFIG, "--work-dir", tmp_path / "file" / "work") == 2
    assert "expected a folder that can be written" in capsys.readouterr().err
