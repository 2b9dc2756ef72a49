from pathlib import Path

import pytest

from perception3d.conventions import (
    NUSCENES_LIDARSEG_CLASS_OF,
    NUSCENES_LIDARSEG_CLASSES,
    NUSCENES_LIDARSEG_IGNORE,
    SEMANTICKITTI_CLASSES,
    SEMANTICKITTI_IGNORE,
    SEMANTICKITTI_PALETTE,
    SEMANTICKITTI_RAW_IDS,
    SEMANTICKITTI_SPLITS,
    SEMANTICKITTI_TRAIN_IDS,
)

# learning_map of semantic-kitti.yaml by class, in the api's numbering (1..19, 0 = ignore).
API_MAP = {
    0: (0, 1, 52, 99),
    1: (10, 252),
    2: (11,),
    3: (15,),
    4: (18, 258),
    5: (13, 16, 20, 256, 257, 259),
    6: (30, 254),
    7: (31, 253),
    8: (32, 255),
    9: (40, 60),
    10: (44,),
    11: (48,),
    12: (49,),
    13: (50,),
    14: (51,),
    15: (70,),
    16: (71,),
    17: (72,),
    18: (80,),
    19: (81,),
}


def test_label_map_is_the_api_s():
    expected = {raw: (api_id - 1 if api_id else 19) for api_id, raws in API_MAP.items() for raw in raws}
    assert dict(SEMANTICKITTI_TRAIN_IDS) == expected
    assert len(expected) == 34


def test_label_map_is_mmdet3d_s():
    mmengine = pytest.importorskip("mmengine")
    mmdet3d = pytest.importorskip("mmdet3d")
    path = Path(mmdet3d.__file__).parent / ".mim/configs/_base_/datasets/semantickitti.py"
    assert dict(SEMANTICKITTI_TRAIN_IDS) == mmengine.Config.fromfile(path).labels_map


def test_inverse_map_leads_back():
    assert set(SEMANTICKITTI_RAW_IDS) == set(range(20))
    assert all(SEMANTICKITTI_TRAIN_IDS[raw] == train_id for train_id, raw in SEMANTICKITTI_RAW_IDS.items())
    # The api writes the static variant of each class, never a moving one.
    assert max(SEMANTICKITTI_RAW_IDS.values()) == 81
    assert SEMANTICKITTI_RAW_IDS[SEMANTICKITTI_IGNORE] == 0


def test_names_and_colours_belong_together():
    assert len(SEMANTICKITTI_CLASSES) == len(set(SEMANTICKITTI_CLASSES)) == 19 == SEMANTICKITTI_IGNORE
    colour = dict(zip(SEMANTICKITTI_CLASSES, SEMANTICKITTI_PALETTE, strict=True))
    # color_map of semantic-kitti.yaml is BGR: car [245, 150, 100], road [255, 0, 255], traffic-sign [0, 0, 255].
    assert colour["car"] == (100, 150, 245)
    assert colour["road"] == (255, 0, 255)
    assert colour["traffic-sign"] == (255, 0, 0)
    assert len(set(SEMANTICKITTI_PALETTE)) == 19


def test_palette_is_mmdet3d_s_but_for_two_classes():
    datasets = pytest.importorskip("mmdet3d.datasets")
    stock = [tuple(colour) for colour in datasets.SemanticKittiDataset.METAINFO["palette"]]
    differ = {
        name
        for name, ours, theirs in zip(SEMANTICKITTI_CLASSES, SEMANTICKITTI_PALETTE, stock, strict=True)
        if ours != theirs
    }
    # mmdet3d takes the colour of bus (raw 13) for other-vehicle (raw 20), and 155 for the red of person.
    assert differ == {"other-vehicle", "person"}


def test_splits():
    assert SEMANTICKITTI_SPLITS["val"] == ("08",)
    every = sorted(name for names in SEMANTICKITTI_SPLITS.values() for name in names)
    assert every == [f"{sequence:02d}" for sequence in range(22)]
    assert min(SEMANTICKITTI_SPLITS["test"]) == "11"


def test_lidarseg_classes_are_the_devkit_s():
    mapper_type = pytest.importorskip("nuscenes.eval.lidarseg.utils").LidarsegClassMapper
    mapper = mapper_type.__new__(mapper_type)  # its constructor wants tables
    mapper.ignore_class = mapper.get_ignore_class()
    ids = mapper.get_coarse2idx()
    assert [ids[name] for name in NUSCENES_LIDARSEG_CLASSES] == list(range(1, 17))
    assert len(NUSCENES_LIDARSEG_CLASSES) == NUSCENES_LIDARSEG_IGNORE
    theirs = {name: None if kind == "ignore" else kind for name, kind in mapper.get_fine2coarse().items()}
    assert theirs == NUSCENES_LIDARSEG_CLASS_OF
