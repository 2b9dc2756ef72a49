"""Results files: good ones against nuscenes-devkit's loader, every kind of fault, and the writer."""

import copy
import json
import math

import numpy as np
import pytest
from nuscenes_files import META, random_boxes, result_boxes, tokens, write_results

from corruptions.core import InputError
from perception3d.conventions import NUSCENES_DETECTION_CLASSES
from perception3d.submission.nuscenes_boxes import LABELS
from perception3d.submission.nuscenes_det import parse_results, read_results
from perception3d.submission.nuscenes_det_writer import attributes_by_speed, boxes_to_global, result_writer

SAMPLES = 3


def good_boxes(count=40):
    boxes = random_boxes(np.random.default_rng(3), SAMPLES, count)
    boxes.velocity_m_s[np.isnan(boxes.velocity_m_s)] = 0.0
    return boxes


@pytest.fixture
def good():
    boxes, results = good_boxes(), {token: [] for token in tokens(SAMPLES)}
    for row in range(len(boxes)):
        token = tokens(SAMPLES)[boxes.sample[row]]
        results[token].append(json.loads(json.dumps(result_boxes(boxes, row, token))))
    return {"meta": dict(META), "results": results}


def devkit_refuses(path):
    """Whether nuscenes-devkit fails to load the file, or to find the split's keyframes in it."""
    from nuscenes.eval.common.loaders import load_prediction
    from nuscenes.eval.detection.data_classes import DetectionBox

    try:
        boxes, _ = load_prediction(str(path), 500, DetectionBox)
    except Exception:
        return True
    return set(boxes.sample_tokens) != set(tokens(SAMPLES))


def test_a_good_file(tmp_path):
    boxes = good_boxes()
    path = write_results(tmp_path / "results.json", boxes, tokens(SAMPLES))
    results = read_results(path, tokens(SAMPLES))
    assert results.faults == () and results.meta == META and not devkit_refuses(path)
    for name, values in vars(boxes).items():
        np.testing.assert_array_equal(getattr(results.boxes, name), values, err_msg=name)


T0, T1 = tokens(SAMPLES)[:2]
BOX = f"results[{T0}][2]"


def change(field, value):
    def apply(data):
        data["results"][T0][2][field] = value

    return apply


def change_item(field, index, value):
    def apply(data):
        data["results"][T0][2][field][index] = value

    return apply


def drop(field):
    return lambda data: data["results"][T0][2].pop(field)


def class_and_attribute(name, attribute):
    def apply(data):
        data["results"][T0][2].update(detection_name=name, attribute_name=attribute)

    return apply


def too_many(data):
    data["results"][T0] = [copy.deepcopy(data["results"][T0][0]) for _ in range(501)]


# what breaks the file, where the fault is found, whether the devkit refuses it too
FAULTS = [
    (lambda d: d.pop("meta"), "meta", True),
    (lambda d: d.pop("results"), "results", True),
    (lambda d: d["meta"].pop("use_map"), "meta.use_map", False),
    (lambda d: d["meta"].update(use_lidar="yes"), "meta.use_lidar", False),
    (lambda d: d["meta"].update(use_luck=True), "meta.use_luck", False),
    (lambda d: d["results"].pop(T1), f"results[{T1}]", True),
    (lambda d: d["results"].update(other=[]), "results[other]", True),
    (lambda d: d["results"].update({T1: {}}), f"results[{T1}]", False),
    (lambda d: d["results"].update({T1: None}), f"results[{T1}]", True),
    (lambda d: d["results"][T0].__setitem__(2, "box"), BOX, True),
    (too_many, f"results[{T0}]", True),
    (change("sample_token", T1), f"{BOX}.sample_token", False),
    (change("sample_token", 7), f"{BOX}.sample_token", True),
    (change("translation", [1.0, 2.0]), f"{BOX}.translation", True),
    (change("translation", 3.0), f"{BOX}.translation", True),
    (change_item("translation", 1, math.nan), f"{BOX}.translation", True),
    (change_item("translation", 1, math.inf), f"{BOX}.translation", False),
    (change_item("translation", 1, None), f"{BOX}.translation", True),
    (change_item("translation", 1, 10**400), f"{BOX}.translation", True),
    (change_item("translation", 1, "7"), f"{BOX}.translation", True),
    (change_item("size", 0, math.nan), f"{BOX}.size", True),
    (change_item("size", 0, 0.0), f"{BOX}.size", False),
    (change_item("size", 2, -1), f"{BOX}.size", False),
    (change("rotation", [1, 0, 0]), f"{BOX}.rotation", True),
    (change("rotation", [2, 0, 0, 0]), f"{BOX}.rotation", False),
    (change("rotation", [0, 0, 0, 0]), f"{BOX}.rotation", False),
    (change_item("rotation", 3, math.nan), f"{BOX}.rotation", True),
    (change("velocity", [1, 2, 3]), f"{BOX}.velocity", True),
    (change_item("velocity", 0, math.nan), f"{BOX}.velocity", False),
    (change("detection_name", "van"), f"{BOX}.detection_name", True),
    (change("detection_name", ["car"]), f"{BOX}.detection_name", True),
    (change("detection_score", math.nan), f"{BOX}.detection_score", True),
    (change("detection_score", 1.5), f"{BOX}.detection_score", False),
    (change("detection_score", -0.1), f"{BOX}.detection_score", False),
    (change("detection_score", "high"), f"{BOX}.detection_score", True),
    (change("detection_score", True), f"{BOX}.detection_score", False),
    (change("attribute_name", "vehicle.flying"), f"{BOX}.attribute_name", True),
    (class_and_attribute("car", "pedestrian.moving"), f"{BOX}.attribute_name", False),
    (class_and_attribute("barrier", "vehicle.parked"), f"{BOX}.attribute_name", False),
    (drop("sample_token"), f"{BOX}.sample_token", True),
    (drop("size"), f"{BOX}.size", True),
    (drop("velocity"), f"{BOX}.velocity", True),
    (drop("detection_score"), f"{BOX}.detection_score", False),
    (drop("attribute_name"), f"{BOX}.attribute_name", True),
]


@pytest.mark.parametrize(("breaks", "where", "devkit_too"), FAULTS, ids=[f"{i} {f[1]}" for i, f in enumerate(FAULTS)])
def test_one_fault(good, tmp_path, breaks, where, devkit_too):
    """The fault is found, and it is the only one; what the devkit refuses is never taken for good."""
    breaks(good)
    path = tmp_path / "results.json"
    path.write_text(json.dumps(good))
    faults = read_results(path, tokens(SAMPLES)).faults
    assert [fault.where for fault in faults] == [where], faults
    assert "expected" in faults[0].what and "found" in faults[0].what
    assert devkit_refuses(path) == devkit_too


VALUES = (
    None,
    True,
    0,
    -1,
    1,
    0.5,
    math.nan,
    math.inf,
    10**400,
    "",
    "car",
    "vehicle.parked",
    [],
    {},
    [1, 0, 0, 0],
    [1.0],
)


@pytest.mark.parametrize("seed", range(60))
def test_boxes_are_dropped_only_with_a_fault(good, seed):
    """Random values in random places: the quick look over all boxes and the slow one at each agree."""
    rng = np.random.default_rng(seed)
    for _ in range(20):
        data = copy.deepcopy(good)
        box = data["results"][T0][rng.integers(len(data["results"][T0]))]
        key, value = rng.choice(list(box)), VALUES[rng.integers(len(VALUES))]
        if isinstance(box[key], list) and rng.random() < 0.5:
            box[key][rng.integers(len(box[key]))] = value
        else:
            box[key] = value
        results = parse_results(data, tokens(SAMPLES))
        count = sum(map(len, data["results"].values()))
        lost = len(data["results"][T0])
        assert len(results.boxes) == (count - lost if results.faults else count), (key, value)


BROKEN = {
    "cut short": lambda text: text[: len(text) // 2],
    "nothing": lambda text: b"",
    "pickle": lambda text: b"\x80\x04\x95\xff",
    "byte order mark": lambda text: b"\xef\xbb\xbf" + text,
    "UTF-16": lambda text: text.decode().encode("utf-16"),
    "deep": lambda text: b"[" * 100_000,
    "more after the end": lambda text: text + b"x",
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_json_is_one_fault(good, tmp_path, name):
    path = tmp_path / "results.json"
    path.write_bytes(BROKEN[name](json.dumps(good).encode()))
    faults = read_results(path, tokens(SAMPLES)).faults
    assert [fault.where for fault in faults] == ["results.json"] and "expected JSON, found" in faults[0].what
    assert devkit_refuses(path)


def test_a_fault_is_a_line_that_any_terminal_prints(good):
    good["results"].update({"a\nb\x1b[31m\ud800é": []})
    (fault,) = parse_results(good, tokens(SAMPLES)).faults
    assert str(fault).startswith(r"results[a\nb\x1b[31m\ud800é]: expected keyframes of the split alone")
    str(fault).encode()


def test_all_faults_at_once(good):
    """Not only the first: four in one box, one in another keyframe, one in meta, one token missing."""
    good["meta"]["use_camera"] = 1
    good["results"][T0][2].update(size=[1, 0, 1], rotation=[1, 1, 0, 0], velocity=None, detection_name="tree")
    good["results"][T1][0]["translation"] = [math.inf, 0, 0]
    del good["results"][tokens(SAMPLES)[2]]
    found = {fault.where for fault in parse_results(good, tokens(SAMPLES)).faults}
    assert found == {
        "meta.use_camera",
        f"results[{tokens(SAMPLES)[2]}]",
        *(f"{BOX}.{name}" for name in ("size", "rotation", "velocity", "detection_name")),
        f"results[{T1}][0].translation",
    }


def test_keys_that_a_parser_would_drop_in_silence(tmp_path):
    path = tmp_path / "twice.json"
    empty = ", ".join(f'"{token}": []' for token in tokens(SAMPLES))
    path.write_text(f'{{"meta": {json.dumps(META)}, "results": {{{empty}, "{T0}": []}}}}')
    (fault,) = read_results(path, tokens(SAMPLES)).faults
    assert fault.where == f"results[{T0}]" and "found it again" in fault.what


def test_files_that_are_no_results(tmp_path):
    path = tmp_path / "results.json"
    path.write_text('{"meta": {')
    assert "expected JSON" in read_results(path, tokens(1)).faults[0].what
    path.write_text("[]")
    assert "expected an object" in read_results(path, tokens(1)).faults[0].what
    with pytest.raises(InputError, match="expected a results file"):
        read_results(tmp_path / "none.json", tokens(1))


def test_the_writer_writes_what_was_given(tmp_path):
    boxes, path = good_boxes(), tmp_path / "sub" / "results.json"
    with result_writer(path, META, tokens(SAMPLES)) as writer:
        for sample, token in enumerate(tokens(SAMPLES)):
            writer.add(token, boxes.take(boxes.sample == sample))
            assert not path.exists()  # nothing half-written
    results = read_results(path, tokens(SAMPLES))
    assert results.faults == () and results.meta == META and not devkit_refuses(path)
    for name, values in vars(boxes).items():
        np.testing.assert_array_equal(getattr(results.boxes, name), values, err_msg=name)


def test_the_writer_keeps_the_500_most_confident(tmp_path):
    boxes, path = random_boxes(np.random.default_rng(0), 1, 620), tmp_path / "results.json"
    boxes.velocity_m_s[:] = 0.0
    with result_writer(path, META, tokens(1)) as writer:
        writer.add(tokens(1)[0], boxes)
    kept = read_results(path, tokens(1)).boxes.score
    np.testing.assert_array_equal(np.sort(kept), np.sort(boxes.score)[120:])


def test_the_writer_refuses(tmp_path):
    boxes, path = good_boxes().take(np.arange(3)), tmp_path / "results.json"
    with pytest.raises(InputError, match="meta.use_map"), result_writer(path, {"use_lidar": True}, tokens(1)):
        pass
    with (
        pytest.raises(InputError, match=r"all 3 keyframes.*found none for 2"),
        result_writer(path, META, tokens(3)) as writer,
    ):
        writer.add(tokens(3)[0], boxes)
    with (
        pytest.raises(InputError, match="expected a keyframe of the split"),
        result_writer(path, META, tokens(1)) as writer,
    ):
        writer.add("other", boxes)
    with pytest.raises(InputError, match="each keyframe once"), result_writer(path, META, tokens(1)) as writer:
        writer.add(tokens(1)[0], boxes)
        writer.add(tokens(1)[0], boxes)
    boxes.center_m[1] = np.nan
    with (
        pytest.raises(InputError, match=r"\[1\].translation: expected 3 finite"),
        result_writer(path, META, tokens(1)) as writer,
    ):
        writer.add(tokens(1)[0], boxes)
    assert list(tmp_path.iterdir()) == []


def test_attributes_by_speed_are_allowed_for_their_class():
    labels = np.repeat(np.arange(10), 2)
    velocity = np.tile([[0.0, 0.0], [0.15, 0.15]], (10, 1))  # 0.15 sqrt(2) = 0.212 > 0.2
    found = attributes_by_speed(labels, velocity)
    from perception3d.conventions import NUSCENES_ATTRIBUTES, NUSCENES_CLASS_ATTRIBUTES

    names = ["" if item < 0 else NUSCENES_ATTRIBUTES[item] for item in found]
    for label, name in zip(labels, names, strict=True):
        allowed = NUSCENES_CLASS_ATTRIBUTES[NUSCENES_DETECTION_CLASSES[label]]
        assert name in (allowed or ("",))
    by_class = {NUSCENES_DETECTION_CLASSES[i]: tuple(names[2 * i : 2 * i + 2]) for i in range(10)}
    assert by_class["car"] == ("vehicle.parked", "vehicle.moving")
    assert by_class["bus"] == ("vehicle.stopped", "vehicle.moving")
    assert by_class["pedestrian"] == ("pedestrian.standing", "pedestrian.moving")
    assert by_class["bicycle"] == ("cycle.without_rider", "cycle.with_rider")
    assert by_class["barrier"] == ("", "")


def test_global_boxes_equal_the_devkits_box():
    """Against ``nuscenes.utils.data_classes.Box`` rotated and moved by the same pose."""
    from nuscenes.utils.data_classes import Box
    from pyquaternion import Quaternion

    rng = np.random.default_rng(1)
    turn = Quaternion(rng.normal(size=4)).normalised
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = turn.rotation_matrix, [600.0, 1600.0, 1.0]
    center, size, yaw = rng.uniform(-40, 40, (6, 3)), rng.uniform(1, 5, (6, 3)), rng.uniform(-4, 4, 6)
    velocity = rng.normal(size=(6, 2))
    found = boxes_to_global(np.full(6, LABELS["car"]), rng.random(6), center, size, yaw, velocity, pose)
    for row in range(6):
        length, width, height = size[row]
        box = Box(center[row], [width, length, height], Quaternion(axis=[0, 0, 1], radians=yaw[row]),
                  velocity=(*velocity[row], 0.0))  # fmt: skip
        box.rotate(turn)
        box.translate(pose[:3, 3])
        np.testing.assert_allclose(found.center_m[row], box.center)
        np.testing.assert_allclose(found.size_m[row], box.wlh)
        np.testing.assert_allclose(found.velocity_m_s[row], box.velocity[:2], atol=1e-12)
        assert abs(np.dot(found.rotation[row], box.orientation.elements)) == pytest.approx(1)
    assert len(boxes_to_global(*(item[:0] for item in (np.zeros(1, int), yaw, center, size, yaw, velocity)), pose)) == 0
