"""A tiny nuScenes with lidarseg labels for tests: real table fields, random points, labels of all 32 categories."""

import json

import numpy as np

from perception3d.conventions import NUSCENES_LIDARSEG_CLASS_OF

SCENES = {"scene-0103": "Night, rain", "scene-0916": "Parked trucks, train tracks"}
"""Two scenes of the official split mini_val, with descriptions."""


def write_nuscenes(root, version="v1.0-mini", points=120, keyframes=2, seed=0):
    """Write tables, sweeps and labels; categories have indices in an order of their own. Returns the root."""
    rng = np.random.default_rng(seed)
    names = list(NUSCENES_LIDARSEG_CLASS_OF)
    categories = [
        {"token": f"cat{index}", "name": names[row], "description": "", "index": index}
        for index, row in enumerate(rng.permutation(len(names)))
    ]
    tables = {name: [] for name in (
        "attribute", "visibility", "instance", "sample_annotation", "log", "map", "scene", "sample", "sample_data",
        "ego_pose", "lidarseg",
    )}  # fmt: skip
    tables["category"] = categories
    tables["sensor"] = [{"token": "s", "channel": "LIDAR_TOP", "modality": "lidar"}]
    pose = {"translation": [0.0, 0.0, 0.0], "rotation": [1.0, 0.0, 0.0, 0.0]}
    tables["calibrated_sensor"] = [{"token": "c", "sensor_token": "s", "camera_intrinsic": [], **pose}]
    tables["log"] = [{"token": "l", "logfile": "", "vehicle": "", "date_captured": "", "location": ""}]
    tables["map"] = [{"token": "m", "log_tokens": ["l"], "category": "", "filename": "none.png"}]
    for scene, description in SCENES.items():
        tokens = [f"{scene}-{index}" for index in range(keyframes)]
        tables["scene"].append(
            {"token": scene, "log_token": "l", "nbr_samples": keyframes, "first_sample_token": tokens[0],
             "last_sample_token": tokens[-1], "name": scene, "description": description}
        )  # fmt: skip
        for index, token in enumerate(tokens):
            before, after = (tokens[k] if 0 <= k < keyframes else "" for k in (index - 1, index + 1))
            tables["sample"].append(
                {"token": token, "timestamp": index, "prev": before, "next": after, "scene_token": scene}
            )
            _write_sweep(root, version, tables, token, points + index, rng)
    (root / version).mkdir(parents=True, exist_ok=True)
    (root / "none.png").touch()  # the devkit wants the file of the map, and opens it when asked for
    for name, rows in tables.items():
        (root / version / f"{name}.json").write_text(json.dumps(rows))
    return root


def _write_sweep(root, version, tables, token, points, rng):
    sweep, label_name = f"samples/LIDAR_TOP/{token}.pcd.bin", f"lidarseg/{version}/d{token}_lidarseg.bin"
    tables["sample_data"].append(
        {"token": f"d{token}", "sample_token": token, "ego_pose_token": f"e{token}", "calibrated_sensor_token": "c",
         "timestamp": 0, "fileformat": "pcd", "is_key_frame": True, "height": 0, "width": 0, "filename": sweep,
         "prev": "", "next": ""}
    )  # fmt: skip
    tables["ego_pose"].append(
        {"token": f"e{token}", "timestamp": 0, "translation": [0.0] * 3, "rotation": [1.0, 0.0, 0.0, 0.0]}
    )
    tables["lidarseg"].append({"token": f"d{token}", "filename": label_name, "sample_data_token": f"d{token}"})
    cloud = np.column_stack([rng.uniform(-50, 50, (points, 3)), rng.uniform(0, 255, points), np.zeros(points)])
    for name, content in (
        (sweep, cloud.astype(np.float32)),
        (label_name, rng.integers(0, 32, points).astype(np.uint8)),
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        content.tofile(root / name)


def write_predictions(folder, split, classes, meta):
    """A submission folder; ``classes`` are uint8 1..16 by sweep token."""
    for name, content in [
        (f"{split}/submission.json", json.dumps({"meta": meta}).encode()),
        *(
            (f"lidarseg/{split}/{token}_lidarseg.bin", np.asarray(v, np.uint8).tobytes())
            for token, v in classes.items()
        ),
    ]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder
