"""Both metrics gathered over two processes (gloo): the scores and files of one."""

import json

import mmengine
import numpy as np
import pytest
import torch
from mmdet3d.structures import LiDARInstance3DBoxes
from nuscenes_lidarseg_files import write_nuscenes

from perception3d.conventions import NUSCENES_DETECTION_CLASSES, SEMANTICKITTI_CLASSES
from perception3d.metrics import LidarSegMetric, NuScenesDetMetric

SAMPLES = 3  # odd: the second process gets a sample again, as mmengine's DefaultSampler fills up


def boxes_of(index):
    rng = np.random.default_rng(index)
    rows = np.column_stack([rng.uniform(-20, 20, (4, 3)), rng.uniform(1, 5, (4, 3)), rng.uniform(-3, 3, (4, 3))])
    instances = {
        "bboxes_3d": LiDARInstance3DBoxes(torch.tensor(rows), box_dim=9),
        "scores_3d": torch.tensor(rng.uniform(0, 1, 4)),
        "labels_3d": torch.tensor(rng.integers(0, 10, 4)),
    }
    return {"sample_idx": index, "pred_instances_3d": instances}


def labels_of(index):
    rng = np.random.default_rng(index)
    truth, prediction = rng.integers(0, 20, 300 + index), rng.integers(0, 20, 300 + index)
    masks = {"pts_semantic_mask": torch.from_numpy(prediction)}
    return {"pred_pts_seg": masks, "eval_ann_info": {"pts_semantic_mask": truth}}


def evaluate(folder, out, indices):
    """Both metrics on these samples; returns the segmentation scores."""
    options = {"version": "v1.0-mini", "split": "mine", "format_only": True, "jsonfile_prefix": str(out)}
    detection = NuScenesDetMetric(str(folder), str(folder / "infos.pkl"), **options)
    detection.dataset_meta = {"classes": NUSCENES_DETECTION_CLASSES, "modality": {"use_lidar": True}}
    segmentation = LidarSegMetric(out_dir=str(out))
    segmentation.dataset_meta = {"classes": SEMANTICKITTI_CLASSES, "ignore_index": 19}
    for index in indices:
        detection.process({}, [boxes_of(index)])
        segmentation.process({}, [labels_of(index)])
    detection.evaluate(SAMPLES)
    return segmentation.evaluate(SAMPLES)


def one_rank(rank, folder):
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    scores = evaluate(folder, folder / "two", [(rank + 2 * step) % SAMPLES for step in range(2)])
    (folder / f"scores_{rank}.json").write_text(json.dumps(scores))
    torch.distributed.destroy_process_group()


@pytest.fixture
def folder(tmp_path):
    """Three keyframes of a split of their own."""
    write_nuscenes(tmp_path, keyframes=SAMPLES)
    (tmp_path / "v1.0-mini/splits.json").write_text(json.dumps({"mine": ["scene-0103"]}))
    poses = {"ego2global": np.eye(4).tolist(), "lidar_points": {"lidar2ego": np.eye(4).tolist()}}
    infos = [{"sample_idx": index, "token": f"scene-0103-{index}", **poses} for index in range(SAMPLES)]
    mmengine.dump({"metainfo": {}, "data_list": infos}, tmp_path / "infos.pkl")
    return tmp_path


def test_two_processes_give_what_one_gives(folder):
    expected = evaluate(folder, folder / "one", range(SAMPLES))
    context = torch.multiprocessing.get_context("spawn")
    ranks = [context.Process(target=one_rank, args=(rank, folder)) for rank in range(2)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(120)
    assert [process.exitcode for process in ranks] == [0, 0]
    for rank in range(2):  # mmengine hands the scores to every rank
        assert json.loads((folder / f"scores_{rank}.json").read_text()) == expected
    files = ("results_nusc.json", "confusion_matrix.npy", "per_class_iou.json")
    assert [(folder / "two" / name).read_bytes() == (folder / "one" / name).read_bytes() for name in files] == [
        True
    ] * 3
    results = json.loads((folder / "two/results_nusc.json").read_text())["results"]
    assert {token: len(boxes) for token, boxes in results.items()} == {f"scene-0103-{index}": 4 for index in range(3)}
