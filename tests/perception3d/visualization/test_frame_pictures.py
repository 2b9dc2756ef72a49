import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from perception3d.visualization.above import draw_above
from perception3d.visualization.cameras import draw_boxes, draw_points, resize
from perception3d.visualization.colours import DETECTION_COLOURS, LIDARSEG_COLOURS, by_class, by_value, classes_shown
from perception3d.visualization.geometry import BoxSet
from perception3d.visualization.segmentation import segmentation_figure
from perception3d.visualization.semantickitti import scan_figure, train_ids
from perception3d.visualization.sheet import GRID, Frame, View, frame_sheet, write_sheet

# Looks along x: focal length 100 px, middle at (100, 60) of 200 x 120 pixels; right is -y, down is -z.
CAMERA = np.array([[100, -100, 0, 0], [60, 0, -100, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])
GREY = np.full((120, 200, 3), 128, np.uint8)
CAR = np.array([[12.0, 0, 0, 4, 2, 2, np.pi]])  # faces the camera: its front is 10 m ahead


def changed(image):
    return (image != GREY).any(axis=2)


def test_a_box_colours_the_pixels_it_covers():
    image = draw_boxes(GREY, BoxSet(CAR, ("car",)), CAMERA)
    rows, columns = np.nonzero(changed(image))
    # the front face is 2 m wide and high at 10 m: 10 px each way from the middle, and one or two pixels of the line
    assert abs(columns.min() - 89) <= 1 and abs(columns.max() - 110) <= 1
    assert abs(rows.min() - 49) <= 1 and abs(rows.max() - 70) <= 1
    blue = DETECTION_COLOURS["car"]
    assert np.abs(image[60, 90].astype(int) - blue).max() < 70 and image[60, 90, 2] > 150  # the left edge
    # inside, a quarter of the colour
    assert image[56, 100].tolist() == pytest.approx(0.75 * 128 + 0.25 * np.array(blue), abs=1)
    assert (GREY == 128).all()


def test_a_box_that_looks_away_has_its_front_filled_far_from_the_camera():
    # 20 m long: the near face spans 10 px each way from the middle, the far one 100 / 30 = 3.3 px
    towards = np.array([[20.0, 0, 0, 20, 2, 2, np.pi]])
    near_filled = changed(draw_boxes(GREY, BoxSet(towards, ("car",)), CAMERA))
    far_filled = changed(draw_boxes(GREY, BoxSet(towards - [[0, 0, 0, 0, 0, 0, np.pi]], ("car",)), CAMERA))
    assert near_filled[60, [93, 99]].tolist() == [True, True]
    assert far_filled[60, [93, 99]].tolist() == [False, True]


def test_boxes_behind_the_camera_leave_no_trace_and_those_beside_it_do():
    behind, beside = CAR * [-1, 1, 1, 1, 1, 1, 1], np.array([[0.0, 2, 0, 20, 1, 2, 0]])
    assert not changed(draw_boxes(GREY, BoxSet(behind, ("car",)), CAMERA)).any()
    trace = changed(draw_boxes(GREY, BoxSet(beside, ("car",)), CAMERA))
    assert trace[:, :100].any() and not trace[:, 101:].any()  # on the left alone, nothing mirrored to the right


def test_scores_make_detections_thicker():
    thin = changed(draw_boxes(GREY, BoxSet(CAR, ("car",)), CAMERA)).sum()
    assert changed(draw_boxes(GREY, BoxSet(CAR, ("car",), np.array([0.5])), CAMERA)).sum() > thin


def test_the_nearer_of_two_points_shows():
    points = np.array([[10, 1, 0], [20, 2, 0], [-10, 1, 0], [10, 30, 0]], float)
    rgb = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]], np.uint8)
    image = draw_points(GREY, points, rgb, CAMERA, radius_px=0)
    assert np.argwhere(changed(image)).tolist() == [[60, 90]]
    assert image[60, 90].tolist() == [255, 0, 0]
    assert changed(draw_points(GREY, points, rgb, CAMERA, radius_px=1)).sum() == 9


def test_a_smaller_image_keeps_points_in_place():
    image, matrix = resize(GREY, CAMERA, 60)
    assert image.shape == (60, 100, 3)
    seen = matrix @ [10, 1, -2, 1]  # was at 90, 80
    assert (seen[:2] / seen[2]).tolist() == [45, 40]


@pytest.mark.parametrize(
    ("forward", "point", "place"),
    [
        ("x", (20, 10), (-10, 20)),  # y to the left
        ("y", (20, 10), (20, 10)),  # x to the right
    ],
)
def test_a_point_is_drawn_where_the_axes_say(forward, point, place):
    figure = Figure(figsize=(6, 6), dpi=100)
    canvas, axes = FigureCanvasAgg(figure), figure.add_axes((0.1, 0.1, 0.8, 0.8))
    points = np.array([[*point, 0.0]])
    box = BoxSet(np.array([[-point[0], -point[1], 0, 8, 4, 2, 0, 0, 0]], float), ("truck",))
    draw_above(axes, points, np.array([[0, 160, 0]], np.uint8), (box,), forward, 40)
    canvas.draw()
    image = np.asarray(canvas.buffer_rgba())[..., :3].astype(int)
    green = np.argwhere(image[..., 1] - image[..., [0, 2]].max(axis=2) > 30)
    # 480 px for 80 m, from 60 px on; rows count from above
    expected = np.array([300 - place[1] * 6, 300 + place[0] * 6])
    assert np.abs(green.mean(axis=0) - expected).max() < 1.5
    purple = np.argwhere(np.abs(image - DETECTION_COLOURS["truck"]).max(axis=2) < 12)
    # 8 m along x and 4 m along y; x goes up where it is forward and to the right where y is
    height, width = (48, 24) if forward == "x" else (24, 48)
    assert np.abs(np.ptp(purple, axis=0) - [height, width]).max() <= 2
    assert np.abs((purple.min(axis=0) + purple.max(axis=0)) / 2 - (600 - expected)).max() <= 1.5


def frame(**changes):
    views = [View(name, GREY, CAMERA) for name in GRID]
    points = np.random.default_rng(0).uniform(-30, 30, (500, 4))
    given = dict(title="scene-0001", points=points, views=views, boxes=(BoxSet(CAR, ("car",)),))
    return Frame(**{**given, **changes})


def test_the_sheet_places_cameras_round_the_car():
    views = [View(name, np.full((120, 200, 3), 40 * k, np.uint8), CAMERA) for k, name in enumerate(GRID)]
    figure = frame_sheet(frame(views=views[::-1], boxes=()))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    image = np.asarray(canvas.buffer_rgba())
    # panels of 600 x 360 px, 6 px apart, below 44 px of title
    middles = [image[44 + 180 + 366 * row, 300 + 606 * column, 0] for row in (0, 1) for column in (0, 1, 2)]
    assert middles == [0, 40, 80, 120, 160, 200]


def test_the_sheet_says_what_is_in_it():
    found = BoxSet(CAR, ("bus",), np.array([0.9]))
    missing = View("CAM_FRONT", GREY, CAMERA, present=False)
    points = {"car": DETECTION_COLOURS["car"], "road": (1, 2, 3)}  # the car's colour is in the legend already
    figure = frame_sheet(frame(boxes=(BoxSet(CAR, ("car",)), found), views=[missing], point_legend=points))
    texts = [text.get_text() for text in figure.texts]
    assert {"scene-0001", "CAM_FRONT (missing)"} <= set(texts)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["car", "bus", "ground truth", "prediction", "road"]


def test_sheets_are_the_same_each_time_and_need_no_cameras(tmp_path):
    first, second = (write_sheet(frame(), tmp_path / f"{k}.png", show_points=True).read_bytes() for k in (1, 2))
    assert first == second
    assert first.startswith(b"\x89PNG")
    alone = write_sheet(frame(views=(), boxes=(), points=np.zeros((0, 4))), tmp_path / "empty.png")
    assert alone.stat().st_size > 1000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.png", "2.png", "empty.png"]


def test_values_and_classes_have_colours():
    assert by_value(np.array([-9, 0, 1, 9.0]), 0, 1, "gray").tolist() == [[0] * 3, [0] * 3, [255] * 3, [255] * 3]
    palette = {"a": (1, 2, 3), "b": (4, 5, 6)}
    labels = np.array([1, 2, 1, -1])
    assert by_class(labels, list(palette.values()))[[0, 2]].tolist() == [[4, 5, 6]] * 2
    assert list(classes_shown(labels, palette)) == ["b", "not scored"]
    assert list(classes_shown(np.array([0]), palette)) == ["a"]


def test_no_two_classes_look_alike():
    colours = np.array(list(LIDARSEG_COLOURS.values()), float)
    apart = np.linalg.norm(colours[:, None] - colours[None], axis=2) + 1e3 * np.eye(len(colours))
    assert apart.min() > 40


def test_errors_are_red_and_what_is_not_scored_is_none():
    points = np.array([[10, 0, 0], [0, 10, 0], [-10, 0, 0], [0, -10, 0]], float)
    classes = {"car": (0, 0, 255), "road": (255, 0, 255)}
    figure = segmentation_figure(points, np.array([0, 1, 0, 2]), np.array([0, 0, 0, 0]), classes, half_extent_m=20)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["ground truth", "prediction", "errors (33.3 % of labelled points)"]
    image = np.round(255 * np.asarray(figure.axes[2].images[0].get_array())).astype(int)
    red = np.argwhere((image == (217, 26, 26)).all(axis=2))
    assert red.tolist() == [[250, 125]]  # 10 m to the left of the middle of 500 cells of 8 cm
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["car", "road", "not scored"]


def test_scans_of_semantickitti_by_class():
    assert train_ids(np.array([10, 252 + (7 << 16), 40, 99, 77])).tolist() == [0, 0, 8, 19, 19]
    points = np.array([[10, 0, -1.7, 0.2], [0, 10, -1.7, 0.2]], np.float32)
    figure = scan_figure(points, np.array([0, 8]), "08/000000")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["car", "road"]
    image = figure.axes[1].images[0].get_array()
    # car ahead in the middle column of 720, road at a quarter
    shown = {int(column): tuple(image[row, column]) for row, column in np.argwhere((image != 255).any(axis=2))}
    assert shown == {360: (100, 150, 245), 180: (255, 0, 255)}
    assert not scan_figure(points, None, "11/000000").legends
