import numpy as np
import pytest
from matplotlib.colors import to_rgb

from corruptions.core import ADDED, KEPT, MOVED, InputError
from corruptions.pictures import view_from_above
from perception3d.robustness import scenes
from perception3d.robustness.scenes import Scene, changes, class_colours, error_colours, share_correct

CLASSES = ("car", "road", "unheard-of")
RED, GREEN = np.array([1.0, 0, 0]), np.array([0, 1.0, 0])


def scene(points, labels=None, status=None, predictions=None):
    points = np.array(points, np.float32)
    zeros = np.zeros(len(points), np.uint8)
    values = (zeros if value is None else np.array(value, np.uint8) for value in (labels, status))
    return Scene("08/000004", points, *values, None if predictions is None else np.array(predictions, np.uint8))


def test_ahead_is_up_and_left_is_left():
    far_ahead_left, far_behind_right = [49.95, 49.95, 0], [-49.95, -49.95, 0]
    image = view_from_above(
        np.array([far_ahead_left, far_behind_right]), np.array([RED, GREEN]), half_extent_m=50, cell_m=0.2
    )
    assert image.shape == (500, 500, 3)
    assert image[0, 0].tolist() == RED.tolist()
    assert image[-1, -1].tolist() == GREEN.tolist()
    assert (image == 1).all(axis=2).sum() == 500 * 500 - 2


def test_the_highest_point_of_a_cell_shows_and_points_outside_do_not():
    points = np.array([[0.05, 0.05, 1.0], [0.06, 0.06, -1.0], [50.1, 0, 0], [0, -50.1, 0], [-50.1, 0, 0]])
    image = view_from_above(points, np.array([RED, GREEN, GREEN, GREEN, GREEN]), half_extent_m=50, cell_m=0.2)
    coloured = ~(image == 1).all(axis=2)
    assert np.argwhere(coloured).tolist() == [[249, 249]]
    assert image[249, 249].tolist() == RED.tolist()


def test_changes_are_counted():
    clean = scene(np.zeros((10, 3)))
    corrupted = scene(np.zeros((9, 3)), status=[KEPT] * 4 + [MOVED] * 3 + [ADDED] * 2)
    assert changes(clean, corrupted) == "4 points untouched, 3 moved, 2 added, 3 lost"


def test_status_hides_class_and_unknown_names_are_unlabelled():
    status = [KEPT, KEPT, KEPT, KEPT, MOVED, ADDED]
    colours = class_colours(scene(np.zeros((6, 3)), labels=[0, 1, 2, 19, 0, 0], status=status), CLASSES)
    expected = ["#0072B2", "#BFBFBF", scenes.UNLABELLED, scenes.UNLABELLED, "#D55E00", "#000000"]
    assert colours.tolist() == [list(to_rgb(colour)) for colour in expected]


def test_every_class_of_the_data_set_has_a_colour():
    from perception3d.conventions import SEMANTICKITTI_CLASSES

    members = [name for _, names in scenes.GROUPS.values() for name in names]
    assert sorted(members) == sorted(SEMANTICKITTI_CLASSES)


def test_errors_are_judged_on_scored_points_alone():
    predictions, labels = np.array([0, 1, 0, 2], np.uint8), np.array([0, 0, 19, 2], np.uint8)
    expected = [scenes.CORRECT, scenes.WRONG, scenes.NOT_SCORED, scenes.CORRECT]
    assert error_colours(predictions, labels, 3).tolist() == [list(to_rgb(colour)) for colour in expected]
    assert share_correct(predictions, labels, 3) == "66.7 % of scored points correct"
    assert share_correct(predictions, np.full(4, 19, np.uint8), 3) == "no scored points"


@pytest.mark.parametrize("predictions", [None, [0, 1]])
def test_a_scene_comes_back_as_it_was_written(tmp_path, predictions):
    original = scene([[1, 2, 3], [4, 5, 6]], [0, 19], [KEPT, MOVED], predictions)
    path = tmp_path / "a.npz"
    path.write_bytes(scenes.scene_bytes(original))
    read = scenes.read_scene(path)
    assert read.sample == "08/000004"
    for name in ("points_m", "labels", "status"):
        np.testing.assert_array_equal(getattr(read, name), getattr(original, name))
    assert read.predictions is None if predictions is None else read.predictions.tolist() == predictions
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"a\.npz: expected the example scan"):
        scenes.read_scene(path)


def test_pictures_have_a_panel_for_each_scan():
    clean = scene([[1, 2, 3]], predictions=[0])
    figure = scenes.before_after(clean, scene([[1, 2, 3]], predictions=[1]), CLASSES, "fog")
    titles = [axis.get_title() for axis in figure.axes]
    assert titles[:2] == ["before: ground truth", "after: ground truth"]
    assert titles[2:] == [
        "before: prediction, 100.0 % of scored points correct",
        "after: prediction, 0.0 % of scored points correct",
    ]
    assert len(scenes.before_after(clean, scene([[1, 2, 3]]), CLASSES, "fog").axes) == 2
    figure = scenes.overview([[("clean", clean)], [("light", clean), ("heavy", clean)], []], CLASSES, "all")
    assert [axis.get_title() for axis in figure.axes if axis.get_title()] == ["clean", "light", "heavy"]
