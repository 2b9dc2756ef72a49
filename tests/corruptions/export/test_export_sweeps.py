from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from export_files import FRAMES, INSTANCE, tree, write_sequence

import corruptions
from corruptions import InputError, Scan
from corruptions.core import MOVED
from corruptions.export import catalog_suite, export, verify
from corruptions.export.files import inside
from corruptions.export.jobs import sweep_jobs
from corruptions.export.manifest import describe
from corruptions.export.run import run_jobs
from corruptions.export.settings import manifest_settings
from corruptions.readers import BinReader, Sample, folder, reading, semantickitti
from corruptions.suites import ROBO3D, SEMANTICKITTI_C, Setting, Suite, select
from corruptions.synthetic import synthetic_scan

# Without numba: quick to start in a new process.
QUICK = ("local_light", "global_heavy", "dense_16beam")
CHOSEN = tuple(SEMANTICKITTI_C.setting(name) for name in QUICK)


def run(root: Path, out: Path, **options) -> object:
    return export(semantickitti(root), SEMANTICKITTI_C, out, **{"settings": CHOSEN, **options})


@pytest.fixture(scope="module")
def exported(kitti_root, tmp_path_factory) -> Path:
    """A complete export of ``CHOSEN``; do not write to it."""
    out = tmp_path_factory.mktemp("exported")
    run(kitti_root, out, with_clean=True)
    return out / "SemanticKITTI-C"


@pytest.fixture
def copied(exported, tmp_path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "SemanticKITTI-C"))


def test_published_layout(exported):
    assert {path.name for path in exported.iterdir()} == {*QUICK, "clean_data", "manifest.json", "checksums.jsonl"}
    for setting in (*QUICK, "clean_data"):
        assert sorted(path.name for path in (exported / setting / "velodyne").iterdir()) == [f"{f}.bin" for f in FRAMES]
        assert sorted(path.name for path in (exported / setting / "labels").iterdir()) == [f"{f}.label" for f in FRAMES]


@pytest.mark.parametrize("setting", SEMANTICKITTI_C.settings, ids=lambda setting: setting.folder)
def test_the_same_bytes_as_on_the_fly(kitti_root, tmp_path, setting):
    run(kitti_root, tmp_path, settings=[setting], seed=3)
    for frame in FRAMES[:2]:
        points = np.fromfile(kitti_root / f"sequences/08/velodyne/{frame}.bin", np.float32).reshape(-1, 4)
        raw = np.fromfile(kitti_root / f"sequences/08/labels/{frame}.label", np.uint32)
        direct = corruptions.corrupt(
            Scan(points, 1.0, labels=raw & 0xFFFF), setting.corruption, setting.level, seed=3, sample=f"08/{frame}"
        )
        target = tmp_path / "SemanticKITTI-C" / setting.folder
        assert (target / f"velodyne/{frame}.bin").read_bytes() == direct.points.tobytes()
        labels = np.fromfile(target / f"labels/{frame}.label", np.uint32)
        # By hand, not by Corrupted.carry: a point at its old place keeps the whole value, any other has 0.
        expected = [raw[row] if status == 0 else 0 for row, status in zip(direct.source, direct.status, strict=True)]
        assert labels.tolist() == expected


def test_labels_by_the_places_of_the_points(exported, kitti_root):
    """Without source and status: a label is 0 exactly where the point is at another place."""
    before = np.fromfile(kitti_root / "sequences/08/velodyne/000000.bin", np.float32).reshape(-1, 4)
    raw = np.fromfile(kitti_root / "sequences/08/labels/000000.label", np.uint32)
    after = np.fromfile(exported / "local_light/velodyne/000000.bin", np.float32).reshape(-1, 4)
    labels = np.fromfile(exported / "local_light/labels/000000.label", np.uint32)
    displaced = (before[:, :3] != after[:, :3]).any(axis=1)
    assert displaced.sum() == round(0.2 * len(before))
    assert np.array_equal(labels, np.where(displaced, 0, raw))
    assert (labels >> 16 == INSTANCE >> 16).sum() > 100  # instance ids survive
    outliers = np.fromfile(exported / "global_heavy/labels/000000.label", np.uint32)
    assert len(outliers) == len(raw) + round(0.5 * len(raw))
    assert np.array_equal(outliers, np.concatenate([raw, np.zeros(round(0.5 * len(raw)), np.uint32)]))


def test_clean_folder_is_a_copy(exported, kitti_root):
    for kind in ("velodyne", "labels"):
        assert tree(exported / "clean_data" / kind) == tree(kitti_root / "sequences/08" / kind)


@pytest.mark.parametrize("workers", [2, 4])
def test_workers_do_not_change_a_byte(exported, kitti_root, tmp_path, workers):
    run(kitti_root, tmp_path, with_clean=True, workers=workers)
    assert tree(tmp_path / "SemanticKITTI-C") == tree(exported)


def test_order_does_not_change_a_byte(exported, kitti_root, tmp_path):
    reader = semantickitti(kitti_root)
    jobs = list(sweep_jobs(reader, "clean_data", None, (), 0))
    for setting in CHOSEN:
        jobs += sweep_jobs(reader, setting.folder, setting, SEMANTICKITTI_C.drop, 0)
    sources = [(sample.id, path) for sample in reader.samples() for path in sample.files]
    description = describe(
        "SemanticKITTI",
        0,
        manifest_settings(SEMANTICKITTI_C, CHOSEN, jobs),
        sources,
        reading(semantickitti(kitti_root)),
    )
    run_jobs(tmp_path, jobs[::-1], description)
    assert tree(tmp_path) == tree(exported)


def test_settings_can_be_added_in_any_order(exported, kitti_root, tmp_path):
    run(kitti_root, tmp_path, settings=CHOSEN[2:])
    report = run(kitti_root, tmp_path, with_clean=True)
    assert (report.made, report.skipped) == (18, 6)
    assert tree(tmp_path / "SemanticKITTI-C") == tree(exported)


class Interrupted(BinReader):
    """Stops the export at the fifth sweep, after eight reads that measure."""

    reads: list = []

    def read(self, sample: Sample) -> Scan:
        self.reads.append(sample)
        if len(self.reads) > 12:
            raise KeyboardInterrupt
        return super().read(sample)


def test_resume_after_an_interruption(exported, kitti_root, tmp_path):
    reader = semantickitti(kitti_root)
    with pytest.raises(KeyboardInterrupt):
        export(Interrupted(reader.name, reader.sweeps), SEMANTICKITTI_C, tmp_path, settings=CHOSEN, with_clean=True)
    root = tmp_path / "SemanticKITTI-C"
    finished = [path for path in root.rglob("*") if path.suffix in (".bin", ".label")]
    assert 0 < len(finished) < 24
    # What a power cut leaves: a torn line, a partial file, a file that never reached the list.
    with (root / "checksums.jsonl").open("a") as file:
        file.write('{"path": "global_heavy/vel')
    (root / ".partial").mkdir()
    (root / ".partial" / "1-abc").write_bytes(b"half")
    stray = root / "dense_16beam/velodyne/000008.bin"
    stray.parent.mkdir(parents=True, exist_ok=True)
    stray.write_bytes(b"not whole")
    times = {path: path.stat().st_mtime_ns for path in finished}
    report = run(kitti_root, tmp_path, with_clean=True)
    assert tree(root) == tree(exported)
    assert report.skipped == len(finished)
    assert {path: path.stat().st_mtime_ns for path in finished} == times
    assert run(kitti_root, tmp_path, with_clean=True).made == 0


def test_a_truncated_file_is_made_again(copied, exported, kitti_root):
    file = copied / "local_light/velodyne/000000.bin"
    file.write_bytes(file.read_bytes()[:-16])
    (copied / "global_heavy/labels/000004.label").unlink()
    report = run(kitti_root, copied.parent, with_clean=True)
    assert (report.made, report.skipped) == (4, 20)  # points and labels of two sweeps
    assert tree(copied) == tree(exported)


def test_another_export_is_refused(copied, kitti_root, tmp_path):
    before = tree(copied)
    with pytest.raises(InputError, match="found another one .seed: 0 there, 1 now.; choose another --out"):
        run(kitti_root, copied.parent, seed=1)
    other = Suite("other", "", "clean", (Setting("local_light", "x", "x", "local_distortion", "heavy"),), {})
    with pytest.raises(InputError, match='local_light: .*"sigma_m": 0.05.* there, .*"sigma_m": 0.2'):
        export(semantickitti(kitti_root), other, copied.parent)
    manifest = json.loads((copied / "manifest.json").read_text())
    for key, value in (("engine", "0.9"), ("packages", {"numpy": "1.0"})):
        (copied / "manifest.json").write_text(json.dumps({**manifest, key: value}))
        with pytest.raises(InputError, match=f"{key}: .* there, .* now"):
            run(kitti_root, copied.parent)
    (copied / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    assert tree(copied) == before


def test_another_source_is_refused(copied, kitti_root, tmp_path):
    source = tmp_path / "longer"
    shutil.copytree(kitti_root, source)
    for path, width in (("velodyne/000000.bin", 16), ("labels/000000.label", 4)):
        with (source / "sequences/08" / path).open("ab") as file:
            file.write(bytes(width))
    with pytest.raises(InputError, match="source: .* there, .* now"):
        run(source, copied.parent)


def test_the_same_files_read_otherwise_are_another_export(kitti_root, tmp_path):
    scans = kitti_root / "sequences/08/velodyne"
    settings = select(catalog_suite(), ["density_decrease"], ["light"])

    def run_with(**form):
        given = {"intensity_max": 1.0, "sensor": "HDL-64E"} | form
        return export(folder(scans, **given), catalog_suite(), tmp_path, settings=settings)

    # the synthetic intensities stay below 1: on a scale of 255 they are refused, and nothing is made
    with pytest.raises(InputError, match="intensity reaches only"):
        run_with(intensity_max=255.0)
    assert run_with().made > 0  # the refused run does not stand in the way of the right one
    with pytest.raises(InputError, match='reading: .*"sensor": "HDL-64E".* there, .*"sensor": "VLP-16".* now'):
        run_with(sensor="VLP-16")


def test_released_data_is_not_overwritten(kitti_root, tmp_path):
    released = tmp_path / "SemanticKITTI-C/local_light/velodyne/000000.bin"
    released.parent.mkdir(parents=True)
    released.write_bytes(b"released")
    before = tree(tmp_path)
    with pytest.raises(InputError, match="local_light: exists, but .* has no manifest.json"):
        run(kitti_root, tmp_path)
    assert tree(tmp_path) == before
    (tmp_path / "SemanticKITTI-C/manifest.json").write_text("{}")
    with pytest.raises(InputError, match="manifest.json: expected the manifest of an export, found another"):
        run(kitti_root, tmp_path)


def test_a_second_export_at_the_same_time_is_refused(copied, kitti_root):
    import fcntl

    with (copied / "checksums.jsonl").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another process is exporting to this folder"):
            run(kitti_root, copied.parent)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lambda root: (root / "local_light/velodyne/000000.bin").unlink(), "local_light/velodyne/000000.bin: missing"),
        (lambda root: flip(root / "clean_data/labels/000004.label"), "clean_data/labels/000004.label: other bytes"),
        (lambda root: os.truncate(root / "clean_data/velodyne/000004.bin", 32), "000004.bin: 32 bytes, expected"),
        (lambda root: (root / "global_heavy/velodyne/x.bin").touch(), "velodyne/x.bin: is not a file of this export"),
        (lambda root: drop_line(root / "checksums.jsonl"), "expected 6 files, 5 are finished; run the export again"),
    ],
)
def test_verify_finds_every_fault(copied, fault, message):
    assert verify(copied, workers=2) == []
    fault(copied)
    faults = verify(copied)
    assert any(message in found for found in faults)
    assert len(faults) == (2 if "finished" in message else 1)  # a file without a line is a stray as well


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[5] ^= 1
    path.write_bytes(content)


def drop_line(path: Path) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))


def test_verify_needs_an_export(tmp_path, copied):
    with pytest.raises(InputError, match="expected the manifest of an export, found none"):
        verify(tmp_path / "nothing")
    (copied / "checksums.jsonl").write_text("nonsense\n")
    with pytest.raises(InputError, match="expected one finished file per line, line 1 is 'nonsense'"):
        verify(copied)


def test_unwritable_output(kitti_root, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="expected a folder that can be written, found: Not a directory"):
        run(kitti_root, tmp_path / "file")


def test_too_small_a_disk(kitti_root, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1000))
    with pytest.raises(InputError, match=r"expected room for about \d+ kB, found 1 kB; export fewer settings"):
        run(kitti_root, tmp_path)


def test_full_disk_leaves_no_partial_file(kitti_root, tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match="found: No space left on device; free space or choose another --out"):
        run(kitti_root, tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".bin", ".label")]


@pytest.mark.parametrize("path", ["../escaped.bin", "a/../../../escaped.bin"])
def test_paths_stay_below_the_output(kitti_root, tmp_path, path):
    files = semantickitti(kitti_root).sweeps[0].files
    reader = BinReader("SemanticKITTI", (Sample("08/000000", files[:1], path),))
    one = Suite("one", "", "clean", (Setting("s", "x", "x", "local_distortion", "light"),), {}, layout="{folder}")
    with pytest.raises(InputError, match="expected a path below"):
        export(reader, one, tmp_path / "out")
    for absolute in ("/escaped.bin", "", "."):
        with pytest.raises(InputError, match="expected a path below"):
            inside(tmp_path, absolute)
    assert not list(tmp_path.rglob("*.bin"))


def test_links_do_not_lead_out(kitti_root, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    run(kitti_root, tmp_path, settings=CHOSEN[:1])
    (tmp_path / "SemanticKITTI-C/global_heavy").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="expected a path below .*, found one that leaves it"):
        run(kitti_root, tmp_path, settings=CHOSEN[1:2])
    assert not list((tmp_path / "elsewhere").iterdir())


def test_several_sequences_keep_their_folders(kitti_root, tmp_path):
    root = tmp_path / "data"
    write_sequence(root, "08", FRAMES[:1])
    write_sequence(root, "11", FRAMES[:1], with_labels=False)
    report = export(semantickitti(root, ("08", "11")), SEMANTICKITTI_C, tmp_path, settings=CHOSEN[:1])
    target = report.root / "local_light/sequences"
    assert {path.relative_to(target).as_posix() for path in target.rglob("*.*")} == {
        "08/velodyne/000000.bin",
        "08/labels/000000.label",
        "11/velodyne/000000.bin",
    }
    alone = export(semantickitti(root, ("08",)), SEMANTICKITTI_C, tmp_path / "alone", settings=CHOSEN[:1])
    assert (target / "08/velodyne/000000.bin").read_bytes() == (
        alone.root / "local_light/velodyne/000000.bin"
    ).read_bytes()


def test_robo3d_layout_and_label_rule(kitti_root, tmp_path):
    settings = select(ROBO3D, ("motion_blur", "crosstalk"), ("light",))
    root = export(semantickitti(kitti_root), ROBO3D, tmp_path, settings=settings).root
    raw = np.fromfile(kitti_root / "sequences/08/labels/000000.label", np.uint32)
    blurred = np.fromfile(root / "motion_blur/light/labels/000000.label", np.uint32)
    assert np.array_equal(blurred, raw)  # every point moves and keeps its label
    crosstalk = np.fromfile(root / "crosstalk/light/labels/000000.label", np.uint32)
    assert 0 < (crosstalk == 0).sum() < 0.05 * len(raw)


class Arrays:
    """The protocol by hand: sweeps that are not in files of ours."""

    name = "Mine"
    columns = 5

    def samples(self):
        return [Sample(f"drive/{i}", (), f"points/{i}.bin", f"classes/{i}.bin") for i in range(2)]

    def read(self, sample):
        scan = synthetic_scan(int(sample.id[-1]), steps=20)
        five = np.column_stack([scan.points, np.zeros(len(scan.points), np.float32)])
        return Scan(five, 1.0, labels=scan.labels)

    def labels(self, sample):
        return synthetic_scan(int(sample.id[-1]), steps=20).labels.astype(np.uint8)


def test_any_reader(tmp_path):
    suite = catalog_suite()
    settings = select(suite, ("local_distortion",), ("heavy",))
    report = export(Arrays(), suite, tmp_path, settings=settings)
    assert report.root == tmp_path / "Mine-C"
    points = np.fromfile(report.root / "local_distortion_heavy/points/1.bin", np.float32).reshape(-1, 5)
    labels = np.fromfile(report.root / "local_distortion_heavy/classes/1.bin", np.uint8)
    direct = corruptions.corrupt(
        Arrays().read(Arrays().samples()[1]), "local_distortion", "heavy", seed=0, sample="drive/1"
    )
    assert points.tobytes() == direct.points.tobytes()
    assert ((labels == 0) == (direct.status == MOVED)).all()


def test_a_reader_that_contradicts_itself(tmp_path):
    class Wrong(Arrays):
        columns = 4

    class Unlabelled(Arrays):
        def labels(self, sample):
            return None

    suite = catalog_suite()
    for reader, message in ((Wrong(), "gives 5 values per point, its columns say 4"), (Unlabelled(), "labels_path")):
        with pytest.raises(InputError, match=message):
            export(reader, suite, tmp_path, settings=suite.settings[:1])


def test_two_sweeps_of_one_name(tmp_path):
    class Twice(Arrays):
        def samples(self):
            return [super().samples()[0]] * 2

    suite = catalog_suite()
    with pytest.raises(InputError, match="points/0.bin: two samples would write this file"):
        export(Twice(), suite, tmp_path, settings=suite.settings[:1])


class Dying(BinReader):
    """Kills the worker process, as the system does when memory runs out."""

    def read(self, sample: Sample) -> Scan:
        import multiprocessing

        if multiprocessing.parent_process() is not None:
            os._exit(9)
        return super().read(sample)


def test_a_worker_that_dies(kitti_root, tmp_path):
    reader = semantickitti(kitti_root)
    with pytest.raises(InputError, match="a worker process died, perhaps for lack of memory"):
        export(Dying(reader.name, reader.sweeps), SEMANTICKITTI_C, tmp_path, settings=CHOSEN[:1], workers=2)


def test_bad_sweeps_are_named_before_or_when_read(kitti_root, tmp_path):
    root = tmp_path / "data"
    write_sequence(root, "08", FRAMES[:2])
    scan = root / "sequences/08/velodyne/000004.bin"
    points = np.fromfile(scan, np.float32)
    points[7] = 3.0  # an intensity of 3 on the scale 0..1
    points.tofile(scan)
    with pytest.raises(InputError, match=r"000004.bin: intensity reaches 3 but intensity_max is 1"):
        run(root, tmp_path, workers=2)
    os.truncate(scan, 30)
    with pytest.raises(InputError, match=r"000004.bin: expected whole points of 4 float32"):
        run(root, tmp_path)
    with pytest.raises(InputError, match="expected a sequence folder, found sequences 08"):
        semantickitti(root, ("07",))
    with pytest.raises(InputError, match="expected a sequence folder"):
        semantickitti(root, ("../sequences/08",))
    with pytest.raises(InputError, match="workers: expected at least 1, found 0"):
        run(kitti_root, tmp_path, workers=0)


def test_source_inside_the_output_is_refused(kitti_root, tmp_path):
    scans = tmp_path / "scans"
    shutil.copytree(kitti_root / "sequences/08/velodyne", scans / "scans-C/run")
    with pytest.raises(InputError, match="is read from .*scans-C, where the export goes"):
        export(folder(scans, intensity_max=1.0), SEMANTICKITTI_C, scans, settings=CHOSEN[:1])


def test_what_it_will_take_is_said_first(kitti_root, tmp_path, capsys):
    import sys

    run(kitti_root, tmp_path, stream=sys.stderr)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "measuring one sample of each of 3 settings ..."
    assert "9 samples in 3 settings, about" in lines[1]
    assert "with 1 worker" in lines[1]
    assert lines[-1].endswith("100 %  9/9  0:00:00 left")
