import importlib.util
from collections import OrderedDict

import pytest
import torch
from cmt_world import ROOT, build, tiny_model
from mmengine.config import Config

from corruptions.core import InputError
from perception3d.models.cmt.checkpoint import convert_state_dict


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("convert_cmt_checkpoint", ROOT / "tools/convert_cmt_checkpoint.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def source():
    """A trained detector of another seed, as the published files are: names, spconv 2 layout, metadata."""
    return build(tiny_model(("lidar",)), seed=1).state_dict()


def sparse_keys(state):
    return [key for key, value in state.items() if value.dim() == 5]


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], value) for key, value in expected.items())


def test_a_published_state_dict_loads_directly():
    model = build(tiny_model(("lidar",)))
    model.load_state_dict(source())
    assert_equal(model.state_dict(), source())


@pytest.mark.parametrize("damage", ["none", "plain dict", "prefix", "mmcv layout"])
def test_conversion_restores_every_entry(damage):
    state = source()
    if damage == "prefix":
        state = {f"module.{key}": value for key, value in state.items()}
    elif damage == "mmcv layout":
        state = {k: v.permute(1, 2, 3, 4, 0) if v.dim() == 5 else v for k, v in state.items()}
    elif damage == "plain dict":
        state = dict(state)
    model = build(tiny_model(("lidar",)))
    done = convert_state_dict(state, model)
    assert_equal(model.state_dict(), source())
    sparse = len(sparse_keys(source()))
    moved = sparse if damage == "mmcv layout" else 0
    assert (done.permuted, done.kept) == (moved, sparse - moved)
    assert done.prefixed == (len(source()) if damage == "prefix" else 0)
    assert done.unversioned == (0 if damage == "none" else sparse)
    again = build(tiny_model(("lidar",)))
    again.load_state_dict(done.state_dict)
    assert_equal(again.state_dict(), source())


def test_another_model_is_refused_by_name():
    state = source()
    state["pts_bbox_head.extra"] = state.pop("pts_bbox_head.reference_points.weight")
    with pytest.raises(InputError, match=r"2 differences: pts_bbox_head.reference_points.weight is missing"):
        convert_state_dict(state, build(tiny_model(("lidar",))))


def test_tool_writes_what_mmengine_loads(tool, tmp_path, capsys):
    config, before, after = tmp_path / "model.py", tmp_path / "published.pth", tmp_path / "converted.pth"
    Config(dict(model=tiny_model(("lidar",)))).dump(config)
    torch.save({"state_dict": dict(source()), "meta": {"epoch": 20}}, before)
    tool.main([str(config), str(before), str(after)])
    said = capsys.readouterr().out
    sparse = len(sparse_keys(source()))
    assert f"{len(source())} entries, every one equal to the source's after loading" in said
    assert f"{sparse} in spconv 2's layout, 0 brought to it" in said
    assert f"metadata of spconv 2, without which mmdet3d reorders these, added to {sparse}" in said
    checkpoint = torch.load(after, weights_only=True)
    assert checkpoint["meta"]["dataset_meta"]["classes"][2] == "construction_vehicle"
    assert isinstance(checkpoint["state_dict"], OrderedDict)
    model = build(tiny_model(("lidar",)))
    model.load_state_dict(checkpoint["state_dict"])
    assert_equal(model.state_dict(), source())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["converted.pth", "model.py", "published.pth"]


def test_tool_names_bad_input(tool, tmp_path):
    config, empty = tmp_path / "model.py", tmp_path / "empty.pth"
    Config(dict(model=tiny_model(("lidar",)))).dump(config)
    torch.save({"state_dict": {}}, empty)
    with pytest.raises(InputError, match="empty.pth: expected a state dict of tensors"):
        tool.main([str(config), str(empty), str(tmp_path / "out.pth")])
    with pytest.raises(InputError, match="none.py.: did you mean"):
        tool.main([str(tmp_path / "none.py"), str(empty), str(tmp_path / "out.pth")])
    empty.write_bytes(b"not a checkpoint")
    with pytest.raises(InputError, match="found a file that does not load safely"):
        tool.main([str(config), str(empty), str(tmp_path / "out.pth")])
    with pytest.raises(InputError, match="expected the name of a file"):
        tool.main([str(config), str(empty), str(tmp_path)])
    (tmp_path / "nothing.py").write_text("a = 1")
    with pytest.raises(InputError, match="nothing.py: expected the config of a model, found none"):
        tool.main([str(tmp_path / "nothing.py"), str(empty), str(tmp_path / "out.pth")])
    assert not (tmp_path / "out.pth").exists()
