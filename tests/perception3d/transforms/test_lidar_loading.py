from pathlib import Path

import mmdet3d
import numpy as np
import pytest
from mmdet3d.datasets.transforms import LoadAnnotations3D, PointSegClassMapping
from mmdet3d.structures import LiDARPoints
from mmengine import Config
from semantickitti_files import write_scan

from corruptions.core import InputError
from perception3d.conventions import SEMANTICKITTI_TRAIN_IDS
from perception3d.datasets.labels import label_lookup
from perception3d.transforms import LoadLidarLabels, LoadLidarPoints

RAW = sorted(SEMANTICKITTI_TRAIN_IDS)


@pytest.fixture
def info(tmp_path):
    """An info as the dataset hands it to its pipeline; every known raw id once, instance = index."""
    write_scan(tmp_path, "08", "000000", [raw + (i << 16) for i, raw in enumerate(RAW)])
    folder = tmp_path / "sequences/08"
    return {
        "lidar_points": {"lidar_path": str(folder / "velodyne/000000.bin"), "num_pts_feats": 4},
        "lidar_path": str(folder / "velodyne/000000.bin"),
        "pts_semantic_mask_path": str(folder / "labels/000000.label"),
        "seg_label_mapping": label_lookup(SEMANTICKITTI_TRAIN_IDS),
        "eval_ann_info": {},
    }


def test_points(info):
    points = LoadLidarPoints().transform(info)["points"]
    assert isinstance(points, LiDARPoints)
    stored = np.fromfile(info["lidar_path"], np.float32).reshape(-1, 4)
    assert np.array_equal(points.tensor.numpy(), stored)
    assert np.array_equal(LoadLidarPoints(use_dim=[0, 1, 2]).transform(info)["points"].tensor.numpy(), stored[:, :3])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:-3], r"000000\.bin: expected whole points of 4 float32 .* copy it again"),
        (lambda data: b"", r"000000\.bin: expected at least one point, found an empty scan"),
        (lambda data: data[:-4] + np.float32(np.nan).tobytes(), r"000000\.bin: .* NaN or inf, first at row 33"),
    ],
)
def test_bad_point_files_are_named(info, damage, message):
    path = Path(info["lidar_path"])
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=message):
        LoadLidarPoints().transform(info)


def test_columns_must_be_those_of_the_info(info):
    info["lidar_points"]["num_pts_feats"] = 5
    with pytest.raises(InputError, match=r"the info file gives 5 values per point, LoadLidarPoints\(load_dim=4\)"):
        LoadLidarPoints().transform(info)


def test_labels_agree_with_mmdet3d_s_two_transforms(info):
    ours = LoadLidarLabels().transform(LoadLidarPoints().transform(dict(info, eval_ann_info={})))
    stock = Config.fromfile(Path(mmdet3d.__file__).parent / ".mim/configs/_base_/datasets/semantickitti.py")
    stock_map = np.zeros(260, np.int64)
    stock_map[list(stock.labels_map)] = list(stock.labels_map.values())
    theirs = LoadAnnotations3D(
        with_bbox_3d=False,
        with_label_3d=False,
        with_seg_3d=True,
        seg_3d_dtype="np.int32",
        seg_offset=2**16,
        dataset_type="semantickitti",
    ).transform(dict(info, eval_ann_info={}, seg_label_mapping=stock_map))
    theirs = PointSegClassMapping().transform(theirs)
    for results in (ours, ours["eval_ann_info"]):
        assert results["pts_semantic_mask"].dtype == theirs["pts_semantic_mask"].dtype == np.int64
        assert np.array_equal(results["pts_semantic_mask"], theirs["pts_semantic_mask"])
    assert np.array_equal(ours["pts_semantic_mask"], [SEMANTICKITTI_TRAIN_IDS[raw] for raw in RAW])
    assert "pts_instance_mask" not in ours


def test_instances(info):
    results = LoadLidarLabels(with_instances=True).transform(LoadLidarPoints().transform(info))
    assert results["pts_instance_mask"].tolist() == list(range(len(RAW)))
    assert results["eval_ann_info"]["pts_instance_mask"].tolist() == list(range(len(RAW)))


def test_training_has_no_eval_ann_info(info):
    del info["eval_ann_info"]
    results = LoadLidarLabels().transform(LoadLidarPoints().transform(info))
    assert "eval_ann_info" not in results
    assert len(results["pts_semantic_mask"]) == len(RAW)


def test_one_byte_labels(info, tmp_path):
    np.arange(len(RAW), dtype=np.uint8).tofile(tmp_path / "lidarseg.bin")
    info["pts_semantic_mask_path"] = str(tmp_path / "lidarseg.bin")
    info["seg_label_mapping"] = label_lookup({raw: 100 - raw for raw in range(40)})
    results = LoadLidarLabels(dtype="uint8").transform(LoadLidarPoints().transform(info))
    assert results["pts_semantic_mask"].tolist() == [100 - raw for raw in range(len(RAW))]


def test_bad_label_files_are_named(info):
    loaded = LoadLidarPoints().transform(info)
    path = Path(info["pts_semantic_mask_path"])
    whole = path.read_bytes()
    path.write_bytes(whole[:-8])
    with pytest.raises(InputError, match=r"000000\.label: expected 34 labels, one per point .* found 32"):
        LoadLidarLabels().transform(loaded)
    path.write_bytes(whole[:-4] + np.uint32(2).tobytes())
    with pytest.raises(InputError, match=r"000000\.label: expected semantic ids .* found 2 \(1 points\)"):
        LoadLidarLabels().transform(loaded)


def test_bad_pipelines_are_named(info):
    with pytest.raises(InputError, match="expected after LoadLidarPoints and before CorruptPoints"):
        LoadLidarLabels().transform(dict(info))
    loaded = LoadLidarPoints().transform(info)
    with pytest.raises(InputError, match="expected after LoadLidarPoints and before CorruptPoints"):
        LoadLidarLabels().transform(dict(loaded, corruption="fog heavy"))
    del loaded["pts_semantic_mask_path"]
    with pytest.raises(
        InputError, match=r"000000\.bin: expected a label file in the info, .* test split has no labels"
    ):
        LoadLidarLabels().transform(loaded)


def test_bad_arguments_are_named():
    with pytest.raises(InputError, match="unknown label dtype 'uint16': did you mean"):
        LoadLidarLabels(dtype="uint16")
    with pytest.raises(InputError, match="with_instances: expected uint32 labels"):
        LoadLidarLabels(dtype="uint8", with_instances=True)
