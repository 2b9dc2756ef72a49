"""The dense part of CMT as a graph; written and run where onnx is installed."""

import importlib.util
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from corruptions.core import InputError
from perception3d.apis import init_model
from perception3d.models.cmt import benchmark_inputs, export

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "configs/cmt/cmt-tiny_1xb2_nuscenes-sim.py"
HAS_ONNX = all(importlib.util.find_spec(name) for name in ("onnx", "onnxscript", "onnxruntime"))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return init_model(CONFIG, device="cpu")


@pytest.fixture(scope="module")
def batch(model):
    return benchmark_inputs.batches(model.cfg, model, 1, keyframes=False)[0]


def test_the_graph_is_the_model(model, batch):
    """Its outputs are those of the detector, decoded from the last layer."""
    graph = export.DenseCMT(model)
    with torch.no_grad():
        logits, code = graph(*export.example_inputs(graph, batch))
        outputs = model(**model.data_preprocessor(batch), mode="tensor")
    assert graph.names == ("dense", "img", "img_from_lidar", "lidar_from_img")
    torch.testing.assert_close(logits, outputs.logits[-1, 0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(code, outputs.code[-1, 0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("sensor", ["lidar", "camera"])
def test_one_sensor_of_two(model, batch, sensor):
    graph = export.DenseCMT(model, [sensor])
    with torch.no_grad():
        logits, _ = graph(*export.example_inputs(graph, batch))
        prepared = model.data_preprocessor(batch)
        del prepared["inputs"]["imgs" if sensor == "lidar" else "voxels"]
        outputs = model(**prepared, mode="tensor")
    torch.testing.assert_close(logits, outputs.logits[-1, 0], rtol=1e-4, atol=1e-4)


def test_bad_input(model, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="expected some of lidar, found camera"):
        export.DenseCMT(SimpleNamespace(with_lidar=True, with_cameras=False), ["camera"])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    graph = export.DenseCMT(model)
    with pytest.raises(InputError, match=r"expected the package onnx, found none; pip install .*export"):
        export.export(graph, (), tmp_path / "graph.onnx")
    assert export.difference(graph, (), tmp_path / "graph.onnx") is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not HAS_ONNX, reason="needs the extra `export`")
@pytest.mark.parametrize("sensors", [["camera"], ["lidar"], ["lidar", "camera"]])
def test_onnxruntime_agrees(model, tmp_path, monkeypatch, capsys, sensors):
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    out = tmp_path / "graph.onnx"
    words = [CONFIG, tmp_path / "weights.pth", "--out", out, "--sensors", *sensors]
    monkeypatch.setattr(sys, "argv", ["export_onnx.py", *map(str, words)])
    runpy.run_path(str(ROOT / "tools/export_onnx.py"), run_name="__main__")
    assert "outputs in onnxruntime differ by at most" in capsys.readouterr().out
    assert out.is_file()
