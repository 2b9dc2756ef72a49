"""A detector for sweeps that knows the objects, and finds those that its sensors see well enough."""

from __future__ import annotations

import torch
from mmcv.ops import points_in_boxes_cpu
from mmdet3d.models.detectors import Base3DDetector
from mmengine.structures import InstanceData

from perception3d.registry import MODELS

CONFIG = """
default_scope = "mmdet3d"
model = dict(type="perception3d.SeenObjects", min_points=5)
pipeline = [
    dict(type="perception3d.LoadMultiViewImages"),
    dict(type="perception3d.LoadLidarSweeps", sweeps_num=1),
    dict(type="perception3d.PackMultiModalInputs", keys=["points", "img"]),
]
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="perception3d.NuScenesDetDataset",
        data_root="data/nuscenes",
        ann_file="nuscenes_infos_val.pkl",
        pipeline=pipeline,
        test_mode=True,
    ),
)
test_evaluator = dict(
    type="perception3d.NuScenesDetMetric", data_root="data/nuscenes", ann_file="nuscenes_infos_val.pkl"
)
test_cfg = dict(type="TestLoop")
"""


@MODELS.register_module()
class SeenObjects(Base3DDetector):
    """The annotated boxes with enough points in them; twice as many are needed when the images are dark."""

    def __init__(self, min_points, data_preprocessor=None):
        super().__init__(data_preprocessor=data_preprocessor or {"type": "Det3DDataPreprocessor"})
        self.min_points = torch.nn.Parameter(torch.tensor(float(min_points)))

    def predict(self, batch_inputs_dict, batch_data_samples, **kwargs):
        """Boxes, more certain the more points there are."""
        for index, (points, sample) in enumerate(zip(batch_inputs_dict["points"], batch_data_samples, strict=True)):
            truth = sample.eval_ann_info
            boxes = truth["gt_bboxes_3d"]
            inside = points_in_boxes_cpu(points[None, :, :3].contiguous(), boxes.tensor[None, :, :7].contiguous())[0]
            counts = inside.sum(dim=0)
            needed = self.min_points
            if "imgs" in batch_inputs_dict:
                needed = needed * (1 if batch_inputs_dict["imgs"][index].float().mean() > 40 else 2)
            seen = counts >= needed
            sample.pred_instances_3d = InstanceData(
                bboxes_3d=boxes[seen],
                scores_3d=(counts[seen] / (counts[seen] + 50)).float(),
                labels_3d=torch.as_tensor(truth["gt_labels_3d"])[seen],
            )
        return batch_data_samples

    def loss(self, batch_inputs, batch_data_samples):
        raise NotImplementedError

    def extract_feat(self, batch_inputs):
        raise NotImplementedError

    def _forward(self, batch_inputs, batch_data_samples=None):
        raise NotImplementedError


def write_seen_objects(folder):
    """Write config and checkpoint; returns their paths."""
    config, checkpoint = folder / "seen.py", folder / "seen.pth"
    config.write_text(CONFIG)
    torch.save({"meta": {}, "state_dict": {"min_points": torch.tensor(5.0)}}, checkpoint)
    return config, checkpoint
