"""What travels to another process, and what that one checks."""

import pickle
from dataclasses import replace

import pytest
from mmengine.config import Config
from sweep_world import write_world

from corruptions.core import InputError
from corruptions.suites import SEMANTICKITTI_C
from perception3d.robustness.plan import clean_setting
from perception3d.robustness.rows import Fingerprint
from perception3d.robustness.scoring import NodeScoring, Scoring, check_same, fingerprint_of


@pytest.fixture(scope="module")
def scoring(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    config_path, checkpoint = write_world(folder)
    config = Config.fromfile(config_path)
    config.work_dir = str(folder / "never made")
    fingerprint = fingerprint_of(config, checkpoint, SEMANTICKITTI_C, 3)
    return Scoring(config, checkpoint, SEMANTICKITTI_C, 3, [8, 12, 14], fingerprint, {"command": "x", "device": "?"})


def test_another_process_scores_alike_and_says_where(scoring):
    score = NodeScoring(pickle.loads(pickle.dumps(scoring)))()
    heavy = SEMANTICKITTI_C.setting("local_heavy")
    row, scene = score(heavy)
    assert row.error is None
    assert row.score.metrics["mIoU_present"] > 0
    assert scene.sample == "08/000000"
    assert row.fingerprint == scoring.fingerprint
    assert (row.run["command"], row.run["device"]) == ("x", "cpu")
    assert row.run["versions"]["torch"]
    assert score(clean_setting(SEMANTICKITTI_C))[0].score.metrics != row.score.metrics
    assert not (scoring.checkpoint.parent / "never made").exists()


def test_other_files_are_refused(scoring, tmp_path):
    other = tmp_path / "other.pth"
    other.write_bytes(scoring.checkpoint.read_bytes() + b" ")
    with pytest.raises(InputError, match="expected the checkpoint of the first process, found another; all must see"):
        NodeScoring(replace(scoring, checkpoint=other))()
    with pytest.raises(InputError, match="expected the seed, data of the first process"):
        check_same(Fingerprint("s", 0, "c", "d", "e", "1"), Fingerprint("s", 1, "c", "d", "x", "1"))
