"""The fade strategy: the last part of a training goes without GT sampling."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmengine.hooks import Hook

from corruptions.core import InputError
from perception3d.registry import HOOKS
from perception3d.transforms.object_sample import SampleObjects


@HOOKS.register_module()
class FadeObjectsHook(Hook):
    """Switch ``SampleObjects`` off after some epochs or iterations (CMT: 15 of 20 epochs; worth about 2 mAP).

    Workers that live through the whole training see the switch without a restart. With ``after_epochs`` it is exact.
    With ``after_iters`` up to ``num_workers * prefetch_factor`` batches that were under way still hold pasted objects.
    A resumed training finds it as it was. mmdet3d's ``DisableObjectSampleHook`` does not: it compares the epoch for
    equality, and sees one wrapper and no iterations.

    Args:
        after_epochs: epochs with GT sampling.
        after_iters: iterations with GT sampling, in place of epochs.

    Raises:
        InputError: unless one of the two is given; before training, for a pipeline without ``SampleObjects``.
    """

    def __init__(self, after_epochs: int | None = None, after_iters: int | None = None) -> None:
        if (after_epochs is None) == (after_iters is None):
            raise InputError(
                f"FadeObjectsHook: expected after_epochs or after_iters, found {after_epochs} and {after_iters}"
            )
        self.after_epochs = after_epochs
        self.after_iters = after_iters

    def before_train(self, runner: Any) -> None:
        """Check the pipeline; a training resumed after the fade starts without GT sampling."""
        if not any(samplers(runner.train_dataloader.dataset)):
            raise InputError(
                "FadeObjectsHook: expected SampleObjects in the training pipeline, found none; leave the hook out"
            )
        self._switch(runner, runner.iter)

    def before_train_epoch(self, runner: Any) -> None:
        """Switch at the start of an epoch, before its first batch is loaded."""
        self._switch(runner, runner.iter)

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Switch between iterations, before the next batch is loaded."""
        if self.after_iters is not None:
            self._switch(runner, runner.iter + 1)

    def _switch(self, runner: Any, done_iters: int) -> None:
        if self.after_epochs is not None:
            over = runner.epoch >= self.after_epochs
        else:
            over = done_iters >= (self.after_iters or 0)
        for sampler in samplers(runner.train_dataloader.dataset):
            if sampler.active == over:
                sampler.active = not over
                runner.logger.info(f"GT sampling is {'off' if over else 'on'} from here on")


def samplers(dataset: Any) -> Iterator[SampleObjects]:
    """The GT sampling of a dataset, whatever wraps it (CBGS, repeats, concatenations)."""
    for inner in [getattr(dataset, "dataset", None), *getattr(dataset, "datasets", ())]:
        if inner is not None:
            yield from samplers(inner)
    yield from _samplers_in(getattr(dataset, "pipeline", None))


def _samplers_in(transform: Any) -> Iterator[SampleObjects]:
    """GT sampling in a transform, and in those it holds (Compose, RandomApply)."""
    if isinstance(transform, SampleObjects):
        yield transform
    inner = getattr(transform, "transforms", ())
    for part in inner if isinstance(inner, (list, tuple)) else getattr(inner, "transforms", ()):
        yield from _samplers_in(part)
