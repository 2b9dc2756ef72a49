"""nuscenes-devkit's own lidarseg evaluation."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from corruptions.core import InputError
from perception3d.metrics.nuscenes_lidarseg.truth import LidarsegTruth
from perception3d.submission.files import Tree
from perception3d.submission.nuscenes_lidarseg import label_name


def official_scores(nusc: Any, tree: Tree, truth: LidarsegTruth) -> dict[str, Any]:
    """Run nuscenes-devkit's ``LidarSegEval`` on the keyframes of ``truth``.

    Args:
        nusc: the devkit's ``NuScenes`` of the same tables.
        tree: a submission without faults.
        truth: ground truth of its split.

    Returns:
        The devkit's ``iou_per_class``, ``miou`` and ``freq_weighted_iou``.

    Raises:
        InputError: for what the devkit refuses, in its words.
    """
    from nuscenes.eval.lidarseg.evaluate import LidarSegEval
    from nuscenes.eval.lidarseg.utils import ConfusionMatrix, LidarsegClassMapper

    with tempfile.TemporaryDirectory() as folder:  # it reads folders alone, submissions may be zips
        for token in truth.sweeps:
            name = label_name(truth.split, token)
            (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
            (Path(folder) / name).write_bytes(tree.read(name))
        try:
            evaluation = LidarSegEval.__new__(LidarSegEval)  # its constructor wants every scene of the split
            evaluation.nusc, evaluation.results_folder, evaluation.eval_set = nusc, folder, truth.split
            evaluation.mapper, evaluation.verbose = LidarsegClassMapper(nusc), False
            ids = evaluation.mapper.coarse_name_2_coarse_idx_mapping
            evaluation.id2name = {index: name for name, index in ids.items()}
            evaluation.global_cm = ConfusionMatrix(len(ids), evaluation.mapper.ignore_class["index"])
            evaluation.sample_tokens = list(truth.samples)
            return evaluation.evaluate()
        except (AssertionError, KeyError, OSError) as error:
            raise InputError(f"nuscenes-devkit refuses the predictions or the labels: {error}") from error
