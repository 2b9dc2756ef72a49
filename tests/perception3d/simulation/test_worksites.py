"""Shapes and streets that only worlds made for nuScenes have."""

import numpy as np
import pytest

from perception3d.simulation import vehicles, worksite
from perception3d.simulation.builder import STATIC_INSTANCES
from perception3d.simulation.labels import MOVING, SEMANTICKITTI_IDS, Label, is_thing, semantickitti_ids
from perception3d.simulation.lidar import Echoes
from perception3d.simulation.materials import Material
from perception3d.simulation.nuscenes import lidar_top
from perception3d.simulation.nuscenes.annotations import things
from perception3d.simulation.nuscenes.categories import category_of
from perception3d.simulation.nuscenes.drive import street_of
from perception3d.simulation.nuscenes.request import MINI_TRAIN
from perception3d.simulation.roadside import block
from perception3d.simulation.scene import Hits, Placed
from perception3d.simulation.street import START_M, Frame, Street
from perception3d.simulation.traffic import traffic

# maker, label, (shortest, longest), (narrowest, widest), (lowest, highest) in metres
SHAPES = {
    "cone": (worksite.traffic_cone, Label.TRAFFIC_CONE, (0.25, 0.5), (0.25, 0.5), (0.55, 1.45)),
    "excavator": (worksite.excavator, 0, (4.5, 8.4), (2.2, 4.5), (2.8, 4.6)),
    "wheel loader": (worksite.wheel_loader, 0, (5.0, 6.5), (2.3, 2.8), (2.8, 3.3)),
    "roller": (worksite.roller, 0, (3.5, 4.5), (1.7, 2.1), (2.6, 3.0)),
    "telehandler": (worksite.telehandler, 0, (5.0, 6.0), (2.0, 2.4), (2.5, 3.0)),
    "machine": (worksite.construction_vehicle, Label.CONSTRUCTION_VEHICLE, (3.3, 9.0), (1.5, 4.8), (2.3, 5.2)),
    "semitrailer": (worksite.semitrailer, Label.TRAILER, (11.4, 15.3), (2.5, 2.7), (1.2, 4.2)),
    "heap": (worksite.heap, Label.OTHER_GROUND, (2.4, 6.2), (2.4, 6.2), (1.4, 3.8)),
    **{f"barrier, {maker.__name__}": (lambda rng, maker=maker: worksite.barrier(rng, maker), Label.BARRIER,
                                      (0.05, 0.7), (1.9, 3.7), (0.7, 1.3)) for maker in worksite.BARRIERS},
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_shape(name):
    maker, label, *bounds = SHAPES[name]
    sizes = []
    for seed in range(12):
        mesh = maker(np.random.default_rng(seed))
        assert set(mesh.label.tolist()) == {label}
        size = np.ptp(mesh.vertices, axis=0)
        for extent, (low, high) in zip(size, bounds, strict=True):
            assert low <= extent <= high, (seed, size)
        if name != "heap":  # half of it lies below the ground
            assert abs(mesh.vertices[:, 2].min()) < 0.03
        sizes.append(size)
    if label:  # the makers of machines give one size each; construction_vehicle stretches them
        assert np.ptp(sizes, axis=0).max() > 0.02


def test_worlds_meet_all_ten_detection_classes():
    found = set()
    for name in MINI_TRAIN[:3]:
        street = street_of(0, name)
        frame = Frame(street, 700.0, START_M)
        standing = [placed for index in range(2, 8) for placed in block(frame, street, index)]
        instances = [placed.instance for placed in standing if is_thing(placed.mesh.label).any()]
        assert len(set(instances)) == len(instances)
        assert max(instances) <= STATIC_INSTANCES
        moving = [placed for at in (0.0, 8.0) for placed in traffic(frame, street, at)]
        assert max(placed.instance for placed in moving) < 2**16
        now = [placed.instance for placed in traffic(frame, street, 0.0)]
        assert len(set(now)) == len(now)
        found |= {category_of(thing.label, 1.7) for thing in things([*standing, *moving])}
    assert found >= {
        "vehicle.car", "vehicle.truck", "vehicle.bus.rigid", "vehicle.trailer", "vehicle.construction",
        "human.pedestrian.adult", "vehicle.motorcycle", "vehicle.bicycle", "movable_object.trafficcone",
        "movable_object.barrier",
    }  # fmt: skip


def test_trailers_follow_their_cars():
    towed = 0
    for name in MINI_TRAIN:
        street = street_of(0, name)
        frame = Frame(street, 900.0, START_M)
        placed = [item for at in (0.0, 18.0, 36.0) for item in traffic(frame, street, at)]
        for trailer in (item for item in placed if MOVING[Label.TRAILER] in item.mesh.label):
            coupled = trailer.mesh.vertices[np.argmax(trailer.mesh.vertices @ trailer.mesh.axes[:, 0])]
            pulling = [item for item in placed if item.speed_mps == trailer.speed_mps]
            cars = [item for item in pulling if MOVING[Label.CAR] in item.mesh.label]
            assert min(np.linalg.norm(item.mesh.vertices - coupled, axis=1).min() for item in cars) < 0.8
            towed += 1
    assert towed


def test_boxes_leave_mirrors_out():
    for maker, widest in ((vehicles.car, 2.15), (vehicles.truck, 2.65)):
        for seed in range(6):
            mesh = maker(np.random.default_rng(seed))
            (thing,) = things([Placed(mesh, 1, np.ones(len(Material), np.float32))])
            # Mirrors stand out further than wheels and body.
            assert 1.5 < thing.size_m[1] < min(widest, np.ptp(mesh.vertices[:, 1]))


def test_far_echoes_must_be_bright_and_only_retroreflectors_exceed_100():
    count, rng = 4000, np.random.default_rng(0)
    for material, bright in ((Material.CONCRETE, False), (Material.RETROREFLECTOR, True)):
        hits = Hits(*(np.zeros(count),) * 4, np.full(count, material, np.uint8), np.ones(count))
        echoes = Echoes(hits, np.full(count, 2.0), np.full(count, 8.0), np.ones(count, bool))
        assert ((lidar_top.intensities(echoes, rng) > 100).mean() > 0.99) == bright
    near, far = (lidar_top.heard(np.full(count, 5.0), np.full(count, at), rng) for at in (10.0, 70.0))
    assert near.all() and not far.any()


def test_other_worlds_have_no_work_sites():
    street = Street.of(0, "08")
    assert not street.worksites
    frame = Frame(street, 700.0, START_M)
    labels = {label for index in range(3, 12) for placed in block(frame, street, index)
              for label in set(placed.mesh.label.tolist())}  # fmt: skip
    assert not labels & {Label.BARRIER, Label.TRAFFIC_CONE, Label.CONSTRUCTION_VEHICLE}


def test_finer_kinds_have_ids_of_semantickitti():
    finer = np.array(list(SEMANTICKITTI_IDS), np.uint16)
    assert semantickitti_ids(finer).tolist() == [99, 99, 20, 20, 259, 259]
    assert semantickitti_ids(np.array([10, 252, 40], np.uint16)).tolist() == [10, 252, 40]
