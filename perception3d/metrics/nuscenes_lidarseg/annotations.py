"""Labels as predictions: what scores 1 for every class that occurs, to check an installation and a data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from perception3d.conventions import NUSCENES_LIDARSEG_IGNORE, NUSCENES_META_KEYS
from perception3d.metrics.nuscenes_lidarseg.truth import LidarsegTruth
from perception3d.submission.nuscenes_lidarseg import lidarseg_zip

UNSCORED = 1
"""Class of points that are not scored; a submission must give every point one of the 16."""


def write_as_results(truth: LidarsegTruth, path: Path) -> None:
    """Write the labels of a split as a zip of predictions."""
    with lidarseg_zip(path, truth.split, dict.fromkeys(NUSCENES_META_KEYS, False)) as writer:
        for index, token in enumerate(truth.sweeps):
            labels = truth.labels(index)
            writer.add(token, np.where(labels == NUSCENES_LIDARSEG_IGNORE, UNSCORED, labels + 1))
