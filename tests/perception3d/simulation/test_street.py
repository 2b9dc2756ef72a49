"""The endless street: geometry, blocks, traffic."""

import numpy as np
import pytest

from perception3d.conventions import SEMANTICKITTI_CLASSES, SEMANTICKITTI_TRAIN_IDS
from perception3d.simulation.blocks import BLOCK_M, plan, zones
from perception3d.simulation.builder import STATIC_INSTANCES
from perception3d.simulation.labels import MOVING, Label, is_thing, semantickitti_ids
from perception3d.simulation.roadside import block
from perception3d.simulation.street import LIMIT_M, START_M, STEP_M, Frame, Street
from perception3d.simulation.traffic import EGO_CLEAR_M, lanes, traffic

STREETS = [Street.of(seed, name) for seed, name in ((0, "08"), (0, "03"), (7, "00"))]


@pytest.fixture(scope="module")
def street():
    return STREETS[0]


@pytest.fixture(scope="module")
def frame(street):
    return Frame(street, 700.0, START_M)


@pytest.mark.parametrize("street", STREETS, ids=lambda street: f"{street.seed}/{street.name}")
def test_bends_are_wider_than_the_ground_is_deep(street):
    s = np.arange(0, 5000, 1.0)
    curvature = np.abs(np.diff(street.heading_rad(s)))
    assert 1 / curvature.max() > LIMIT_M + 20
    # and it never turns back on itself
    assert np.abs(street.heading_rad(s)).max() < np.pi / 2


def test_centre_line_does_not_depend_on_how_far_it_is_followed(street):
    short, long = street.centre_line(100.0), street.centre_line(900.0)
    assert np.array_equal(short, long[: len(short)])
    np.testing.assert_allclose(np.linalg.norm(np.diff(long, axis=0), axis=1), STEP_M)


def test_frame_is_square_to_the_street(frame):
    s = np.array([150.0, 300.0])
    left, centre, ahead = frame.points(s, 3.0), frame.points(s, 0.0), frame.points(s + 0.5, 0.0)
    assert np.linalg.norm(left - centre, axis=1)[:, None] == pytest.approx(3.0, abs=0.02)  # a little camber
    across, along = left - centre, ahead - centre
    cosine = np.sum(across[:, :2] * along[:, :2], axis=1) / 1.5
    np.testing.assert_allclose(cosine, 0.0, atol=0.01)
    assert np.all(along[:, 0] * across[:, 1] - along[:, 1] * across[:, 0] > 0)  # d grows to the left


def test_sensor_stands_at_its_height_above_the_road(street, frame):
    pose = frame.pose(200.0, -2.0, 1.73)
    foot = frame.points(200.0, -2.0)
    np.testing.assert_allclose(np.linalg.norm(pose[:3, 3] - foot), 1.73)
    ahead = frame.points(201.0, -2.0) - foot
    assert np.dot(pose[:3, 0], ahead / np.linalg.norm(ahead)) > 0.9999


def test_ground_is_continuous(street):
    d = np.linspace(-LIMIT_M, LIMIT_M, 3001)
    steps = np.diff(street.ground_height_m(np.full(3001, 333.0), d)) / np.diff(d)
    assert np.abs(steps).max() < 0.6  # no slope steeper than 31 degrees


def test_cards_come_once_in_every_deck(street):
    for deck in range(3):
        assert sorted(street.card(7, 7 * deck + i, "test") for i in range(7)) == list(range(7))
    rows = [[street.card(7, 7 * deck + i, "test") for i in range(7)] for deck in range(6)]
    assert len({tuple(row) for row in rows}) > 1


def test_lots_fill_each_side_of_a_block(street):
    kinds = set()
    for index in range(40):
        lots = plan(street, index)
        kinds |= {lot.kind for lot in lots}
        for side in (1, -1):
            cuts = [(lot.start_m, lot.end_m) for lot in lots if lot.side == side]
            assert cuts[0][0] == index * BLOCK_M
            assert cuts[-1][1] == (index + 1) * BLOCK_M
            assert all(before[1] == after[0] for before, after in zip(cuts, cuts[1:], strict=False))
    assert kinds == {"facade", "garden", "green", "yard", "plaza", "rural", "corner", "crossing"}


def test_zones_follow_each_other_outwards(street):
    for index in range(20):
        for lot in plan(street, index):
            strips = zones(lot)
            assert strips[0].inner_m == lot.road_m
            assert strips[-1].outer_m == LIMIT_M
            assert all(a.outer_m == b.inner_m for a, b in zip(strips, strips[1:], strict=False))


def test_block_depends_on_street_and_index_alone(street, frame):
    first, again = block(frame, street, 6), block(Frame(street, 1500.0, START_M), street, 6)
    assert len(first) == len(again)
    assert all(np.array_equal(a.mesh.vertices, b.mesh.vertices) for a, b in zip(first, again, strict=True))
    assert [a.instance for a in first] == [b.instance for b in again]


@pytest.mark.parametrize("street", STREETS[:2], ids=lambda street: street.name)
def test_a_short_drive_meets_all_19_classes(street):
    frame, found = Frame(street, 700.0, START_M), set()
    for index in range(2, 8):
        found |= {label for placed in block(frame, street, index) for label in set(placed.mesh.label.tolist())}
    for time_s in (0.0, 8.0, 16.0):
        found |= {label for placed in traffic(frame, street, time_s) for label in set(placed.mesh.label.tolist())}
    found = set(semantickitti_ids(np.array(sorted(found), np.uint16)).tolist())
    assert found <= set(SEMANTICKITTI_TRAIN_IDS)
    classes = {SEMANTICKITTI_TRAIN_IDS[label] for label in found}
    assert classes >= set(range(len(SEMANTICKITTI_CLASSES)))
    public = {label for label in MOVING.values() if label < 300}
    assert {Label.LANE_MARKING, Label.OTHER_OBJECT, *public} - found <= {257, 259, 99}


def test_instances_differ_and_stay_with_their_objects(street, frame):
    standing = [placed for index in range(3, 9) for placed in block(frame, street, index)]
    things = [placed.instance for placed in standing if is_thing(placed.mesh.label).any()]
    assert len(set(things)) == len(things) > 30
    assert max(things) <= STATIC_INSTANCES
    now, later = (traffic(frame, street, time_s) for time_s in (5.0, 6.0))
    ids = [placed.instance for placed in now]
    assert len(set(ids)) == len(ids) > 15
    assert STATIC_INSTANCES < min(ids) <= max(ids) < 2**16
    where = {placed.instance: placed.mesh.vertices.mean(axis=0) for placed in now}
    moved = [np.linalg.norm(p.mesh.vertices.mean(axis=0) - where[p.instance]) for p in later if p.instance in where]
    speeds = [abs(lane.speed_mps) for lane in lanes(street)]
    assert len(moved) > 10
    # One second apart: each has moved by the speed of its lane, walkers perhaps sideways to another sidewalk too.
    assert all(min(abs(step - speed) for speed in speeds) < 0.6 or step < 6 for step in moved)
    assert max(moved) < max(speeds) + 1


def test_nobody_drives_into_the_ego_vehicle(street, frame):
    for time_s in np.arange(0.0, 30.0, 1.5):
        ego = frame.points(START_M + street.ego_speed_mps * time_s, -street.lane_m)
        for placed in traffic(frame, street, time_s):
            centre = placed.mesh.vertices[:, :2].mean(axis=0)
            assert np.linalg.norm(centre - ego[:2]) > 1.7
            if Label.BUS not in placed.mesh.label and 257 not in placed.mesh.label:
                continue
            assert np.linalg.norm(centre - ego[:2]) > min(EGO_CLEAR_M - 2, street.lane_m)
