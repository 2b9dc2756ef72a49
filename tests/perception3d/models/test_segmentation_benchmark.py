from pathlib import Path

import pytest
import torch

from corruptions.core import InputError
from corruptions.synthetic import synthetic_scan
from perception3d.models.segmentation.benchmark import load_models, markdown, measure

CONFIGS = Path(__file__).parents[3] / "configs/segmentation"


def test_every_network_gets_a_row():
    names = [f"{name}-small_1xb1-700i_semantickitti-sim" for name in ("minkunet", "spvcnn", "cylinder3d")]
    models = load_models([CONFIGS / f"{name}.py" for name in names], "cpu")
    points = synthetic_scan(steps=40).points
    rows = measure(models, points, repeat=1)
    assert [row.name for row in rows] == names
    for row, model in zip(rows, models.values(), strict=True):
        assert row.parameters == sum(p.numel() for p in model.parameters())
        assert row.points == len(points)
        assert row.rows == len(model.partition([torch.from_numpy(points)]).coords)
        assert min(row.voxelisation_ms, row.network_ms, row.scatter_ms) > 0
    assert len(markdown(rows).splitlines()) == 4 + len(rows)


def test_bad_input(tmp_path):
    with pytest.raises(InputError, match="config: expected a file, found none"):
        load_models([tmp_path / "no.py"], "cpu")
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="--device cuda: expected a CUDA machine"):
            load_models([], "cuda")
