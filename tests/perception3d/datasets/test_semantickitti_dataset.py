import pickle

import numpy as np
import pytest
from mmdet3d.datasets import Seg3DDataset
from mmengine.registry import DATASETS, init_default_scope
from mmengine.runner import Runner
from semantickitti_files import write_root, write_scan

from corruptions.core import InputError
from perception3d.conventions import SEMANTICKITTI_CLASSES, SEMANTICKITTI_TRAIN_IDS
from perception3d.datasets import SemanticKittiDataset
from perception3d.datasets.labels import label_lookup, to_train_ids
from perception3d.datasets.semantickitti_infos import list_infos, write_infos

PIPELINE = [
    {"type": "perception3d.LoadLidarPoints"},
    {"type": "perception3d.LoadLidarLabels"},
    {"type": "Pack3DDetInputs", "keys": ["points", "pts_semantic_mask"], "meta_keys": ("sample_id", "lidar_path")},
]


@pytest.fixture(autouse=True)
def _mmdet3d_scope():
    init_default_scope("mmdet3d")  # as every config of this project does


@pytest.fixture
def root(tmp_path):
    root = write_root(tmp_path / "kitti")
    write_infos(list_infos(root), tmp_path / "infos", "tag")
    return root


def config(root, split, **options):
    ann_file = str(root.parent / "infos" / f"tag_infos_{split}.pkl")
    return {
        "type": "perception3d.SemanticKittiDataset",
        "data_root": str(root),
        "ann_file": ann_file,
        "pipeline": PIPELINE,
        **options,
    }


def test_builds_by_prefix_with_the_official_names(root):
    dataset = DATASETS.build(config(root, "train"))
    assert isinstance(dataset, SemanticKittiDataset)
    assert isinstance(dataset, Seg3DDataset)
    assert dataset.metainfo["classes"] == SEMANTICKITTI_CLASSES
    assert dataset.metainfo["ignore_index"] == 19
    assert dataset.metainfo["label2cat"][15] == "trunk"
    assert len(dataset.metainfo["palette"]) == 19


def test_a_sample_holds_points_train_ids_and_its_id(root):
    dataset = DATASETS.build(config(root, "train"))
    sample = dataset[1]
    assert np.array_equal(
        sample["inputs"]["points"].numpy(),
        np.fromfile(root / "sequences/01/velodyne/000002.bin", np.float32).reshape(-1, 4),
    )
    # raw 40 road, 252 moving-car, 10 car, 70 vegetation, 1 outlier
    assert sample["data_samples"].gt_pts_seg.pts_semantic_mask.tolist() == [8, 0, 0, 14, 19]
    assert sample["data_samples"].sample_id == "01/000002"
    assert sample["data_samples"].eval_ann_info is None


def test_test_mode_carries_the_ground_truth_to_the_metric(root):
    sample = DATASETS.build(config(root, "val", test_mode=True))[0]
    # raw 10 with instance 3, 40 road, 60 lane-marking, 0 unlabeled, 11 bicycle
    assert sample["data_samples"].eval_ann_info["pts_semantic_mask"].tolist() == [0, 8, 8, 19, 1]


def test_runner_habits(root):
    dataset = DATASETS.build(config(root, "trainval", indices=[2, 0]))
    assert [dataset[i]["data_samples"].sample_id for i in range(len(dataset))] == ["08/000004", "01/000000"]
    assert len(DATASETS.build(config(root, "trainval", indices=1))) == 1
    loader = Runner.build_dataloader(
        {
            "dataset": config(root, "trainval"),
            "batch_size": 2,
            "num_workers": 0,
            "sampler": {"type": "DefaultSampler", "shuffle": False},
            "collate_fn": {"type": "pseudo_collate"},
        }
    )
    assert [len(batch["inputs"]["points"]) for batch in loader] == [2, 2]


def test_lazy_init_needs_no_files():
    dataset = SemanticKittiDataset(data_root="nowhere", ann_file="none.pkl", lazy_init=True)
    assert dataset.metainfo["classes"][13] == "fence"


def test_annotation_file_below_the_root_or_the_working_directory(root, monkeypatch):
    monkeypatch.chdir(root.parent)
    below_cwd = SemanticKittiDataset(data_root="kitti", ann_file="infos/tag_infos_val.pkl")
    write_infos(list_infos(root), root, "tag")
    below_root = SemanticKittiDataset(data_root="kitti", ann_file="tag_infos_train.pkl")
    assert (len(below_cwd), len(below_root)) == (1, 3)


def test_mmdet3d_s_own_info_files_get_unambiguous_sample_ids(tmp_path):
    infos = [
        {"lidar_points": {"lidar_path": f"sequences/{path}.bin", "num_pts_feats": 4}, "sample_id": "111"}
        for path in ("01/velodyne/000011", "11/velodyne/000001")
    ]
    (tmp_path / "stock.pkl").write_bytes(pickle.dumps({"metainfo": {"DATASET": "SemanticKITTI"}, "data_list": infos}))
    dataset = SemanticKittiDataset(data_root=str(tmp_path), ann_file="stock.pkl")
    assert [dataset.get_data_info(i)["sample_id"] for i in range(2)] == ["01/000011", "11/000001"]


def test_unknown_raw_id_is_an_error_and_not_a_car(root):
    write_scan(root, "08", "000004", [40, 21, 21, 40, 300])
    dataset = DATASETS.build(config(root, "val"))
    with pytest.raises(InputError, match=r"000004\.label: expected semantic ids .* found 21 \(2 points\), 300 \(1 poi"):
        dataset[0]


def test_own_label_map(root):
    write_scan(root, "08", "000004", [110, 40, 111, 10, 0])
    extended = {**SEMANTICKITTI_TRAIN_IDS, 110: 19, 111: 16}
    dataset = DATASETS.build(config(root, "val", metainfo={"seg_label_mapping": extended}))
    assert dataset[0]["data_samples"].gt_pts_seg.pts_semantic_mask.tolist() == [19, 8, 16, 0, 19]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data_root": "nowhere"}, r"nowhere: expected the SemanticKITTI folder .* found none; set data_root"),
        (
            {"ann_file": "none.pkl"},
            r"none\.pkl: expected an info file, found none; run `python tools/create_data\.py sem",
        ),
        ({"ann_file": ""}, r"ann_file: expected an info file, found none"),
        ({"metainfo": {"classes": ["car", "bus"]}}, r"metainfo\['classes'\]: expected .* found car, bus; leave it out"),
        ({"ignore_index": 0}, "ignore_index: expected 19, found 0"),
    ],
)
def test_bad_input_is_named(root, options, message):
    with pytest.raises(InputError, match=message):
        DATASETS.build(config(root, "val", **options))


def test_an_empty_split_is_named(tmp_path):
    write_scan(tmp_path, "08", "000000", [40])
    write_infos(list_infos(tmp_path), tmp_path, "tag")
    with pytest.raises(InputError, match=r"tag_infos_train\.pkl: expected at least one scan, found an empty list"):
        SemanticKittiDataset(data_root=str(tmp_path), ann_file="tag_infos_train.pkl")


def test_present_classes(root):
    # 01/000000: 48, 30; 01/000002: 40, 252, 10, 70, 1; 10/000000: 50, 99, 81
    expected = [SEMANTICKITTI_CLASSES.index(name) for name in ("car", "person", "road", "sidewalk", "building")]
    expected += [SEMANTICKITTI_CLASSES.index(name) for name in ("vegetation", "traffic-sign")]
    assert list(DATASETS.build(config(root, "train")).present_classes()) == expected


def test_present_classes_need_labels(root):
    with pytest.raises(InputError, match=r"11/velodyne/000001\.bin: expected a scan with labels"):
        DATASETS.build(config(root, "test")).present_classes()


def test_lookup_edges():
    lookup = label_lookup({0: 19, 5: 2})
    assert to_train_ids(np.array([5, 0], np.uint32), lookup, "file").tolist() == [2, 19]
    assert to_train_ids(np.zeros(0, np.uint32), lookup, "file").shape == (0,)
    for bad in (np.array([6], np.uint32), np.array([65535], np.uint32), np.array([4], np.uint8), np.array([-1])):
        with pytest.raises(InputError, match=rf"^file: expected .*\(0, 5\), found {bad[0]} \(1 points\)"):
            to_train_ids(bad, lookup, "file")


def test_real_scans_read_as_numpy_reads_them(data_root, tmp_path):
    root = data_root / "semantickitti"
    infos = list_infos(root)
    write_infos(infos, tmp_path / "infos", "tag")
    config_of = {
        split: {
            **config(root, split, test_mode=split == "val"),
            "ann_file": str(tmp_path / f"infos/tag_infos_{split}.pkl"),
        }
        for split in ("train", "val")
    }
    train, val = (DATASETS.build(config_of[split]) for split in ("train", "val"))
    for dataset, scans in ((train, 40), (val, 3)):
        assert len(dataset) == scans
        counts = np.zeros(20, np.int64)
        direct = np.zeros(20, np.int64)
        for index in range(scans):
            sample = dataset[index]
            mask = sample["data_samples"].gt_pts_seg.pts_semantic_mask.numpy()
            assert mask.shape == (len(sample["inputs"]["points"]),)
            counts += np.bincount(mask, minlength=20)
            path = str(sample["data_samples"].lidar_path).replace("velodyne", "labels").replace(".bin", ".label")
            for raw, points in zip(*np.unique(np.fromfile(path, np.uint16)[::2], return_counts=True), strict=True):
                direct[SEMANTICKITTI_TRAIN_IDS[int(raw)]] += points
        assert counts.tolist() == direct.tolist()
    absent = {SEMANTICKITTI_CLASSES[i] for i in range(19)} - {SEMANTICKITTI_CLASSES[i] for i in val.present_classes()}
    assert absent == {"motorcycle", "truck", "other-vehicle", "bicyclist", "motorcyclist"}
