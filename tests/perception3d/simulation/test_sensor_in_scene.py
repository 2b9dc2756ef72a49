"""A LiDAR in scenes small enough to work out by hand."""

import numpy as np
import pytest

from corruptions.sensors import Sensor, rings_from_azimuth
from perception3d.simulation.labels import Label
from perception3d.simulation.lidar import BlindSector, Mounting, beams, returns, sensitivities, sweep
from perception3d.simulation.materials import Material
from perception3d.simulation.mesh import box, quads
from perception3d.simulation.scene import Hits, Placed, Scene, nearer

pytest.importorskip("open3d", reason="ray casting needs the extra `simulation`")

GAIN = np.ones(len(Material), np.float32)
HEIGHT_M = 1.73
FAR = 200.0
ELEVATIONS_DEG = (2.0, -1.0, -5.0, -12.0, -24.0)


def mounting(heights=(), blind=(), sigma=0.0, steps=360):
    sensor = Sensor("test", ELEVATIONS_DEG, steps, 3e-3, 905, 255, 0.9, 120, heights)
    return Mounting(sensor, HEIGHT_M, 80.0, sigma, blind)


def upright(x, low=-20.0):
    return quads([[[x, -FAR, low], [x, FAR, low], [x, FAR, FAR], [x, -FAR, FAR]]], Material.PLASTER)


@pytest.fixture(scope="module")
def corner():
    """Ground at z = -1.73 and a wall at x = 10, in the sensor frame."""
    ground = quads([[[-FAR, -FAR, 0], [FAR, -FAR, 0], [FAR, FAR, 0], [-FAR, FAR, 0]]], Material.CONCRETE)
    ground = ground.placed([0, 0, -HEIGHT_M]).labelled(Label.ROAD)
    return Scene([Placed(ground, 5, GAIN), Placed(upright(10.0).labelled(Label.BUILDING), 6, GAIN)])


def expected(rays):
    """Range of the nearer of ground and wall in closed form: (height + start) / -dz and 10 / dx."""
    with np.errstate(divide="ignore"):
        ground = np.where(rays.directions[:, 2] < 0, (HEIGHT_M + rays.origins[:, 2]) / -rays.directions[:, 2], np.inf)
        wall = np.where(rays.directions[:, 0] > 0, 10.0 / rays.directions[:, 0], np.inf)
    return np.minimum(ground, wall), np.where(wall < ground, Label.BUILDING, Label.ROAD)


def test_hits_are_exact(corner):
    rays = beams(mounting(heights=(0.2, 0.2, 0.2, 0.1, 0.1)))
    hits = corner.cast(rays.origins, rays.directions)
    range_m, label = expected(rays)
    met = np.isfinite(range_m) & (range_m < 150)
    np.testing.assert_allclose(hits.range_m[met], range_m[met], rtol=2e-5)
    np.testing.assert_array_equal(hits.label[met], label[met])
    assert not hits.instance.any()  # road and building are no things, whatever id their objects have
    on_wall = met & (label == Label.BUILDING)
    np.testing.assert_allclose(hits.cos_incidence[on_wall], rays.directions[on_wall, 0], atol=1e-5)


def test_points_of_a_noiseless_turn_lie_on_the_surfaces(corner):
    setup = mounting()
    turn = sweep((corner,), np.eye(4), setup, beams(setup), np.ones(5), np.random.default_rng(0))
    x, _, z = turn.points[:, :3].T.astype(float)
    on_wall = turn.label == Label.BUILDING
    assert 400 < on_wall.sum() < len(x) - 400
    np.testing.assert_allclose(x[on_wall], 10.0, atol=1e-4)
    np.testing.assert_allclose(z[~on_wall], -HEIGHT_M, atol=1e-4)
    assert np.linalg.norm(turn.points[:, :3], axis=1).max() < 80.0


def test_pose_moves_points_back_into_the_sensor_frame(corner):
    setup, pose = mounting(), np.eye(4)
    # 3 m ahead and turned left by 90 degrees: the wall is 7 m to the right.
    pose[:3] = [[0, -1, 0, 3], [1, 0, 0, 0], [0, 0, 1, 0]]
    turn = sweep((corner,), pose, setup, beams(setup), np.ones(5), np.random.default_rng(0))
    np.testing.assert_allclose(turn.points[turn.label == Label.BUILDING, 1], -7.0, atol=1e-4)


def test_range_noise_has_the_stated_spread(corner):
    setup = mounting(sigma=0.02)
    rays = beams(setup)
    turn = sweep((corner,), np.eye(4), setup, rays, np.ones(5), np.random.default_rng(0))
    wall = turn.points[turn.label == Label.BUILDING, :3].astype(float)
    # Noise acts along the beam: off the wall by noise times dx, and dx = 10 / range.
    along = (wall[:, 0] - 10.0) / (wall[:, 0] / np.linalg.norm(wall, axis=1))
    assert along.std() == pytest.approx(0.02, rel=0.12)
    assert abs(along.mean()) < 0.004


def test_rings_are_recovered_from_the_order_of_points(corner):
    setup = mounting(steps=2160)
    turn = sweep((corner,), np.eye(4), setup, beams(setup), np.ones(5), np.random.default_rng(3))
    # The first laser looks over the ground and meets the wall only; it still passes straight ahead.
    assert np.array_equal(rings_from_azimuth(turn.points, 5), turn.ring)


def test_blind_sector_widens_downwards():
    # From -3 to -13 degrees, half width 4 to 24: lasers at -5 and -12 lose 2 * 8 and 2 * 22 of 360 rays.
    rays = beams(mounting(blind=(BlindSector(90.0, -3.0, -13.0, 4.0, 24.0),)))
    assert np.bincount(rays.ring).tolist() == [360, 360, 344, 316, 360]
    azimuth = np.degrees(np.arctan2(rays.directions[:, 1], rays.directions[:, 0]))
    assert np.abs(azimuth[rays.ring == 3] - 90).min() == pytest.approx(22, abs=1)


def test_blind_sector_across_straight_ahead():
    rays = beams(mounting(blind=(BlindSector(0.0, -20.0, -30.0, 10.0, 10.0),)))
    assert np.bincount(rays.ring).tolist() == [360, 360, 360, 360, 340]


def test_the_nearer_scene_wins(corner):
    car = Scene([Placed(box([2, 2, 2], [6, 0, 0], Material.PAINT).labelled(Label.CAR), 77, GAIN)])
    rays = beams(mounting())
    both = nearer(corner.cast(rays.origins, rays.directions), car.cast(rays.origins, rays.directions))
    on_car = both.label == Label.CAR
    # 2 m wide at 5 m: atan(1 / 5) = 11.3 degrees to either side, 22 or 23 rays of one degree each; the three upper
    # lasers pass between its roof and its floor, the fourth (5 tan 12 = 1.06) goes below it.
    assert 3 * 22 <= on_car.sum() <= 3 * 23
    assert set(both.instance[on_car]) == {77}
    np.testing.assert_allclose(both.range_m[on_car], 5.0 / rays.directions[on_car, 0], rtol=1e-5)


def test_empty_scene_returns_nothing():
    setup = mounting()
    turn = sweep((Scene([]),), np.eye(4), setup, beams(setup), np.ones(5), np.random.default_rng(0))
    assert turn.points.shape == (0, 4)
    assert turn.points.dtype == np.float32


def facing(material, cosine, range_m, count=4000):
    return Hits(
        np.full(count, range_m, np.float32),
        np.full(count, cosine, np.float32),
        np.full(count, Label.ROAD, np.uint16),
        np.zeros(count, np.uint16),
        np.full(count, material, np.uint8),
        np.ones(count, np.float32),
    )


def measure(material, cosine, range_m):
    from perception3d.simulation.lidar import remission

    hits, rng = facing(material, cosine, range_m), np.random.default_rng(0)
    signal = remission(hits, np.ones(len(hits.label)), rng, 41.0)
    return np.median(signal), returns(hits, signal, rng).mean()


def test_remission_falls_with_range_and_grazing_incidence():
    near, _ = measure(Material.ASPHALT, 0.3, 6.0)
    assert near > measure(Material.ASPHALT, 0.3, 40.0)[0] > measure(Material.ASPHALT, 0.3, 75.0)[0]
    assert near > measure(Material.ASPHALT, 0.05, 6.0)[0] + 0.05
    # At 41 m the decay is 1 / (1 + 1) by its definition; the offset of 0.05 stays.
    assert measure(Material.ASPHALT, 0.3, 41.0)[0] + 0.05 == pytest.approx(
        0.5 * (near + 0.05) * (1 + (6 / 41) ** 3), rel=0.02
    )


def test_glass_and_paint_lose_returns():
    assert measure(Material.CONCRETE, 1.0, 8.0)[1] > 0.98
    assert 0.4 < measure(Material.GLASS, 1.0, 8.0)[1] < 0.6
    assert measure(Material.PAINT, 0.05, 8.0)[1] < measure(Material.PAINT, 1.0, 8.0)[1] - 0.3


def test_a_few_lasers_are_weak():
    gain = sensitivities(np.random.default_rng(0), 10_000)
    assert 0.06 < (gain < 0.6).mean() < 0.10
    assert gain.min() > 0.1
    assert gain.max() < 1.13
