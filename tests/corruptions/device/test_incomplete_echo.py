import numpy as np
import pytest

from corruptions.core import KEPT, InputError, Scan
from corruptions.device.incomplete_echo import INCOMPLETE_ECHO, incomplete_echo
from corruptions.semantics import members


def labelled(labels):
    labels = np.asarray(labels)
    points = np.random.default_rng(0).uniform(0, 1, (len(labels), 4)).astype(np.float32)
    return Scan(points, 1.0, labels=labels)


def test_an_exact_share_of_each_vehicle_class_goes():
    # 40 cars, 20 moving cars, 10 bicycles (too few), 30 road points
    scan = labelled([10] * 40 + [252] * 20 + [11] * 10 + [40] * 30)
    out = incomplete_echo(scan, np.random.default_rng(0), drop_share=0.75)
    left = scan.labels[out.source]
    assert {ids: int(np.isin(left, ids).sum()) for ids in ((10, 252), 11, 40)} == {(10, 252): 15, 11: 10, 40: 30}
    assert np.array_equal(out.points, scan.points[out.source]) and (out.status == KEPT).all()


@pytest.mark.parametrize(
    ("label_sets", "pairs"),
    [
        # every vehicle id of semantic-kitti.yaml beside its class of 19, and road
        (
            ("semantickitti", "semantickitti_19"),
            "10:0 252:0 11:1 15:2 18:3 258:3 13:4 16:4 20:4 256:4 257:4 259:4 40:8",
        ),
        # nuScenes-lidarseg's general ids beside the challenge ids, and driveable surface
        (("nuscenes", "nuscenes_16"), "14:2 15:3 16:3 17:4 18:5 21:6 22:9 23:10 24:11"),
    ],
)
def test_raw_and_train_ids_lose_the_same_points(label_sets, pairs):
    table = np.array([pair.split(":") for pair in pairs.split()], dtype=int)
    chosen = table[np.random.default_rng(1).integers(0, len(table), 500)]
    points = np.random.default_rng(0).uniform(0, 1, (500, 4)).astype(np.float32)
    sources = [
        incomplete_echo(
            Scan(points, 1.0, labels=chosen[:, column], label_set=label_set), np.random.default_rng(2), drop_share=0.75
        ).source
        for column, label_set in enumerate(label_sets)
    ]
    assert len(sources[0]) < 250
    assert np.array_equal(*sources)


@pytest.mark.parametrize("scan_fixture", ["street_scan", "kitti_scan"])
def test_levels_lose_more_vehicle_points_and_nothing_else(scan_fixture, request):
    scan = request.getfixturevalue(scan_fixture)
    vehicle = members(scan.labels, "semantickitti", "vehicle")
    assert vehicle.sum() > 100
    lost = []
    for level in ("light", "moderate", "heavy"):
        out = INCOMPLETE_ECHO(scan, np.random.default_rng(0), level)
        assert np.array_equal(out.source[~vehicle[out.source]], np.flatnonzero(~vehicle))
        lost.append(1 - vehicle[out.source].sum() / vehicle.sum())
    assert lost == pytest.approx([0.75, 0.85, 0.95], abs=0.02)


def test_the_label_set_says_what_a_vehicle_is(street_scan):
    nuscenes = np.where(street_scan.labels == 10, 17, 24)  # car, driveable surface
    scan = Scan(street_scan.points, 1.0, labels=nuscenes, label_set="nuscenes")
    out = incomplete_echo(scan, np.random.default_rng(0), drop_share=1.0)
    assert np.array_equal(out.source, np.flatnonzero(nuscenes == 24))


def test_labels_are_needed(street_scan):
    with pytest.raises(InputError, match="labels"):
        INCOMPLETE_ECHO(Scan(street_scan.points, 1.0), np.random.default_rng(0), "light")


def test_bad_share_is_named(street_scan):
    with pytest.raises(InputError, match="drop_share"):
        incomplete_echo(street_scan, np.random.default_rng(0), drop_share=75)
