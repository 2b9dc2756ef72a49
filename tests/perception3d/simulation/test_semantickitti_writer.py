"""Sequences on disk: formats, determinism, poses, resume, refusals."""

import json
import subprocess
import sys

import numpy as np
import pytest
from scipy.spatial import cKDTree

from corruptions import files
from corruptions.core import InputError
from corruptions.sensors import estimate_rings, rings_from_azimuth
from perception3d.conventions import SEMANTICKITTI_TRAIN_IDS
from perception3d.simulation import semantickitti
from perception3d.simulation.labels import MOVING, Label, is_thing
from perception3d.simulation.lidar import beams, sweep
from perception3d.simulation.semantickitti import KITTI_VELODYNE, Request, write
from perception3d.simulation.street import Street
from perception3d.simulation.world import Stretch

pytest.importorskip("open3d", reason="ray casting needs the extra `simulation`")


def quiet(done, total):
    """No progress."""


def contents(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Two sequences of two scans, made in this process."""
    root = tmp_path_factory.mktemp("simulated") / "kitti"
    assert write(Request(root, 5, {"03": 2, "08": 2}), 1, quiet) == 4
    return root


def read(root, sequence, scan):
    folder = root / "sequences" / sequence
    points = np.fromfile(folder / "velodyne" / f"{scan:06d}.bin", np.float32).reshape(-1, 4)
    labels = np.fromfile(folder / "labels" / f"{scan:06d}.label", np.uint32)
    return points, labels & 0xFFFF, labels >> 16


def matrices(path):
    rows = np.loadtxt(path).reshape(-1, 3, 4)
    return np.concatenate([rows, np.broadcast_to([[[0, 0, 0, 1]]], (len(rows), 1, 4))], axis=1)


def calibration(path):
    return {line.split(": ")[0]: np.array(line.split(": ")[1].split(), float).reshape(3, 4) for line in open(path)}


def test_files_of_a_sequence(written):
    names = {name.removeprefix("sequences/") for name in contents(written)}
    per_sequence = {"calib.txt", "poses.txt", "times.txt"} | {
        f"{folder}/{scan:06d}.{end}" for folder, end in (("velodyne", "bin"), ("labels", "label")) for scan in (0, 1)
    }
    assert names == {f"{sequence}/{name}" for sequence in ("03", "08") for name in per_sequence} | {"simulation.json"}
    assert np.loadtxt(written / "sequences/08/times.txt").tolist() == [0.0, 1.0]


def test_scans_hold_what_real_ones_hold(written):
    for sequence in ("03", "08"):
        points, labels, instances = read(written, sequence, 1)
        assert len(points) == len(labels)
        assert 100_000 < len(points) < 130_000
        assert np.isfinite(points).all()
        range_m = np.linalg.norm(points[:, :3], axis=1)
        assert range_m.min() > 0.9
        assert range_m.max() < 80
        assert points[:, 3].min() >= 0
        assert points[:, 3].max() <= np.float32(0.99)
        np.testing.assert_allclose(points[:, 3] * 100, np.round(points[:, 3] * 100), atol=1e-4)
        assert set(labels.tolist()) <= set(SEMANTICKITTI_TRAIN_IDS)
        assert np.array_equal(instances > 0, is_thing(labels))
        # One instance, one class.
        assert all(len(set(labels[instances == instance].tolist())) == 1 for instance in set(instances.tolist()) - {0})
        assert set(labels.tolist()) & set(MOVING.values())


def test_shape_of_a_scan_is_near_the_real_ones(written, data_root):
    real = data_root / "semantickitti"
    if not real.is_dir():
        pytest.skip(f"no SemanticKITTI scans at {real}")
    ours, theirs = (
        [read(root, "08", scan)[0] for scan in scans] for root, scans in ((written, (0, 1)), (real, (0, 4)))
    )
    counts = [np.mean([len(points) for points in scans]) for scans in (ours, theirs)]
    assert counts[0] == pytest.approx(counts[1], rel=0.12)
    for low, high in ((4.0, 6.0), (6.0, 10.0), (10.0, 20.0), (20.0, 40.0)):
        share = []
        for scans in (ours, theirs):
            range_m = np.linalg.norm(np.concatenate(scans)[:, :3], axis=1)
            share.append(((range_m >= low) & (range_m < high)).mean())
        assert share[0] == pytest.approx(share[1], abs=0.12)
    middle = [np.median(np.concatenate(scans)[:, 3]) for scans in (ours, theirs)]
    assert middle[0] == pytest.approx(middle[1], abs=0.06)


def test_rings_are_those_the_file_order_tells(written):
    street = Street.of(5, "08")
    stretch, rays = Stretch(street, 0.0, 9.0), beams(KITTI_VELODYNE)
    turn = sweep(
        (stretch.standing, stretch.moving(0.0)),
        stretch.pose(0.0, KITTI_VELODYNE.height_m),
        KITTI_VELODYNE,
        rays,
        np.ones(64),
        np.random.default_rng(0),
    )
    assert np.array_equal(rings_from_azimuth(turn.points, 64), turn.ring)
    assert np.array_equal(estimate_rings(turn.points, KITTI_VELODYNE.sensor), turn.ring)
    for sequence in ("03", "08"):
        for scan in (0, 1):
            assert rings_from_azimuth(read(written, sequence, scan)[0], 65).max() == 63  # 64 rings, no more


def test_calibration_is_a_kitti_rig(written):
    matrix = calibration(written / "sequences/08/calib.txt")
    assert list(matrix) == ["P0", "P1", "P2", "P3", "Tr"]
    # P1 lies 0.54 m to the right: -718.856 * 0.54 = -388.18224
    assert matrix["P1"][0, 3] == pytest.approx(-388.18224)
    # A point 10 m ahead of the Velodyne and level with it: 9.73 m ahead of the camera and 0.08 m above it.
    u, v, w = matrix["P0"] @ np.append(matrix["Tr"] @ [10, 0, 0, 1], 1)
    assert (u / w, v / w) == pytest.approx((607.1928, 185.2157 - 718.856 * 0.08 / 9.73))


def in_first_velodyne(written, sequence, scan, pose):
    """Static points of a scan in the velodyne frame of scan 0, by the recipe of semantic-kitti-api."""
    velodyne_to_camera = np.eye(4)
    velodyne_to_camera[:3] = calibration(written / f"sequences/{sequence}/calib.txt")["Tr"]
    transform = np.linalg.inv(velodyne_to_camera) @ pose @ velodyne_to_camera
    points, labels, _ = read(written, sequence, scan)
    flat = np.isin(labels, [Label.BUILDING, Label.FENCE, Label.SIDEWALK, Label.POLE])
    near = np.linalg.norm(points[:, :3], axis=1) < 25
    return points[flat & near, :3].astype(float) @ transform[:3, :3].T + transform[:3, 3]


def off_surface(reference, points):
    """Median distance of points from the planes through their eight nearest reference points."""
    distance, nearest = cKDTree(reference).query(points, 8)
    close = distance[:, -1] < 0.5
    neighbours = reference[nearest[close]]
    centre = neighbours.mean(axis=1)
    normal = np.linalg.svd(neighbours - centre[:, None])[2][:, -1]
    return np.median(np.abs(np.einsum("ij,ij->i", points[close] - centre, normal)))


@pytest.mark.parametrize("sequence", ["03", "08"])
def test_poses_bring_static_points_together(written, sequence):
    poses = matrices(written / f"sequences/{sequence}/poses.txt")
    np.testing.assert_allclose(poses[0], np.eye(4), atol=1e-12)
    # One second of driving, forward being z of the left camera; the lane is a little longer or shorter than the
    # centre line in a bend.
    speed = Street.of(5, sequence).ego_speed_mps
    assert poses[1][2, 3] == pytest.approx(speed, rel=0.03)
    first = in_first_velodyne(written, sequence, 0, poses[0])
    second = in_first_velodyne(written, sequence, 1, poses[1])[::4]
    assert off_surface(first, second) < 0.02  # range noise 1.2 cm
    # The measure tells: half a metre sideways and five degrees of yaw are seen.
    wrong = poses[1].copy()
    wrong[0, 3] += 0.5
    turn = np.radians(5)
    wrong[:3, :3] = [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]] @ wrong[:3, :3]
    assert off_surface(first, in_first_velodyne(written, sequence, 1, wrong)[::4]) > 0.03


def test_bytes_do_not_depend_on_workers_or_sequences(written, tmp_path):
    write(Request(tmp_path, 5, {"08": 2, "04": 1}), 2, quiet)
    ours, theirs = contents(tmp_path), contents(written)
    same = [name for name in ours if name in theirs and name != "simulation.json"]
    assert len(same) == 7
    assert all(ours[name] == theirs[name] for name in same)
    assert ours["sequences/04/velodyne/000000.bin"] != theirs["sequences/03/velodyne/000000.bin"]


def test_seed_makes_the_world():
    first, again, other = Street.of(5, "08"), Street.of(5, "08"), Street.of(6, "08")
    assert first.waves.tolist() == again.waves.tolist() != other.waves.tolist()
    rngs = [street.rng("block", 3).random() for street in (first, again, other)]
    assert rngs[0] == rngs[1] != rngs[2]


def test_interrupted_run_goes_on(written, tmp_path, monkeypatch):
    make = semantickitti.write_scan

    def interrupt(request, sequence, scan, turn):
        if (sequence, scan) == ("08", 1):
            raise KeyboardInterrupt
        make(request, sequence, scan, turn)

    monkeypatch.setattr(semantickitti, "write_scan", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(Request(tmp_path, 5, {"08": 2}), 1, quiet)
    monkeypatch.setattr(semantickitti, "write_scan", make)
    folder = tmp_path / "sequences/08"
    kept = (folder / "velodyne/000000.bin").stat().st_mtime_ns
    seen = []
    assert write(Request(tmp_path, 5, {"08": 2}), 1, lambda done, total: seen.append((done, total))) == 1
    assert seen == [(1, 2), (2, 2)]
    assert (folder / "velodyne/000000.bin").stat().st_mtime_ns == kept
    names = [name for name in contents(written) if name.startswith("sequences/08")]
    assert {name: contents(tmp_path)[name] for name in names} == {name: contents(written)[name] for name in names}


def test_truncated_scan_is_made_again_and_complete_ones_are_kept(written, tmp_path, monkeypatch):
    for name, data in contents(written).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "sequences/08/velodyne/000001.bin").write_bytes(b"\0" * 160)
    made = []
    monkeypatch.setattr(
        semantickitti, "write_scan", lambda request, sequence, scan, turn: made.append((sequence, scan))
    )
    write(Request(tmp_path, 5, {"03": 2, "08": 2}), 1, quiet)
    assert made == [("08", 1)]


@pytest.fixture
def claimed(tmp_path):
    """A folder claimed for three scans of seed 5, none of them made yet."""
    semantickitti.claim(Request(tmp_path, 5, {"08": 3}))
    return tmp_path


def test_manifest_states_the_parameters(claimed):
    assert json.loads((claimed / "simulation.json").read_text()) == {
        "format": "semantickitti",
        "version": semantickitti.VERSION,
        "seed": 5,
        "interval_s": 1.0,
        "scans": {"08": 3},
    }
    semantickitti.claim(Request(claimed, 5, {"00": 4, "08": 5}))
    assert json.loads((claimed / "simulation.json").read_text())["scans"] == {"00": 4, "08": 5}


@pytest.mark.parametrize(
    ("seed", "scans", "interval", "words"),
    [
        (6, {"08": 3}, 1.0, "with seed 5, now asked for 6"),
        (5, {"08": 3}, 0.5, "with interval_s 1.0, now asked for 0.5"),
        (5, {"08": 2}, 1.0, "sequence 08 has 3 scans, now asked for 2"),
    ],
)
def test_other_parameters_are_refused(claimed, seed, scans, interval, words):
    before = contents(claimed)
    with pytest.raises(InputError, match=words):
        write(Request(claimed, seed, scans, interval), 1, quiet)
    assert contents(claimed) == before


def test_foreign_sequences_and_manifests_are_refused(tmp_path):
    (tmp_path / "a/sequences").mkdir(parents=True)
    with pytest.raises(InputError, match="not simulated here"):
        semantickitti.claim(Request(tmp_path / "a", 0, {"08": 1}))
    (tmp_path / "b").mkdir()
    for text in ("{", "[]", '{"scans": 3}'):
        (tmp_path / "b/simulation.json").write_text(text)
        with pytest.raises(InputError, match="expected the manifest of a simulation"):
            semantickitti.claim(Request(tmp_path / "b", 0, {"08": 1}))


@pytest.mark.parametrize(
    ("scans", "interval", "words"),
    [
        ({"8": 1}, 1.0, "two digits such as 08, found '8'"),
        ({"../x": 1}, 1.0, "two digits"),
        ({"08": 0}, 1.0, "at least one scan, found 0"),
        ({"08": 1}, 0.0, "interval: expected seconds in 0 ... 10, found 0"),
        ({"08": 1}, float("nan"), "interval"),
    ],
)
def test_bad_requests(tmp_path, scans, interval, words):
    with pytest.raises(InputError, match=words):
        Request(tmp_path, 0, scans, interval)


def test_bad_workers(tmp_path):
    with pytest.raises(InputError, match="workers: expected at least 1, found 0"):
        write(Request(tmp_path / "new", 0, {"08": 1}), 0, quiet)
    assert not (tmp_path / "new").exists()


def test_unwritable_output_is_one_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file.*cannot write"):
        write(Request(tmp_path / "file/out", 0, {"08": 1}), 1, quiet)


def test_failing_write_leaves_nothing_half_written(tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device", str(target))

    path = tmp_path / "data.bin"
    path.write_bytes(b"before")
    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(InputError, match=r"data\.bin.*No space left"):
        files.write_atomically(path, b"after")
    assert contents(tmp_path) == {"data.bin": b"before"}


def test_no_learning_stack_is_imported():
    code = (
        "import sys, perception3d.simulation.semantickitti; "
        "found = {'torch', 'mmengine', 'mmcv', 'mmdet', 'mmdet3d', 'open3d'} & set(sys.modules); "
        "sys.exit(', '.join(found) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr.strip()) == (0, "")
