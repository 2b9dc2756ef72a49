"""Pictures of test results, drawn without a display."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.hooks import Hook
from numpy.typing import NDArray

from corruptions.files import read_points
from perception3d.registry import HOOKS
from perception3d.visualization.packed import frame_of
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
                xy = inputs["points"][index][:, :2].cpu().numpy()
            else:  # test-time augmentation hands over turned and flipped points
                xy = read_points(sample.metainfo["lidar_path"], sample.metainfo["num_pts_feats"])[:, :2]
            name = str(sample.metainfo.get("sample_id", Path(sample.metainfo["lidar_path"]).stem)).replace("/", "_")
            draw_segmentation(
                self.out_dir / f"{name}.png",
                xy,
                np.asarray(sample.eval_ann_info["pts_semantic_mask"]),
                sample.pred_pts_seg.pts_semantic_mask.cpu().numpy(),
                meta["classes"],
                np.asarray(meta["palette"], dtype=np.float64) / 255,
                self.half_width_m,
            )


@HOOKS.register_module()
class DetectionPictureHook(Hook):
    """After each sample with detections, write a PNG of its cameras and the sweep from above with annotations and detections.

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


def draw_segmentation(
    path: Path,
    xy: NDArray[np.float32],
    truth: NDArray[np.integer],
    prediction: NDArray[np.integer],
    classes: Sequence[str],
    palette: NDArray[np.float64],
    half_width_m: float,
) -> None:
    """Write one picture: ground truth, prediction, and wrong points in red, seen from above (x up, y left).

    Args:
        path: PNG to write.
        xy: (N, 2) metres, sensor frame.
        truth: int (N,) train ids; ids of no class are drawn grey.
        prediction: int (N,) train ids.
        classes: names of the classes.
        palette: (K, 3) colours in [0, 1].
        half_width_m: half the width of the square.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    grey = np.array([[0.75, 0.75, 0.75]])
    colours = np.concatenate([palette[: len(classes)], grey])
    scored = truth < len(classes)
    wrong = np.where(scored & (truth != prediction), 1, 0)
    panels = {
        "ground truth": colours[np.where(scored, truth, len(classes))],
        "prediction": colours[np.minimum(prediction, len(classes))],
        f"errors ({100 * wrong.sum() / max(1, scored.sum()):.1f} % of labelled points)": np.array(
            [[0.8, 0.8, 0.8], [0.85, 0.1, 0.1]]
        )[wrong],
    }
    figure = Figure(figsize=(18, 7), dpi=100, layout="constrained")
    for axes, (title, colour) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        axes.scatter(-xy[:, 1], xy[:, 0], s=0.4, c=colour, linewidths=0)
        axes.set(title=title, xlabel="right [m]", ylabel="forward [m]", aspect="equal")
        axes.set_xlim(-half_width_m, half_width_m)
        axes.set_ylim(-half_width_m, half_width_m)
    present = [k for k in range(len(classes)) if ((truth == k) | (prediction == k)).any()]
    handles = [Line2D([], [], marker="o", linestyle="", color=palette[k], label=classes[k]) for k in present]
    figure.legend(handles=handles, loc="outside lower center", ncols=10, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_png(str(path))
