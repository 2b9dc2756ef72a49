import json

import numpy as np
import pytest
import torch
from mmdet3d.structures import Det3DDataSample, PointData
from mmengine.evaluator import Evaluator
from mmengine.registry import METRICS, init_default_scope

from corruptions.core import InputError
from perception3d.conventions import SEMANTICKITTI_CLASSES
from perception3d.metrics import LidarSegMetric
from perception3d.metrics.confusion import accuracy, confusion_matrix, iou_per_class, miou_official, miou_present
from perception3d.metrics.lidar_seg import stretch_of

META = {"classes": SEMANTICKITTI_CLASSES, "ignore_index": 19}


def scans(count=5, points=400):
    """Predictions and ground truth of a few scans of different lengths and classes."""
    rng = np.random.default_rng(0)
    result = []
    for i in range(count):
        truth = rng.integers(0, 20 - i, points + i)
        prediction = np.where(rng.random(points + i) < 0.7, truth, rng.integers(0, 20, points + i))
        result.append((prediction, truth))
    return result


def sample(prediction, truth):
    return {
        "pred_pts_seg": {"pts_semantic_mask": torch.from_numpy(prediction)},
        "eval_ann_info": {"pts_semantic_mask": truth},
    }


def metric(**options):
    made = LidarSegMetric(**options)
    made.dataset_meta = META
    return made


def test_scores_in_percent_over_batches():
    evaluated = metric(present_classes=[0, 5, 18])
    batches = scans()
    evaluated.process({}, [sample(*batches[0]), sample(*batches[1])])
    for prediction, truth in batches[2:]:
        evaluated.process({}, [sample(prediction, truth)])
    scores = evaluated.evaluate(size=5)
    whole = confusion_matrix(*(np.concatenate(part) for part in zip(*batches, strict=True)))
    assert scores["mIoU"] == 100 * miou_official(whole)
    assert scores["mIoU_present"] == 100 * miou_present(whole, [0, 5, 18])
    assert scores["acc"] == 100 * accuracy(whole)
    assert [scores[f"IoU/{name}"] for name in SEMANTICKITTI_CLASSES] == (100 * iou_per_class(whole)).tolist()
    assert evaluated.results == []


def test_draws_take_stretches_of_a_sequence_as_a_whole():
    """Two stretches, one all right and one all wrong: a draw has 0, 1 or 2 of the right one."""
    evaluated = metric(present_classes=[0], draws=400)
    for frame, predicted in ((0, 0), (99, 0), (100, 1), (199, 1)):
        path = f"sequences/08/velodyne/{frame:06}.bin"
        evaluated.process({}, [{**sample(np.array([predicted]), np.array([0])), "lidar_path": path}])
    draws = evaluated.evaluate(size=4)["draws"]
    shares = [np.mean(np.isclose(draws, value)) for value in (0, 50, 100)]
    assert sum(shares) == 1
    # binomial (2, 1/2) in 400 draws: standard deviations 0.022, 0.025, 0.022
    assert shares == pytest.approx([0.25, 0.5, 0.25], abs=0.1)


def test_draws_are_the_same_in_every_run_and_need_two_stretches():
    paths = [f"a/08/velodyne/{100 * i:06}.bin" for i in range(5)]
    batches = [{**sample(*scan), "lidar_path": path} for scan, path in zip(scans(), paths, strict=True)]
    drawn = []
    for size in (5, 5, 1):
        evaluated = metric(draws=20)
        evaluated.process({}, batches[:size])
        drawn.append(evaluated.evaluate(size=size)["draws"])
    assert drawn[0] == drawn[1] and len(set(drawn[0])) > 5
    assert drawn[2] == []


def test_a_scan_is_drawn_with_its_scene_or_the_frames_around_it():
    assert stretch_of({"scene_name": "scene-0103", "lidar_path": "x/n015__LIDAR_TOP__1.bin"}) == "scene-0103"
    names = [
        stretch_of({"lidar_path": f"/d/{seq}/velodyne/{frame}.bin"})
        for seq, frame in (("08", "000099"), ("08", "000100"), ("00", "000099"))
    ]
    assert len(set(names)) == 3 and names[0] == stretch_of({"lidar_path": "/d/08/velodyne/000000.bin"})


def test_present_classes_default_to_the_evaluated_ground_truth():
    evaluated = metric()
    truth = np.array([3, 3, 4, 19])
    evaluated.process({}, [sample(np.array([3, 3, 3, 9]), truth)])
    scores = evaluated.evaluate(size=1)
    assert scores["mIoU_present"] == pytest.approx(100 * (2 / 3 + 0) / 2)
    assert scores["mIoU"] == pytest.approx(100 * (2 / 3) / 19)


def test_works_in_mmengine_s_evaluator():
    init_default_scope("mmdet3d")
    evaluator = Evaluator(METRICS.build({"type": "perception3d.LidarSegMetric"}))
    evaluator.dataset_meta = META
    packed = Det3DDataSample(pred_pts_seg=PointData(pts_semantic_mask=torch.tensor([8, 8, 19])))
    packed.eval_ann_info = {"pts_semantic_mask": np.array([8, 0, 0])}
    evaluator.process(data_samples=[packed])
    scores = evaluator.evaluate(1)
    assert scores["acc"] == pytest.approx(50)  # one hit, one miss, one left without a class
    assert scores["IoU/road"] == pytest.approx(50)


def test_files(tmp_path):
    evaluated = metric(out_dir=str(tmp_path / "new"), present_classes=[8, 13])
    evaluated.process({}, [sample(np.array([8, 8, 13, 19]), np.array([8, 13, 13, 8]))])
    scores = evaluated.evaluate(size=1)
    matrix = np.load(tmp_path / "new" / "confusion_matrix.npy", allow_pickle=False)
    assert matrix.shape == (19, 20)
    assert {(int(i), int(j)): int(matrix[i, j]) for i, j in np.argwhere(matrix)} == {
        (8, 8): 1,
        (8, 19): 1,
        (13, 8): 1,
        (13, 13): 1,
    }
    table = json.loads((tmp_path / "new" / "per_class_iou.json").read_text())
    assert (table["samples"], table["mIoU_present"]) == (1, scores["mIoU_present"])
    assert table["classes"][8] == {
        "train_id": 8,
        "name": "road",
        "IoU": pytest.approx(100 / 3),
        "true_points": 2,
        "predicted_points": 2,
        "present": True,
    }
    assert not table["classes"][0]["present"]
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"confusion_matrix.npy", "per_class_iou.json"}


def test_unwritable_output_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    evaluated = metric(out_dir=str(tmp_path / "file"))
    evaluated.process({}, [sample(np.array([8]), np.array([8]))])
    with pytest.raises(InputError, match="confusion_matrix.npy: expected to write this file, found: File exists"):
        evaluated.evaluate(size=1)


def test_missing_ground_truth_is_named():
    data_sample = {**sample(np.array([0]), np.array([0])), "eval_ann_info": None, "lidar_path": "11/velodyne/0.bin"}
    with pytest.raises(InputError, match=r"0\.bin: expected ground truth in eval_ann_info, found none; set test_mode"):
        metric().process({}, [data_sample])


def test_bad_settings_are_named_before_inference():
    with pytest.raises(InputError, match="present_classes: expected different train ids"):
        metric(present_classes=[19]).process({}, [])
    with pytest.raises(InputError, match=r"dataset_meta\['classes'\]: expected from the dataset"):
        LidarSegMetric().process({}, [sample(np.array([0]), np.array([0]))])
    with pytest.raises(InputError, match="expected at least one sample, found none"):
        metric().compute_metrics([])


def evaluate_rank(rank, folder):
    """One of two processes; the sampler repeats the first scan to give both ranks three of the five."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    evaluated = metric()
    batches = scans()
    for index in [0, 1, 2, 3, 4, 0][rank::2]:
        evaluated.process({}, [sample(*batches[index])])
    evaluated.collect_dir = f"{folder}/collect"
    scores = evaluated.evaluate(size=5)
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
    (folder / f"rank{rank}.json").write_text(json.dumps(scores))


def test_two_processes_score_as_one(tmp_path):
    torch.multiprocessing.spawn(evaluate_rank, (tmp_path,), nprocs=2)
    alone = metric()
    alone.process({}, [sample(*scan) for scan in scans()])
    expected = alone.evaluate(size=5)
    for rank in range(2):
        assert json.loads((tmp_path / f"rank{rank}.json").read_text()) == expected
