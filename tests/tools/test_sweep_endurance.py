"""A small MinkowskiNet through a long sweep: killed twice, and its memory."""

import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from sweep_world import rows_and_scenes, write_scan

from perception3d.apis import init_model
from perception3d.datasets.semantickitti_infos import list_infos, write_infos

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "configs/segmentation/minkunet-small_1xb1-700i_semantickitti-mini.py"
VOXELS = {"model.partition.voxel_size_m": 0.2}
LINE = re.compile(r"^\[ *\d+/\d+\] ")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def arguments(tmp_path_factory):
    """Of the tool: random weights and three scans."""
    folder = tmp_path_factory.mktemp("world")
    for frame in range(3):
        write_scan(folder / "kitti", frame)
    write_infos(list_infos(folder / "kitti"), folder / "infos", "semantickitti")
    torch.manual_seed(0)
    torch.save({"state_dict": init_model(CONFIG, cfg_options=VOXELS, device="cpu").state_dict()}, folder / "random.pth")
    options = [f"{key}={value}" for key, value in VOXELS.items()]
    places = ["--root-path", folder / "kitti", "--info-dir", folder / "infos"]
    return [CONFIG, folder / "random.pth", *places, "--workers", 1, "--cfg-options", *options]


def start(arguments, work_dir, *more):
    words = [sys.executable, ROOT / "tools/sweep.py", *arguments[:2], "--work-dir", work_dir, *more, *arguments[2:]]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        list(map(str, words)), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def settings_said(process):
    """One item for each finished setting, as it comes."""
    return (line for line in process.stdout if LINE.match(line))


def test_killed_twice(arguments, tmp_path):
    whole = start(arguments, tmp_path / "whole")
    begin_s = time.monotonic()
    next(settings_said(whole))
    preparation_s = time.monotonic() - begin_s
    _, error = whole.communicate(timeout=600)
    assert whole.returncode == 0, error[-2000:]
    seconds = time.monotonic() - begin_s - preparation_s
    rng = random.Random(0)
    left = 17
    for _ in range(2):
        process = start(arguments, tmp_path / "killed")
        assert next(settings_said(process))
        time.sleep(rng.uniform(0, seconds / 3))
        process.kill()
        process.communicate(timeout=60)
        now_left = 17 - len(list((tmp_path / "killed/rows").rglob("[!.]*.json")))
        assert 0 < now_left < left
        left = now_left
    again = start(arguments, tmp_path / "killed")
    printed, error = again.communicate(timeout=600)
    assert again.returncode == 0, error[-2000:]
    assert f"3 scans: {left} settings to run, {17 - left} done" in printed
    assert rows_and_scenes(tmp_path / "killed") == rows_and_scenes(tmp_path / "whole")
    assert sorted(path.name for path in (tmp_path / "killed").rglob(".*")) == []


def test_memory_stays_flat(arguments, tmp_path):
    """A hundred settings; the first ten fill caches."""
    values = ",".join(str(20 + 5 * step) for step in range(100))
    process = start(arguments, tmp_path, "--curve", f"fog.mor_m={values}")
    resident_mb = []
    for _ in settings_said(process):
        status = Path(f"/proc/{process.pid}/status").read_text()
        resident_mb.append(int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1e3)
    process.communicate(timeout=60)
    print(f"resident: {resident_mb[10]:.0f} MB after 11 settings, {resident_mb[-1]:.0f} MB after {len(resident_mb)}")
    assert len(resident_mb) == 101
    assert max(resident_mb[60:]) < max(resident_mb[10:50]) + 20
