"""A trained model, loaded once and tested on one data set after another by mmengine's Runner and test loop."""

from __future__ import annotations

import copy
import os
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import worker_init_fn
from mmengine.device import get_device
from mmengine.hooks import Hook
from mmengine.registry import DATASETS, LOOPS, init_default_scope
from mmengine.runner import Runner

from corruptions.core import InputError
from perception3d.checkpoints import load_weights

LOOK_EVERY_S = 1.0


class LoadedModel:
    """The model of a config with its weights.

    Args:
        config: an mmengine config with a test set (see :func:`check_test_set`), with the work dir to use.
        checkpoint: weights of the config's model.
        hooks: hooks that see every test run.

    Raises:
        InputError: for a checkpoint that does not fit the model.
    """

    def __init__(self, config: Config, checkpoint: Path, hooks: Sequence[Hook] = ()) -> None:
        self._config = config
        self._runner = _build_runner(config)
        for hook in hooks:
            self._runner.register_hook(hook)
        load_weights(self._runner.model, str(checkpoint))

    def test(self, dataset: Mapping[str, Any], evaluator: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
        """Test on a data set.

        Args:
            dataset: its config.
            evaluator: config of the metric.

        Returns:
            What the metric gives, and the data set.
        """
        dataloader = copy.deepcopy(self._config.test_dataloader)
        dataloader.dataset = dataset
        dataloader.persistent_workers = False  # each setting has its own workers, which end with it
        if "worker_init_fn" not in dataloader:
            quiet = dataloader.pop("disable_subprocess_warning", False)  # mmengine reads it with its own function alone
            options = dict(num_workers=dataloader.get("num_workers", 0), rank=0, seed=self._runner.seed)
            dataloader.worker_init_fn = dict(
                type=init_worker, parent=os.getpid(), disable_subprocess_warning=quiet, **options
            )
        loop = LOOPS.build(
            self._config.test_cfg,
            default_args={"runner": self._runner, "dataloader": dataloader, "evaluator": dict(evaluator)},
        )
        return loop.run(), loop.dataloader.dataset


def init_worker(worker_id: int, parent: int, **options: Any) -> None:
    """Begin a worker of a DataLoader as mmengine does; it ends when its parent is killed.

    Torch's own watch lets it leave its loop, and then it waits for ever to hand on what nobody will take.

    Args:
        worker_id: number of the worker.
        parent: process id of the parent.
        options: of mmengine's function.
    """
    worker_init_fn(worker_id, **options)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_EVERY_S)
    os._exit(1)


def check_test_set(config: Config, name: str) -> str:
    """Class name of the metric of a config; raises :class:`InputError` for one without model or test set."""
    missing = [key for key in ("model", "test_dataloader", "test_evaluator", "test_cfg") if not config.get(key)]
    if missing:
        raise InputError(f"{name}: expected a config with a test set, found none of {', '.join(missing)}; add them")
    metric = config.test_evaluator
    return type_name(metric) if isinstance(metric, dict) else str(metric)


def build_dataset(config: Config) -> Any:
    """The clean test set of a config."""
    init_default_scope(config.get("default_scope", "mmdet3d"))
    return DATASETS.build(config.test_dataloader.dataset)


def device_name() -> str:
    """The device that models run on: "cpu", or the name of the accelerator."""
    device = get_device()
    return torch.cuda.get_device_name() if device == "cuda" else device


def type_name(part: Mapping[str, Any]) -> str:
    """Class name of a config part, without its scope."""
    kind = part.get("type", "")
    return kind.rpartition(".")[2] if isinstance(kind, str) else kind.__name__


def _build_runner(config: Config) -> Runner:
    """A Runner for testing alone: no training parts, no hooks that write checkpoints or draw."""
    config = copy.deepcopy(config)
    for part in ("train_dataloader", "train_cfg", "optim_wrapper", "val_dataloader", "val_cfg", "val_evaluator"):
        config[part] = None
    hooks = ("runtime_info", "timer", "sampler_seed", "logger", "param_scheduler", "checkpoint")
    config.update(
        auto_scale_lr=None,
        custom_hooks=None,
        default_hooks=dict.fromkeys(hooks),
        launcher="none",
        load_from=None,
        log_level="WARNING",
        param_scheduler=None,
        resume=False,
        visualizer=None,
        work_dir=str(Path(config.work_dir) / "log"),
    )
    return Runner.from_cfg(config)
