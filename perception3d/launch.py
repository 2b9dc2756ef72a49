"""What the mmdet3d-style tools share: configs, devices, launchers, and errors that a user can act on."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, ConfigDict, DictAction
from mmengine.runner import Runner

from corruptions.core import InputError, unknown
from perception3d.compat import repair_stack

CFG_OPTIONS_HELP = (
    "override settings of the config, key=value with dots for nesting and numbers for list items "
    "(optim_wrapper.optimizer.lr=0.001 train_pipeline.0.load_dim=5); quote lists: key='[a,b]'"
)


class CfgOptions(DictAction):
    """mmengine's ``DictAction``, with a usage error in place of a traceback for words without ``=``."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Parse the words of the option."""
        for word in values:
            if "=" not in word:
                parser.error(f"{option_string}: expected key=value, found {word!r}")
        super().__call__(parser, namespace, values, option_string)


def add_shared_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that mmdet3d's train and test have in common."""
    parser.add_argument("--work-dir", help="folder of logs and results; default: ./work_dirs/<name of the config>")
    parser.add_argument("--root-path", help="folder of the data set; default: data_root of the config")
    parser.add_argument(
        "--info-dir", help="folder of the info files of --root-path; default: data/infos/<name of the root folder>"
    )
    parser.add_argument("--cfg-options", nargs="+", action=CfgOptions, help=CFG_OPTIONS_HELP)
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none", help="job launcher")
    # torchrun and older launchers spell it in two ways; only the environment variable is read
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0, help=argparse.SUPPRESS)


def load_config(args: argparse.Namespace) -> Config:
    """Read a config as mmdet3d's tools do: overrides, then the work dir of the command line, config or file name.

    Args:
        args: ``config`` and the arguments of :func:`add_shared_arguments`.

    Raises:
        InputError: for a missing config, an override that does not fit it, a launcher without its environment, or a
            work dir that cannot be written.
    """
    cfg = read_config(args)
    cfg.work_dir = args.work_dir or cfg.get("work_dir") or str(Path("work_dirs") / Path(args.config).stem)
    check_writable(Path(cfg.work_dir), "--work-dir")
    cfg.launcher = args.launcher
    os.environ.setdefault("LOCAL_RANK", "0")
    if args.launcher != "none" and not torch.cuda.is_available():
        distribute_on_cpu(cfg)
    return cfg


def read_config(args: argparse.Namespace) -> Config:
    """Read a config with its overrides, without touching the disk; errors as of :func:`load_config`."""
    path = Path(args.config)
    if not path.is_file():
        known = sorted(map(str, path.parent.glob("*.py")))
        raise InputError(unknown("config", str(path), known) if known else f"{path}: expected a config, found no file")
    if args.info_dir and not args.root_path:
        raise InputError(f"--info-dir {args.info_dir}: expected together with --root-path, found alone; give both")
    try:
        cfg = Config.fromfile(path)
    except (SyntaxError, NameError, KeyError, TypeError, OSError) as error:
        raise InputError(f"{path}: expected an mmengine config, found: {type(error).__name__}: {error}") from error
    if args.root_path:
        use_root(cfg, args.root_path, args.info_dir)
    try:
        cfg.merge_from_dict(args.cfg_options or {})
    except (KeyError, TypeError, IndexError) as error:
        raise InputError(f"--cfg-options: {error} does not fit {path}") from error
    return cfg


def use_root(cfg: Config, root_path: str, info_dir: str | None) -> None:
    """Point every dataset, wrapped or not, and every evaluator at another copy of the data, and at its info files.

    Args:
        cfg: config to change.
        root_path: folder of the data set.
        info_dir: folder of the info files; by default where tools/create_data.py writes them.
    """
    infos = Path(info_dir or Path("data/infos") / Path(root_path).resolve().name)
    for split in ("train", "val", "test"):
        loader, evaluators = cfg.get(f"{split}_dataloader"), cfg.get(f"{split}_evaluator") or []
        parts = [*_datasets(loader.dataset)] if loader else []
        evaluators = [evaluators] if isinstance(evaluators, dict) else evaluators
        for part in [*parts, *(part for part in evaluators if "data_root" in part)]:
            part["data_root"] = root_path
            if "ann_file" in part:  # released corrupted sets have none
                part["ann_file"] = str((infos / Path(part["ann_file"]).name).resolve())
            for step in part.get("pipeline", []):
                if "database" in step:
                    step["database"] = str((infos / Path(step["database"]).name).resolve())


def _datasets(dataset: ConfigDict) -> Iterator[ConfigDict]:
    """The datasets inside wrappers (``CBGSDataset``, ``RepeatDataset``, ``ConcatDataset``), or the dataset itself."""
    inner = [dataset["dataset"]] if "dataset" in dataset else dataset.get("datasets", [])
    if not inner:
        yield dataset
    for part in inner:
        yield from _datasets(part)


def distribute_on_cpu(cfg: Config) -> None:
    """Several processes without an accelerator: gloo, and a model wrapper that names no device.

    mmengine 0.10 calls ``torch.cuda.set_device`` when it starts the process group itself, so it is started here.
    """
    if cfg.launcher != "pytorch":
        raise InputError(f"--launcher {cfg.launcher} needs CUDA; on CPU use --launcher pytorch (tools/dist_train.sh)")
    if "RANK" not in os.environ:
        raise InputError("--launcher pytorch: expected torchrun's environment; start with tools/dist_train.sh")
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("gloo")
    unused = cfg.get("find_unused_parameters", False)  # mmengine reads it only without a wrapper config
    cfg.model_wrapper_cfg = dict(type="MMDistributedDataParallel", device_ids=None, find_unused_parameters=unused)


def build_runner(cfg: Config) -> Runner:
    """The Runner of a config; raises :class:`InputError` for a class that no registry has, or a missing part."""
    try:
        return Runner.from_cfg(cfg)
    except (KeyError, AttributeError) as error:
        if not isinstance(error, KeyError) and "ConfigDict" not in str(error):
            raise
        raise InputError(f"{cfg.filename}: {str(error).strip(chr(34))}; correct the config") from error


def check_device(device: str | torch.device) -> None:
    """Raise :class:`InputError` for a CUDA device on a machine without."""
    if str(device).startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"--device {device}: expected a CUDA machine, found none; use --device cpu")


def check_checkpoint(path: str) -> None:
    """Raise :class:`InputError` unless ``path`` is a file."""
    if not Path(path).is_file():
        raise InputError(
            f"{path}: expected a checkpoint, found no file; train one with tools/train.py, or download it first"
        )


def check_writable(folder: Path, option: str) -> None:
    """Make a folder; raise :class:`InputError`, which names the option, unless it can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder}: expected a folder that can be written, found: {error.strerror}; choose another {option}"
        ) from error
    if not os.access(folder, os.W_OK):
        raise InputError(
            f"{folder}: expected a folder that can be written; change its rights or choose another {option}"
        )


def run(tool: Callable[[], None]) -> None:
    """Run a tool's main.

    Bad input becomes one line on stderr and exit code 2, losses that are not finite one line and exit code 1, an
    interrupt exit code 130, output that nobody reads any more (``| head``) exit code 141, as shells have it.
    """
    try:
        repair_stack()
        tool()
    except InputError as error:
        # an error of a DataLoader worker arrives as a whole traceback, whose last line names the fault
        lines = [line for line in str(error).splitlines() if line.strip()]
        print(f"error: {lines[-1].removeprefix('corruptions.core.InputError: ')}", file=sys.stderr)
        sys.exit(2)
    except FloatingPointError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        print("error: what read this output has ended", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at the end
        sys.exit(141)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
