"""A sample with one camera looking along x, and a database of objects, small enough to check by hand."""

import numpy as np
import torch
from mmdet3d.structures import LiDARInstance3DBoxes, LiDARPoints

CLASSES = ("car", "pedestrian")
# (u d, v d, d) = (100 d - 100 y, 50 d - 100 z, x): the middle of a 200 x 100 image looks along x
CAMERA = np.array([[100, -100, 0, 0], [50, 0, -100, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])


def box(x, y, z=-0.5, length=2.0, width=1.0, height=1.0, yaw=0.0):
    return [x, y, z, length, width, height, yaw, 0.0, 0.0]


def sample(boxes, labels, grey=100):
    grid = np.mgrid[0:30:0.5, -10:10:0.5, -0.4:0.5:0.4].reshape(3, -1).T
    points = np.concatenate([grid, np.zeros((len(grid), 2))], axis=1)
    return {
        "points": LiDARPoints(torch.tensor(points, dtype=torch.float32), points_dim=5),
        "gt_bboxes_3d": LiDARInstance3DBoxes(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 9), box_dim=9),
        "gt_labels_3d": np.array(labels, dtype=np.int64),
        "img": [np.full((100, 200, 3), grey, np.uint8)],
        "lidar2img": CAMERA[None],
        "camera_present": np.ones(1, dtype=bool),
    }
