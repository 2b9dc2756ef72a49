"""Class lists, label maps, colours and splits of the data sets: plain data, each documented once.

SemanticKITTI (Behley et al., ICCV 2019) as its api publishes it in ``config/semantic-kitti.yaml``. Two numberings of
the 19 classes exist and are a common off-by-one: the api counts 1..19 with 0 = ignore, mmdet3d counts 0..18 with 19 =
ignore. This project uses mmdet3d's everywhere; files hold raw ids. nuScenes (Caesar et al., CVPR 2020) as its devkit
publishes it.
"""

from __future__ import annotations

from collections.abc import Mapping

SEMANTICKITTI_CLASSES: tuple[str, ...] = (
    "car",
    "bicycle",
    "motorcycle",
    "truck",
    "other-vehicle",
    "person",
    "bicyclist",
    "motorcyclist",
    "road",
    "parking",
    "sidewalk",
    "other-ground",
    "building",
    "fence",
    "vegetation",
    "trunk",
    "terrain",
    "pole",
    "traffic-sign",
)
"""Names by train id 0..18."""

SEMANTICKITTI_IGNORE = 19
"""Train id of points that are not scored: unlabeled, outlier, other-structure, other-object."""

SEMANTICKITTI_TRAIN_IDS: Mapping[int, int] = {
    0: 19,  # unlabeled
    1: 19,  # outlier
    10: 0,  # car
    11: 1,  # bicycle
    13: 4,  # bus
    15: 2,  # motorcycle
    16: 4,  # on-rails
    18: 3,  # truck
    20: 4,  # other-vehicle
    30: 5,  # person
    31: 6,  # bicyclist
    32: 7,  # motorcyclist
    40: 8,  # road
    44: 9,  # parking
    48: 10,  # sidewalk
    49: 11,  # other-ground
    50: 12,  # building
    51: 13,  # fence
    52: 19,  # other-structure
    60: 8,  # lane-marking
    70: 14,  # vegetation
    71: 15,  # trunk
    72: 16,  # terrain
    80: 17,  # pole
    81: 18,  # traffic-sign
    99: 19,  # other-object
    252: 0,  # moving-car
    253: 6,  # moving-bicyclist
    254: 5,  # moving-person
    255: 7,  # moving-motorcyclist
    256: 4,  # moving-on-rails
    257: 4,  # moving-bus
    258: 3,  # moving-truck
    259: 4,  # moving-other-vehicle
}
"""Raw id in the lower 16 bits of a ``.label`` value -> train id (the api's ``learning_map``)."""

SEMANTICKITTI_RAW_IDS: Mapping[int, int] = dict(
    enumerate((10, 11, 15, 18, 20, 30, 31, 32, 40, 44, 48, 49, 50, 51, 70, 71, 72, 80, 81, 0))
)
"""Train id -> raw id to write into a submission (the api's ``learning_map_inv``)."""

SEMANTICKITTI_PALETTE: tuple[tuple[int, int, int], ...] = (
    (100, 150, 245),
    (100, 230, 245),
    (30, 60, 150),
    (80, 30, 180),
    (0, 0, 255),
    (255, 30, 30),
    (255, 40, 200),
    (150, 30, 90),
    (255, 0, 255),
    (255, 150, 255),
    (75, 0, 75),
    (175, 0, 75),
    (255, 200, 0),
    (255, 120, 50),
    (0, 175, 0),
    (135, 60, 0),
    (150, 240, 80),
    (255, 240, 150),
    (255, 0, 0),
)
"""RGB by train id (the api's ``color_map``, which is BGR by raw id). Ignore is black."""

SEMANTICKITTI_SPLITS: Mapping[str, tuple[str, ...]] = {
    "train": ("00", "01", "02", "03", "04", "05", "06", "07", "09", "10"),
    "val": ("08",),
    "test": tuple(f"{sequence:02d}" for sequence in range(11, 22)),
}
"""Sequence folders by split; only 00-10 have labels."""

NUSCENES_DETECTION_CLASSES: tuple[str, ...] = (
    "car",
    "truck",
    "bus",
    "trailer",
    "construction_vehicle",
    "pedestrian",
    "motorcycle",
    "bicycle",
    "traffic_cone",
    "barrier",
)
"""Classes of the nuScenes detection task in nuscenes-devkit's order (models have orders of their own)."""

CMT_CLASSES: tuple[str, ...] = (
    "car",
    "truck",
    "construction_vehicle",
    "bus",
    "trailer",
    "barrier",
    "motorcycle",
    "bicycle",
    "pedestrian",
    "traffic_cone",
)
"""The same classes in the order of CMT's outputs, which differs from mmdet3d's default ``METAINFO`` too."""

NUSCENES_INFO_CLASSES: tuple[str, ...] = (
    "car",
    "truck",
    "trailer",
    "bus",
    "construction_vehicle",
    "bicycle",
    "motorcycle",
    "pedestrian",
    "traffic_cone",
    "barrier",
)
"""The same classes in the order of mmdet3d's ``METAINFO``: label 0..9 in info files, -1 for other objects."""

_VEHICLE_ATTRIBUTES = ("vehicle.moving", "vehicle.parked", "vehicle.stopped")
_CYCLE_ATTRIBUTES = ("cycle.with_rider", "cycle.without_rider")

NUSCENES_CLASS_ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "car": _VEHICLE_ATTRIBUTES,
    "truck": _VEHICLE_ATTRIBUTES,
    "bus": _VEHICLE_ATTRIBUTES,
    "trailer": _VEHICLE_ATTRIBUTES,
    "construction_vehicle": _VEHICLE_ATTRIBUTES,
    "pedestrian": ("pedestrian.moving", "pedestrian.sitting_lying_down", "pedestrian.standing"),
    "motorcycle": _CYCLE_ATTRIBUTES,
    "bicycle": _CYCLE_ATTRIBUTES,
    "traffic_cone": (),
    "barrier": (),
}
"""Attributes a detection of each class may have; a box carries at most one, "" for none."""

NUSCENES_ATTRIBUTES: tuple[str, ...] = (
    "pedestrian.moving",
    "pedestrian.sitting_lying_down",
    "pedestrian.standing",
    "cycle.with_rider",
    "cycle.without_rider",
    "vehicle.moving",
    "vehicle.parked",
    "vehicle.stopped",
)
"""All attributes; arrays of attributes hold the position in this list, -1 for none."""

NUSCENES_LIDARSEG_CLASSES: tuple[str, ...] = (
    "barrier",
    "bicycle",
    "bus",
    "car",
    "construction_vehicle",
    "motorcycle",
    "pedestrian",
    "traffic_cone",
    "trailer",
    "truck",
    "driveable_surface",
    "other_flat",
    "sidewalk",
    "terrain",
    "manmade",
    "vegetation",
)
"""Classes of the lidarseg challenge by train id 0..15; submissions hold id + 1 and never 0."""

NUSCENES_LIDARSEG_IGNORE = 16
"""Train id of points that are not scored (id 0 of the challenge)."""

NUSCENES_LIDARSEG_PALETTE: tuple[tuple[int, int, int], ...] = (
    (112, 128, 144),
    (220, 20, 60),
    (255, 127, 80),
    (255, 158, 0),
    (233, 150, 70),
    (255, 61, 99),
    (0, 0, 230),
    (47, 79, 79),
    (255, 140, 0),
    (255, 99, 71),
    (0, 207, 191),
    (175, 0, 75),
    (75, 0, 75),
    (112, 180, 60),
    (222, 184, 135),
    (0, 175, 0),
)
"""RGB by train id: the devkit's colour of the first category of each class."""

NUSCENES_LIDARSEG_CLASS_OF: Mapping[str, str | None] = {
    "noise": None,
    "animal": None,
    "human.pedestrian.adult": "pedestrian",
    "human.pedestrian.child": "pedestrian",
    "human.pedestrian.construction_worker": "pedestrian",
    "human.pedestrian.personal_mobility": None,
    "human.pedestrian.police_officer": "pedestrian",
    "human.pedestrian.stroller": None,
    "human.pedestrian.wheelchair": None,
    "movable_object.barrier": "barrier",
    "movable_object.debris": None,
    "movable_object.pushable_pullable": None,
    "movable_object.trafficcone": "traffic_cone",
    "static_object.bicycle_rack": None,
    "vehicle.bicycle": "bicycle",
    "vehicle.bus.bendy": "bus",
    "vehicle.bus.rigid": "bus",
    "vehicle.car": "car",
    "vehicle.construction": "construction_vehicle",
    "vehicle.emergency.ambulance": None,
    "vehicle.emergency.police": None,
    "vehicle.motorcycle": "motorcycle",
    "vehicle.trailer": "trailer",
    "vehicle.truck": "truck",
    "flat.driveable_surface": "driveable_surface",
    "flat.other": "other_flat",
    "flat.sidewalk": "sidewalk",
    "flat.terrain": "terrain",
    "static.manmade": "manmade",
    "static.other": None,
    "static.vegetation": "vegetation",
    "vehicle.ego": None,
}
"""Class of each category of nuScenes-lidarseg, None for points that are not scored. Label files hold the ``index`` of
the category in the tables' own ``category.json``: map by name, as the numbers are those of the tables."""

NUSCENES_META_KEYS: tuple[str, ...] = ("use_camera", "use_lidar", "use_radar", "use_map", "use_external")
"""Keys of "meta" in nuScenes submissions (detection and lidarseg), each true or false."""

NUSCENES_MAX_BOXES_PER_SAMPLE = 500
"""Detections that a submission may hold for one keyframe."""
