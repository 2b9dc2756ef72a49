"""Every object: labels, size, ground contact, variety."""

from functools import partial

import numpy as np
import pytest

from perception3d.simulation import buildings, cycles, furniture, nature, people, vehicles
from perception3d.simulation.labels import Label, is_thing, moving
from perception3d.simulation.materials import SURFACES, Material
from perception3d.simulation.mesh import bar, box, extruded, merge, quads, ring, rotation

# name: maker, labels, (shortest, longest), (narrowest, widest), (lowest, highest) in metres
OBJECTS = {
    "car": (vehicles.car, {10}, (3.0, 5.2), (1.5, 2.3), (1.3, 2.1)),
    "truck": (vehicles.truck, {18}, (5.5, 10.5), (2.2, 3.1), (2.2, 4.0)),
    "bus": (vehicles.bus, {13}, (8.9, 12.7), (2.4, 2.7), (2.8, 3.3)),
    "caravan": (vehicles.caravan, {303}, (5.2, 6.9), (2.1, 2.4), (2.3, 2.7)),
    "trailer": (vehicles.trailer, {303}, (3.1, 5.0), (1.6, 2.2), (1.0, 2.0)),
    "tractor": (vehicles.tractor, {20}, (3.2, 4.2), (1.8, 2.3), (2.5, 3.0)),
    "bicycle": (cycles.bicycle, {11}, (1.6, 1.95), (0.4, 0.65), (0.95, 1.35)),
    "bicyclist": (cycles.bicyclist, {31}, (1.6, 1.95), (0.4, 0.75), (1.6, 2.1)),
    "motorcycle": (cycles.motorcycle, {15}, (1.7, 2.3), (0.6, 0.9), (1.0, 1.5)),
    "motorcyclist": (cycles.motorcyclist, {32}, (1.9, 2.3), (0.6, 1.0), (1.6, 2.0)),
    "walker": (partial(people.person, walking=True), {30}, (0.35, 1.2), (0.35, 0.8), (1.05, 2.0)),
    "bystander": (partial(people.person, walking=False), {30}, (0.2, 0.8), (0.35, 0.8), (1.05, 2.0)),
    "broadleaf": (nature.broadleaf, {70, 71}, (1.5, 9.0), (1.5, 9.0), (3.5, 11.5)),
    "conifer": (nature.conifer, {70, 71}, (2.5, 8.0), (2.5, 8.0), (5.0, 15.0)),
    "sapling": (nature.sapling, {70, 71}, (0.6, 3.0), (0.6, 3.0), (2.5, 5.5)),
    "bush": (nature.bush, {70}, (0.6, 8.0), (0.6, 8.0), (0.5, 3.5)),
    "hedge": (partial(nature.hedge, length=6.0), {70}, (5.5, 7.5), (0.6, 2.0), (0.9, 3.2)),
    "thicket": (partial(nature.thicket, length=16.0), {70}, (12.0, 23.0), (3.0, 14.0), (3.0, 9.0)),
    "building": (partial(buildings.building, length=10.0), {50}, (9.9, 10.3), (8.0, 15.0), (2.6, 21.0)),
    "fence": (partial(buildings.fence, length=6.0), {51}, (5.8, 6.3), (0.05, 0.5), (0.5, 2.1)),
    "barrier": (partial(buildings.roadside_barrier, length=16.0), {51}, (15.9, 16.2), (0.05, 0.3), (0.6, 1.2)),
    "lamp": (furniture.lamp, {80}, (0.1, 0.5), (0.6, 2.3), (4.5, 9.0)),
    "utility pole": (furniture.utility_pole, {80}, (1.5, 1.7), (0.1, 0.4), (7.0, 9.1)),
    "bollards": (furniture.bollards, {80}, (2.5, 5.3), (0.05, 0.2), (0.8, 1.2)),
    "sign": (furniture.sign, {80, 81}, (0.05, 0.3), (0.4, 0.95), (1.0, 3.0)),
    "board": (furniture.direction_board, {80, 81}, (0.05, 0.3), (1.4, 2.7), (1.4, 2.9)),
    "signal": (furniture.traffic_light, {80, 81, 99}, (0.2, 0.5), (0.3, 0.9), (2.7, 3.5)),
    "bins": (furniture.bins, {99}, (0.5, 2.0), (0.6, 1.0), (0.9, 1.2)),
    "bench": (furniture.bench, {99}, (1.3, 2.2), (0.4, 0.7), (0.7, 0.95)),
}


def area(mesh):
    a, b, c = (mesh.vertices[mesh.triangles[:, i]] for i in range(3))
    return 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1).sum()


@pytest.mark.parametrize("name", OBJECTS)
def test_object(name):
    maker, labels, *bounds = OBJECTS[name]
    for seed in range(8):
        mesh = maker(np.random.default_rng(seed))
        assert np.isfinite(mesh.vertices).all()
        assert mesh.triangles.min() >= 0
        assert mesh.triangles.max() < len(mesh.vertices)
        assert len(mesh.material) == len(mesh.label) == len(mesh.triangles)
        assert set(mesh.label.tolist()) <= labels
        assert set(mesh.material.tolist()) <= set(SURFACES)
        size = np.array([np.ptp(mesh.vertices[:, 0]), np.ptp(mesh.vertices[:, 1]), mesh.vertices[:, 2].max()])
        for extent, (low, high) in zip(size, bounds, strict=True):
            assert low <= extent <= high, (seed, size)
        # It stands on the ground or goes into it; nothing floats.
        assert mesh.vertices[:, 2].min() < 0.2


@pytest.mark.parametrize("name", OBJECTS)
def test_object_varies_and_repeats(name):
    maker = OBJECTS[name][0]
    first, again, other = (maker(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first.vertices, again.vertices)
    assert first.vertices.shape != other.vertices.shape or not np.allclose(first.vertices, other.vertices)


def test_car_windows_are_glass_and_its_flanks_paint():
    mesh = vehicles.car(np.random.default_rng(0))
    centre = mesh.vertices[mesh.triangles].mean(axis=1)
    height = mesh.vertices[:, 2].max()
    glass = mesh.material == Material.GLASS
    assert glass.sum() >= 12
    assert centre[glass, 2].min() > 0.55 * height
    assert centre[glass, 2].max() < 0.99 * height


def test_every_material_has_a_surface():
    assert set(SURFACES) == set(Material)


def test_moving_ids():
    standing = np.array([10, 31, 30, 32, 13, 18, 20, 11, 80], np.uint16)
    assert moving(standing).tolist() == [252, 253, 254, 255, 257, 258, 259, 11, 80]
    assert is_thing(np.array([10, 252, 258, 11, 40, 50, 0, 80])).tolist() == [True] * 4 + [False] * 4


def test_box_measures():
    mesh = box([2, 3, 4], [1, 0, 2])
    assert mesh.vertices.min(axis=0).tolist() == [0, -1.5, 0]
    assert mesh.vertices.max(axis=0).tolist() == [2, 1.5, 4]
    assert area(mesh) == pytest.approx(2 * (2 * 3 + 3 * 4 + 2 * 4))  # 52, caps included


def test_bar_measures():
    # A four-sided bar of radius 0.1 has sides of 0.1 sqrt(2): 4 * 0.14142 * 5 + 2 * 0.02 = 2.8684
    mesh = bar([[0, 0, 0], [3, 4, 0]], [0.1, 0.1], Material.METAL, sides=4)
    assert area(mesh) == pytest.approx(2.8684, abs=1e-4)
    distance = np.linalg.norm(np.cross(mesh.vertices, [0.6, 0.8, 0.0]), axis=1)
    np.testing.assert_allclose(distance, 0.1, atol=1e-12)


def test_ring_stays_within_its_torus():
    mesh = ring([1, 0, 0.3], 0.3, 0.02, Material.RUBBER)
    from_axle = np.hypot(mesh.vertices[:, 0] - 1, mesh.vertices[:, 2] - 0.3)
    np.testing.assert_allclose(np.hypot(from_axle - 0.3, mesh.vertices[:, 1]), 0.02, atol=1e-12)


def test_extruded_side_view():
    # A right triangle with legs 3 and 4, 2 wide: 2 * 6 + 2 * (3 + 4 + 5) = 36
    assert area(extruded([[0, 0], [3, 0], [0, 4]], 2.0, Material.PAINT)) == pytest.approx(36)


def test_placed_turns_then_moves():
    mesh = quads([[[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]], Material.WOOD).placed([10, 20, 30], np.pi / 2)
    np.testing.assert_allclose(mesh.vertices, [[10, 21, 30], [9, 20, 30], [10, 20, 31], [10, 20, 30]], atol=1e-12)


def test_rotation_raises_the_nose():
    np.testing.assert_allclose(rotation(0.0, np.pi / 6) @ [1, 0, 0], [np.sqrt(3) / 2, 0, 0.5], atol=1e-12)
    matrix = rotation(0.7, 0.2)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1)


def test_merge_keeps_order_and_offsets():
    first, second = box([1, 1, 1], [0, 0, 0]).labelled(Label.CAR), box([1, 1, 1], [5, 0, 0]).labelled(Label.POLE)
    both = merge([first, second])
    assert both.label.tolist() == [10] * 12 + [80] * 12
    assert both.vertices[both.triangles[12:]].min(axis=(0, 1))[0] == 4.5
