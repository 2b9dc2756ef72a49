"""CMT's published schedule: one cycle of rates and of beta1, each part of the model at its own rate."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS

SCHEDULE = Path(__file__).resolve().parents[1] / "configs" / "_base_" / "schedules" / "cmt_adamw_cyclic_20e.py"
STEPS = 10  # an epoch


@pytest.fixture(scope="module")
def history():
    """Rate and beta1 of each step, by part."""
    cfg = Config.fromfile(SCHEDULE)
    model = torch.nn.ModuleDict({name: torch.nn.Linear(2, 2) for name in ("img_backbone", "img_neck", "pts_neck")})
    wrapper = build_optim_wrapper(model, {**cfg.optim_wrapper, "type": "OptimWrapper"})
    schedulers = [
        PARAM_SCHEDULERS.get(step["type"]).build_iter_from_epoch(
            optimizer=wrapper,
            epoch_length=STEPS,
            **{key: value for key, value in step.items() if key not in ("type", "convert_to_iter_based")},
        )
        for step in cfg.param_scheduler
    ]
    names = {id(parameter): name.split(".")[0] for name, parameter in model.named_parameters()}
    rows = []
    for _ in range(20 * STEPS):
        groups = wrapper.optimizer.param_groups
        rows.append({names[id(group["params"][0])]: (group["lr"], group["betas"][0]) for group in groups})
        wrapper.optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    decay = {names[id(group["params"][0])]: group["weight_decay"] for group in wrapper.optimizer.param_groups}
    return rows, decay


def test_rates_rise_eightfold_and_fall(history):
    rows, decay = history
    for name, base in (("pts_neck", 1e-4), ("img_neck", 1e-5), ("img_backbone", 1e-6)):
        rates = [row[name][0] for row in rows]
        assert rates[0] == pytest.approx(base)
        assert max(rates) == pytest.approx(8 * base, rel=1e-3)
        assert rates.index(max(rates)) == pytest.approx(8 * STEPS, abs=1)
        # half way up the cosine: (1 + 8) / 2
        assert rates[4 * STEPS] == pytest.approx(4.5 * base, rel=0.02)
        assert rates[-1] < 0.01 * base
    assert decay == {"pts_neck": 0.01, "img_neck": 0.01, "img_backbone": 0.05}


def test_beta1_goes_down_and_back(history):
    rows, _ = history
    beta1 = [row["pts_neck"][1] for row in rows]
    assert beta1[0] == pytest.approx(0.9)
    assert min(beta1) == pytest.approx(0.9 * 0.85 / 0.95, abs=1e-4)  # 0.805
    assert beta1.index(min(beta1)) == pytest.approx(8 * STEPS, abs=1)
    assert beta1[-1] == pytest.approx(0.9, abs=2e-3)
