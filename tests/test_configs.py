"""Every config parses, names only classes that exist, and builds its model."""

from pathlib import Path

import pytest
from mmdet3d.utils import register_all_modules
from mmengine import registry as root
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

import perception3d.models  # noqa: F401  (repairs the stack)

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
RUNNABLE = sorted(path for path in CONFIGS.glob("*/*.py") if path.parent.name != "_base_")
REGISTRIES = (
    *(root.MODELS, root.DATASETS, root.TRANSFORMS, root.METRICS, root.HOOKS, root.LOOPS, root.DATA_SAMPLERS),
    *(root.OPTIMIZERS, root.OPTIM_WRAPPERS, root.PARAM_SCHEDULERS, root.LOG_PROCESSORS, root.TASK_UTILS),
    *(root.VISUALIZERS, root.VISBACKENDS),
)

register_all_modules()


def names(path):
    return str(path.relative_to(CONFIGS))


def typed_parts(part, where=""):
    """Every dict with a ``type`` of the config, with its place in it."""
    if isinstance(part, dict):
        if isinstance(part.get("type"), str):
            yield where, part["type"]
        for key, value in part.items():
            yield from typed_parts(value, f"{where}.{key}")
    elif isinstance(part, (list, tuple)):
        for index, value in enumerate(part):
            yield from typed_parts(value, f"{where}[{index}]")


def registered(kind, default_scope):
    scoped = kind if "." in kind else f"{default_scope}.{kind}"
    return any(registry.get(scoped) for registry in REGISTRIES)


def test_there_are_configs():
    assert len(RUNNABLE) >= 3


@pytest.mark.parametrize("path", RUNNABLE, ids=names)
def test_every_type_is_registered(path):
    cfg = Config.fromfile(path)
    init_default_scope(cfg.default_scope)
    parts = list(typed_parts(cfg.to_dict()))
    missing = [(where, kind) for where, kind in parts if not registered(kind, cfg.default_scope)]
    assert parts
    assert missing == []


@pytest.mark.parametrize("path", RUNNABLE, ids=names)
def test_model_builds(path):
    cfg = Config.fromfile(path)
    init_default_scope(cfg.default_scope)
    model = MODELS.build(cfg.model)
    assert sum(parameter.numel() for parameter in model.parameters()) > 1e5


def test_published_widths_of_minkowskinet():
    cfg = Config.fromfile(CONFIGS / "segmentation/minkunet_w32_8xb1-64e_semantickitti.py")
    assert cfg.model.partition.voxel_size_m == 0.05
    assert tuple(cfg.model.backbone.channels) == (32, 32, 64, 128, 256, 256, 128, 96, 96)


def test_validation_pipelines_change_no_point():
    """Scores are of the scans as they are: loading and packing only."""
    for path in CONFIGS.glob("segmentation/*.py"):
        pipeline = Config.fromfile(path).test_dataloader.dataset.pipeline
        assert [step.type for step in pipeline] == [
            "perception3d.LoadLidarPoints",
            "perception3d.LoadLidarLabels",
            "Pack3DDetInputs",
        ]
