import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope
from sweep_world import write_world

from corruptions.core import ADDED, MOVED, InputError
from corruptions.suites import SEMANTICKITTI_C
from perception3d.robustness.evaluate import corrupted_pipeline, example_scene, label_index, make_score
from perception3d.robustness.plan import clean_setting
from perception3d.transforms import LoadLidarLabels

LOAD, LABELS, PACK = (
    {"type": name} for name in ("perception3d.LoadLidarPoints", "perception3d.LoadLidarLabels", "Pack")
)
CLEAN, HEAVY = clean_setting(SEMANTICKITTI_C), SEMANTICKITTI_C.setting("local_heavy")


@pytest.mark.parametrize("labels", [LABELS, {"type": "LoadLidarLabels"}, {"type": LoadLidarLabels}])
def test_the_corruption_follows_the_labels(labels):
    pipeline = [LOAD, {"type": "Crop"}, labels, {"type": "Other"}, PACK]
    inserted = corrupted_pipeline(pipeline, HEAVY, seed=3, drop=(MOVED, ADDED))
    assert [part for part in inserted if part not in pipeline] == [
        {
            "type": "perception3d.CorruptPoints",
            "corruption": "local_distortion",
            "level": "heavy",
            "parameters": {},
            "seed": 3,
            "label_rule": "drop_moved",
        }
    ]
    assert inserted[3]["type"] == "perception3d.CorruptPoints"
    assert corrupted_pipeline(pipeline, HEAVY, seed=3, drop=(ADDED,))[3]["label_rule"] == "keep_moved"
    assert corrupted_pipeline(pipeline, CLEAN, seed=3, drop=(MOVED, ADDED)) == pipeline
    assert len(pipeline) == 5


@pytest.mark.parametrize(
    "pipeline", [[], [LOAD, PACK], [LOAD, LABELS, LABELS], [LOAD, LABELS, {"type": "CorruptPoints"}]]
)
def test_pipelines_without_one_place_for_the_corruption_are_refused(pipeline):
    with pytest.raises(InputError, match="expected perception3d.LoadLidarLabels once and no CorruptPoints"):
        label_index(pipeline)


def test_a_score_from_a_confusion_matrix():
    """Two points of car, one found; tree never seen; bus has lost its points to the corruption; van only predicted."""
    confusion = np.array([[1, 0, 0, 1, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]])
    metrics = {"mIoU": 12.5, "mIoU_present": 25.0, "acc": 50.0, "IoU/car": 50.0}
    score = make_score(metrics, confusion, ["car", "tree", "bus", "van"], present=[0, 2], samples=7)
    assert score.class_iou == pytest.approx({"car": 50, "tree": None, "bus": 0, "van": 0})
    assert score.present_classes == ["car", "bus"]
    assert score.metrics == {"mIoU": 12.5, "mIoU_present": 25.0, "acc": 50.0}
    # the classes present average to the headline
    assert np.mean([score.class_iou[name] for name in score.present_classes]) == pytest.approx(25)
    assert score.confusion == confusion.tolist()
    assert score.samples == 7


def test_the_example_scan_is_the_corrupted_one(tmp_path):
    config = Config.fromfile(write_world(tmp_path)[0])
    init_default_scope("mmdet3d")

    def scene(setting, prediction):
        dataset = config.test_dataloader.dataset.copy()
        dataset["pipeline"] = corrupted_pipeline(dataset["pipeline"], setting, seed=0, drop=(MOVED, ADDED))
        return example_scene(DATASETS.build(dataset), setting, prediction)

    prediction = np.full(64 * 90, 8)
    clean, heavy = scene(CLEAN, prediction), scene(HEAVY, prediction)
    assert (clean.sample, len(clean.points_m), set(clean.status)) == ("08/000000", 64 * 90, {0})
    moved = heavy.status == MOVED
    assert moved.sum() == round(0.2 * 64 * 90)
    assert (heavy.labels[moved] == 19).all()
    np.testing.assert_array_equal(heavy.points_m[~moved], clean.points_m[~moved])
    assert (heavy.points_m[moved] != clean.points_m[moved]).any(axis=1).all()
    np.testing.assert_array_equal(heavy.predictions, prediction)
    assert scene(HEAVY, prediction[:-1]).predictions is None
    assert scene(CLEAN, None).predictions is None
