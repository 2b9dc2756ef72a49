"""Pictures of test results, drawn without a display."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.hooks import Hook

from corruptions.files import read_points
from corruptions.pictures import save
from perception3d.registry import HOOKS
from perception3d.visualization.packed import class_colours, forward_axis, frame_of
from perception3d.visualization.segmentation import segmentation_figure
from perception3d.visualization.sheet import write_sheet


@HOOKS.register_module()
class SegmentationPictureHook(Hook):
    """After each segmented sample, write a bird's-eye PNG of ground truth, prediction and errors.

    Args:
        out_dir: folder of the pictures, named by sample id (``08_000004.png``).
        half_width_m: half the width of the square shown around the sensor.
    """

    def __init__(self, out_dir: str, half_width_m: float = 40.0) -> None:
        self.out_dir = Path(out_dir)
        self.half_width_m = half_width_m

    def after_test_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Sequence[Any] | None = None
    ) -> None:
        """Draw every sample of the batch."""
        meta = runner.test_dataloader.dataset.metainfo
        inputs = data_batch["inputs"]
        for index, sample in enumerate(outputs or []):
            if "pred_pts_seg" not in sample:
                continue
            if isinstance(inputs, dict):
                points = inputs["points"][index].cpu().numpy()
            else:  # test-time augmentation hands over turned and flipped points
                points = read_points(sample.metainfo["lidar_path"], sample.metainfo["num_pts_feats"])
            figure = segmentation_figure(
                points,
                np.asarray(sample.eval_ann_info["pts_semantic_mask"]),
                sample.pred_pts_seg.pts_semantic_mask.cpu().numpy(),
                class_colours(meta),
                forward_axis(meta),
                self.half_width_m,
            )
            name = str(sample.metainfo.get("sample_id", Path(sample.metainfo["lidar_path"]).stem)).replace("/", "_")
            save(figure, self.out_dir / f"{name}.png", dpi=100)


@HOOKS.register_module()
class DetectionPictureHook(Hook):
    """After each sample with detections, write a PNG: its cameras and the sweep from above, with all boxes.

    Images, points and boxes are those that the model was given, with their projections.

    Args:
        out_dir: folder of the pictures, named by sample token.
        score_threshold: detections below are not drawn.
        half_extent_m: half the width of the square shown around the sensor.
    """

    def __init__(self, out_dir: str, score_threshold: float = 0.2, half_extent_m: float = 55.0) -> None:
        self.out_dir = Path(out_dir)
        self.score_threshold = score_threshold
        self.half_extent_m = half_extent_m

    def after_test_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Sequence[Any] | None = None
    ) -> None:
        """Draw every sample of the batch."""
        meta = runner.test_dataloader.dataset.metainfo
        for index, sample in enumerate(outputs or []):
            if "pred_instances_3d" not in sample:
                continue
            inputs = {name: values[index] for name, values in data_batch["inputs"].items()}
            frame = frame_of({"inputs": inputs, "data_samples": sample}, meta, self.score_threshold)
            name = str(sample.metainfo.get("token", sample.metainfo.get("sample_idx", f"{batch_idx}_{index}")))
            write_sheet(frame, self.out_dir / f"{name.replace('/', '_')}.png", self.half_extent_m)
