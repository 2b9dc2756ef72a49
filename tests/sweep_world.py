"""A whole sweep in seconds: three small scans of a street, and a model that knows classes by their height."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import torch
from mmdet3d.models.segmentors import Base3DSegmentor

from perception3d.datasets.semantickitti_infos import list_infos, write_infos
from perception3d.registry import MODELS

RAW_ROAD, RAW_BUILDING, RAW_VEGETATION, RAW_UNLABELED = 40, 50, 70, 0
ROAD, BUILDING, VEGETATION = 8, 12, 14

CONFIG = """
default_scope = "mmdet3d"
model = dict(type="perception3d.HeightSegmentor", num_heights=2)
pipeline = [
    dict(type="perception3d.LoadLidarPoints", load_dim=4, use_dim=4),
    dict(type="perception3d.LoadLidarLabels"),
    dict(type="Pack3DDetInputs", keys=["points", "pts_semantic_mask"]),
]
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="perception3d.SemanticKittiDataset",
        data_root={root!r},
        ann_file={ann_file!r},
        pipeline=pipeline,
        test_mode=True,
    ),
)
test_evaluator = dict(type="perception3d.LidarSegMetric")
test_cfg = dict(type="TestLoop")
"""


@MODELS.register_module()
class HeightSegmentor(Base3DSegmentor):
    """Road below the first height, building below the second, vegetation above."""

    def __init__(self, num_heights, data_preprocessor=None):
        super().__init__(data_preprocessor=data_preprocessor or {"type": "Det3DDataPreprocessor"})
        self.heights_m = torch.nn.Parameter(torch.zeros(num_heights))

    def predict(self, batch_inputs_dict, batch_data_samples):
        """One-hot logits from height."""
        classes = torch.tensor([ROAD, BUILDING, VEGETATION])
        labels = [
            classes[torch.bucketize(cloud[:, 2].contiguous(), self.heights_m)] for cloud in batch_inputs_dict["points"]
        ]
        logits = [torch.nn.functional.one_hot(label, 19).T.float() for label in labels]
        return self.postprocess_result(logits, batch_data_samples)

    def loss(self, batch_inputs_dict, batch_data_samples):
        raise NotImplementedError

    def encode_decode(self, batch_inputs, batch_data_samples):
        raise NotImplementedError

    def extract_feat(self, batch_inputs):
        raise NotImplementedError

    def _forward(self, batch_inputs_dict, batch_data_samples=None):
        raise NotImplementedError


@MODELS.register_module()
class MortalSegmentor(HeightSegmentor):
    """One whose process is killed when it meets a scan while a file exists, which is then gone."""

    def __init__(self, num_heights, file, data_preprocessor=None):
        super().__init__(num_heights, data_preprocessor)
        self.file = Path(file)

    def predict(self, batch_inputs_dict, batch_data_samples):
        """Predict, or die."""
        if self.file.exists():
            self.file.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().predict(batch_inputs_dict, batch_data_samples)


def write_mortal(config: Path) -> tuple[Path, Path]:
    """Config of a mortal model beside that of a world, which other processes can read too, and the file it fears."""
    file, mortal = config.with_name("die"), config.with_name("mortal.py")
    model = f"dict(type='perception3d.MortalSegmentor', file={str(file)!r})"
    custom = "custom_imports = dict(imports=['sweep_world'])"
    mortal.write_text(f"_base_ = [{str(config)!r}]\n{custom}\nmodel = {model}\n")
    return mortal, file


def rows_and_scenes(work_dir: Path) -> dict[str, object]:
    """What a sweep leaves, but for when and by whom it was done: rows, bytes of example scans."""
    found: dict[str, object] = {}
    for path in sorted(work_dir.rglob("*.json")):
        row = json.loads(path.read_text())
        found[path.relative_to(work_dir).as_posix()] = {key: row[key] for key in row if key != "run"}
    return found | {path.relative_to(work_dir).as_posix(): path.read_bytes() for path in work_dir.rglob("*.npz")}


def write_scan(root: Path, frame: int) -> None:
    """A road, then facades and trees up to 6 m, seen by 64 lasers of 90 points each, stored laser by laser."""
    rng = np.random.default_rng(frame)
    elevation = np.deg2rad(np.linspace(2.0, -24.8, 64))[:, None]
    # as the files of the data set: each laser begins behind the car and turns clockwise
    azimuth = np.pi - np.linspace(0.01, 2 * np.pi - 0.01, 90)[None, :] + 0 * elevation
    to_ground_m = 1.73 / np.maximum(np.tan(-elevation), 1e-6)
    to_wall_m = 18 + 6 * np.cos(3 * azimuth) + rng.uniform(-0.2, 0.2, azimuth.shape)
    rho_m = np.minimum(to_ground_m, to_wall_m)
    z_m = rho_m * np.tan(elevation) + rng.normal(0, 0.02, rho_m.shape)
    on_ground = to_ground_m < to_wall_m
    labels = np.where(on_ground, RAW_ROAD, np.where(azimuth > 0, RAW_BUILDING, RAW_VEGETATION))
    labels[rng.random(labels.shape) < 0.05] = RAW_UNLABELED
    intensity = rng.uniform(0.05, 0.95, rho_m.shape)
    points = np.stack([rho_m * np.cos(azimuth), rho_m * np.sin(azimuth), z_m, intensity], axis=-1)
    folder = root / "sequences" / "08"
    for name in ("velodyne", "labels"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    points.reshape(-1, 4).astype(np.float32).tofile(folder / "velodyne" / f"{frame:06d}.bin")
    labels.reshape(-1).astype(np.uint32).tofile(folder / "labels" / f"{frame:06d}.label")


def write_world(folder: Path) -> tuple[Path, Path]:
    """Write data, config and checkpoint; returns the paths of the last two."""
    root = folder / "kitti"
    for frame in range(3):
        write_scan(root, frame)
    paths = write_infos(list_infos(root), folder, "tiny")
    config = folder / "config.py"
    config.write_text(CONFIG.format(root=str(root), ann_file=str(paths["val"])))
    return config, write_checkpoint(folder / "heights.pth", heights_m=(-1.5, 0.3))


def write_checkpoint(path: Path, heights_m: tuple[float, ...]) -> Path:
    """A checkpoint as mmengine writes them."""
    torch.save({"meta": {}, "state_dict": {"heights_m": torch.tensor(heights_m)}}, path)
    return path
