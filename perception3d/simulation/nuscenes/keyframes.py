"""Makes one keyframe after the other: sensor files, and the records that the tables are made of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from corruptions.files import write_atomically
from perception3d.simulation.camera import View, render
from perception3d.simulation.lidar import sensitivities
from perception3d.simulation.light import Light
from perception3d.simulation.nuscenes import rig
from perception3d.simulation.nuscenes.annotations import annotate, points_inside, things
from perception3d.simulation.nuscenes.categories import CATEGORY_INDEX, label_indices
from perception3d.simulation.nuscenes.drive import Drive, time_s, timestamp_us
from perception3d.simulation.nuscenes.images import depth_png, jpeg
from perception3d.simulation.nuscenes.lidar_top import HDL_32E, Turn, turn
from perception3d.simulation.nuscenes.request import SWEEPS, Request
from perception3d.simulation.nuscenes.tables import Row, token
from perception3d.simulation.scene import Scene
from perception3d.simulation.world import Stretch


def part_path(request: Request, scene: str, keyframe: int) -> Path:
    """The records of one keyframe; the file is written last, so that a keyframe that has it is complete."""
    return request.out / "simulation" / request.version / f"{scene}_{keyframe:02d}.json"


class SceneMaker:
    """Makes keyframes of one scene between a first and a last one.

    Sweeps count from the first keyframe of the scene; every ``SWEEPS`` of them there is a keyframe.
    """

    def __init__(self, request: Request, scene: str, first: int, last: int) -> None:
        self.request, self.scene = request, scene
        self.drive = Drive.of(request.seed, scene)
        street = self.drive.street
        self.stretch = Stretch(street, time_s((first - 1) * SWEEPS), time_s(last * SWEEPS))
        self.global_from_world = self.drive.global_from_world(self.stretch)
        self._standing = things(self.stretch.standing.objects)
        self._laser_gain = sensitivities(street.rng("lasers"), HDL_32E.sensor.num_rings)
        self._light = Light.of(street)

    def scenes(self, sweep: int) -> tuple[Scene, Scene]:
        """What stands and what moves at the time of a sweep."""
        return self.stretch.standing, self.stretch.moving(time_s(sweep))

    def world_from_ego(self, sweep: int) -> NDArray[np.float64]:
        """(4, 4) from the ego frame at the time of a sweep to the frame of the scenes."""
        return self.drive.ego_pose(self.stretch.frame, time_s(sweep))

    def lidar(self, scenes: tuple[Scene, Scene], sweep: int) -> Turn:
        """One turn of LIDAR_TOP."""
        pose = self.world_from_ego(sweep) @ rig.EGO_FROM_LIDAR
        return turn(scenes, pose, self._laser_gain, self.drive.street.rng("lidar", sweep))

    def view(self, scenes: tuple[Scene, Scene], channel: str, sweep: int) -> View:
        """The picture of a camera at the time of a sweep."""
        camera = rig.camera(channel, self.request.height_px, self.request.width_px)
        pose = self.world_from_ego(sweep) @ rig.ego_from_camera(channel)
        return render(scenes, camera, pose, self._light, self.drive.street.rng("image", channel, sweep))

    def write(self, keyframe: int) -> None:
        """Write the files of a keyframe and of the sweeps between the one before and it, and its records."""
        last = keyframe * SWEEPS
        files: list[tuple[str, int, str]] = []  # channel, sweep, name
        for sweep in range(max(last - SWEEPS + 1, 0), last):
            files.append((rig.LIDAR, sweep, self._write_lidar(sweep, self.lidar(self.scenes(sweep), sweep))))
        scenes = self.scenes(last)
        turned = self.lidar(scenes, last)
        files.append((rig.LIDAR, last, self._write_lidar(last, turned)))
        annotations = self._annotations(scenes, last, turned)
        labels = self._write_labels(self._token(rig.LIDAR, last), turned, annotations)
        if self.request.cameras:
            for channel in rig.CAMERAS:
                files.append((channel, last, self._write_image(channel, last, self.view(scenes, channel, last))))
        part = {
            "sample": {"token": self._sample(keyframe), "timestamp": timestamp_us(self.scene, last)},
            "sample_data": [self._data(keyframe, *file) for file in files],
            "ego_pose": [self._ego_pose(channel, sweep) for channel, sweep, _ in files],
            "annotations": annotations,
            "lidarseg": [labels],
        }
        write_atomically(part_path(self.request, self.scene, keyframe), json.dumps(part).encode())

    def _sample(self, keyframe: int) -> str:
        return token(self.request.seed, self.scene, "sample", keyframe)

    def _token(self, channel: str, sweep: int) -> str:
        return token(self.request.seed, self.scene, channel, sweep)

    def _data(self, keyframe: int, channel: str, sweep: int, filename: str) -> Row:
        """Record of a file. As in nuScenes, sweeps belong to the keyframe that follows them."""
        is_camera = channel != rig.LIDAR
        return {
            "token": self._token(channel, sweep),
            "sample_token": self._sample(keyframe),
            "ego_pose_token": self._token(channel, sweep),
            "calibrated_sensor_token": token("calibrated_sensor", channel),
            "timestamp": timestamp_us(self.scene, sweep),
            "fileformat": "jpg" if is_camera else "pcd",
            "is_key_frame": sweep % SWEEPS == 0,
            "height": self.request.height_px if is_camera else 0,
            "width": self.request.width_px if is_camera else 0,
            "filename": filename,
            "channel": channel,
        }

    def _ego_pose(self, channel: str, sweep: int) -> Row:
        pose = self.global_from_world @ self.world_from_ego(sweep)
        return {
            "token": self._token(channel, sweep),
            "timestamp": timestamp_us(self.scene, sweep),
            "rotation": rig.quaternion(pose[:3, :3]),
            "translation": pose[:3, 3].tolist(),
        }

    def _annotations(self, scenes: tuple[Scene, Scene], sweep: int, turned: Turn) -> list[Row]:
        ego = self.world_from_ego(sweep)
        eye = ego[:3, :3] @ rig.EYE_M + ego[:3, 3]
        records = annotate(scenes, [*self._standing, *things(scenes[1].objects)], eye, self.global_from_world)
        global_from_lidar = self.global_from_world @ ego @ rig.EGO_FROM_LIDAR
        for record, count in zip(records, points_inside(turned.points, records, global_from_lidar), strict=True):
            record["num_lidar_pts"] = count
        return records

    def _file(self, channel: str, sweep: int, ending: str, data: bytes) -> str:
        """Write a file of a sensor; returns its name relative to the data set."""
        folder = "sweeps" if sweep % SWEEPS else "samples"
        name = f"{folder}/{channel}/simulated-{self.scene}__{channel}__{timestamp_us(self.scene, sweep)}.{ending}"
        write_atomically(self.request.out / name, data)
        return name

    def _write_lidar(self, sweep: int, turned: Turn) -> str:
        return self._file(rig.LIDAR, sweep, "pcd.bin", turned.points.astype("<f4").tobytes())

    def _write_image(self, channel: str, sweep: int, view: View) -> str:
        """Write a picture, and its depth map if asked for; returns the picture's name."""
        if self.request.depth:
            name = f"{channel}/simulated-{self.scene}__{channel}__{timestamp_us(self.scene, sweep)}.png"
            write_atomically(self.request.out / "depth" / name, depth_png(view.depth_m))
        return self._file(channel, sweep, "jpg", jpeg(view.image))

    def _write_labels(self, lidar_token: str, turned: Turn, annotations: Sequence[Row]) -> Row:
        """Write the lidarseg labels of a keyframe; returns their record."""
        name = f"lidarseg/{self.request.version}/{lidar_token}_lidarseg.bin"
        write_atomically(self.request.out / name, lidarseg(turned, annotations).tobytes())
        return {"token": lidar_token, "sample_data_token": lidar_token, "filename": name}


def lidarseg(turned: Turn, annotations: Sequence[Row]) -> NDArray[np.uint8]:
    """(N,) category index of each point: that of its object where it has one, else of the surface."""
    unknown = 255
    of_instance = np.full(65536, unknown, np.uint8)
    for record in annotations:
        of_instance[record["instance"]] = CATEGORY_INDEX[record["category"]]
    label = of_instance[turned.instance]
    label = np.where(label == unknown, label_indices()[turned.label], label)
    return np.where(turned.special == unknown, label, turned.special).astype(np.uint8)
