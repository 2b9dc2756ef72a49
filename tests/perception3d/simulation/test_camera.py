"""A camera in scenes small enough to work out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from corruptions.core import InputError
from perception3d.simulation import vehicles
from perception3d.simulation.camera import Camera, render
from perception3d.simulation.labels import Label
from perception3d.simulation.light import WEATHERS, Light
from perception3d.simulation.materials import Material
from perception3d.simulation.mesh import box, quads, rotation
from perception3d.simulation.scene import Placed, Scene

pytest.importorskip("open3d", reason="ray casting needs the extra `simulation`")

GAIN = np.ones(len(Material), np.float32)
FAR = 300.0
EYE_M = 1.5
# Optical axes (x right, y down, z forward) in a body frame of x forward, y left, z up.
BODY_FROM_CAMERA = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
CAMERA = Camera(160, 100, np.array([[120.0, 0, 80], [0, 125.0, 48], [0, 0, 1]]))


def pose(x=0.0, y=0.0, z=EYE_M, yaw_rad=0.0, pitch_rad=0.0):
    result = np.eye(4)
    result[:3, :3] = rotation(yaw_rad, pitch_rad) @ BODY_FROM_CAMERA
    result[:3, 3] = x, y, z
    return result


def light(weather="sunny", **changes):
    return replace(Light.drawn(weather, np.random.default_rng(3)), **changes)


def ground(label=Label.ROAD, material=Material.ASPHALT):
    corners = [[[-FAR, -FAR, 0], [FAR, -FAR, 0], [FAR, FAR, 0], [-FAR, FAR, 0]]]
    return Placed(quads(corners, material).labelled(label), 0, GAIN)


def crate(x, y, z, size=1.0, label=Label.CAR, instance=7, material=Material.PAINT):
    return Placed(box([size] * 3, [x, y, z], material).labelled(label), instance, GAIN)


def picture(objects, camera=CAMERA, at=None, lit=None, seed=0):
    at = pose() if at is None else at
    return render((Scene(objects),), camera, at, lit or light(), np.random.default_rng(seed))


def test_depth_of_the_ground_is_height_times_focal_length_over_rows_below_the_horizon():
    view = picture([ground()])
    rows = np.arange(100)
    with np.errstate(divide="ignore"):
        expected = np.where(rows > 48, EYE_M * 125.0 / (rows - 48), np.inf)
    near = expected < 150
    np.testing.assert_allclose(view.depth_m[near], np.repeat(expected[near, None], 160, axis=1), rtol=2e-4)
    assert np.isinf(view.depth_m[:48]).all()
    assert set(view.label[near].ravel()) == {Label.ROAD}
    assert not view.label[:48].any()
    assert not view.instance.any()


def test_box_in_a_second_scene_covers_its_pixels_at_its_depth():
    scenes = Scene([ground()]), Scene([crate(8.5, 1.0, EYE_M)])
    view = render(scenes, CAMERA, pose(), light(), np.random.default_rng(0))
    # Front face at depth 8, y = 0.5 ... 1.5, 0.5 up and down: columns 80 - 120 y / 8, rows 48 -+ 125 * 0.5 / 8.
    column, row = np.meshgrid(np.arange(160), np.arange(100))
    face = (column > 80 - 22.5) & (column < 80 - 7.5) & (row > 48 - 7.8125) & (row < 48 + 7.8125)
    assert face.sum() == 15 * 15
    np.testing.assert_allclose(view.depth_m[face], 8.0, rtol=1e-6)
    assert set(view.instance[face]) == {7}
    # Seen from y = 0 the side at y = 0.5 shows too, between columns 80 - 120 * 0.5 / 8 = 72.5 and 80 - 60 / 9 = 73.3.
    assert set(np.unique(np.nonzero((view.instance == 7) & ~face)[1])) <= {73}
    assert (view.instance == 7).sum() <= 15 * 15 + 16


def test_points_project_onto_their_own_pixels():
    rng = np.random.default_rng(1)
    at = pose(2.0, -3.0, 1.8, 0.7, -0.1)
    pixels = np.column_stack([rng.uniform(5, 155, 40), rng.uniform(5, 95, 40), np.ones(40)])
    depth = rng.uniform(4.0, 40.0, 40)
    points = (np.linalg.solve(CAMERA.intrinsics, pixels.T) * depth).T @ at[:3, :3].T + at[:3, 3]
    # Boxes that cover a pixel and a half in each direction whatever their distance.
    size = 3 * depth / 120.0
    objects = [
        crate(*point, side, Label.PERSON, 1 + i) for i, (point, side) in enumerate(zip(points, size, strict=True))
    ]
    view = picture(objects, at=at)
    column, row = np.rint(pixels[:, :2]).astype(int).T
    own = view.instance[row, column] == 1 + np.arange(40)
    assert own.sum() >= 36  # a few stand behind others
    np.testing.assert_allclose(view.depth_m[row, column][own], depth[own], rtol=0.03)
    assert set(view.label[row, column][own]) == {Label.PERSON}


def test_same_bytes_whatever_was_rendered_before():
    objects = [ground(), crate(8, 0, 0.5), crate(12, 3, 0.5, material=Material.LEAVES, label=Label.VEGETATION)]
    first = picture(objects)
    picture(objects[:1], at=pose(5, 5, 2, 1.0), seed=5)
    second = picture(objects)
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.depth_m, second.depth_m)


def test_the_generator_feeds_the_noise_alone():
    objects = [ground(), crate(8, 0, 0.5)]
    first, second = picture(objects, seed=1), picture(objects, seed=2)
    difference = first.image.astype(float) - second.image.astype(float)
    assert 0.5 < difference.std() < 8.0
    assert abs(difference.mean()) < 0.1
    np.testing.assert_array_equal(first.label, second.label)


def car(x, y, yaw_rad):
    mesh = vehicles.car(np.random.default_rng(4)).placed([x, y, 0.0], yaw_rad)
    return Placed(mesh, 9, np.full(len(Material), 1.25, np.float32))


def test_texture_sticks_to_a_car_that_moves_and_turns():
    """Car, camera and sun turned and moved together: the car looks the same although the world around it is another."""
    sunny, turn = light(noise=0.0), rotation(0.9)
    turned = replace(sunny, sun=(turn @ sunny.sun).astype(np.float32))
    there = turn @ [7, 1, 0] + [40, -25, 0]
    eye = pose(yaw_rad=0.9)
    eye[:3, 3] += [40, -25, 0]
    before = picture([ground(), car(7, 1, 0.6)], lit=sunny)
    after = picture([ground(), car(there[0], there[1], 1.5)], at=eye, lit=turned)
    body = (before.instance == 9) & (after.instance == 9)
    assert body.sum() > 800
    assert (before.instance == 9).sum() - body.sum() < 30
    difference = np.abs(before.image[body].astype(float) - after.image[body].astype(float))
    assert np.median(difference) <= 1.0
    assert difference.mean() < 3.0


def test_mean_colour_of_a_car_stays_with_distance():
    clear = light(haze_per_m=0.0, noise=0.0)
    near = picture([ground(), car(6, 0, 0.3)], lit=clear)
    far = picture([ground(), car(9, 0, 0.3)], lit=clear)
    means = [view.image[view.instance == 9].mean(axis=0) for view in (near, far)]
    np.testing.assert_allclose(means[0], means[1], rtol=0.08)


def test_shadow_lies_where_the_sun_puts_it():
    # A plate of 2 x 2 m at 3 m height, sun 45 degrees high from -x: its shadow is moved by 3 m along x.
    plate = quads([[[-1, -1, 3], [1, -1, 3], [1, 1, 3], [-1, 1, 3]]], Material.PLASTER).labelled(Label.BUILDING)
    half = np.sqrt(0.5)
    down = pose(0, 0, 20.0, 0.0, -np.pi / 2)
    sun = light(sun=np.array([-half, 0, half], np.float32), noise=0.0)
    floor = ground(Label.SIDEWALK, Material.PLASTER)
    camera = Camera(200, 200, np.array([[200.0, 0, 100], [0, 200.0, 100], [0, 0, 1]]))
    view = picture([floor, Placed(plate, 0, GAIN)], camera, down, sun)
    points = (camera.rays() * view.depth_m.reshape(-1, 1)) @ down[:3, :3].T + down[:3, 3]
    x, y = points[:, 0], points[:, 1]
    on_floor = view.label.ravel() == Label.SIDEWALK
    # 0.25 m: two and a half pixels, more than the blur of the lens.
    inside = on_floor & (abs(x - 3) < 0.75) & (abs(y) < 0.75)
    outside = on_floor & ((abs(x - 3) > 1.25) | (abs(y) > 1.25)) & (np.hypot(x, y) > 2.5)
    value = view.image.reshape(-1, 3).mean(axis=1)
    assert inside.sum() > 150
    assert value[inside].max() < value[outside].min()
    assert value[inside].mean() < 0.75 * value[outside].mean()


def test_a_closed_sky_casts_no_shadow_but_darkens_what_is_near():
    dull = light("overcast", noise=0.0)
    view = picture([ground(material=Material.PLASTER), crate(6, 0, 0.62, 1.2)], lit=dull)
    below = (view.label == Label.ROAD) & (view.depth_m > 4.6) & (view.depth_m < 5.3)
    middle = below[:, 74:87]
    aside = below.copy()
    aside[:, 40:120] = False
    brightness = view.image.mean(axis=-1)
    assert brightness[:, 74:87][middle].mean() < 0.95 * brightness[aside].mean()


def test_haze_fades_distant_walls_into_the_horizon():
    def wall(x, haze):
        mesh = quads([[[x, -FAR, -40], [x, FAR, -40], [x, FAR, 50], [x, -FAR, 50]]], Material.RUBBER)
        view = picture([Placed(mesh.labelled(Label.BUILDING), 0, GAIN)], lit=light(haze_per_m=haze))
        return view.image[40:60].mean()

    assert wall(10, 0.01) < wall(80, 0.01) - 20
    assert abs(wall(10, 0.0) - wall(80, 0.0)) < 2


def colour(**kwargs):
    view = picture([crate(4, 0, EYE_M, **kwargs)], lit=light("overcast", haze_per_m=0.0))
    return view.image[view.instance == 7].astype(float).mean(axis=0)


def test_cones_are_orange_and_leaves_green():
    red, green, blue = colour(label=Label.TRAFFIC_CONE, material=Material.PLASTIC)
    assert red > 1.3 * green > 1.3 * blue
    view = picture([crate(4, 0, EYE_M, material=Material.LEAVES, label=Label.VEGETATION)])
    red, green, blue = view.image[view.label == Label.VEGETATION].astype(float).mean(axis=0)
    assert green > blue


def test_objects_differ_in_colour_by_what_they_have_not_by_what_is_drawn():
    colours = []
    for gain in (1.0, 1.0, *np.linspace(0.5, 1.5, 12)):
        placed = crate(4, 0, EYE_M)
        placed = replace(placed, gain=np.full(len(Material), gain, np.float32))
        view = render((Scene([placed]),), CAMERA, pose(), light(noise=0.0), np.random.default_rng(0))
        colours.append(tuple(view.image[view.instance == 7].mean(axis=0).round(3)))
    assert colours[0] == colours[1]
    assert len(set(colours)) >= 8


def test_any_resolution_and_an_empty_world():
    for width, height in ((200, 112), (7, 5), (1, 1)):
        camera = Camera(width, height, np.array([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1]]))
        view = picture([ground(), crate(8, 0, 0.5)], camera)
        assert view.image.shape == (height, width, 3)
        assert view.depth_m.shape == (height, width)
    view = picture([])
    assert np.isinf(view.depth_m).all()
    assert view.image.std() > 1.0


@pytest.mark.parametrize(
    ("width", "height", "matrix"),
    [
        (0, 100, np.eye(3)),
        (100, -1, np.eye(3)),
        (100_000, 100, np.eye(3)),
        (10, 10, np.zeros((3, 3))),
        (10, 10, np.diag([1.0, 0.0, 1.0])),
        (10, 10, np.diag([100.0, 100.0, 2.0])),
        (10, 10, np.full((3, 3), np.nan)),
        (10, 10, np.eye(4)),
    ],
)
def test_impossible_cameras_are_refused(width, height, matrix):
    with pytest.raises(InputError, match="camera: expected"):
        Camera(width, height, matrix)


def test_a_pose_that_is_no_rotation_is_refused():
    for broken in (np.zeros((4, 4)), np.eye(3), np.diag([2.0, 1, 1, 1]), np.full((4, 4), np.nan)):
        with pytest.raises(InputError, match="world_from_camera"):
            picture([ground()], at=broken)


@pytest.mark.parametrize("weather", WEATHERS)
def test_pictures_are_neither_dark_nor_blown_out(weather):
    objects = [ground(), crate(8, 2, 0.5), crate(12, -3, 1.5, 3.0, Label.BUILDING, 0, Material.PLASTER)]
    image = picture(objects, lit=light(weather)).image
    assert 70 < image.mean() < 190
    assert (image.min(axis=-1) >= 254).mean() < 0.1
    assert (image.max(axis=-1) <= 3).mean() < 0.05


def test_tone_table_follows_its_curve():
    from perception3d.simulation.shading import display_curve, tone

    values = np.concatenate([np.linspace(0, 0.01, 50), np.geomspace(0.01, 15.9, 200)])
    np.testing.assert_allclose([tone(value) for value in values], display_curve(values), atol=1e-3)
    # Black, and a grey card by hand: 0.18 * 1.35 * 1.0216 / 1.153 = 0.2153, which sRGB makes 0.501.
    assert display_curve(np.array([0.0]))[0] == 0.0
    assert display_curve(np.array([0.18]))[0] == pytest.approx(0.501, abs=0.002)
