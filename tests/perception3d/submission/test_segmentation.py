"""SemanticKITTI and nuScenes-lidarseg submissions against the rules of their servers."""

import json
import shutil
import zipfile
from unittest import mock

import numpy as np
import pytest
from nuscenes_files import META, link_trainval
from nuscenes_lidarseg_files import write_nuscenes
from semantickitti_files import write_scan

from corruptions.core import InputError
from perception3d.submission.files import open_tree, zip_file, zip_tree
from perception3d.submission.nuscenes_lidarseg import lidarseg_faults, lidarseg_zip
from perception3d.submission.nuscenes_split import lidar_keyframes, read_split
from perception3d.submission.semantickitti import required_folders, semantickitti_faults, semantickitti_zip

SEQUENCES = ("11", "12")
ORIGINAL_IDS = (10, 11, 15, 18, 20, 30, 31, 32, 40, 44, 48, 49, 50, 51, 70, 71, 72, 80, 81, 0)


def kitti_server_refuses(archive, root):
    """The checks of semantic-kitti-api's validate_submission.py, written from its documentation."""
    names = archive.namelist()
    for sequence in SEQUENCES:
        if not {"sequences/", f"sequences/{sequence}/", f"sequences/{sequence}/predictions/"} <= set(names):
            return True
        for scan in (root / "sequences" / sequence / "velodyne").iterdir():
            label = f"sequences/{sequence}/predictions/{scan.stem}.label"
            if label not in names or archive.getinfo(label).file_size // 4 != scan.stat().st_size // 16:
                return True
    return False


@pytest.fixture
def kitti(tmp_path):
    """A data set of two test sequences and the train ids 0..19 in turn for each of its scans."""
    root = tmp_path / "data"
    scans = [("11", "000000", 25), ("11", "000001", 7), ("12", "000000", 40)]
    for sequence, frame, count in scans:
        write_scan(root, sequence, frame, [0] * count)
        shutil.rmtree(root / "sequences" / sequence / "labels")
    return root, {(sequence, frame): np.arange(count) % 20 for sequence, frame, count in scans}


def write_kitti(path, predictions):
    with semantickitti_zip(path, SEQUENCES) as writer:
        for (sequence, frame), train_ids in predictions.items():
            writer.add(sequence, frame, train_ids)


def kitti_faults(path, root):
    with open_tree(path) as tree:
        return semantickitti_faults(tree, root, SEQUENCES, folders=path.is_file())


def test_semantickitti_zip_is_what_the_server_wants(kitti, tmp_path):
    root, predictions = kitti
    path = tmp_path / "out" / "submission.zip"
    write_kitti(path, predictions)
    assert kitti_faults(path, root) == []
    with zipfile.ZipFile(path) as archive:
        assert not kitti_server_refuses(archive, root)
        assert archive.testzip() is None
        values = np.frombuffer(archive.read("sequences/11/predictions/000000.label"), np.uint32)
    assert values.tolist() == [ORIGINAL_IDS[index % 20] for index in range(25)]


def test_a_folder_of_predictions_becomes_a_zip_with_folder_entries(kitti, tmp_path):
    root, predictions = kitti
    write_kitti(tmp_path / "a.zip", predictions)
    folder = tmp_path / "folder"
    zipfile.ZipFile(tmp_path / "a.zip").extractall(folder)
    assert kitti_faults(folder, root) == []
    with open_tree(folder) as tree:
        zip_tree(tree, tmp_path / "b.zip", required_folders(SEQUENCES))
    assert kitti_faults(tmp_path / "b.zip", root) == []
    assert not kitti_server_refuses(zipfile.ZipFile(tmp_path / "b.zip"), root)


def rewrite(path, change):
    """The entries of a zip as a dict, changed, written again."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    change(entries)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


LABEL = "sequences/11/predictions/000001.label"
KITTI_FAULTS = [
    (lambda e: e.pop("sequences/"), "sequences/", True),
    (lambda e: e.pop("sequences/12/predictions/"), "sequences/12/predictions/", True),
    (lambda e: e.pop(LABEL), LABEL, True),
    (lambda e: e.update({LABEL: e[LABEL] + bytes(4)}), LABEL, True),
    (lambda e: e.update({LABEL: e[LABEL][:-4]}), LABEL, True),
    (lambda e: e.update({LABEL: e[LABEL] + bytes(2)}), LABEL, False),
    (lambda e: e.update({LABEL: np.arange(12, 19, dtype=np.uint32).tobytes()}), LABEL, False),
    (lambda e: e.update({"notes.txt": b""}), "notes.txt", False),
]


@pytest.mark.parametrize(("change", "where", "server_too"), KITTI_FAULTS, ids=[str(i) for i in range(8)])
def test_one_fault_in_a_semantickitti_zip(kitti, tmp_path, change, where, server_too):
    root, predictions = kitti
    path = tmp_path / "submission.zip"
    write_kitti(path, predictions)
    rewrite(path, change)
    faults = kitti_faults(path, root)
    assert [fault.where for fault in faults] == [where]
    assert kitti_server_refuses(zipfile.ZipFile(path), root) == server_too


def test_all_faults_of_a_semantickitti_zip(kitti, tmp_path):
    root, predictions = kitti
    path = tmp_path / "submission.zip"
    write_kitti(path, predictions)
    rewrite(path, lambda entries: [change(entries) for change, _, _ in (KITTI_FAULTS[i] for i in (0, 1, 3, 7))])
    assert {fault.where for fault in kitti_faults(path, root)} == {
        "sequences/", "sequences/12/predictions/", LABEL, "notes.txt",
    }  # fmt: skip
    instances = {**predictions, ("11", "000001"): predictions["11", "000001"]}
    write_kitti(path, instances)
    rewrite(path, lambda e: e.update({LABEL: (np.full(7, 10, np.uint32) + (5 << 16)).tobytes()}))
    assert kitti_faults(path, root) == []  # instance ids in the upper 16 bits are allowed


def test_the_semantickitti_writer_refuses(kitti, tmp_path):
    root, _ = kitti
    path = tmp_path / "s.zip"
    for bad in (("13", "000000", np.zeros(3, int)), ("11", "000000", np.array([20])), ("11", "000000", np.array([-1]))):
        with pytest.raises(InputError), semantickitti_zip(path, SEQUENCES) as writer:
            writer.add(*bad)
    with pytest.raises(InputError, match="the same again"), semantickitti_zip(path, SEQUENCES) as writer:
        writer.add("11", "000000", np.zeros(3, int))
        writer.add("11", "000000", np.zeros(3, int))
    assert not path.exists()
    with pytest.raises(InputError, match="expected the scans of the data set"), open_tree(root) as tree:
        semantickitti_faults(tree, root, ("21",))


@pytest.fixture(scope="module")
def lidarseg(data_root, tmp_path_factory):
    """The real keyframes of the split mini_val, and classes 1..16 for all of their points."""
    root = data_root / "nuscenes"
    if not (root / "v1.0-mini").is_dir():
        pytest.skip(f"no nuScenes tables at {root}")
    points = lidar_keyframes(root, "v1.0-mini", read_split(root, "v1.0-mini", "mini_val"))
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("lidarseg") / "submission.zip"
    with lidarseg_zip(path, "mini_val", META) as writer:
        for token, count in points.items():
            writer.add(token, rng.integers(1, 17, count))
    return root, points, path


def test_keyframe_without_a_lidar_record_is_named(data_root, tmp_path):
    tables = data_root / "nuscenes" / "v1.0-mini"
    if not tables.is_dir():
        pytest.skip(f"no nuScenes tables at {tables}")
    shutil.copytree(tables, tmp_path / "v1.0-mini")
    split = read_split(tmp_path, "v1.0-mini", "mini_val")
    lost = split.sample_tokens[3]
    path = tmp_path / "v1.0-mini" / "sample_data.json"
    rows = [row for row in json.loads(path.read_text()) if row["sample_token"] != lost]
    path.unlink()
    path.write_text(json.dumps(rows))
    with pytest.raises(InputError, match=f"expected a keyframe of LIDAR_TOP for sample {lost}, found none"):
        lidar_keyframes(tmp_path, "v1.0-mini", split)


def devkit_refuses(root, folder):
    from nuscenes import NuScenes
    from nuscenes.eval.lidarseg.utils import LidarsegClassMapper
    from nuscenes.eval.lidarseg.validate_submission import validate_submission

    nusc = NuScenes("v1.0-mini", str(root), verbose=False)
    nusc.lidarseg = []  # no labels: the devkit counts the points of the sweeps
    mapper = LidarsegClassMapper.__new__(LidarsegClassMapper)
    mapper.ignore_class = mapper.get_ignore_class()
    nusc.lidarseg_name2idx_mapping = {name: index for index, name in enumerate(mapper.get_fine2coarse())}
    here = {"mini_val": ["scene-0916"]}  # the other scene of the split is not in these tables
    try:
        with mock.patch("nuscenes.eval.lidarseg.utils.create_splits_scenes", return_value=here):
            validate_submission(nusc, str(folder), "mini_val")
    except Exception:
        return True
    return False


def lidarseg_list(path, points):
    with open_tree(path) as tree:
        return lidarseg_faults(tree, "mini_val", points)


def test_lidarseg_zip_and_its_folder_pass_the_devkits_check(lidarseg, tmp_path):
    root, points, path = lidarseg
    assert len(points) == 10 and all(34_000 < count < 35_000 for count in points.values())
    assert lidarseg_list(path, points) == []
    zipfile.ZipFile(path).extractall(tmp_path)
    assert lidarseg_list(tmp_path, points) == []
    assert not devkit_refuses(root, tmp_path)


def lidarseg_cases(token):
    bin_file, meta = f"lidarseg/mini_val/{token}_lidarseg.bin", "mini_val/submission.json"
    extra = json.dumps({"meta": {**META, "use_luck": True}}).encode()
    less = json.dumps({"meta": {key: value for key, value in META.items() if key != "use_map"}}).encode()
    return [
        (bin_file, None, bin_file, True),
        (bin_file, lambda b: b[:-1], bin_file, True),
        (bin_file, lambda b: b + b"\x01", bin_file, True),
        (bin_file, lambda b: b"\x00" + b[1:], bin_file, True),
        (bin_file, lambda b: b"\x11" + b[1:], bin_file, True),
        (meta, None, meta, True),
        (meta, lambda b: b"{", meta, True),
        (meta, lambda b: extra, f"{meta} meta.use_luck", True),
        (meta, lambda b: less, f"{meta} meta.use_map", True),
        (meta, lambda b: json.dumps({"meta": {**META, "use_lidar": 1}}).encode(), f"{meta} meta.use_lidar", True),
        (meta, lambda b: b"[" * 100_000, meta, True),
        (meta, lambda b: b.replace(b'"use_map"', b'"use_map": true, "use_map"'), f"{meta} meta[use_map]", False),
        ("lidarseg/mini_val/extra.bin", lambda b: b"", "lidarseg/mini_val/extra.bin", False),
    ]


def test_every_fault_of_a_lidarseg_folder_as_the_devkit_sees_it(lidarseg, tmp_path):
    root, points, path = lidarseg
    zipfile.ZipFile(path).extractall(tmp_path)
    for name, change, where, devkit_too in lidarseg_cases(list(points)[3]):
        file = tmp_path / name
        before = file.read_bytes() if file.exists() else None
        file.unlink(missing_ok=True)
        if change:
            file.write_bytes(change(before or b""))
        assert [fault.where for fault in lidarseg_list(tmp_path, points)] == [where]
        assert devkit_refuses(root, tmp_path) == devkit_too, name
        file.unlink(missing_ok=True)
        if before is not None:
            file.write_bytes(before)


def flipped(archive, entry):
    """The zip with a byte of an entry's content turned over."""
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as opened:
        info = opened.getinfo(entry)
    content[info.header_offset + 30 + len(entry) + info.compress_size // 2] ^= 0xFF
    return bytes(content)


def marked(archive, entry, offset, value):
    """The zip with a byte of an entry's record in its directory set."""
    content = bytearray(archive.read_bytes())
    content[content.rindex(entry.encode()) - 46 + offset] = value
    return bytes(content)


@pytest.mark.parametrize("damage", [flipped, lambda *a: marked(*a, 8, 1), lambda *a: marked(*a, 10, 99)],
                         ids=["damaged", "encrypted", "unknown method"])  # fmt: skip
def test_each_entry_that_cannot_be_unpacked_is_a_fault(tmp_path, damage):
    path, points = tmp_path / "submission.zip", {"a": 500, "b": 500}
    with lidarseg_zip(path, "mini_val", META) as writer:
        for token, count in points.items():
            writer.add(token, np.random.default_rng(0).integers(1, 17, count))
    names = [f"lidarseg/mini_val/{token}_lidarseg.bin" for token in points] + ["mini_val/submission.json"]
    for name in names:
        path.write_bytes(damage(path, name))
    faults = lidarseg_list(path, points)
    assert sorted(fault.where for fault in faults) == names
    assert all(fault.what.startswith("expected a file that can be read, found: ") for fault in faults)


def test_files_of_a_folder_that_cannot_be_read_are_faults(kitti, tmp_path):
    root, predictions = kitti
    write_kitti(tmp_path / "a.zip", predictions)
    folder = tmp_path / "folder"
    zipfile.ZipFile(tmp_path / "a.zip").extractall(folder)
    (folder / LABEL).unlink()
    (folder / LABEL).symlink_to(tmp_path / "nowhere")
    (fault,) = kitti_faults(folder, root)
    assert str(fault) == f"{LABEL}: expected a file that can be read, found: No such file or directory"


def test_the_lidarseg_writer_refuses(tmp_path):
    path = tmp_path / "l.zip"
    for bad in (np.array([0, 1]), np.array([17]), np.ones((2, 2), int)):
        with pytest.raises(InputError, match="one class 1..16 per point"), lidarseg_zip(path, "val", META) as writer:
            writer.add("a", bad)
    with pytest.raises(InputError, match="once"), lidarseg_zip(path, "val", META) as writer:
        writer.add("a", np.array([1]))
        writer.add("a", np.array([1]))
    with pytest.raises(InputError, match="meta.use_camera"), lidarseg_zip(path, "val", {}):
        pass
    assert not path.exists()


def test_no_zip(tmp_path):
    (tmp_path / "file.zip").write_bytes(b"PK")
    for path, message in ((tmp_path / "file.zip", "a file that is no zip"), (tmp_path / "none", "found none")):
        with pytest.raises(InputError, match=message), open_tree(path):
            pass


def test_a_zip_holds_neither_itself_nor_takes_the_place_of_its_content(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"content")
    with open_tree(tmp_path) as tree:
        zip_tree(tree, tmp_path / "inside.zip", [])
    with zipfile.ZipFile(tmp_path / "inside.zip") as archive:
        assert archive.namelist() == ["a.bin"]
    with pytest.raises(InputError, match="expected another file than the one to zip"):
        zip_file(tmp_path / "a.bin", tmp_path / "." / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == b"content"


@pytest.mark.parametrize(
    ("table", "content", "message"),
    [
        ("scene", "[1]", "expected a list of rows with name, token"),
        ("scene", "{}", "expected a list of rows with name, token"),
        ("sample", '[{"token": "a"}]', "expected a list of rows with token, scene_token"),
        ("sample", "[", "expected a JSON table"),
        ("splits", "[", "expected JSON"),
        ("splits", '{"mine": "scene-0103"}', "expected an object of lists of scene names"),
    ],
)
def test_tables_of_another_shape_are_named(tmp_path, table, content, message):
    write_nuscenes(tmp_path)
    path = tmp_path / "v1.0-mini" / f"{table}.json"
    path.write_text(content)
    with pytest.raises(InputError, match=f"{table}.json: {message}"):
        read_split(tmp_path, "v1.0-mini", "mine" if table == "splits" else "mini_val")


def test_splits_of_partial_tables(data_root, tmp_path):
    root = link_trainval(data_root, tmp_path / "nuscenes")
    split = read_split(root, "v1.0-trainval", "val")
    assert len(split.sample_tokens) == 18 and split.scenes_missing == 148
    assert len(lidar_keyframes(root, "v1.0-trainval", split)) == 18
    with pytest.raises(InputError, match="unknown split 'vall'.*did you mean.*val"):
        read_split(root, "v1.0-trainval", "vall")
    with pytest.raises(InputError, match="expected keyframes of split 'train'"):
        read_split(root, "v1.0-trainval", "train")
    with pytest.raises(InputError, match="versions there: v1.0-trainval"):
        read_split(root, "v1.0-test", "val")
