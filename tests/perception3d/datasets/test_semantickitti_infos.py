import pickle

import numpy as np
import pytest
from semantickitti_files import write_root, write_scan

from corruptions.core import InputError
from perception3d.datasets.semantickitti_infos import list_infos, write_infos


@pytest.fixture
def root(tmp_path):
    return write_root(tmp_path / "kitti")


def test_lists_the_scans_on_disk(root):
    infos = list_infos(root)
    assert {split: [info["sample_id"] for info in listed] for split, listed in infos.items()} == {
        "train": ["01/000000", "01/000002", "10/000000"],
        "val": ["08/000004"],
        "trainval": ["01/000000", "01/000002", "08/000004", "10/000000"],
        "test": ["11/000001"],
    }
    assert [info["sample_idx"] for info in infos["trainval"]] == [0, 1, 2, 3]
    assert infos["val"][0] == {
        "sample_idx": 0,
        "sample_id": "08/000004",
        "lidar_points": {"lidar_path": "sequences/08/velodyne/000004.bin", "num_pts_feats": 4},
        "pts_semantic_mask_path": "sequences/08/labels/000004.label",
    }
    assert "pts_semantic_mask_path" not in infos["test"][0]


def test_a_split_without_scans_is_empty(tmp_path):
    write_scan(tmp_path, "08", "000000", [40])
    infos = list_infos(tmp_path)
    assert (len(infos["train"]), len(infos["val"]), len(infos["trainval"]), len(infos["test"])) == (0, 1, 1, 0)


def truncate(path, size):
    path.write_bytes(path.read_bytes()[:size])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        # five points are 80 bytes; 79 = 4 * 16 + 15
        (lambda s: truncate(s / "01/velodyne/000002.bin", 79), ["01/velodyne/000002.bin", "79 bytes", "15 too many"]),
        (lambda s: truncate(s / "08/velodyne/000004.bin", 0), ["08/velodyne/000004.bin", "empty"]),
        (lambda s: truncate(s / "08/labels/000004.label", 12), ["08/labels/000004.label", "5 labels", "found 3 "]),
        (lambda s: (s / "10/labels/000000.label").unlink(), ["10/labels/000000.label", "found none"]),
        (lambda s: (s / "11/velodyne/000001.bin").unlink(), ["11/velodyne", "found none", "remove its folder"]),
    ],
)
def test_damaged_files_are_named(root, damage, words):
    damage(root / "sequences")
    with pytest.raises(InputError) as error:
        list_infos(root)
    assert all(word in str(error.value) for word in words)
    assert "\n" not in str(error.value)


def test_missing_folders(tmp_path):
    with pytest.raises(InputError, match=r"sequences: expected a folder .* found none; --root-path"):
        list_infos(tmp_path)
    (tmp_path / "sequences" / "22").mkdir(parents=True)
    with pytest.raises(InputError, match="expected folders 00 to 21 with scans"):
        list_infos(tmp_path)


def test_written_files_are_mmdet3d_info_files(root, tmp_path):
    infos = list_infos(root)
    paths = write_infos(infos, tmp_path / "new" / "out", "tag")
    assert {path.name for path in (tmp_path / "new" / "out").iterdir()} == {
        f"tag_infos_{split}.pkl" for split in ("train", "val", "trainval", "test")
    }
    content = pickle.loads(paths["train"].read_bytes())  # written two lines above
    assert content["data_list"] == infos["train"]
    assert content["metainfo"] == {"dataset": "semantickitti", "info_version": "1.1", "split": "train"}


def test_nothing_is_half_written(root, tmp_path, monkeypatch):
    out = tmp_path / "out"
    calls = []

    def disk_full(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        return b"x"

    monkeypatch.setattr(pickle, "dumps", disk_full)
    with pytest.raises(InputError, match="No space left on device; choose another --out-dir"):
        write_infos(list_infos(root), out, "tag")
    assert list(out.iterdir()) == []


def test_unwritable_output(root, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(InputError, match=r"file: expected a folder to write info files to, found"):
        write_infos(list_infos(root), blocked, "tag")


def test_real_scans(data_root):
    root = data_root / "semantickitti"
    infos = list_infos(root)
    assert (len(infos["train"]), len(infos["val"]), len(infos["trainval"]), len(infos["test"])) == (40, 3, 43, 0)
    assert [info["sample_id"] for info in infos["val"]] == ["08/000000", "08/000004", "08/000008"]
    for info in infos["trainval"]:
        points = (root / info["lidar_points"]["lidar_path"]).stat().st_size / 16
        assert np.fromfile(root / info["pts_semantic_mask_path"], np.uint32).shape == (points,)
