"""Writes simulated scenes in the nuScenes format: samples, sweeps, lidarseg, maps and the tables of version 1.0.

A keyframe and the sweeps before it are a function of seed, scene, keyframe number and resolution alone. They are made
in chunks of fixed size, one process each; the tables are put together at the end.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corruptions.core import InputError
from corruptions.files import write_atomically
from perception3d.simulation import jobs
from perception3d.simulation.jobs import Report, Units, check_ready, run
from perception3d.simulation.lidar import sensitivities
from perception3d.simulation.light import Light
from perception3d.simulation.nuscenes import rig
from perception3d.simulation.nuscenes.annotations import annotate, points_inside, things
from perception3d.simulation.nuscenes.categories import CATEGORY_INDEX, label_indices
from perception3d.simulation.nuscenes.drive import Drive, time_s, timestamp_us
from perception3d.simulation.nuscenes.images import depth_png, jpeg
from perception3d.simulation.nuscenes.lidar_top import HDL_32E, Turn, turn
from perception3d.simulation.nuscenes.maps import map_png
from perception3d.simulation.nuscenes.request import SWEEPS, Request
from perception3d.simulation.nuscenes.tables import Row, fixed_tables, map_name, scene_tables, token, write_tables
from perception3d.simulation.world import Stretch

CHUNK = 10
UNITS = Units("scene", "keyframe", "samples")
PARTS = "simulation"  # folder of the records of single keyframes, which the tables are made of


@dataclass(frozen=True)
class Chunk:
    """Consecutive keyframes of one scene, made by one process."""

    request: Request
    scene: str
    keyframes: tuple[int, ...]


def write(request: Request, workers: int, report: Report) -> int:
    """Write what is missing of the request, then all tables.

    Args:
        request: what to write.
        workers: number of processes; the files do not depend on it.
        report: called as ``report(done, total)`` with numbers of keyframes, first with those already there.

    Returns:
        Number of keyframes written now.

    Raises:
        InputError: for a folder made with other parameters or one that cannot be written.
    """
    check_ready(workers)
    try:
        everything = jobs.claim(request.out, request.parameters, request.keyframes, UNITS)
        chunks = [chunk for scene in request.keyframes for chunk in missing(request, scene)]
        total, todo = sum(request.keyframes.values()), sum(len(chunk.keyframes) for chunk in chunks)
        done = total - todo
        report(done, total)
        for count in run(chunks, simulate, workers, "keyframes"):
            done += count
            report(done, total)
        scenes = (_scene(request, scene, count) for scene, count in sorted(everything.items()) if count)
        write_tables(request.out / request.version, fixed_tables(request), scenes)
    except OSError as error:
        raise InputError(
            f"{error.filename or request.out}: cannot write ({error.strerror}); choose another --out or free it"
        ) from error
    return todo


def missing(request: Request, scene: str) -> Iterator[Chunk]:
    """The chunks of a scene that lack keyframes, with the keyframes they lack."""
    for first in range(0, request.keyframes[scene], CHUNK):
        keyframes = range(first, min(first + CHUNK, request.keyframes[scene]))
        absent = tuple(keyframe for keyframe in keyframes if not _part(request, scene, keyframe).exists())
        if absent:
            yield Chunk(request, scene, absent)


def _part(request: Request, scene: str, keyframe: int) -> Path:
    return request.out / PARTS / request.version / f"{scene}_{keyframe:02d}.json"


def _scene(request: Request, scene: str, count: int) -> dict[str, list[Row]]:
    """The records of one scene from the parts there are, and its map."""
    parts = []
    for keyframe in range(count):
        path = _part(request, scene, keyframe)
        if path.exists():  # a scene that an interrupted run asked for may lack some
            parts.append(json.loads(path.read_text()))
    drive = Drive.of(request.seed, scene)
    target = request.out / "maps" / map_name(request.seed, scene)
    if not target.exists():
        write_atomically(target, map_png(drive))
    return scene_tables(scene, request.seed, f"Simulated street, {drive.street.theme}", parts)


def simulate(chunk: Chunk) -> int:
    """Make and write the keyframes of a chunk and the sweeps before each; returns how many keyframes."""
    first = chunk.keyframes[0] // CHUNK * CHUNK
    maker = SceneMaker(chunk.request, chunk.scene, first, first + CHUNK - 1)
    for keyframe in chunk.keyframes:
        maker.write(keyframe)
    return len(chunk.keyframes)


class SceneMaker:
    """Makes keyframes of one scene between a first and a last one."""

    def __init__(self, request: Request, scene: str, first: int, last: int) -> None:
        self.request, self.scene = request, scene
        self.drive = Drive.of(request.seed, scene)
        street = self.drive.street
        # All of the chunk even if only some keyframes are missing: triangles must not depend on what was there.
        self.stretch = Stretch(street, time_s((first - 1) * SWEEPS), time_s(last * SWEEPS))
        self._global_from_world = self.drive.global_from_world(self.stretch)
        self._standing = things(self.stretch.standing.objects)
        self._laser_gain = sensitivities(street.rng("lasers"), HDL_32E.sensor.num_rings)
        self._light = Light.of(street)
        self._indices = label_indices()

    def write(self, keyframe: int) -> None:
        """Write the files of a keyframe and of the sweeps before it; the part file comes last and makes them count."""
        last = keyframe * SWEEPS
        data: list[Row] = []
        poses: list[Row] = []
        for sweep in range(max(last - SWEEPS + 1, 0), last):
            self._record(data, poses, rig.LIDAR, keyframe, sweep, self._sweep_file(sweep, self._turn(sweep)))
        seen = self._turn(last)
        lidar = self._record(data, poses, rig.LIDAR, keyframe, last, self._sweep_file(last, seen))
        moving = self.stretch.moving(time_s(last))
        scenes = (self.stretch.standing, moving)
        ego = self.drive.ego_pose(self.stretch.frame, time_s(last))
        eye = ego[:3, :3] @ rig.EYE_M + ego[:3, 3]
        records = annotate(scenes, [*self._standing, *things(moving.objects)], eye, self._global_from_world)
        written_pose = _pose(poses[-1]["translation"], poses[-1]["rotation"])
        counts = points_inside(seen.points, records, written_pose @ rig.EGO_FROM_LIDAR)
        for record, count in zip(records, counts, strict=True):
            record["num_lidar_pts"] = count
        labels = self._write_labels(lidar["token"], seen, records)
        if self.request.cameras:
            for channel in rig.CAMERAS:
                filename = self._write_image(channel, keyframe, scenes, ego)
                self._record(data, poses, channel, keyframe, last, filename)
        part = {
            "sample": {"token": self._sample(keyframe), "timestamp": timestamp_us(self.scene, last)},
            "sample_data": data,
            "ego_pose": poses,
            "annotations": records,
            "lidarseg": [labels],
        }
        write_atomically(_part(self.request, self.scene, keyframe), json.dumps(part).encode())

    def _sample(self, keyframe: int) -> str:
        return token(self.request.seed, self.scene, "sample", keyframe)

    def _turn(self, sweep: int) -> Turn:
        at = time_s(sweep)
        pose = self.drive.ego_pose(self.stretch.frame, at) @ rig.EGO_FROM_LIDAR
        scenes = (self.stretch.standing, self.stretch.moving(at))
        return turn(scenes, pose, self._laser_gain, self.drive.street.rng("lidar", sweep))

    def _sweep_file(self, sweep: int, made: Turn) -> str:
        return self._file(rig.LIDAR, sweep, "pcd.bin", made.points.astype("<f4").tobytes())

    def _file(self, channel: str, sweep: int, ending: str, data: bytes) -> str:
        """Write a file of a sensor; returns its name relative to the data set."""
        folder = "sweeps" if sweep % SWEEPS else "samples"
        name = f"{folder}/{channel}/simulated-{self.scene}__{channel}__{timestamp_us(self.scene, sweep)}.{ending}"
        write_atomically(self.request.out / name, data)
        return name

    def _record(
        self,
        data: list[Row],
        poses: list[Row],
        channel: str,
        keyframe: int,
        sweep: int,
        filename: str,
    ) -> Row:
        """Append the records of a file: its sample_data, and the ego pose at its time."""
        own = token(self.request.seed, self.scene, channel, sweep)
        pose = self._global_from_world @ self.drive.ego_pose(self.stretch.frame, time_s(sweep))
        timestamp = timestamp_us(self.scene, sweep)
        is_camera = channel != rig.LIDAR
        poses.append(
            {
                "token": own,
                "timestamp": timestamp,
                "rotation": rig.quaternion(pose[:3, :3]),
                "translation": pose[:3, 3].tolist(),
            }
        )
        row = {
            "token": own,
            "sample_token": self._sample(keyframe),
            "ego_pose_token": own,
            "calibrated_sensor_token": token("calibrated_sensor", channel),
            "timestamp": timestamp,
            "fileformat": "jpg" if is_camera else "pcd",
            "is_key_frame": sweep == keyframe * SWEEPS,
            "height": self.request.height_px if is_camera else 0,
            "width": self.request.width_px if is_camera else 0,
            "filename": filename,
            "channel": channel,
        }
        data.append(row)
        return row

    def _write_labels(self, lidar: str, seen: Turn, records: list[Row]) -> Row:
        """Write the lidarseg labels of a keyframe; returns their record."""
        by_instance = np.full(65536, 255, np.uint8)
        for record in records:
            by_instance[record["instance"]] = CATEGORY_INDEX[record["category"]]
        by_instance[0] = 255
        label = by_instance[seen.instance]
        label = np.where(label == 255, self._indices[seen.label], label)
        label = np.where(seen.special == 255, label, seen.special).astype(np.uint8)
        name = f"lidarseg/{self.request.version}/{lidar}_lidarseg.bin"
        write_atomically(self.request.out / name, label.tobytes())
        return {"token": lidar, "sample_data_token": lidar, "filename": name}

    def _write_image(self, channel: str, keyframe: int, scenes: tuple[Any, ...], ego: NDArray[np.float64]) -> str:
        from perception3d.simulation.camera import render

        sweep = keyframe * SWEEPS
        camera = rig.camera(channel, self.request.height_px, self.request.width_px)
        rng = self.drive.street.rng("image", channel, keyframe)
        view = render(scenes, camera, ego @ rig.ego_from_camera(channel), self._light, rng)
        filename = self._file(channel, sweep, "jpg", jpeg(view.image))
        if self.request.depth:
            path = self.request.out / "depth" / channel / f"{Path(filename).stem}.png"
            write_atomically(path, depth_png(view.depth_m))
        return filename


def _pose(translation: list[float], rotation: list[float]) -> NDArray[np.float64]:
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rig.matrix(rotation), translation
    return pose
