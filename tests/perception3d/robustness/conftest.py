from dataclasses import replace

import pytest

from corruptions.suites import SEMANTICKITTI_C
from perception3d.robustness.rows import Fingerprint, Row, Score

FINGERPRINT = Fingerprint("semantickitti_c", 0, "c" * 64, "d" * 64, "e" * 64, "1.0.0")
RUN = {
    "seconds": 6.0,
    "seconds_per_scan": 2.0,
    "finished": "2024-02-01T00:00:00+00:00",
    "command": "python tools/sweep.py a.py b.pth",
    "config": "a.py",
    "checkpoint": "b.pth",
    "device": "cpu",
    "versions": {"python": "3.11", "torch": "2.13"},
}


@pytest.fixture
def make_row():
    """Rows by folder and score; with ``mIoU_present`` None an error row. The official mIoU is 3 classes of 4."""

    def make(folder, miou_present, **fingerprint):
        score = None
        if miou_present is not None:
            iou = {"road": miou_present + 5, "building": miou_present, "car": miou_present - 5, "truck": None}
            metrics = {"mIoU": miou_present * 3 / 4, "mIoU_present": miou_present, "acc": 90.0}
            score = Score(metrics, iou, ["road", "building", "car"], [[3, 1, 0, 0, 0]] * 4, 3)
        error = None if score else {"message": "TypeError: broken", "traceback": "Traceback ..."}
        return Row(setting_of(folder), replace(FINGERPRINT, **fingerprint), score, error, dict(RUN))

    return make


def setting_of(folder):
    if folder == SEMANTICKITTI_C.clean_folder:
        return {"folder": folder, "type": "", "severity": "", "corruption": "", "level": None, "params": {}}
    setting = SEMANTICKITTI_C.setting(folder)
    names = ("folder", "type", "severity", "corruption", "level")
    return {**{name: getattr(setting, name) for name in names}, "params": {}}


@pytest.fixture
def all_scores():
    """A score for each of the 17 settings, chosen so that the means are easy: clean 80, types 72 60 40 76 64 48."""
    levels = {"light": 4.0, "moderate": 0.0, "heavy": -4.0, "dense": 3.0, "sparse": -3.0}
    means = {"fog": 72, "snowfall": 60, "local_distortion": 40, "global_outliers": 76, "32beam": 64, "16beam": 48}
    return {"clean_data": 80.0, **{s.folder: means[s.type] + levels[s.severity] for s in SEMANTICKITTI_C.settings}}


@pytest.fixture
def all_rows(make_row, all_scores):
    return {folder: make_row(folder, score) for folder, score in all_scores.items()}
