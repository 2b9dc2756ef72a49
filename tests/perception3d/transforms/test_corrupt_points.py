import numpy as np
import pytest
import torch
from mmdet3d.structures import LiDARPoints
from mmengine.registry import DATASETS, init_default_scope
from mmengine.runner import Runner
from semantickitti_files import write_scan

import corruptions
from corruptions.core import ADDED, KEPT, MOVED, Corrupted, InputError, Scan
from perception3d.datasets.semantickitti_infos import list_infos, write_infos
from perception3d.transforms import CorruptPoints


def loaded(count=400, columns=4):
    """A sample as it leaves LoadLidarLabels in test mode."""
    rng = np.random.default_rng(0)
    points = np.column_stack([rng.uniform(-30, 30, (count, 3)), rng.uniform(0, 1, (count, columns - 3))])
    labels = rng.integers(0, 20, count)
    return {
        "points": LiDARPoints(points.astype(np.float32), points_dim=columns),
        "pts_semantic_mask": labels,
        "pts_instance_mask": labels + 100,
        "eval_ann_info": {"pts_semantic_mask": labels, "pts_instance_mask": labels + 100},
        "sample_id": "08/000004",
    }


def toy(scan, name, level=None, *, seed, sample, **physical):
    """Keeps point 2, moves point 0, loses the rest, adds one."""
    points = np.concatenate([scan.points[[2, 0]] + [[0], [5]], np.ones((1, scan.points.shape[1]))]).astype(np.float32)
    return Corrupted(points, np.array([2, 0, -1]), np.array([KEPT, MOVED, ADDED]))


@pytest.mark.parametrize(("rule", "moved"), [("drop_moved", (19, 0)), ("keep_moved", None)])
def test_labels_and_instances_follow_the_points(monkeypatch, rule, moved):
    monkeypatch.setattr(corruptions, "corrupt", toy)
    sample = loaded()
    before = sample["pts_semantic_mask"]
    semantic, instance = moved or (before[0], before[0] + 100)
    result = CorruptPoints("fog", "heavy", label_rule=rule).transform(sample)
    for annotations in (result, result["eval_ann_info"]):
        assert annotations["pts_semantic_mask"].tolist() == [before[2], semantic, 19]
        assert annotations["pts_instance_mask"].tolist() == [before[2] + 100, instance, 0]
    assert isinstance(result["points"], LiDARPoints)
    assert result["points"].tensor.dtype == torch.float32
    assert len(result["points"]) == 3
    assert result["point_status"].tolist() == [KEPT, MOVED, ADDED]
    assert result["corruption"] == "fog heavy"


def test_by_default_the_corruption_says_whether_moved_points_keep_their_label(monkeypatch):
    monkeypatch.setattr(corruptions, "corrupt", toy)
    before = loaded()["pts_semantic_mask"]
    for name, moved in (
        ("fog", 19),
        ("local_distortion", 19),
        ("motion_blur", before[0]),
        ("uniform_noise", before[0]),
    ):
        result = CorruptPoints(name, "heavy").transform(loaded())
        assert result["pts_semantic_mask"].tolist() == [before[2], moved, 19]


def test_fill_and_samples_without_labels(monkeypatch):
    monkeypatch.setattr(corruptions, "corrupt", toy)
    assert CorruptPoints("fog", "heavy", fill=16).transform(loaded())["pts_semantic_mask"][-1] == 16
    bare = {key: value for key, value in loaded().items() if key in ("points", "sample_id")}
    assert "pts_semantic_mask" not in CorruptPoints("fog", "heavy").transform(bare)


def test_is_the_engine_with_the_same_stream():
    sample = loaded()
    scan = Scan(sample["points"].tensor.numpy().copy(), 1.0)
    labels = sample["pts_semantic_mask"]
    direct = corruptions.corrupt(scan, "local_distortion", "heavy", seed=3, sample="08/000004", share=0.5)
    result = CorruptPoints("local_distortion", "heavy", seed=3, parameters={"share": 0.5}).transform(sample)
    assert np.array_equal(result["points"].tensor.numpy(), direct.points)
    # Independently of source and status: a point is ignored exactly where its place differs.
    displaced = (result["points"].tensor.numpy()[:, :3] != scan.points[:, :3]).any(axis=1)
    assert displaced.sum() == 200  # share 0.5 of 400
    assert np.array_equal(result["pts_semantic_mask"], np.where(displaced, 19, labels))


def test_semantics_and_rings_reach_the_engine(monkeypatch):
    seen = {}

    def record(scan, name, level=None, *, seed, sample, **physical):
        seen.update(scan=scan, name=name, level=level, seed=seed, sample=sample, physical=physical)
        return corruptions.core.select(scan, np.ones(len(scan.points), bool))

    monkeypatch.setattr(corruptions, "corrupt", record)
    sample = loaded(columns=5)
    sample["points"].tensor[:, 3] *= 255
    sample["points"].tensor[:, 4] = torch.arange(400) % 32
    CorruptPoints(
        "fog",
        seed=7,
        parameters={"alpha_per_m": 0.03},
        label_set="nuscenes_16",
        intensity_max=255.0,
        sensor="HDL-32E",
        ring_dim=4,
    ).transform(sample)
    assert (seen["name"], seen["level"], seen["seed"], seen["sample"]) == ("fog", None, 7, "08/000004")
    assert seen["physical"] == {"alpha_per_m": 0.03}
    scan = seen["scan"]
    assert (scan.label_set, scan.sensor, scan.intensity_max) == ("nuscenes_16", "HDL-32E", 255.0)
    assert scan.ring.tolist() == [i % 32 for i in range(400)]
    assert np.array_equal(scan.labels, sample["eval_ann_info"]["pts_semantic_mask"])


def test_bad_samples_are_named():
    sample = loaded()
    del sample["sample_id"]
    with pytest.raises(InputError, match="expected a sample_id .* found none; use a perception3d dataset"):
        CorruptPoints("global_outliers", "heavy").transform(sample)
    sample = loaded()
    sample["eval_ann_info"]["pts_semantic_mask"] = np.zeros(3, np.int64)
    with pytest.raises(InputError, match=r"pts_semantic_mask: expected one value per point \(400\), found 3"):
        CorruptPoints("global_outliers", "heavy").transform(sample)
    with pytest.raises(InputError, match=r"ring_dim: expected a column in 0\.\.3, found 4"):
        CorruptPoints("global_outliers", "heavy", ring_dim=4).transform(loaded())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("local_distorsion", "heavy"), "unknown corruption 'local_distorsion': did you mean local_distortion"),
        (("local_distortion", "hevy"), "unknown level 'hevy' of local_distortion: did you mean heavy"),
        (("local_distortion",), "local_distortion: give a level"),
    ],
)
def test_unknown_names_fail_when_the_pipeline_is_built(arguments, message):
    with pytest.raises(InputError, match=message):
        CorruptPoints(*arguments)
    with pytest.raises(InputError, match="unknown label rule 'drop': did you mean drop_moved"):
        CorruptPoints("fog", "heavy", label_rule="drop")


@pytest.fixture
def dataset(tmp_path):
    init_default_scope("mmdet3d")
    for frame in range(5):
        write_scan(tmp_path, "08", f"{frame:06d}", [40, 10, 70, 0, 252] * 30)
    write_infos(list_infos(tmp_path), tmp_path / "infos", "tag")
    return {
        "type": "perception3d.SemanticKittiDataset",
        "data_root": str(tmp_path),
        "ann_file": "infos/tag_infos_val.pkl",
        "test_mode": True,
        "pipeline": [
            {"type": "perception3d.LoadLidarPoints"},
            {"type": "perception3d.LoadLidarLabels"},
            {"type": "perception3d.CorruptPoints", "corruption": "global_outliers", "level": "heavy", "seed": 1},
            {"type": "Pack3DDetInputs", "keys": ["points", "pts_semantic_mask"], "meta_keys": ("sample_id",)},
        ],
    }


def test_order_and_workers_do_not_matter(dataset):
    one_by_one = DATASETS.build(dataset)
    expected = {}
    for index in (3, 0, 4, 1, 2):
        sample = one_by_one[index]
        expected[sample["data_samples"].sample_id] = sample
    assert len({sample["inputs"]["points"].numpy().tobytes() for sample in expected.values()}) == 5
    loader = Runner.build_dataloader(
        {
            "dataset": dataset,
            "batch_size": 1,
            "num_workers": 2,
            "sampler": {"type": "DefaultSampler", "shuffle": False},
        }
    )
    for batch in loader:
        (packed,) = batch["data_samples"]
        alone = expected[packed.sample_id]
        assert torch.equal(batch["inputs"]["points"][0], alone["inputs"]["points"])
        assert torch.equal(packed.gt_pts_seg.pts_semantic_mask, alone["data_samples"].gt_pts_seg.pts_semantic_mask)
        assert len(batch["inputs"]["points"][0]) == 225  # 150 points and 50 % outliers
        assert packed.eval_ann_info["pts_semantic_mask"].tolist() == packed.gt_pts_seg.pts_semantic_mask.tolist()
        assert packed.eval_ann_info["pts_semantic_mask"][150:].tolist() == [19] * 75


def test_augmentations_of_mmdet3d_keep_points_and_labels_together(dataset):
    """The stock augmentations work on these points, and labels follow the points that PointSample keeps."""
    augmentations = [
        {"type": "RandomFlip3D", "sync_2d": False, "flip_ratio_bev_horizontal": 1.0, "flip_ratio_bev_vertical": 1.0},
        {"type": "GlobalRotScaleTrans", "rot_range": [0.5, 0.5], "scale_ratio_range": [1.1, 1.1]},
        {"type": "RandomJitterPoints", "jitter_std": 0.0},
        {"type": "PointSample", "num_points": 100},
    ]
    pipeline = [*dataset["pipeline"][:2], *augmentations, dataset["pipeline"][3]]
    sample = DATASETS.build({**dataset, "pipeline": pipeline, "test_mode": False})[0]
    plain = DATASETS.build({**dataset, "pipeline": [*dataset["pipeline"][:2], dataset["pipeline"][3]]})[0]
    # Flips along y and x turn by pi, then 0.5 rad, then scale.
    angle = np.pi + 0.5
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    moved = 1.1 * plain["inputs"]["points"][:, :3].numpy() @ turn.T
    points = sample["inputs"]["points"].numpy()
    distance = np.linalg.norm(points[:, None, :3] - moved[None], axis=2)
    assert points.shape == (100, 4)
    assert distance.min(axis=1).max() < 1e-3
    labels = plain["data_samples"].gt_pts_seg.pts_semantic_mask.numpy()
    assert np.array_equal(sample["data_samples"].gt_pts_seg.pts_semantic_mask.numpy(), labels[distance.argmin(axis=1)])
