from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from mmengine.registry import DATASETS, init_default_scope
from semantickitti_files import write_scan

from corruptions.core import InputError
from corruptions.export import export
from corruptions.readers import semantickitti
from corruptions.suites import ROBO3D, SEMANTICKITTI_C, SUITES
from corruptions.synthetic import synthetic_scan
from perception3d.conventions import SEMANTICKITTI_TRAIN_IDS
from perception3d.datasets import CorruptedSemanticKittiDataset
from perception3d.datasets.corrupted_folders import ROBO3D as ROBO3D_LAYOUT
from perception3d.datasets.corrupted_folders import SETTINGS, find_folders
from perception3d.datasets.semantickitti_infos import list_infos, write_infos
from perception3d.metrics.confusion import confusion_matrix
from perception3d.submission.segmentation_folder import prediction_folder

LOAD = [
    {"type": "perception3d.LoadLidarPoints"},
    {"type": "perception3d.LoadLidarLabels", "with_instances": True},
]
PACK = [
    {
        "type": "Pack3DDetInputs",
        "keys": ["points", "pts_semantic_mask", "pts_instance_mask"],
        "meta_keys": ("sample_id", "lidar_path"),
    }
]
SEED = 5


@pytest.fixture(autouse=True)
def _mmdet3d_scope():
    init_default_scope("mmdet3d")


def read_back(root: Path, setting: str, **options):
    return DATASETS.build(
        {
            "type": "perception3d.CorruptedSemanticKittiDataset",
            "data_root": str(root),
            "setting": setting,
            "pipeline": LOAD + PACK,
            "test_mode": True,
            **options,
        }
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """Two sweeps of 64 x 60 rays, an instance id on every tenth point, and some moving cars."""
    root = tmp_path_factory.mktemp("data") / "kitti"
    for frame in ("000000", "000004"):
        scan = synthetic_scan(seed=int(frame), steps=60)
        labels = scan.labels.astype(np.uint32)
        labels[::10] |= 9 << 16
        labels[(scan.labels == 10) & (scan.points[:, 0] > 10)] = 252
        for name, values in ((f"velodyne/{frame}.bin", scan.points), (f"labels/{frame}.label", labels)):
            (root / "sequences/08" / name).parent.mkdir(parents=True, exist_ok=True)
            values.tofile(root / "sequences/08" / name)
    write_infos(list_infos(root), root.parent / "infos", "tag")
    return root


@pytest.fixture(scope="module")
def exported(source, tmp_path_factory) -> dict[str, Path]:
    """Root of an export of each suite."""
    out = {name: tmp_path_factory.mktemp(name) for name in SUITES}
    return {
        name: export(semantickitti(source), suite, out[name], seed=SEED, with_clean=True).root
        for name, suite in SUITES.items()
    }


def test_predictions_of_corrupted_files_are_written_for_their_scores(exported, tmp_path):
    """As ``tools/test.py --format-only`` and ``tools/score.py`` need them, from a config with an info file."""
    dataset = read_back(exported["semantickitti_c"], "fog_heavy", ann_file="infos_val.pkl")
    folder = prediction_folder(tmp_path, dataset.metainfo)
    for index in range(len(dataset)):
        sample = dataset[index]["data_samples"]
        folder.write(sample.metainfo, np.full(len(sample.gt_pts_seg.pts_semantic_mask), 3))
    names = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.label"))
    assert names == [f"sequences/08/predictions/{frame}.label" for frame in ("000000", "000004")]


def label_by_height(points: np.ndarray) -> np.ndarray:
    """A predictor that needs no model: one of the 19 classes by height, and none above 3 m."""
    return np.digitize(points[:, 2], np.linspace(-1.8, 3, 20)).clip(0, 19)


CASES = [(suite, setting) for suite in SUITES.values() for setting in suite.settings]


@pytest.mark.parametrize(("suite", "setting"), CASES, ids=[f"{suite.name}-{s.folder}" for suite, s in CASES])
def test_reading_back_equals_corrupting_on_the_fly(source, exported, suite, setting):
    files = read_back(exported[suite.name], suite.path(setting))
    on_the_fly = DATASETS.build(
        {
            "type": "perception3d.SemanticKittiDataset",
            "data_root": str(source),
            "ann_file": str(source.parent / "infos/tag_infos_val.pkl"),
            "test_mode": True,
            "pipeline": [
                *LOAD,
                {
                    "type": "perception3d.CorruptPoints",
                    "corruption": setting.corruption,
                    "level": setting.level,
                    "parameters": dict(setting.params),
                    "seed": SEED,
                    "label_rule": "keep_moved" if suite.drop_of(setting) != suite.drop else "drop_moved",
                },
                *PACK,
            ],
        }
    )
    confusion = {}
    for name, dataset in (("files", files), ("on the fly", on_the_fly)):
        confusion[name] = np.zeros((19, 20), dtype=np.int64)
        for sample in dataset:
            points, truth = sample["inputs"]["points"].numpy(), sample["data_samples"].eval_ann_info
            confusion[name] += confusion_matrix(label_by_height(points), truth["pts_semantic_mask"])
    for one, other in zip(files, on_the_fly, strict=True):
        assert one["data_samples"].sample_id == other["data_samples"].sample_id
        assert one["inputs"]["points"].numpy().tobytes() == other["inputs"]["points"].numpy().tobytes()
        for key in ("pts_semantic_mask", "pts_instance_mask"):
            here, there = (sample["data_samples"].eval_ann_info[key] for sample in (one, other))
            assert np.array_equal(here, there), key
    assert confusion["files"].sum() > 0
    assert np.array_equal(confusion["files"], confusion["on the fly"])


def test_clean_folder_is_the_clean_data_set(source, exported):
    clean = read_back(exported["semantickitti_c"], "clean_data")
    assert [sample["data_samples"].sample_id for sample in clean] == ["08/000000", "08/000004"]
    points = np.fromfile(source / "sequences/08/velodyne/000004.bin", np.float32).reshape(-1, 4)
    assert np.array_equal(clean[1]["inputs"]["points"].numpy(), points)
    assert clean.present_classes() == read_back(exported["robo3d"], "clean").present_classes()


def test_the_layouts_are_told_apart(exported, tmp_path):
    ours = find_folders(exported["semantickitti_c"].parent)  # the folder above will do
    assert (ours.layout, set(ours.settings)) == (
        SETTINGS,
        {"clean_data", *(s.folder for s in SEMANTICKITTI_C.settings)},
    )
    robo3d = find_folders(exported["robo3d"])
    assert (robo3d.layout, len(robo3d.settings)) == (ROBO3D_LAYOUT, 25)
    assert "fog/heavy" in robo3d.settings
    mixed = tmp_path / "SemanticKITTI-C"
    shutil.copytree(exported["robo3d"] / "fog", mixed / "fog")
    shutil.copytree(exported["semantickitti_c"] / "fog_heavy", mixed / "fog_heavy")
    with pytest.raises(InputError, match="found a mixture of two data sets, fog_heavy as .* and fog/light as Robo3D"):
        read_back(tmp_path, "fog_heavy")
    with pytest.raises(InputError, match="expected <setting>/velodyne .* found labels, velodyne; set data_root"):
        find_folders(mixed / "fog/light")
    with pytest.raises(InputError, match="expected a folder of corrupted scans, found none"):
        find_folders(tmp_path / "nowhere")


def robo3d_scan(root: Path, folder: str, labels: list[int]) -> None:
    write_scan(root / "made", "08", "000000", labels)
    target = root / "SemanticKITTI-C" / folder
    target.mkdir(parents=True)
    for name in ("velodyne", "labels"):
        shutil.move(root / "made/sequences/08" / name, target / name)


def test_noise_ids_of_robo3d_are_ignored_only_there(tmp_path):
    labels = [40, 21, 22, 23, 252, 0]
    robo3d_scan(tmp_path, "snow/light", labels)
    dataset = read_back(tmp_path, "snow/light")
    assert isinstance(dataset, CorruptedSemanticKittiDataset)
    assert dataset[0]["data_samples"].eval_ann_info["pts_semantic_mask"].tolist() == [8, 19, 19, 19, 0, 19]
    own = {**SEMANTICKITTI_TRAIN_IDS, 22: 0}
    override = read_back(tmp_path, "snow/light", metainfo={"seg_label_mapping": own})
    assert override[0]["data_samples"].eval_ann_info["pts_semantic_mask"].tolist() == [8, 19, 0, 19, 0, 19]
    robo3d_scan(tmp_path / "yan", "snowfall_light", labels)
    with pytest.raises(InputError, match=r"000000.label: .* found 21 .1 points., 22"):
        read_back(tmp_path / "yan", "snowfall_light")[0]


def test_several_sequences(tmp_path):
    for sequence in ("01", "08"):
        write_scan(tmp_path, sequence, "000002", [40, 10, 70] * 40)
    settings = [SEMANTICKITTI_C.setting("global_light")]
    report = export(semantickitti(tmp_path, ("01", "08")), SEMANTICKITTI_C, tmp_path / "out", settings=settings)
    ids = [sample["data_samples"].sample_id for sample in read_back(report.root, "global_light")]
    assert ids == ["01/000002", "08/000002"]
    alone = export(semantickitti(tmp_path, ("01",)), SEMANTICKITTI_C, tmp_path / "alone", settings=settings)
    (sample,) = read_back(alone.root, "global_light", sequence="01")
    assert sample["data_samples"].sample_id == "01/000002"


def test_bad_folders_are_named(exported, tmp_path):
    with pytest.raises(InputError, match="unknown setting 'fog_hevy' .*: did you mean fog_heavy"):
        read_back(exported["semantickitti_c"], "fog_hevy")
    root = Path(shutil.copytree(exported["semantickitti_c"], tmp_path / "SemanticKITTI-C"))
    (root / "fog_light/velodyne/000004.bin").unlink()
    with pytest.raises(InputError, match="fog_light: expected the 4 files of a finished export, found 2; run tools"):
        read_back(root, "fog_light")
    os.truncate(root / "fog_heavy/labels/000004.label", 8)
    with pytest.raises(InputError, match="000004.label: expected .* labels, one per point"):
        read_back(root, "fog_heavy")
    for path in (root / "fog_moderate").glob("*/*"):
        os.truncate(path, 0)
    with pytest.raises(InputError, match="fog_moderate: no scan of it has a point, as after missing_lidar"):
        read_back(root, "fog_moderate")
    (root / "manifest.json").unlink()  # as released data
    assert len(read_back(root, "fog_light")) == 1
    assert len(read_back(exported["robo3d"], ROBO3D.path(ROBO3D.settings[0]))) == 2
