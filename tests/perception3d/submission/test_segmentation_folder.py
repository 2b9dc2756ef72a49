import numpy as np
import pytest
import torch
from mmengine.registry import METRICS, init_default_scope
from semantickitti_files import write_scan

from corruptions.core import InputError
from perception3d.conventions import SEMANTICKITTI_CLASSES
from perception3d.submission.files import Folder, open_tree, zip_tree
from perception3d.submission.segmentation_folder import prediction_folder
from perception3d.submission.semantickitti import required_folders, semantickitti_faults

META = {"dataset": "semantickitti", "classes": SEMANTICKITTI_CLASSES, "ignore_index": 19}


def metric(**options):
    init_default_scope("mmdet3d")
    made = METRICS.build(dict(type="perception3d.LidarSegMetric", **options))
    made.dataset_meta = META
    return made


def test_test_split_without_labels_passes_the_checks_of_the_leaderboard(tmp_path):
    for frame in ("000000", "000007"):
        write_scan(tmp_path / "root", "11", frame, None)  # 7 points each
    writer = metric(submission_prefix=str(tmp_path / "out"), format_only=True)
    for frame in ("000000", "000007"):
        predicted = torch.tensor([0, 4, 8, 15, 16, 18, 19])
        writer.process({}, [{"sample_id": f"11/{frame}", "pred_pts_seg": {"pts_semantic_mask": predicted}}])
    assert writer.evaluate(size=2) == {}
    # car, other-vehicle, road, trunk, terrain, traffic-sign, ignore in the original numbers
    raw = np.fromfile(tmp_path / "out/sequences/11/predictions/000007.label", dtype=np.uint32)
    assert raw.tolist() == [10, 20, 40, 71, 72, 81, 0]
    zip_tree(Folder(tmp_path / "out"), tmp_path / "out.zip", required_folders(["11"]))
    with open_tree(tmp_path / "out.zip") as tree:
        assert semantickitti_faults(tree, tmp_path / "root", ["11"]) == []


def test_predictions_beside_scores(tmp_path):
    labels = np.array([0, 3, 3, 19])
    sample = {
        "sample_id": "08/000001",
        "pred_pts_seg": {"pts_semantic_mask": torch.tensor([0, 3, 3, 5])},
        "eval_ann_info": {"pts_semantic_mask": labels},
    }
    both = metric(submission_prefix=str(tmp_path))
    both.process({}, [sample])
    assert both.evaluate(size=1)["mIoU_present"] == pytest.approx(100)
    assert (tmp_path / "sequences/08/predictions/000001.label").stat().st_size == 16


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(InputError, match="submission_prefix"):
        metric(format_only=True)
    with pytest.raises(InputError, match="leaderboard"):
        prediction_folder(tmp_path, {"classes": ()})
    with pytest.raises(InputError, match=r"version.*create_data\.py"):
        prediction_folder(tmp_path, {"dataset": "nuscenes", "split": "val"})
    with pytest.raises(InputError, match=r"sample_id.*meta_keys"):
        prediction_folder(tmp_path, META).write({"lidar_path": "x.bin"}, np.zeros(1, int))
    with pytest.raises(InputError, match=r"0\.\.19"):
        prediction_folder(tmp_path, META).write({"sample_id": "11/000000"}, np.array([20]))
