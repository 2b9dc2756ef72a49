"""CMT trains in two processes (gloo) when every process meets other missing sensors."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from detection_world import write_config

from perception3d.datasets.nuscenes_infos import list_infos, write_infos

ROOT = Path(__file__).resolve().parents[2]
MASKED = """
_base_ = ["{tiny}"]
find_unused_parameters = True
optim_wrapper = dict(type="OptimWrapper")
mask = dict(type="perception3d.ModalMask", lidar_prob=0.5, cameras_prob=0.4, camera_prob=0.5)
steps = [mask if step["type"].endswith("ModalMask") else step for step in _base_.train_pipeline]
train_dataloader = dict(batch_size=1, dataset=dict(pipeline=steps))
model = dict(pts_bbox_head=dict(modality_agnostic={agnostic}, sampled_content={agnostic}))
train_cfg = dict(max_epochs=4, val_interval=100)
default_hooks = dict(logger=dict(interval=1))
"""


@pytest.mark.slow
@pytest.mark.parametrize("agnostic", [False, True])
def test_missing_sensors(sim_nuscenes, tmp_path, agnostic):
    infos = tmp_path / "infos"
    write_infos(list_infos(sim_nuscenes, "v1.0-mini"), "v1.0-mini", infos, "nuscenes")
    config = tmp_path / "masked.py"
    config.write_text(MASKED.format(tiny=write_config(tmp_path, resize=0.64), agnostic=agnostic))
    words = [config, 2, "--root-path", sim_nuscenes, "--info-dir", infos, "--work-dir", tmp_path / "work"]
    environment = {"PYTHON": sys.executable, "PORT": "29613", "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    command = ["bash", str(ROOT / "tools/dist_train.sh"), *map(str, words)]
    run = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    # three keyframes on two processes: two steps an epoch
    losses = [float(loss) for loss in re.findall(r"Epoch\(train\).* loss: ([\d.]+)", run.stdout + run.stderr)]
    assert len(losses) == 4 * 2
    assert (tmp_path / "work/epoch_4.pth").is_file()
