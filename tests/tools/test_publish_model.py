"""tools/publish_model.py: weights alone, in half precision, equal after loading."""

import hashlib
import importlib.util
from pathlib import Path

import pytest
import torch
from spconv.pytorch import SubMConv3d

import perception3d.models  # noqa: F401  (repairs the stack)
from corruptions.core import InputError

ROOT = Path(__file__).resolve().parents[2]


def main(*words):
    spec = importlib.util.spec_from_file_location("publish_model", ROOT / "tools/publish_model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main([str(word) for word in words])


@pytest.fixture
def model():
    torch.manual_seed(0)
    return torch.nn.ModuleList([SubMConv3d(4, 8, 3), torch.nn.BatchNorm1d(8)])


@pytest.fixture
def checkpoint(model, tmp_path):
    path = tmp_path / "iter_5.pth"
    meta = {"iter": 5, "dataset_meta": {"classes": ["car"]}, "cfg": "data_root = '/somewhere'"}
    torch.save({"meta": meta, "state_dict": model.state_dict(), "optimizer": {"lr": 1.0}}, path)
    return path


def test_the_same_weights_and_nothing_else(model, checkpoint, tmp_path, capsys):
    main(checkpoint, tmp_path / "out.pth")
    found = torch.load(tmp_path / "out.pth", weights_only=True)
    assert set(found) == {"meta", "state_dict"} and "cfg" not in found["meta"]
    assert found["meta"]["iter"] == 5 and found["meta"]["dataset_meta"] == {"classes": ["car"]}
    expected = model.state_dict()
    assert list(found["state_dict"]) == list(expected)
    assert all(torch.equal(found["state_dict"][name], value) for name, value in expected.items())
    assert found["state_dict"]._metadata == expected._metadata
    assert hashlib.sha256((tmp_path / "out.pth").read_bytes()).hexdigest() in capsys.readouterr().out


def test_half_precision_loads_into_the_model(model, checkpoint, tmp_path):
    main(checkpoint, tmp_path / "out.pth", "--half")
    state = torch.load(tmp_path / "out.pth", weights_only=True)["state_dict"]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(state)
    for name, value in model.state_dict().items():
        # half precision has 11 bits: relative steps of 2 ** -11
        assert value.dtype == before[name].dtype
        torch.testing.assert_close(value, before[name], rtol=2**-11, atol=1e-7)


def test_what_half_precision_cannot_hold(checkpoint, tmp_path):
    for bad in (1e6, float("nan")):
        torch.save({"state_dict": {"scale": torch.tensor([1.0, bad])}}, checkpoint)
        with pytest.raises(InputError, match="scale: expected finite values up to 65504 for --half"):
            main(checkpoint, tmp_path / "out.pth", "--half")
        assert not (tmp_path / "out.pth").exists()


def test_bad_files(checkpoint, tmp_path):
    with pytest.raises(InputError, match="expected an existing folder"):
        main(checkpoint, tmp_path / "none/out.pth")
    torch.save({"state_dict": {"scale": "one"}}, checkpoint)
    with pytest.raises(InputError, match="expected a state dict of tensors"):
        main(checkpoint, tmp_path / "out.pth")
    checkpoint.write_bytes(b"nothing")
    with pytest.raises(InputError, match="does not load safely"):
        main(checkpoint, tmp_path / "out.pth")
