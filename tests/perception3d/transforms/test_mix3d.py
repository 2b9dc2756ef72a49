import numpy as np
import pytest
import torch
from mmdet3d.utils import register_all_modules
from mmengine.registry import DATASETS, init_default_scope
from semantickitti_files import write_root

from corruptions.core import InputError
from perception3d.datasets.semantickitti_infos import list_infos, write_infos
from perception3d.transforms import Mix3D
from perception3d.transforms.mix3d import other_index

register_all_modules()

LOAD = [dict(type="perception3d.LoadLidarPoints"), dict(type="perception3d.LoadLidarLabels")]
FLIP = dict(type="RandomFlip3D", sync_2d=False, flip_ratio_bev_horizontal=1.0, flip_ratio_bev_vertical=0.0)


@pytest.fixture
def dataset(tmp_path):
    init_default_scope("mmdet3d")
    root = write_root(tmp_path / "root")
    paths = write_infos(list_infos(root), tmp_path, "tiny")

    def build(pipeline):
        config = dict(data_root=str(root), ann_file=str(paths["train"]), pipeline=pipeline)
        return DATASETS.build(dict(type="perception3d.SemanticKittiDataset", **config))

    return build


def loaded(dataset, index):
    return dataset.prepare_data(index)["points"].tensor.numpy()


def test_union_of_two_scans_each_augmented_on_its_own(dataset):
    plain, mixed = dataset(LOAD), dataset([*LOAD, FLIP, dict(type="perception3d.Mix3D", prob=1.0)])
    flipped = [loaded(plain, k) * [1, -1, 1, 1] for k in range(3)]
    labels = [plain.prepare_data(k)["pts_semantic_mask"] for k in range(3)]
    partners = set()
    for _ in range(12):
        result = mixed.prepare_data(0)
        points, mask = result["points"].tensor.numpy(), result["pts_semantic_mask"]
        own = len(flipped[0])
        partner = next(k for k in (1, 2) if len(flipped[k]) == len(points) - own)
        partners.add(partner)
        assert points == pytest.approx(np.concatenate([flipped[0], flipped[partner]]))
        assert np.array_equal(mask, np.concatenate([labels[0], labels[partner]]))
    assert partners == {1, 2}


def test_the_other_scan_is_another_one():
    rng = np.random.default_rng(0)
    drawn = [other_index(rng, 2, 4) for _ in range(400)]
    assert set(drawn) == {0, 1, 3}
    assert np.bincount(drawn).max() < 180  # a third each
    assert other_index(rng, 0, 1) == 0
    assert {other_index(rng, None, 2) for _ in range(50)} == {0, 1}


def test_without_a_dataset_or_nested(dataset):
    mix = Mix3D(prob=1.0)
    sample = dataset(LOAD).prepare_data(0)
    with pytest.raises(InputError, match="not nest"):
        mix.transform(sample)
    del sample["dataset"]
    with pytest.raises(InputError, match="training pipeline"):
        mix.transform(sample)


@pytest.mark.parametrize(
    "mix",
    [
        dict(type="PolarMix", instance_classes=[0, 5], pre_transform=LOAD),
        dict(type="LaserMix", num_areas=[3, 4], pitch_angles=[-25, 3], pre_transform=LOAD),
    ],
)
def test_mmdet3d_s_own_mixes_work_in_our_pipelines(dataset, mix):
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002, TID251  (mmdet3d draws from numpy's global stream)
    plain = dataset(LOAD)
    known = np.concatenate([loaded(plain, k) for k in range(3)])
    labels = np.concatenate([plain.prepare_data(k)["pts_semantic_mask"] for k in range(3)])
    height = {tuple(row): label for row, label in zip(known[:, 2:].tolist(), labels, strict=True)}
    mixed = dataset([*LOAD, mix])
    for index in range(3):
        result = mixed.prepare_data(index)
        points, mask = result["points"].tensor.numpy(), result["pts_semantic_mask"]
        assert len(points) == len(mask)
        # rotation about z leaves height and intensity alone: every point carries the label it came with
        assert [height[tuple(row)] for row in points[:, 2:].tolist()] == mask.tolist()
