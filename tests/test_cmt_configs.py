"""CMT's configs hold the published hyper-parameters, and the schedule runs as published."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, PARAM_SCHEDULERS, init_default_scope

import perception3d.models  # noqa: F401
from perception3d.checkpoints import load_weights
from perception3d.conventions import CMT_CLASSES

FOLDER = Path(__file__).resolve().parents[1] / "configs/cmt"
FUSED, CAMERA, LIDAR, SMALL, PUBLISHED_GRID = (
    "cmt_vov99_voxel0075_1600x640_8xb2-cyclic-20e_nuscenes",
    "cmt-camera_vov99_1600x640_8xb2-cyclic-20e_nuscenes",
    "cmt-lidar_voxel0075_8xb2-cyclic-20e_nuscenes",
    "cmt_r50_voxel0100_800x320_8xb4-cyclic-20e_nuscenes",
    "cmt_r50_voxel0100-published-grid_800x320_8xb4-cyclic-20e_nuscenes",
)
GROUPS = dict(
    **dict(car=2, truck=3, construction_vehicle=7, bus=4, trailer=6),
    **dict(barrier=2, motorcycle=6, bicycle=6, pedestrian=2, traffic_cone=2),
)


def read(name):
    return Config.fromfile(FOLDER / f"{name}.py")


def steps(cfg):
    return {step.type.split(".")[-1]: step for step in cfg.train_dataloader.dataset.dataset.pipeline}


@pytest.mark.parametrize(
    ("name", "batch", "rate", "peak", "size", "resize", "sampled", "masked", "fades"),
    [
        (CAMERA, 2, 1e-4, 8, (640, 1600), (0.94, 1.25), False, False, False),
        (LIDAR, 2, 1e-4, 6, None, None, True, False, True),
        (SMALL, 4, 1.4e-4, 6, (320, 800), (0.47, 0.625), True, True, True),
        (FUSED, 2, 1e-4, 8, (640, 1600), (0.94, 1.25), True, True, True),
    ],
)
def test_published_table(name, batch, rate, peak, size, resize, sampled, masked, fades):
    cfg = read(name)
    assert cfg.train_dataloader.batch_size == batch
    assert cfg.optim_wrapper.optimizer.lr == rate
    assert cfg.param_scheduler[0].eta_min_ratio == peak
    used = steps(cfg)
    images = used.get("ResizeCropFlipImages")
    assert (images and tuple(images.size), images and tuple(images.resize_range)) == (size, resize)
    assert ("SampleObjects" in used, "ModalMask" in used) == (sampled, masked)
    assert [hook.after_epochs for hook in cfg.get("custom_hooks", [])] == ([15] if fades else [])
    assert tuple(cfg.train_dataloader.dataset.dataset.metainfo.classes) == CMT_CLASSES
    assert cfg.train_dataloader.dataset.type == "CBGSDataset"
    if sampled:
        assert used["SampleObjects"].groups == GROUPS
    assert (cfg.train_cfg.max_epochs, cfg.optim_wrapper.clip_grad.max_norm) == (20, 35)
    assert cfg.optim_wrapper.type == "AmpOptimWrapper"


@pytest.mark.parametrize(
    ("name", "grid", "turn_rad", "scale", "move_m", "flips", "start"),
    [
        (CAMERA, None, 0.3925, (0.95, 1.05), 0.0, 0.0, "fcos3d_vovnet_imgbackbone-remapped.pth"),
        (LIDAR, ([0.075, 0.075, 0.2], 1440), 0.785, (0.9, 1.1), 0.5, 0.5, None),
        (SMALL, ([0.1, 0.1, 0.2], 1088), 0.785, (0.9, 1.1), 0.5, 0.5, "nuim_r50.pth"),
        (PUBLISHED_GRID, ([0.1, 0.1, 0.2], 1024), 0.785, (0.9, 1.1), 0.5, 0.5, "nuim_r50.pth"),
        (FUSED, ([0.075, 0.075, 0.2], 1440), 0.785, (0.9, 1.1), 0.5, 0.5, "fcos3d_vovnet_imgbackbone-remapped.pth"),
    ],
)
def test_published_grids_and_augmentation(name, grid, turn_rad, scale, move_m, flips, start):
    cfg, model = read(name), read(name).model
    moved = steps(cfg)["AugmentBEV"]
    assert (moved.rotation_range_rad, moved.scale_range) == ((-turn_rad, turn_rad), scale)
    assert (moved.translation_std_m, moved.flip_y_prob, moved.flip_x_prob) == (move_m, flips, flips)
    assert cfg.load_from == (start and f"checkpoints/{start}")
    assert bool(model.grid_mask) == (name in (SMALL, PUBLISHED_GRID, FUSED))  # its defaults are tested by its own
    if grid is None:
        assert (model.pts_middle_encoder, model.data_preprocessor.voxel_layer) == (None, None)
        return
    voxels = model.data_preprocessor.voxel_layer
    assert (voxels.voxel_size, model.pts_middle_encoder.sparse_shape) == (grid[0], [41, grid[1], grid[1]])
    assert (voxels.max_num_points, voxels.max_voxels) == (10, (120_000, 160_000))
    assert model.get("crop_to_sparse_shape", False) == (name == PUBLISHED_GRID)
    assert steps(cfg)["LoadLidarSweeps"].sweeps_num == 10
    if "ModalMask" in steps(cfg):
        masked = steps(cfg)["ModalMask"]
        assert (masked.lidar_prob, masked.cameras_prob, masked.blank) == (0.25, 0.25, True)


@pytest.mark.parametrize("name", [CAMERA, LIDAR, SMALL, FUSED])
def test_nothing_is_drawn_at_test_time(name):
    cfg = read(name)
    kinds = [step.type.split(".")[-1] for step in cfg.test_dataloader.dataset.pipeline]
    assert set(kinds) <= {"LoadMultiViewImages", "LoadLidarSweeps", "ResizeCropFlipImages", "PackMultiModalInputs"}
    for step in cfg.test_dataloader.dataset.pipeline:
        assert isinstance(step.get("resize_range", 1.0), float)
    assert cfg.test_dataloader.dataset.modality == cfg.test_evaluator.modality


def test_range_filters_follow_the_model():
    for name in (LIDAR, SMALL, FUSED, PUBLISHED_GRID):
        cfg = read(name)
        expected = cfg.model.data_preprocessor.voxel_layer.point_cloud_range
        assert steps(cfg)["PointsRangeFilter"].point_cloud_range == expected
        assert steps(cfg)["ObjectRangeFilter"].point_cloud_range == expected


def test_modality_agnostic_training_masks_nothing():
    cfg = read("cmt_vov99_voxel0075_1600x640_modality-agnostic_8xb2-cyclic-20e_nuscenes")
    assert cfg.model.pts_bbox_head.modality_agnostic
    assert list(steps(cfg)) == [kind for kind in steps(read(FUSED)) if kind != "ModalMask"]


def cosine(start, end, share):
    return end + (start - end) * (1 + np.cos(np.pi * share)) / 2


def test_cycle_of_rates_and_momentum():
    """Against the closed form of two half cosines, for three parts with rates of their own."""
    cfg = read(FUSED)
    init_default_scope("mmdet3d")
    model = torch.nn.ModuleDict({name: torch.nn.Linear(2, 2) for name in ("img_backbone", "img_neck", "pts_bbox_head")})
    wrapper = build_optim_wrapper(model, {**cfg.optim_wrapper, "type": "OptimWrapper"})
    length = 50
    schedulers = [
        PARAM_SCHEDULERS.build(step, default_args=dict(optimizer=wrapper, epoch_length=length))
        for step in cfg.param_scheduler
    ]
    groups = {name.split(".")[0]: index for index, name in enumerate(dict(model.named_parameters()))}
    rates, momenta = [], []
    for _ in range(20 * length):
        rates.append([wrapper.param_groups[row]["lr"] for row in groups.values()])
        momenta.append(wrapper.param_groups[0]["betas"][0])
        wrapper.step()
        for scheduler in schedulers:
            scheduler.step()
    share = np.arange(20 * length) / length
    rising = share < 8
    cycle = np.where(rising, cosine(1, 8, share / 8), cosine(8, 1e-4, (share - 8) / 12))
    beta = np.where(rising, cosine(0.9, 0.9 * 0.85 / 0.95, share / 8), cosine(0.9 * 0.85 / 0.95, 0.9, (share - 8) / 12))
    for column, factor in enumerate((0.01, 0.1, 1.0)):
        np.testing.assert_allclose(
            np.array(rates)[:, column], 1e-4 * factor * cycle, rtol=0.01, atol=1e-4 * factor * 0.01
        )
    np.testing.assert_allclose(momenta, beta, atol=1e-3)
    decays = [wrapper.param_groups[row]["weight_decay"] for row in groups.values()]
    np.testing.assert_allclose(decays, [0.05, 0.01, 0.01])


def test_the_committed_weights_are_those_of_their_config():
    """Small, loadable without pickles, of exactly this model; the README names their sha256."""
    name = "cmt-tiny_masked_1xb2_nuscenes-sim"
    path = FOLDER / f"{name}.pth"
    assert path.stat().st_size <= 5_000_000
    torch.load(path, weights_only=True)
    init_default_scope("mmdet3d")
    model = MODELS.build(read(name).model)
    load_weights(model, str(path))
    assert all(value.isfinite().all() for value in model.state_dict().values() if value.is_floating_point())
    assert hashlib.sha256(path.read_bytes()).hexdigest() in (FOLDER / "README.md").read_text()
