"""The fade: GT sampling ends where it should, in every loop, through wrappers and in workers that live on."""

import pickle

import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset, Compose
from mmengine.model import BaseModel
from mmengine.runner import Runner

from corruptions.core import InputError
from perception3d.compat import repair_stack
from perception3d.hooks.fade import FadeObjectsHook, samplers
from perception3d.transforms.object_sample import SampleObjects


class Watch:
    """Says in the sample whether objects would have been pasted."""

    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, results):
        return {"inputs": torch.tensor(float(self.transforms[0].active)), "data_samples": results["sample_idx"]}


class Samples(BaseDataset):
    def load_data_list(self):
        return [{"sample_idx": row} for row in range(8)]


class Wrapper:
    metainfo = {"classes": ("car",)}

    def __init__(self, dataset):
        self.dataset = dataset

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, row):
        return self.dataset[row]


class Model(BaseModel):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen = []

    def forward(self, inputs, data_samples=None, mode="tensor"):
        self.seen.append(float(torch.stack(list(inputs)).mean()))
        return {"loss": self.weight**2}


@pytest.fixture
def sampler(tmp_path):
    np.zeros((9, 5), np.float32).tofile(tmp_path / "0.bin")
    entry = {"path": "0.bin", "box3d_lidar": np.ones(9, np.float32), "num_points_in_gt": 9, "num_pts_feats": 5}
    (tmp_path / "db.pkl").write_bytes(pickle.dumps({"car": [entry]}))
    return SampleObjects(str(tmp_path / "db.pkl"), ("car",), {"car": 2}, with_images=False)


def train(tmp_path, sampler, hook, train_cfg, workers=0, wrapped=False, resume=False):
    """Share of samples with GT sampling, by iteration; four iterations an epoch."""
    dataset = Samples(pipeline=[Watch([sampler])])
    model = Model()
    runner = Runner(
        model=model,
        work_dir=str(tmp_path / "work"),
        train_dataloader=dict(
            batch_size=2,
            num_workers=workers,
            persistent_workers=workers > 0,
            dataset=Wrapper(Wrapper(dataset)) if wrapped else dataset,
            sampler=dict(type="DefaultSampler" if train_cfg["by_epoch"] else "InfiniteSampler", shuffle=False),
        ),
        train_cfg=train_cfg,
        optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.1)),
        default_hooks=dict(checkpoint=dict(type="CheckpointHook", interval=3)),
        custom_hooks=[hook],
        resume=resume,
        log_level="ERROR",
        experiment_name=f"{tmp_path.name}_{resume}",
    )
    runner.train()
    return model.seen


EPOCHS = {"by_epoch": True, "max_epochs": 4}
ITERS = {"by_epoch": False, "max_iters": 12}


@pytest.mark.parametrize(("workers", "wrapped"), [(0, False), (0, True), (2, True)])
def test_epochs(tmp_path, sampler, workers, wrapped):
    assert train(tmp_path, sampler, FadeObjectsHook(after_epochs=2), EPOCHS, workers, wrapped) == [1.0] * 8 + [0.0] * 8


def test_iterations(tmp_path, sampler):
    assert train(tmp_path, sampler, FadeObjectsHook(after_iters=5), ITERS) == [1.0] * 5 + [0.0] * 7


def test_iterations_in_workers_that_live_on(tmp_path, sampler):
    """Two workers prefetch two batches each: at most four more than asked for."""
    seen = train(tmp_path, sampler, FadeObjectsHook(after_iters=5), ITERS, workers=2)
    assert seen[:5] == [1.0] * 5 and seen[9:] == [0.0] * 3
    assert sorted(seen, reverse=True) == seen


def test_a_resumed_training_knows(tmp_path, sampler):
    repair_stack()  # lets torch read the checkpoint
    seen = train(tmp_path, sampler, FadeObjectsHook(after_epochs=1), {**EPOCHS, "max_epochs": 3})
    assert seen == [1.0] * 4 + [0.0] * 8
    sampler.active = True  # as a new process finds it
    assert train(tmp_path, sampler, FadeObjectsHook(after_epochs=1), EPOCHS, resume=True) == [0.0] * 4


def test_a_new_training_starts_with_it(tmp_path, sampler):
    sampler.active = False  # left over from a training in the same process
    assert train(tmp_path, sampler, FadeObjectsHook(after_epochs=1), {**EPOCHS, "max_epochs": 1}) == [1.0] * 4


def test_samplers_are_found_wherever_they_are(sampler):
    class Bundle:
        def __init__(self, *datasets):
            self.datasets = datasets

    nested = Samples(pipeline=[Compose([Compose([Watch([sampler])])])])
    assert list(samplers(Wrapper(Bundle(Samples(), Wrapper(nested))))) == [sampler]
    assert list(samplers(Samples())) == []


def test_bad_settings_are_named(tmp_path, sampler):
    with pytest.raises(InputError, match="expected after_epochs or after_iters, found None and None"):
        FadeObjectsHook()
    with pytest.raises(InputError, match="expected after_epochs or after_iters, found 3 and 4"):
        FadeObjectsHook(3, 4)

    class Plain:
        def __call__(self, results):
            return results

    with pytest.raises(InputError, match="expected SampleObjects in the training pipeline, found none"):
        plain = Watch([Plain()])
        train(tmp_path, plain, FadeObjectsHook(2), EPOCHS)
